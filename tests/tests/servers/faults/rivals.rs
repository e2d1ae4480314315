//! Others who write the same objects: admission that rewrites them, and managers that take fields or have their own.

use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::bed::Bed;
use crate::plane::api;

/// Rewrites one key of the ConfigMaps whose names begin with `c`; in `c1` to another value at each write.
const POLICY: &str = "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {name: SHOP}\nspec:\n  \
    failurePolicy: Fail\n  reinvocationPolicy: Never\n  matchConstraints:\n    \
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: SHOP}}\n    \
    resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]\n  \
    matchConditions: [{name: ours, expression: \"object.metadata.name.startsWith('c')\"}]\n  \
    mutations:\n  - patchType: JSONPatch\n    \
    jsonPatch: {expression: \"[JSONPatch{op: 'replace', path: '/data/w', value: \n      \
    object.metadata.name == 'c1' && oldObject != null ? oldObject.data.w + '.' : 'as the policy says'}]\"}\n---\n\
    apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {name: SHOP}\nspec: {policyName: SHOP}\n";

/// A15: admission rewrites a field at each write.
#[tokio::test(flavor = "multi_thread")]
async fn a15_a_field_that_admission_rewrites_is_told_once_and_left() {
    let (bed, _) = Bed::with_maps("a15", 2).await;
    bed.plane.apply_yaml(&POLICY.replace("SHOP", &bed.shop)).await.unwrap();
    let probe: kube::core::DynamicObject = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c-probe"}, "data": {"w": "fixed"},
    }))
    .unwrap();
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let maps = bed.maps();
    let rewritten = async || maps.create(&params, &probe).await.unwrap().data["data"]["w"] != "fixed";
    bed.wait("the policy", rewritten).await;

    bed.write("c0", "2");
    let second = bed.commit("Change a map");
    bed.until_value("c0", "2").await;
    bed.until_ready(&second).await;
    // One that is rewritten anew at each write is found when somebody else writes it.
    let label = async |value: &str| {
        let params = PatchParams { field_manager: Some("kubectl-label".into()), ..PatchParams::default() };
        let change = json!({"metadata": {"labels": {"team": value}}});
        bed.maps().patch("c1", &params, &Patch::Merge(change)).await.unwrap();
    };
    label("red").await;
    let told = async |name: &str| {
        bed.events().await.iter().filter(|it| it.starts_with("Rewritten: ") && it.contains(name)).count()
    };
    bed.wait("the rewriting to be told", async || told("/c1").await == 1).await;
    // One that is always rewritten to the same value was told by the answer to the apply.
    assert_eq!((told("/c0").await, bed.status().await["objects"]["drifted"].clone()), (1, json!(2)));
    let quiet_since = Timestamp::now();
    let calls = || {
        let user = format!("system:serviceaccount:{}:daemon", bed.namespace);
        let calls = bed.plane.count_calls(&user, quiet_since..).unwrap();
        calls.filter(|call| call.resource == "configmaps" && call.namespace == bed.shop && call.verb != "watch")
    };
    let writes = || calls().filter(|call| call.verb == "patch" && !call.uri.contains("dryRun=All")).len();
    label("blue").await;
    // It is looked at two seconds later.
    bed.wait("another look", async || calls().len() > writes()).await;
    bed.until_looked_at(3).await;
    assert!(writes() == 0 && calls().len() <= 6, "{}", calls());
    assert_eq!((told("/c1").await, bed.status().await["fights"].clone()), (1, Value::Null));

    // What is not rewritten is still put right.
    bed.edit("c0", "hand-made").await;
    bed.until_value("c0", "2").await;
    bed.edit("c1", "hand-made").await;
    bed.until_value("c1", "1").await;
    bed.until_looked_at(3).await;
    assert!(writes() <= 4, "{}", calls());
    for kind in ["MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"] {
        let all = api(&bed.client, "admissionregistration.k8s.io", "v1", kind, None);
        all.delete(&bed.shop, &DeleteParams::default()).await.unwrap();
    }
    bed.wait("the policy to be gone", async || !rewritten().await).await;
    bed.write("c0", "3");
    bed.write("c1", "3");
    let third = bed.commit("Change both");
    for name in ["c0", "c1"] {
        bed.until_value(name, "3").await;
        assert_eq!(bed.maps().get(name).await.unwrap().data["data"]["w"], "fixed");
    }
    let over =
        |status: &Value| status["objects"]["drifted"] == 0 && !status["drift"].to_string().contains("(admission)");
    bed.until("the rewriting to be over", over).await;
    bed.finish(&third, &[]).await;
}

/// A16: another manager takes a field that Git has, and owns one that Git does not have.
#[tokio::test(flavor = "multi_thread")]
async fn a16_a_field_is_taken_back_and_one_that_git_lacks_is_left() {
    let (bed, _) = Bed::with_maps("a16", 1).await;
    let web = |team: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {}, labels: {{team: {team}}}}}\n\
             spec:\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
             spec: {{containers: [{{name: web, image: \"registry.example/web:1\"}}]}}\n",
            bed.shop
        )
    };
    bed.human.write("web.yaml", &web("red")).unwrap();
    let first = bed.commit("A deployment without replicas");
    bed.until_ready(&first).await;
    let webs = api(&bed.client, "apps", "v1", "Deployment", Some(&bed.shop));
    let rival = PatchParams { field_manager: Some("rival".into()), force: true, ..PatchParams::default() };
    let replicas = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}});
    webs.patch("web", &rival, &Patch::Apply(replicas)).await.unwrap();
    let stolen = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"v": "stolen"}});
    bed.maps().patch("c0", &rival, &Patch::Apply(stolen)).await.unwrap();
    let taken = |status: &Value| {
        let all = status["drift"].as_array().into_iter().flatten();
        all.into_iter()
            .any(|it| it["manager"] == "rival" && it["object"].to_string().contains("/c0") && it["repaired"] == true)
    };
    let status = bed.until("the theft to be told", taken).await;
    assert!(!status["drift"].to_string().contains("Deployment"), "{status:#}");
    bed.until_value("c0", "1").await;
    bed.human.write("web.yaml", &web("blue")).unwrap();
    let second = bed.commit("Change something else of it");
    bed.until_ready(&second).await;
    let live = webs.get("web").await.unwrap();
    assert_eq!((&live.data["spec"]["replicas"], live.metadata.labels.unwrap()["team"].as_str()), (&json!(3), "blue"));
    bed.finish(&second, &[]).await;
}
