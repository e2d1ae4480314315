//! Objects that others made, fields that others left, and objects that are let go.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::bench::{Bench, config_map};

const COPY: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[tokio::test(flavor = "multi_thread")]
async fn what_git_lacks_goes_whoever_applied_it_before() {
    let bench = Bench::make("adopt").await;
    let shop = bench.shop.clone();
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": shop, "annotations": {COPY: "{\"data\":{}}"}},
        "data": {"v": "theirs", "old": "left Git long ago"},
    });
    bench.create_as("kubectl-client-side-apply", "", theirs).await;
    let maps = bench.of("", "ConfigMap");
    bench.merge(&maps, "c", "kubectl-label", json!({"metadata": {"labels": {"team": "red"}}})).await;
    let first = bench.commit(&[("c.yaml", &config_map("SHOP", "c", "{v: ours, w: ours}"))]);
    bench.until_ready(&first).await;
    assert_eq!(bench.data("c").await, json!({"v": "ours", "w": "ours"}));
    let live = maps.get("c").await.unwrap();
    assert!(!live.metadata.annotations.as_ref().unwrap().contains_key(COPY), "{:?}", live.metadata);
    assert_eq!(live.metadata.labels.as_ref().unwrap()["team"], "red", "what nobody applied stays");
    bench.until_event("Adopted").await;

    // Somebody clears the managed fields; after the repair a key that leaves Git still goes.
    bench.merge(&maps, "c", "somebody", json!({"metadata": {"managedFields": [{}]}})).await;
    let repaired = |object: &kube::core::DynamicObject| {
        let entries = object.metadata.managed_fields.clone().unwrap_or_default();
        entries.iter().any(|entry| entry.manager.as_deref() == Some("lockstep"))
            && entries.iter().all(|entry| entry.manager.as_deref() != Some("before-first-apply"))
    };
    lockstep_testkit::eventually(std::time::Duration::from_secs(30), "our entry alone", async || {
        repaired(&maps.get("c").await.unwrap())
    })
    .await
    .unwrap();
    let second = bench.commit(&[("c.yaml", &config_map("SHOP", "c", "{v: ours}"))]);
    bench.until_ready(&second).await;
    assert_eq!(bench.data("c").await, json!({"v": "ours"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_git_leaves_to_others_keeps_its_value() {
    let bench = Bench::make("leave").await;
    let web = |replicas: &str, ignored: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: SHOP, annotations: {{{ignored}}}}}\n\
             spec: {{{replicas} selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
             spec: {{containers: [{{name: web, image: \"registry.example/web:1\"}}]}}}}}}\n"
        )
    };
    bench.commit(&[("web.yaml", &web("replicas: 4,", ""))]);
    bench.until("the deployment", |status| status["objects"]["total"] == 1).await;
    let webs = bench.of("apps", "Deployment");
    let replicas =
        async || webs.get_opt("web").await.unwrap().map_or(Value::Null, |web| web.data["spec"]["replicas"].clone());
    lockstep_testkit::eventually(std::time::Duration::from_secs(30), "four", async || replicas().await == 4)
        .await
        .unwrap();
    let second = bench.commit(&[("web.yaml", &web("", "lockstep.dev/ignore-fields: /spec/replicas"))]);
    bench.until("the second commit", |status| status["applied"]["commit"] == second.as_str()).await;
    assert_eq!(replicas().await, 4);
}

/// Replicas that leave our entry by an apply go back to the default, one: they are handed over first.
#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaler_that_joins_git_begins_with_the_replicas_that_are_there() {
    let bench = Bench::make("scaled").await;
    let web = |image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: SHOP}}\nspec: {{replicas: 4, \
             selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
             spec: {{containers: [{{name: web, image: \"registry.example/{image}\"}}]}}}}}}\n"
        )
    };
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: SHOP}\n\
        spec: {minReplicas: 2, maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n";
    let first = bench.commit(&[("web.yaml", &web("web:1"))]);
    bench.until("the deployment", |status| status["applied"]["commit"] == first.as_str()).await;
    let webs = bench.of("apps", "Deployment");
    let replicas = async || webs.get("web").await.unwrap().data["spec"]["replicas"].clone();
    assert_eq!(replicas().await, 4);
    let second = bench.commit(&[("scaler.yaml", scaler)]);
    bench.until("the autoscaler", |status| status["applied"]["commit"] == second.as_str()).await;
    assert_eq!(replicas().await, 4);
    let scale = json!({"spec": {"replicas": 6}});
    let params = PatchParams { field_manager: Some("kube-controller-manager".into()), ..PatchParams::default() };
    webs.patch_scale("web", &params, &Patch::Merge(scale)).await.unwrap();
    let third = bench.commit(&[("web.yaml", &web("web:2"))]);
    let status = bench.until("the new image", |status| status["applied"]["commit"] == third.as_str()).await;
    let live = webs.get("web").await.unwrap().data;
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/web:2");
    assert_eq!((&live["spec"]["replicas"], &status["drift"]), (&json!(6), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_to_be_deleted_lives_on_without_our_marks() {
    let bench = Bench::make("release").await;
    let kept = config_map("SHOP", "kept", "{v: \"1\"}")
        .replace("namespace: SHOP}", "namespace: SHOP, annotations: {lockstep.dev/prune: never}}");
    let first = bench.commit(&[("kept.yaml", &kept), ("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}"))]);
    bench.until_ready(&first).await;
    bench.human.remove("kept.yaml").unwrap();
    let second = bench.commit(&[]);
    bench.until_ready(&second).await;
    let live = bench.of("", "ConfigMap").get("kept").await.unwrap();
    let labels = live.metadata.labels.unwrap_or_default();
    assert!(labels.keys().all(|key| !key.contains("lockstep.dev") && !key.contains("applyset")), "{labels:?}");
    let annotations = live.metadata.annotations.unwrap_or_default();
    assert!(!annotations.contains_key("lockstep.dev/id"), "{annotations:?}");
    let managers = live.metadata.managed_fields.unwrap_or_default();
    assert!(managers.iter().all(|entry| entry.manager.as_deref() != Some("lockstep")), "{managers:?}");
    assert_eq!(live.data["data"], json!({"v": "1"}));
    bench.until_event("Released").await;
}

/// A Deployment that Git wants with four replicas.
fn web(annotations: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: SHOP, annotations: {{{annotations}}}}}\n\
         spec: {{replicas: 4, selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
         spec: {{containers: [{{name: web, image: \"registry.example/web:1\"}}]}}}}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_an_autoscaler_outlive_the_loss_of_our_label() {
    let bench = Bench::make("unlabelled").await;
    let first = bench.commit(&[("web.yaml", &web(""))]);
    bench.until("the deployment", |status| status["applied"]["commit"] == first.as_str()).await;
    let webs = bench.of("apps", "Deployment");
    let params = PatchParams { field_manager: Some("kube-controller-manager".into()), ..PatchParams::default() };
    webs.patch_scale("web", &params, &Patch::Merge(json!({"spec": {"replicas": 6}}))).await.unwrap();
    let label = "lockstep.dev/sync";
    bench.merge(&webs, "web", "kubectl-label", json!({"metadata": {"labels": {label: null}}})).await;
    lockstep_testkit::eventually(std::time::Duration::from_secs(30), "the label", async || {
        webs.get("web").await.unwrap().metadata.labels.is_some_and(|labels| labels.contains_key(label))
    })
    .await
    .unwrap();
    assert_eq!(webs.get("web").await.unwrap().data["spec"]["replicas"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_made_and_was_only_to_be_created_is_neither_missed_nor_taken() {
    let bench = Bench::make("found").await;
    let by_hand = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": bench.shop},
        "stringData": {"password": "by hand"},
    });
    bench.create_as("kubectl-create", "", by_hand).await;
    // Of a kind whose health is in its status.
    bench.plane.apply_yaml(&web("").replace("SHOP", &bench.shop)).await.unwrap();
    let key = "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: SHOP, \
        annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}\nstringData: {password: from git}\n";
    let commit = bench.commit(&[("key.yaml", key), ("web.yaml", &web("lockstep.dev/apply: create-only"))]);
    bench.until_ready(&commit).await;
    bench.until_looked_at(3).await;
    let status = bench.until_ready(&commit).await;
    assert_eq!((&status["objects"]["drifted"], &status["drift"]), (&json!(0), &Value::Null), "{status:#}");
    for (group, kind, name) in [("", "Secret", "key"), ("apps", "Deployment", "web")] {
        let live = bench.of(group, kind).get(name).await.unwrap().metadata;
        assert!(live.labels.unwrap_or_default().keys().all(|label| !label.contains("lockstep.dev")), "{name}");
    }
}
