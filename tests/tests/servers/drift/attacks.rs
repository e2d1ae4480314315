//! Changes that are made so that no managed field tells them, or not the one that one would look at.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bed::{Bed, reason};

/// The webhook is asked for a kind that nobody serves.
const EMPTIES: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: NS}\n\
    spec: {podSelector: {}, policyTypes: [Egress], egress: []}\n---\n\
    apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: none, namespace: NS}\nrules: []\n---\n\
    apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: NS}\n\
    webhooks: [{name: all.example.com, namespaceSelector: {}, admissionReviewVersions: [v1], sideEffects: None, \
    clientConfig: {url: \"https://127.0.0.1:1/\"}, rules: [{apiGroups: [nothing.example.com], apiVersions: [v1], \
    operations: [CREATE], resources: [nothings]}]}]\n";

/// A1: the leaf moves to who fills it, and is found there.
#[tokio::test(flavor = "multi_thread")]
async fn a1_what_git_says_is_empty_is_emptied_again() {
    let bed = Bed::ready("empty", json!({"audit": "0s"}), EMPTIES).await;
    let webhook = bed.namespace.clone();
    let rule = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let hook = |bed: Value| bed["webhooks"][0]["namespaceSelector"].clone();
    let selector = json!({"matchLabels": {"app": "x"}});
    let table = [
        ("NetworkPolicy", "deny", "/spec/podSelector", selector.clone(), ".spec.podSelector"),
        ("NetworkPolicy", "deny", "/spec/egress", json!([{}]), ".spec.egress"),
        ("Role", "none", "/rules", rule, ".rules"),
        (
            "ValidatingWebhookConfiguration",
            &webhook,
            "/webhooks/0/namespaceSelector",
            selector,
            ".webhooks[name=\"all.example.com\"].namespaceSelector",
        ),
    ];
    for (kind, name, pointer, filled, path) in table {
        let before = bed.get(kind, name).await;
        let empty = before.pointer(pointer).cloned();
        bed.replace("kubectl-edit", kind, name, |object| set(object, pointer, filled.clone())).await;
        bed.until_object(kind, name, |object| object.pointer(pointer) == empty.as_ref()).await;
        bed.until("the change to be told", |status| {
            let told = &status["drift"][0];
            told["manager"] == "kubectl-edit" && told["repaired"] == true && told["fields"][0]["path"] == path
        })
        .await;
    }
    assert_eq!(hook(bed.get("ValidatingWebhookConfiguration", &webhook).await), json!({}));
}

fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { object } else { object.pointer_mut(parent).unwrap() };
    parent[name] = value;
}

const ORDERED: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec:\n  replicas: 1\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
    initContainers: [{name: first, image: \"registry.example/first:1\"}, {name: second, image: \"registry.example/second:1\"}]\n      \
    containers: [{name: web, image: \"registry.example/web:1\", ports: [{containerPort: 80, name: a}, {containerPort: 81, name: b}]}]\n";

/// A3: the order of a keyed list is in nobody's fields, and init containers run in it.
#[tokio::test(flavor = "multi_thread")]
async fn a3_the_order_of_init_containers_and_ports_is_put_back() {
    let bed = Bed::ready("order", json!({"audit": "0s"}), ORDERED).await;
    let pod = "/spec/template/spec";
    for (list, first) in [("initContainers", "first"), ("containers/0/ports", "a")] {
        let names = |object: &Value| object.pointer(&format!("{pod}/{list}/0/name")).cloned();
        bed.replace("kubectl-edit", "Deployment", "web", |object| {
            object.pointer_mut(&format!("{pod}/{list}")).unwrap().as_array_mut().unwrap().reverse();
        })
        .await;
        bed.until_object("Deployment", "web", |object| names(object) == Some(json!(first))).await;
        let last = list.rsplit('/').next().unwrap();
        bed.until("the order to be told", |status| {
            status["drift"][0]["fields"][0]["path"].as_str().is_some_and(|path| path.ends_with(last))
        })
        .await;
    }
}

/// A6: the entry says that all is ours again, and the value stays another. Where nothing is changed back there is time for it.
#[tokio::test(flavor = "multi_thread")]
async fn a6_an_entry_that_is_written_back_hides_nothing() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\ndata: {v: \"1\"}\n";
    let bed = Bed::ready("back", json!({"drift": "report", "audit": "0s"}), map).await;
    let entries = bed.get("ConfigMap", "c").await["metadata"]["managedFields"].clone();
    bed.patch("somebody", "ConfigMap", "c", json!({"data": {"v": "9"}})).await;
    bed.until("the change to be seen", |status| reason(status) == "Drifted").await;
    bed.patch("somebody", "ConfigMap", "c", json!({"metadata": {"managedFields": entries}})).await;
    // Seen by the dry run now: two seconds after the last write, and told anew.
    let told = |status: &Value| status["drift"].as_array().is_some_and(|all| all.len() == 2);
    let status = bed.until("the hidden change to be seen", told).await;
    assert_eq!(status["drift"][0]["fields"][0]["path"], ".data.v");
    assert_eq!((reason(&status), bed.get("ConfigMap", "c").await["data"]["v"].clone()), ("Drifted", json!("9")));
}

const LISTS: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.lists.example.com}\n\
    spec:\n  group: lists.example.com\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets}\n  versions:\n  - name: v1\n    served: true\n    \
    storage: true\n    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {items: {type: array, LIST, \
    items: {type: object, required: [name], properties: {name: {type: string}, note: {type: string}}}}}}}}}\n";
const WIDGET: &str = "apiVersion: lists.example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: NS}\nspec: {items: [{name: a, note: ours}]}\n";

/// A7: what was one value when it was applied has items with keys now, and our entry has one leaf for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a7_a_list_that_gets_keys_is_looked_at_again_and_still_ours() {
    let plane = lockstep_testkit::shared().await.unwrap();
    plane.apply_yaml(&LISTS.replace("LIST", "x-kubernetes-list-type: atomic")).await.unwrap();
    let bed = Bed::ready("lists", json!({"audit": "0s"}), WIDGET).await;
    let changed = Timestamp::now();
    let keyed = "x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name]";
    plane.apply_yaml(&LISTS.replace("LIST", keyed)).await.unwrap();
    let looked = async || bed.calls("widgets", changed..).iter().any(|call| call == "dry-run" || call == "patch");
    bed.wait("its objects to be looked at again", looked).await;

    // Another hand changes an item of ours and adds its own.
    let items = json!([{"name": "a", "note": "theirs"}, {"name": "b", "note": "theirs"}]);
    bed.replace("some-controller", "Widget", "w", |object| object["spec"]["items"] = items.clone()).await;
    let note = |object: &Value| object.pointer("/spec/items/0/note").cloned();
    bed.until_object("Widget", "w", |object| note(object) == Some(json!("ours"))).await;
    bed.until("the change to be told", |status| status["drift"][0]["object"].to_string().contains("Widget")).await;
    let ready = bed.until("the end", |status| reason(status) == "Succeeded").await;
    assert_eq!(ready["objects"]["drifted"], 0);
}
