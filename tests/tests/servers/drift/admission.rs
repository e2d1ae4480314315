//! A4: admission that rewrites a field of ours leaves our entry as it was.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bed::{Bed, reason};

/// Sets a key of ConfigMaps to its own value: of `ours` at every write, of `others` at every write but ours.
const POLICY: &str = "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {name: NS}\nspec:\n  \
    failurePolicy: Fail\n  reinvocationPolicy: Never\n  matchConstraints:\n    \
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}\n    \
    resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps, secrets]}]\n  \
    matchConditions: [{name: which, expression: \"object.metadata.name == 'ours' || (object.metadata.name == 'others' && \
    !request.userInfo.username.endsWith(':robot'))\"}]\n  \
    mutations: [{patchType: JSONPatch, jsonPatch: {expression: \"[JSONPatch{op: 'replace', path: '/data/v', value: 'cG9saWN5'}]\"}}]\n---\n\
    apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {name: NS}\nspec: {policyName: NS}\n";

fn map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: NS}}\ndata: {{v: \"{value}\", w: fixed}}\n---\n"
    )
}

fn secret(value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: ours, namespace: NS}}\nstringData: {{v: {value}}}\n---\n")
}

/// Spelled otherwise than the server stores it, and with fields that it leaves out.
const SPELLED: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec:\n  replicas: 0\n  paused: false\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {hostNetwork: false, nodeSelector: {}, \
    tolerations: [], containers: [{name: web, image: \"registry.example/web:1\", args: [], env: [{name: A, value: \"\"}], \
    resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: 0.5}}, \
    livenessProbe: {httpGet: {path: /, port: 80}, timeoutSeconds: 0}}], volumes: [{name: t, emptyDir: {sizeLimit: 1024Ki}}]}\n---\n\
    apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: NS}\nspec: {selector: {app: web}, ports: [{name: t, port: 80, nodePort: 0}, {port: 53, \
    protocol: UDP, name: \"u\"}], clusterIP: \"\"}\n---\n";

#[tokio::test(flavor = "multi_thread")]
async fn a4_what_admission_makes_of_our_apply_is_told_and_left() {
    let bed = Bed::ready("rewritten", json!({"audit": "0s"}), &map("plain", "1")).await;
    bed.plane.apply_yaml(&POLICY.replace("NS", &bed.namespace)).await.unwrap();
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ours"}, "data": {"v": "1"}});
    let params = kube::api::PostParams { dry_run: true, ..Default::default() };
    let probe: kube::core::DynamicObject = serde_json::from_value(probe).unwrap();
    let maps = bed.of("ConfigMap");
    bed.wait("the policy", async || maps.create(&params, &probe).await.unwrap().data["data"]["v"] == "cG9saWN5").await;

    let before = Timestamp::now();
    let all = format!("{}{}{}{SPELLED}", map("ours", "1"), map("plain", "1"), secret("canary"));
    let commit = bed.commit(&all);
    let applied = |status: &Value| status["applied"]["commit"] == commit.as_str() && status["objects"]["drifted"] == 2;
    let status = bed.until("both rewritings to be told", applied).await;
    let told: Vec<&Value> = status["drift"].as_array().unwrap().iter().collect();
    assert!(told.iter().all(|seen| seen["manager"] == "(admission)" && seen["repaired"] == false), "{status:#}");
    let mut fields: Vec<String> = told
        .iter()
        .map(|seen| format!("{} {} {}", seen["object"], seen["fields"][0]["path"], seen["fields"][0]["git"]))
        .collect();
    fields.sort();
    let kinds = |kind: &str, git: &str| format!("\"{kind}/{}/ours\" \".data.v\" {}", bed.namespace, json!(git));
    assert_eq!(fields, [kinds("ConfigMap", "\"1\""), kinds("Secret", "\"*** (after)\"")]);
    let status = bed.until("all to be ready", |status| reason(status) == "Succeeded").await;
    assert!(status["conditions"][0]["message"].to_string().contains("admission rewrites 2 of them"), "{status:#}");
    let events =
        async || bed.events().await.into_iter().filter(|event| event.starts_with("Rewritten")).collect::<Vec<_>>();
    bed.wait("the Event", async || events().await.len() == 1).await;
    let event = events().await.remove(0);
    assert!(event.contains("is \"cG9saWN5\" (Git says \"1\")") && !event.contains("canary"), "{event}");

    // Another hand's write is no reason to try again.
    bed.patch("kubectl-label", "ConfigMap", "ours", json!({"metadata": {"labels": {"team": "red"}}})).await;
    let looks = || bed.calls("configmaps", before..).iter().filter(|call| *call == "dry-run").count();
    bed.wait("a look", async || looks() > 0).await;
    bed.until_looked_at(2).await;
    let patches = bed.calls("configmaps", before..).iter().filter(|call| *call == "patch").count();
    assert_eq!(patches, 1, "{:?}", bed.calls("configmaps", before..));
    assert_eq!((events().await.len(), bed.status().await["drift"].as_array().map(Vec::len)), (1, Some(2)));
}

/// Its own writes pass the policy by, so that the daemon can put right what the policy makes of others' writes.
#[tokio::test(flavor = "multi_thread")]
async fn a4_what_admission_makes_of_anothers_write_is_put_back() {
    let bed = Bed::ready("others", json!({"audit": "0s"}), &map("others", "1")).await;
    bed.plane.apply_yaml(&POLICY.replace("NS", &bed.namespace)).await.unwrap();
    // The label leaves our entry alone; the policy does not leave the value alone.
    bed.wait("the policy at work", async || {
        bed.patch("kubectl-label", "ConfigMap", "others", json!({"metadata": {"labels": {"team": null}}})).await;
        bed.patch("kubectl-label", "ConfigMap", "others", json!({"metadata": {"labels": {"team": "red"}}})).await;
        bed.get("ConfigMap", "others").await["data"]["v"] == "cG9saWN5"
    })
    .await;
    bed.until_object("ConfigMap", "others", |object| object["data"]["v"] == "1").await;
    bed.until("the change to be told", |status| status["drift"][0]["fields"][0]["path"] == ".data.v").await;
    let seen = bed.drift_of("/others").await.unwrap();
    assert_eq!((&seen["repaired"], &seen["fields"][0]["git"]), (&json!(true), &json!("\"1\"")));
    assert_eq!(bed.status().await["objects"]["drifted"], 0);
}
