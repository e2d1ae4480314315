//! Apply, read and delete of single objects.

use lockstep_cluster::{CallError, Cluster, Connect, Deletion, Kind, Lookup, Options, Precondition, Resolution};
use lockstep_plan::{Body, Class, Scope};
use lockstep_testkit::ControlPlane;
use serde_json::{Value, json};

pub(crate) async fn cluster(plane: &ControlPlane) -> Cluster {
    let connect = Connect::Kubeconfig { path: Some(plane.admin_kubeconfig()), context: None };
    Cluster::connect(connect, Options::default()).await.unwrap()
}

pub(crate) async fn kind(cluster: &Cluster, group: &str, version: &str, kind: &str) -> Kind {
    match cluster.discover().await.unwrap().resolve(group, version, kind) {
        Resolution::Resolved(kind) => kind,
        other => panic!("{kind} is {other:?}"),
    }
}

fn config_map(namespace: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name, "labels": {"lockstep.dev/sync": "shop"}},
        "data": {"key": value},
    })
}

#[tokio::test]
async fn the_same_apply_again_changes_nothing() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("apply").await.unwrap());
    let kind = kind(&cluster, "", "v1", "ConfigMap").await;
    assert_eq!(kind.scope, Scope::Namespaced);

    let body = Body::of(&config_map(&ns, "a", "1"));
    assert!(matches!(cluster.lookup(&kind, &ns, "a").await, Lookup::Absent));
    let first = cluster.apply(&kind, &ns, "a", &body, &Precondition::None).await.unwrap();
    assert!(first.created);
    let entry = first.live.own_entry().unwrap();
    assert_eq!(entry.fields["f:data"], json!({"f:key": {}}));

    let again = cluster.apply(&kind, &ns, "a", &body, &Precondition::None).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.live, first.live);

    let Lookup::Present(seen) = cluster.lookup(&kind, &ns, "a").await else { panic!("it exists") };
    assert_eq!(*seen, first.live);

    let other = cluster.dry_run(&kind, &ns, "a", &Body::of(&config_map(&ns, "a", "2"))).await.unwrap();
    assert_eq!(other.resource_version, first.live.resource_version);
    let preview = cluster.preview(&kind, &ns, "a", &Body::of(&config_map(&ns, "a", "2"))).await.unwrap();
    assert_eq!(preview["data"]["key"], "2");
    let stored = cluster.object(&kind, &ns, "a").await.unwrap().unwrap();
    assert_eq!(stored["data"]["key"], "1", "a dry run writes nothing");
}

#[tokio::test]
async fn adoption_needs_the_object_that_was_read() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("adopt").await.unwrap());
    let kind = kind(&cluster, "", "v1", "ConfigMap").await;
    let theirs = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: theirs, other: kept}\n";
    plane.apply_yaml_in(&ns, theirs).await.unwrap();
    let Lookup::Present(seen) = cluster.lookup(&kind, &ns, "a").await else { panic!("it exists") };
    plane.apply_yaml_in(&ns, &theirs.replace("theirs", "changed")).await.unwrap();

    let body = Body::of(&config_map(&ns, "a", "ours"));
    let stale = Precondition::ResourceVersion(seen.resource_version.clone());
    let error = cluster.apply(&kind, &ns, "a", &body, &stale).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");

    let Lookup::Present(seen) = cluster.lookup(&kind, &ns, "a").await else { panic!("it exists") };
    let fresh = Precondition::ResourceVersion(seen.resource_version.clone());
    let adopted = cluster.apply(&kind, &ns, "a", &body, &fresh).await.unwrap();
    assert!(!adopted.created && adopted.live.own_entry().is_some());

    let ours: Vec<_> =
        adopted.live.managed_fields.iter().filter(|entry| entry.manager == "lockstep").cloned().collect();
    assert!(ours.len() < adopted.live.managed_fields.len(), "the other one still owns its other key");
    let stale = &seen.resource_version;
    assert!(cluster.set_managed_fields(&kind, &ns, "a", &ours, stale).await.unwrap_err().is_conflict());
    let fresh = &adopted.live.resource_version;
    let alone = cluster.set_managed_fields(&kind, &ns, "a", &ours, fresh).await.unwrap();
    assert_eq!(alone.managed_fields, ours);

    assert!(cluster.release(&kind, &adopted.live).await.unwrap_err().is_conflict());
    let released = cluster.release(&kind, &alone).await.unwrap();
    assert!(!released.labels.contains_key("lockstep.dev/sync"), "{released:?}");
    assert!(released.managed_fields.iter().all(|entry| entry.manager != "lockstep"), "{released:?}");
    let stored = cluster.object(&kind, &ns, "a").await.unwrap().unwrap();
    assert_eq!(stored["data"], json!({"key": "ours", "other": "kept"}));
}

#[tokio::test]
async fn a_dry_run_of_a_create_is_judged_as_if_the_name_were_free() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("drycreate").await.unwrap());
    let kind = kind(&cluster, "batch", "v1", "Job").await;
    let job = |image: &str, policy: &str| {
        Body::of(&json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"namespace": ns, "name": "a"},
            "spec": {"template": {"spec": {"restartPolicy": policy, "containers": [{"name": "a", "image": image}]}}},
        }))
    };
    cluster.apply(&kind, &ns, "a", &job("one", "Never"), &Precondition::None).await.unwrap();
    let error = cluster.apply(&kind, &ns, "a", &job("two", "Never"), &Precondition::None).await.unwrap_err();
    assert_eq!(error.class, Class::Immutable, "{error}");
    cluster.dry_run_create(&kind, &ns, "a", &job("two", "Never")).await.unwrap();
    let error = cluster.dry_run_create(&kind, &ns, "a", &job("two", "Sometimes")).await.unwrap_err();
    assert_eq!(error.class, Class::Invalid, "{error}");
    let stored = cluster.object(&kind, &ns, "a").await.unwrap().unwrap();
    assert_eq!(stored["spec"]["template"]["spec"]["containers"][0]["image"], "one");
}

