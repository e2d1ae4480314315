//! The CRD of `Sync` is one that a real API server takes, and it refuses what it should.

use std::{collections::BTreeMap, time::Duration};

use lockstep_cluster::{Cluster, Kind, Precondition, Resolution};
use lockstep_plan::{Body, Class};
use lockstep_testkit::{ControlPlane, eventually};
use serde_json::{Value, json};

use super::objects::cluster;

const CRD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kustomize/base/crd.yaml");

async fn syncs(plane: &ControlPlane, cluster: &Cluster) -> Kind {
    plane.apply_yaml(&std::fs::read_to_string(CRD).unwrap()).await.unwrap();
    let mut found = None;
    eventually(Duration::from_secs(30), "Sync to be served", async || {
        if let Resolution::Resolved(kind) =
            cluster.discover().await.unwrap().resolve("lockstep.dev", "v1alpha1", "Sync")
        {
            found = Some(kind);
        }
        found.is_some()
    })
    .await
    .unwrap();
    found.unwrap()
}

fn sync(namespace: &str, spec: Value) -> Value {
    json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"namespace": namespace, "name": "shop"}, "spec": spec})
}

#[tokio::test]
async fn defaults_are_filled_in_and_nonsense_is_refused() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("sync").await.unwrap());
    let kind = syncs(plane, &cluster).await;
    let wrong = [
        (json!({}), "source"),
        (json!({"source": {"repository": "file:///etc"}}), "repository"),
        (json!({"source": {"repository": "ext::sh -c x"}}), "repository"),
        (json!({"source": {"repository": "http://git.example/c.git"}}), "dangerousPlainHttp"),
        (json!({"source": {"repository": "http://127.0.0.1.example:80/c.git"}}), "dangerousPlainHttp"),
        (json!({"source": {"repository": "https://me:hunter2@git.example/c.git"}}), "secretRef"),
        (json!({"source": {"repository": "https://git.example/c.git", "path": "a/../../b"}}), "stay within"),
        (json!({"source": {"repository": "https://git.example/c.git", "path": "/etc"}}), "relative"),
        (json!({"source": {"repository": "https://git.example/c.git", "branch": "--upload-pack=x"}}), "branch"),
        (json!({"source": {"repository": "https://git.example/c.git"}, "interval": "soon"}), "interval"),
        (json!({"source": {"repository": "https://git.example/c.git"}, "interval": "0s"}), "at least 1s"),
        (json!({"source": {"repository": "https://git.example/c.git"}, "interval": "3000000000000000h"}), "interval"),
        (json!({"source": {"repository": "https://git.example/c.git"}, "timeout": "8761h"}), "at most 8760h"),
        (json!({"source": {"repository": "https://git.example/c.git"}, "audit": "9999999999999999999h"}), "audit"),
        (json!({"source": {"repository": "https://git.example/c.git"}, "drift": "ignore"}), "drift"),
        (json!({"source": {"repository": "https://git.example/c.git"}, "prune": {"maxPercent": 101}}), "maxPercent"),
        (
            json!({"source": {"repository": "https://git.example/c.git"}, "serviceAccountName": ""}),
            "serviceAccountName",
        ),
        (json!({"source": {"repository": "https://git.example/c.git"}, "intervall": "5m"}), "intervall"),
    ];
    for (spec, word) in wrong {
        let error = cluster
            .apply(&kind, &ns, "shop", &Body::of(&sync(&ns, spec.clone())), &Precondition::None)
            .await
            .unwrap_err();
        assert!(error.message.contains(word), "{spec}: {error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }

    for loopback in ["http://127.0.0.1:8080/c.git", "http://localhost/c.git", "http://[::1]:8080/c.git"] {
        let spec = json!({"source": {"repository": loopback}});
        cluster.apply(&kind, &ns, "shop", &Body::of(&sync(&ns, spec)), &Precondition::None).await.unwrap();
    }

    let source =
        json!({"repository": "http://git.example/c.git", "dangerousPlainHttp": true, "path": "clusters/..prod"});
    let spec = json!({"source": source, "prune": {"maxObjects": 3}, "interval": "1h2m3s"});
    cluster.apply(&kind, &ns, "shop", &Body::of(&sync(&ns, spec)), &Precondition::None).await.unwrap();
    let stored = cluster.object(&kind, &ns, "shop").await.unwrap().unwrap();
    assert_eq!(stored["spec"]["prune"], json!({"enabled": true, "maxObjects": 3, "maxPercent": 20}));
    assert_eq!(stored["spec"]["source"]["branch"], "main");
    let defaults = (&stored["spec"]["timeout"], &stored["spec"]["drift"], &stored["spec"]["suspend"]);
    assert_eq!(defaults, (&json!("5m"), &json!("repair"), &json!(false)));
}

#[tokio::test]
async fn an_annotation_is_taken_off_only_with_the_value_that_was_seen() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("leave").await.unwrap());
    let kind = syncs(plane, &cluster).await;
    let spec = json!({"source": {"repository": "https://git.example/c.git"}});
    cluster.apply(&kind, &ns, "shop", &Body::of(&sync(&ns, spec)), &Precondition::None).await.unwrap();
    let key = "lockstep.dev/acknowledge";
    let read = async || cluster.object(&kind, &ns, "shop").await.unwrap().unwrap()["metadata"].clone();
    let uid = read().await["uid"].as_str().unwrap().to_owned();
    let written = BTreeMap::from([(key.to_owned(), "b".to_owned())]);
    cluster.annotate(&kind, &ns, "shop", &uid, &BTreeMap::new(), &written).await.unwrap();
    for (uid, value) in [(uid.as_str(), "a"), ("another", "b")] {
        let refused = cluster.drop_annotation(&kind, &ns, "shop", uid, (key, value)).await.unwrap_err();
        assert_eq!((refused.class, &read().await["annotations"][key]), (Class::Conflict, &json!("b")), "{refused}");
    }
    cluster.drop_annotation(&kind, &ns, "shop", &uid, (key, "b")).await.unwrap();
    assert_eq!(read().await["annotations"][key], json!(null));
    let again = cluster.drop_annotation(&kind, &ns, "shop", &uid, (key, "b")).await.unwrap_err();
    assert_eq!(again.class, Class::Conflict, "{again}");
}
