//! Kinds that come later, and orders that somebody wrote down.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::bench::{Bench, config_map, ready};

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.SHOP.example.com}\n\
    spec:\n  group: SHOP.example.com\n  scope: Namespaced\n  names: {kind: Widget, plural: widgets}\n  versions:\n  - name: v1\n    served: true\n    \
    storage: true\n    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}\n";

/// What delivers a kind delivers the right to apply it, too, and rights take a moment to be known.
const RIGHT: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
    metadata: {name: manages-SHOP, labels: {lockstep.dev/aggregate-to-manages: \"true\"}}\n\
    rules: [{apiGroups: [SHOP.example.com], resources: [widgets], verbs: [get, list, watch, create, patch, delete]}]\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_brings_the_kind_later_and_no_new_commit_is_needed() {
    let bench = Bench::make("later").await;
    bench.plane.apply_yaml(&RIGHT.replace("SHOP", &bench.shop)).await.unwrap();
    let commit = bench.commit(&[
        (
            "w.yaml",
            "apiVersion: SHOP.example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: SHOP}\nspec: {size: 1}\n",
        ),
        ("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}")),
    ]);
    let status = bench.until("the wait", |status| ready(status).1 == "Waiting").await;
    assert_eq!(bench.data("c").await, json!({"v": "1"}), "{status:#}");
    assert_eq!(status["failures"]["total"].as_u64().unwrap_or_default(), 0, "{status:#}");
    bench.plane.apply_yaml(&DEFINITION.replace("SHOP", &bench.shop)).await.unwrap();
    bench.until_ready(&commit).await;
    let group = format!("{}.example.com", bench.shop);
    assert_eq!(bench.of(&group, "Widget").get("w").await.unwrap().data["spec"]["size"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_waits_for_the_health_of_the_one_before() {
    let bench = Bench::make("wave").await;
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: disk, namespace: SHOP}\n\
        spec: {storageClassName: none, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
    let after = config_map("SHOP", "after", "{v: \"1\"}")
        .replace("namespace: SHOP}", "namespace: SHOP, annotations: {lockstep.dev/wave: \"1\"}}");
    let commit = bench.commit(&[("disk.yaml", claim), ("after.yaml", &after)]);
    let status = bench.until("the wait", |status| status["waiting"].to_string().contains("disk")).await;
    assert_eq!(status["failures"]["total"].as_u64().unwrap_or_default(), 0, "{status:#}");
    assert_eq!(bench.data("after").await, json!(null));
    let bound = json!({"status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}});
    let claims = bench.of("", "PersistentVolumeClaim");
    claims.patch_status("disk", &PatchParams::default(), &Patch::Merge(bound)).await.unwrap();
    bench.until_data("after", json!({"v": "1"})).await;
    bench.until("the whole commit", |status| status["applied"]["commit"] == commit.as_str()).await;
}
