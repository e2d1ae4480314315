//! What the daemon makes of other hands, whether the managed fields tell of them or not.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bed::{Bed, reason};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS, labels: {app: x}}\ndata: {v: \"1\", w: \"2\"}\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec:\n  replicas: 1\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, \
    image: \"registry.example/web:1\", env: [{name: A, value: \"1\"}, {name: B, value: \"2\"}]}]}\n";
const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: NS}\n\
    spec: {podSelector: {}, policyTypes: [Ingress], ingress: []}\n";

fn drift<'a>(status: &'a Value, object: &str) -> Option<&'a Value> {
    let mut all = status["drift"].as_array()?.iter();
    all.find(|seen| seen["object"].as_str().is_some_and(|name| name.ends_with(object)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_our_name_and_a_new_order_are_found_by_signal_two() {
    let bed = Bed::ready("hidden", json!({"audit": "0s"}), &format!("{MAP}---\n{WEB}")).await;
    // A5: our entry covers all, the hash is copied, and the value is another.
    let before = Timestamp::now();
    let mut body = bed.get("ConfigMap", "c").await;
    for name in ["managedFields", "resourceVersion", "uid", "creationTimestamp"] {
        body["metadata"].as_object_mut().unwrap().remove(name);
    }
    body["data"]["v"] = json!("9");
    bed.apply_as("lockstep", "ConfigMap", "c", body).await;
    bed.until_object("ConfigMap", "c", |object| object["data"]["v"] == "1").await;
    let status = bed.until("the change to be told", |status| drift(status, "/c").is_some()).await;
    let told = drift(&status, "/c").unwrap();
    assert_eq!((&told["fields"][0]["path"], &told["fields"][0]["git"]), (&json!(".data.v"), &json!("\"1\"")));
    bed.until_looked_at(2).await;
    let calls = bed.calls("configmaps", before..);
    assert_eq!(calls, ["dry-run", "get", "patch", "get", "dry-run"], "one look, what differs, one apply, was it kept");

    // A3: the order of a keyed list is nobody's field.
    bed.replace("kubectl-edit", "Deployment", "web", |object| {
        object["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().reverse();
    })
    .await;
    let first = |object: &Value| object.pointer("/spec/template/spec/containers/0/env/0/name").cloned();
    bed.until_object("Deployment", "web", |object| first(object) == Some(json!("A"))).await;
    bed.until("the order to be told", |status| drift(status, "/web").is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_what_happened_while_nobody_looked_and_never_loops() {
    let mut bed = Bed::ready("audit", json!({"audit": "4s"}), &format!("{MAP}---\n{POLICY}")).await;
    bed.stop().await;
    // A6: the value is changed, and then our entry is written back.
    let entries = bed.get("ConfigMap", "c").await["metadata"]["managedFields"].clone();
    bed.patch("somebody", "ConfigMap", "c", json!({"data": {"v": "9"}})).await;
    bed.patch("somebody", "ConfigMap", "c", json!({"metadata": {"managedFields": entries}})).await;
    let generation = bed.get("NetworkPolicy", "deny").await["metadata"]["generation"].clone();
    let before = Timestamp::now();
    bed.start().await;
    bed.until_object("ConfigMap", "c", |object| object["data"]["v"] == "1").await;
    bed.until("the change to be told", |status| drift(status, "/c").is_some()).await;
    // An apply of this policy is never a no-op; the audit looks at it, and leaves it.
    bed.until_looked_at(4).await;
    let calls = bed.calls("networkpolicies", before..);
    assert!(calls.iter().any(|call| call == "dry-run") && !calls.iter().any(|call| call == "patch"), "{calls:?}");
    assert_eq!(bed.get("NetworkPolicy", "deny").await["metadata"]["generation"], generation);
    assert!(drift(&bed.status().await, "/deny").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_removes_what_people_add_and_leaves_controllers_alone() {
    let bed = Bed::ready("strict", json!({"drift": "strict"}), &format!("{MAP}---\n{WEB}")).await;
    bed.patch("some-controller", "ConfigMap", "c", json!({"metadata": {"labels": {"owner": "x"}}})).await;
    bed.patch(
        "kubectl-edit",
        "ConfigMap",
        "c",
        json!({"data": {"extra": "1"}, "metadata": {"labels": {"team": "red"}}}),
    )
    .await;
    let restart =
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    bed.patch("kubectl-rollout", "Deployment", "web", restart).await;
    bed.until_object("ConfigMap", "c", |object| {
        object["data"].get("extra").is_none() && object["metadata"]["labels"].get("team").is_none()
    })
    .await;
    bed.until_object("Deployment", "web", |object| object.pointer("/spec/template/metadata/annotations").is_none())
        .await;
    assert_eq!(bed.get("ConfigMap", "c").await["metadata"]["labels"]["owner"], "x");
    let status =
        bed.until("both to be told", |status| drift(status, "/c").is_some() && drift(status, "/web").is_some()).await;
    assert_eq!(drift(&status, "/web").unwrap()["manager"], "kubectl-rollout");
}

#[tokio::test(flavor = "multi_thread")]
async fn report_touches_nothing_and_lists_everything() {
    let bed = Bed::ready("report", json!({"drift": "report"}), MAP).await;
    let before = Timestamp::now();
    bed.patch("kubectl-edit", "ConfigMap", "c", json!({"data": {"v": "9", "extra": "1"}})).await;
    let status = bed.until("the drift", |status| reason(status) == "Drifted" && status["objects"]["extras"] == 1).await;
    let told = drift(&status, "/c").unwrap();
    assert_eq!((&told["manager"], &told["repaired"]), (&json!("kubectl-edit"), &json!(false)));
    assert_eq!(
        (&status["extras"][0]["path"], &status["extras"][0]["manager"]),
        (&json!(".data.extra"), &json!("kubectl-edit"))
    );
    bed.until_looked_at(2).await;
    let calls = bed.calls("configmaps", before..);
    assert!(calls.iter().all(|call| call == "dry-run" || call == "get"), "{calls:?}");
    assert_eq!(bed.get("ConfigMap", "c").await["data"]["v"], "9");
    // Somebody puts it right: there is nothing more to say.
    bed.patch("kubectl-edit", "ConfigMap", "c", json!({"data": {"extra": null}})).await;
    bed.until("no extra", |status| status["objects"]["extras"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fight_is_named_while_it_lasts_and_what_is_deleted_or_stripped_comes_back() {
    let bed = Bed::ready("fight", json!({}), MAP).await;
    // F2, F3, F4.
    bed.delete("ConfigMap", "c").await;
    bed.until_object("ConfigMap", "c", |object| object["data"]["v"] == "1").await;
    let strip = json!({"metadata": {"labels": {"lockstep.dev/sync": null}, "annotations": {"lockstep.dev/id": null}}});
    bed.patch("somebody", "ConfigMap", "c", strip).await;
    bed.until_object("ConfigMap", "c", |object| object["metadata"]["labels"]["lockstep.dev/sync"] == "shop").await;
    bed.patch("somebody", "ConfigMap", "c", json!({"metadata": {"labels": {"foreign": "x"}}})).await;
    // F1: as often as it is changed back.
    let mut round = 0;
    while bed.status().await["fights"].as_array().is_none_or(Vec::is_empty) {
        round += 1;
        assert!(round < 40, "40 rounds and no fight");
        bed.until_object("ConfigMap", "c", |object| object["data"]["v"] == "1" || round > 8).await;
        bed.patch("rival", "ConfigMap", "c", json!({"data": {"v": format!("r{round}")}})).await;
    }
    let status = bed.status().await;
    let fight = &status["fights"][0];
    assert_eq!((&fight["manager"], &fight["fields"][0]), (&json!("rival"), &json!(".data.v")));
    bed.until_object("ConfigMap", "c", |object| object["data"]["v"] == "1").await;
    assert_eq!(bed.get("ConfigMap", "c").await["metadata"]["labels"]["foreign"], "x");
}
