//! Watches and complete lists.

use std::{pin::pin, time::Duration};

use futures::{Stream, StreamExt};
use lockstep_cluster::{Events, Kind, Notice, Precondition, Severity, WatchEvent};
use serde_json::json;

use super::objects::{cluster, kind};

async fn next<T: std::fmt::Debug>(events: &mut (impl Stream<Item = WatchEvent<T>> + Unpin)) -> WatchEvent<T> {
    tokio::time::timeout(Duration::from_secs(20), events.next())
        .await
        .expect("an event in time")
        .expect("it never ends")
}

async fn apply(cluster: &lockstep_cluster::Cluster, kind: &Kind, ns: &str, name: &str, labels: serde_json::Value) {
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": ns, "name": name, "labels": labels}, "data": {"k": "v"},
    });
    cluster.apply(kind, ns, name, &lockstep_plan::Body::of(&body), &Precondition::None).await.unwrap();
}

#[tokio::test]
async fn a_metadata_watch_sees_what_carries_the_label() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("watch").await.unwrap());
    let kind = kind(&cluster, "", "v1", "ConfigMap").await;
    let (ours, selector) = (json!({"watch.example/ours": "x"}), "watch.example/ours");
    apply(&cluster, &kind, &ns, "ours", ours.clone()).await;
    apply(&cluster, &kind, &ns, "theirs", json!({})).await;

    let mut events = pin!(cluster.watch_metadata(&kind, selector));
    assert!(matches!(next(&mut events).await, WatchEvent::Restarted));
    let WatchEvent::Applied(listed) = next(&mut events).await else { panic!("one object has the label") };
    assert_eq!((listed.id.kind.as_str(), listed.id.name.as_str()), ("ConfigMap", "ours"));
    assert!(listed.own_entry().is_some(), "the first list carries managed fields");
    assert!(matches!(next(&mut events).await, WatchEvent::ListComplete));

    apply(&cluster, &kind, &ns, "theirs", ours).await;
    assert!(matches!(next(&mut events).await, WatchEvent::Applied(live) if live.id.name == "theirs"));
    apply(&cluster, &kind, &ns, "theirs", json!({})).await;
    assert!(matches!(next(&mut events).await, WatchEvent::Deleted(live) if live.id.name == "theirs"));
}

#[tokio::test]
async fn a_watch_that_is_refused_says_so_and_goes_on() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("refused").await.unwrap());
    let kind = kind(&cluster, "", "v1", "ConfigMap").await;
    let nobody = cluster.impersonating(&ns, "nobody").unwrap();
    let mut events = pin!(nobody.watch_metadata(&kind, "a"));
    for _ in 0..2 {
        let failed = async {
            loop {
                if let WatchEvent::Failed(error) = next(&mut events).await {
                    return error;
                }
            }
        };
        assert_eq!(failed.await.category(), "forbidden");
    }
}

#[tokio::test]
async fn whole_objects_come_without_managed_fields_and_secrets() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("whole").await.unwrap());
    plane
        .apply_yaml_in(&ns, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n")
        .await
        .unwrap();
    let kind = kind(&cluster, "", "v1", "Secret").await;
    let mut events = pin!(cluster.watch_objects(&kind, Some(&ns), None));
    assert!(matches!(next(&mut events).await, WatchEvent::Restarted));
    let WatchEvent::Applied(object) = next(&mut events).await else { panic!("it exists") };
    assert_eq!(
        (&object["apiVersion"], &object["kind"], &object["type"]),
        (&json!("v1"), &json!("Secret"), &json!("Opaque"))
    );
    assert_eq!((&object["metadata"]["managedFields"], &object["data"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn a_list_is_complete_over_its_pages() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("pages").await.unwrap());
    let kind = kind(&cluster, "", "v1", "ConfigMap").await;
    let labels = json!({"pages.example/of": ns});
    let applies = (0..620).map(|i| (format!("c{i}"), labels.clone()));
    futures::stream::iter(applies)
        .for_each_concurrent(16, |(name, labels)| {
            let (cluster, kind, ns) = (&cluster, &kind, &ns);
            async move { apply(cluster, kind, ns, &name, labels).await }
        })
        .await;
    let found = cluster.list_metadata(&kind, None, &format!("pages.example/of={ns}"), &|_| true).await.unwrap();
    let names: std::collections::BTreeSet<_> = found.iter().map(|live| live.id.name.as_str()).collect();
    assert_eq!((found.len(), names.len()), (620, 620));
}

#[tokio::test]
async fn an_event_is_sent_when_there_is_something_new_to_say() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("events").await.unwrap());
    let events = Events::new(cluster.clone(), "lockstep.dev/synchronizer", "test");
    let regarding = k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some("lockstep.dev/v1alpha1".into()),
        kind: Some("Sync".into()),
        namespace: Some(ns.clone()),
        name: Some("shop".into()),
        uid: Some("1".into()),
        ..Default::default()
    };
    let notice = |note: &str| Notice {
        severity: Severity::Warning,
        reason: "PruneHeld".into(),
        action: "Prune".into(),
        note: note.into(),
    };
    assert!(events.publish(&regarding, &notice("42 objects")).await.unwrap());
    assert!(!events.publish(&regarding, &notice("42 objects")).await.unwrap());
    assert!(events.publish(&regarding, &notice("43 objects")).await.unwrap());
    let kind = kind(&cluster, "events.k8s.io", "v1", "Event").await;
    let sent = cluster.list_metadata(&kind, None, "", &|_| true).await.unwrap();
    assert_eq!(sent.iter().filter(|event| event.id.namespace == ns && event.id.name.starts_with("shop-")).count(), 2);
}
