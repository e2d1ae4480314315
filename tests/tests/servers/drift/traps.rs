//! What is easily got wrong in writing.

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kube::{
    api::{WatchEvent, WatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use super::bed::Bed;

/// None of them is ever a no-op for the API server.
const RESTLESS: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: idle, namespace: NS}\n\
    spec: {podSelector: {matchLabels: {}}, policyTypes: [Ingress], ingress: [{from: []}]}\n---\n\
    apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: NS}\n\
    spec: {podSelector: {}, policyTypes: [Ingress], ingress: []}\n---\n\
    apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: NS}\nwebhooks: []\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_anew_at_each_apply_is_not_applied_again() {
    let bed = Bed::ready("restless", json!({"audit": "3s"}), RESTLESS).await;
    let name = bed.namespace.clone();
    let all = [("NetworkPolicy", "idle"), ("NetworkPolicy", "deny"), ("ValidatingWebhookConfiguration", &name)];
    let generations = async || {
        let mut found = Vec::new();
        for (kind, name) in all {
            found.push(bed.get(kind, name).await["metadata"]["generation"].clone());
        }
        found
    };
    let (before, since) = (generations().await, Timestamp::now());
    let calls = |resource: &str| bed.calls(resource, since..);
    let looks = |resource: &str| calls(resource).iter().filter(|call| *call == "dry-run").count();
    let audited = || looks("networkpolicies") >= 4 && looks("validatingwebhookconfigurations") >= 2;
    bed.wait("the audit of all", async || audited()).await;
    for resource in ["networkpolicies", "validatingwebhookconfigurations"] {
        assert!(calls(resource).iter().all(|call| call != "patch"), "{:?}", calls(resource));
    }
    assert_eq!(generations().await, before);
    let status = bed.status().await;
    assert_eq!((&status["drift"], &status["objects"]["drifted"]), (&Value::Null, &json!(0)), "{status:#}");
}

/// A controller fills the rules in. An apply with `rules: []` would take all rights away until it has done so again.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregated_role_never_loses_its_rules() {
    let role = |version: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: NS, labels: {{version: \"{version}\"}}}}\n\
             aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{part-of: NS}}}}]}}\nrules: []\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: NS-part, labels: {{part-of: NS}}}}\n\
             rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [get]}}]\n"
        )
    };
    let bed = Bed::ready("aggregated", json!({"audit": "2s"}), &role("1")).await;
    let name = bed.namespace.clone();
    let has_rules = |rules: &Value| rules.as_array().is_some_and(|rules| !rules.is_empty());
    bed.until_object("ClusterRole", &name, |object| has_rules(&object["rules"])).await;
    let roles = bed.of("ClusterRole");
    let version = roles.get(&name).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(60);
    let mut events = roles.watch(&params, &version).await.unwrap().boxed();
    bed.commit(&role("2"));
    loop {
        let event: WatchEvent<DynamicObject> = events.try_next().await.unwrap().expect("the change to be seen");
        let WatchEvent::Modified(object) = event else { panic!("{event:?}") };
        assert!(has_rules(&object.data["rules"]), "{object:?}");
        if object.metadata.labels.is_some_and(|labels| labels["version"] == "2") {
            break;
        }
    }
    let since = Timestamp::now();
    let audited = || bed.calls("clusterroles", since..).iter().filter(|call| *call == "dry-run").count() >= 2;
    bed.wait("an audit", async || audited()).await;
    assert_eq!(bed.drift_of(&name).await, None);
}
