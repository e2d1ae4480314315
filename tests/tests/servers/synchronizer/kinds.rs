//! Kinds that come with the commit, empty fields that somebody fills, and Syncs with an account of their own.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::bed::{Bed, condition, config_map};

const ARRIVES: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: PLURAL.SHOP.example.com}\n\
    spec:\n  group: SHOP.example.com\n  scope: Namespaced\n  names: {kind: Widget, plural: PLURAL}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    \
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}\n---\n\
    apiVersion: SHOP.example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: SHOP}\nspec: {size: 1}\n---\n\
    apiVersion: v1\nkind: Namespace\nmetadata: {name: SHOP}\n";

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: SHOP}\n\
    spec: {podSelector: {}, policyTypes: [Ingress], ingress: []}\n";

/// Two ports that differ in what the first leaves to the default only.
const NAMES: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: names, namespace: SHOP}\n\
    spec: {selector: {app: names}, ports: [{name: tcp, port: 53}, {name: udp, port: 53, protocol: UDP}]}\n";

/// What delivers a custom kind delivers the right to apply it, too.
const RIGHT: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
    metadata: {name: manages-SHOP, labels: {lockstep.dev/aggregate-to-manages: \"true\"}}\n\
    rules: [{apiGroups: [SHOP.example.com], resources: [PLURAL], verbs: [get, list, watch, create, patch, delete]}]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_comes_with_its_objects_and_what_is_hard_to_see_is_put_back() {
    let mut bed = Bed::make("kinds").await;
    let shop = bed.shop.clone();
    let fill = |text: &str| text.replace("PLURAL", "widgets").replace("SHOP", &shop);
    bed.plane.apply_yaml(&fill(RIGHT)).await.unwrap();
    bed.human.write("all.yaml", &fill(ARRIVES)).unwrap();
    bed.human.write("policy.yaml", &fill(POLICY)).unwrap();
    bed.human.write("names.yaml", &fill(NAMES)).unwrap();
    let commit = bed.human.commit("Bring a kind").unwrap();
    bed.start().await;
    bed.until_ready(&commit).await;

    let policies = bed.of("networking.k8s.io", "NetworkPolicy");
    let selector = async || policies.get("closed").await.unwrap().data["spec"]["podSelector"].clone();
    let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let open = json!({"spec": {"podSelector": {"matchLabels": {"app": "web"}}}});
    policies.patch("closed", &params, &Patch::Merge(open)).await.unwrap();
    bed.until("the repair", |status| status["drift"][0]["manager"] == "kubectl-edit").await;
    assert_eq!(selector().await, json!({}));
    bed.until_ready(&commit).await;
    bed.until_quiet().await;

    // One of the two ports goes; what the entry says of the other would fit it, too.
    let services = bed.of("", "Service");
    let udp_only = json!({"spec": {"ports": [{"name": "udp", "port": 53, "protocol": "UDP"}]}});
    services.patch("names", &params, &Patch::Merge(udp_only)).await.unwrap();
    bed.until("the second repair", |status| {
        let all = status["drift"].as_array().cloned().unwrap_or_default();
        all.iter().any(|seen| seen["object"].as_str().is_some_and(|name| name.ends_with("/names")))
    })
    .await;
    assert_eq!(services.get("names").await.unwrap().data["spec"]["ports"].as_array().map(Vec::len), Some(2));
    bed.until_ready(&commit).await;
    bed.until_quiet().await;

    // The definition leaves Git while somebody's own object of its kind is there: it would take that along.
    let theirs = fill("apiVersion: SHOP.example.com/v1\nkind: Widget\nmetadata: {name: theirs, namespace: default}\n");
    bed.plane.apply_yaml(&theirs).await.unwrap();
    let namespace = fill("apiVersion: v1\nkind: Namespace\nmetadata: {name: SHOP}\n");
    bed.human.write("all.yaml", &namespace).unwrap();
    bed.human.commit("Take the kind away").unwrap();
    let status = bed.until_reason("Waiting").await;
    let message = status["conditions"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("theirs"), "{message}");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_with_an_account_can_do_what_the_account_can() {
    let mut bed = Bed::make("account").await;
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n", bed.shop);
    bed.plane.apply_yaml(&namespace).await.unwrap();
    bed.plane.apply_yaml(&bed.account("robot")).await.unwrap();
    bed.sync_as("robot").await;
    bed.human.write("c.yaml", &config_map(&bed.shop, "c", "1")).unwrap();
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: {}}}\nstringData: {{k: hunter2}}\n",
        bed.shop
    );
    bed.human.write("s.yaml", &secret).unwrap();
    bed.human.commit("A map, and a Secret that the account may not write").unwrap();
    bed.start().await;
    let status = bed.until_reason("ApplyFailed").await;
    assert_eq!(bed.value("c").await.as_deref(), Some("1"));
    assert_eq!(condition(&status, "Stalled").0, "True");
    let failures = &status["failures"];
    assert_eq!((&failures["total"], &failures["first"][0]["file"]), (&json!(1), &json!("s.yaml")));
    let told = format!("{status} {:?}", bed.events().await);
    assert!(told.contains("robot") && !told.contains("hunter2"), "{told}");
    bed.stop().await;
}