#[tokio::test]
async fn a_delete_is_for_the_object_that_was_seen() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("delete").await.unwrap());
    let kind = kind(&cluster, "", "v1", "ConfigMap").await;
    let first =
        cluster.apply(&kind, &ns, "a", &Body::of(&config_map(&ns, "a", "1")), &Precondition::None).await.unwrap().live;
    let second =
        cluster.apply(&kind, &ns, "a", &Body::of(&config_map(&ns, "a", "2")), &Precondition::None).await.unwrap().live;

    assert_eq!(cluster.delete(&kind, &first).await.unwrap(), Deletion::Changed, "another resourceVersion");
    let stranger = lockstep_plan::LiveMetadata { uid: "00000000-0000-0000-0000-000000000000".into(), ..second.clone() };
    assert_eq!(cluster.delete(&kind, &stranger).await.unwrap(), Deletion::Changed, "another uid");
    let unproven = lockstep_plan::LiveMetadata { resource_version: String::new(), ..second.clone() };
    assert_eq!(cluster.delete(&kind, &unproven).await.unwrap_err().category(), "unsendable");
    assert!(matches!(cluster.lookup(&kind, &ns, "a").await, Lookup::Present(_)));

    assert_eq!(cluster.delete(&kind, &second).await.unwrap(), Deletion::Deleted);
    assert_eq!(cluster.delete(&kind, &second).await.unwrap(), Deletion::Gone);

    let mut held = config_map(&ns, "held", "1");
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    let live = cluster.apply(&kind, &ns, "held", &Body::of(&held), &Precondition::None).await.unwrap().live;
    assert_eq!(cluster.delete(&kind, &live).await.unwrap(), Deletion::Deleting);
    let Lookup::Present(live) = cluster.lookup(&kind, &ns, "held").await else { panic!("its finalizer holds it") };
    assert!(live.deleting);
}

#[tokio::test]
async fn a_kind_that_is_not_served_says_nothing_about_its_objects() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("unserved").await.unwrap());
    let mut kind = kind(&cluster, "", "v1", "ConfigMap").await;
    kind.resource.plural = "nonsenses".into();
    assert!(matches!(cluster.lookup(&kind, &ns, "a").await, Lookup::Unknown(error) if error.code == Some(404)));
    let live = lockstep_plan::LiveMetadata::from_object(
        lockstep_manifest::ObjectId::new("", "Nonsense", ns, "a"),
        &json!({"metadata": {"uid": "u", "resourceVersion": "1"}}),
    );
    assert_eq!(cluster.delete(&kind, &live).await.unwrap_err().category(), "not_found");
}

#[tokio::test]
async fn refusals_name_the_fault_and_no_value() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("refused").await.unwrap());
    let kind = kind(&cluster, "", "v1", "Secret").await;
    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": ns, "name": "a"}, "data": data});
    for body in [
        secret(json!({"password": {"hunter2": "hunter2"}})),
        secret(json!({"password": "hunter2 is not base64"})),
        secret(json!({"password": 1234567})),
    ] {
        let error: CallError = cluster.apply(&kind, &ns, "a", &Body::of(&body), &Precondition::None).await.unwrap_err();
        assert_eq!(error.class, Class::Invalid, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("1234567"), "{shown}");
        assert!(shown.contains(&format!("Secret {ns}/a")), "{shown}");
    }
}

#[tokio::test]
async fn a_service_account_bounds_every_call() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("account").await.unwrap());
    let kind = kind(&cluster, "", "v1", "ConfigMap").await;
    plane.apply_yaml_in(&ns, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shop}\n").await.unwrap();
    let shop = cluster.impersonating(&ns, "shop").unwrap();
    let error =
        shop.apply(&kind, &ns, "a", &Body::of(&config_map(&ns, "a", "1")), &Precondition::None).await.unwrap_err();
    assert_eq!((error.category(), error.class), ("forbidden", Class::Forbidden));
    assert!(error.message.contains(&format!("system:serviceaccount:{ns}:shop")), "{error}");
    assert!(matches!(shop.lookup(&kind, &ns, "a").await, Lookup::Unknown(_)), "403 is not 404");
    assert!(shop.list_metadata(&kind, None, "", &|_| true).await.is_err(), "403 is not an empty list");
}

#[tokio::test]
async fn values_of_a_secret_are_read() {
    let plane = lockstep_testkit::shared().await.unwrap();
    let (cluster, ns) = (cluster(plane).await, plane.fresh_namespace("secret").await.unwrap());
    assert!(cluster.secret(&ns, "git").await.unwrap().is_none());
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: git}\nstringData: {password: hunter2}\n";
    plane.apply_yaml_in(&ns, text).await.unwrap();
    let secret = cluster.secret(&ns, "git").await.unwrap().unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&secret.text("password").unwrap()), "hunter2");
}
