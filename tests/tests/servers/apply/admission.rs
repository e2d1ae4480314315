//! Admission by a real webhook: one that denies, one that rewrites, one that fails for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockstep_testkit::{AdmissionWebhook, Review, eventually};
use serde_json::{Value, json};

use super::bench::{Bench, config_map};

/// Registers the webhook for the ConfigMaps of the shop, and waits until the API server asks it.
async fn register(bench: &Bench, kind: &str, webhook: &AdmissionWebhook) {
    bench.plane.apply_yaml(&configuration(bench, kind, &webhook.client_config())).await.unwrap();
    let probe = config_map(&bench.shop, "probe", "{v: x}");
    eventually(Duration::from_secs(30), "the webhook to be asked", async || {
        let _ = bench.plane.apply_yaml(&probe).await;
        webhook.asked() > 0
    })
    .await
    .unwrap();
}

fn configuration(bench: &Bench, kind: &str, client: &Value) -> String {
    let shop = &bench.shop;
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]);
    let webhook = json!({
        "name": format!("{shop}.example.com"), "clientConfig": client, "rules": rules, "admissionReviewVersions": ["v1"],
        "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 5,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop}},
    });
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": shop}, "webhooks": [webhook],
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_denies_is_named_with_its_words_and_the_others_are_applied() {
    let bench = Bench::make("denier").await;
    let webhook = AdmissionWebhook::start(|request| match request["name"].as_str() {
        Some("denied") => Review::Deny("no owner is written on it".to_owned()),
        _ => Review::Allow,
    })
    .unwrap();
    register(&bench, "ValidatingWebhookConfiguration", &webhook).await;
    bench.commit(&[
        ("denied.yaml", &config_map("SHOP", "denied", "{v: \"1\"}")),
        ("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}")),
    ]);
    let name = format!("{}.example.com", bench.shop);
    let status = bench.until_told(&[&name, "no owner is written on it", "denied.yaml"]).await;
    assert_eq!(status["failures"]["total"], 1, "{status:#}");
    assert_eq!(bench.data("c").await, json!({"v": "1"}));
    bench.human.remove("denied.yaml").unwrap();
    let last = bench.commit(&[]);
    bench.until_ready(&last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_for_a_while_is_waited_for() {
    let bench = Bench::make("fails").await;
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    // An answer that is no JSON patch: the call fails, which is no refusal of the object.
    let webhook = AdmissionWebhook::start(move |_| match is_up.load(Ordering::Relaxed) {
        true => Review::Allow,
        false => Review::Patch(json!("broken")),
    })
    .unwrap();
    register(&bench, "MutatingWebhookConfiguration", &webhook).await;
    let commit = bench.commit(&[("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}"))]);
    bench.until_told(&["ConfigMap"]).await;
    up.store(true, Ordering::Relaxed);
    bench.until_ready(&commit).await;
    assert_eq!(bench.data("c").await, json!({"v": "1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_rewrites_a_field_of_ours_makes_no_loop() {
    let bench = Bench::make("rewriter").await;
    let webhook = AdmissionWebhook::start(|request| match request["object"]["data"]["v"].is_string() {
        true => Review::Patch(json!([{"op": "replace", "path": "/data/v", "value": "rewritten"}])),
        false => Review::Allow,
    })
    .unwrap();
    register(&bench, "MutatingWebhookConfiguration", &webhook).await;
    let files = [("c.yaml", config_map("SHOP", "c", "{v: \"1\"}")), ("d.yaml", config_map("SHOP", "d", "{w: \"1\"}"))];
    let first = bench.commit(&[(files[0].0, &files[0].1), (files[1].0, &files[1].1)]);
    bench.until(&format!("{first} to be applied"), |status| status["applied"]["commit"] == first).await;
    assert_eq!(bench.data("c").await, json!({"v": "rewritten"}));
    bench.until_event("Rewritten").await;
    // The next commits touch only the other: each is one look at what is there, and c is not written again.
    let version = async || bench.of("", "ConfigMap").get("c").await.unwrap().metadata.resource_version;
    let before = version().await;
    for round in 2..5 {
        let next = bench.commit(&[("d.yaml", &config_map("SHOP", "d", &format!("{{w: \"{round}\"}}")))]);
        bench.until(&format!("{next} to be applied"), |status| status["applied"]["commit"] == next).await;
    }
    assert_eq!(version().await, before, "it is not written again and again");
}

const RIGHT: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
    metadata: {name: manages-SHOP, labels: {lockstep.dev/aggregate-to-manages: \"true\"}}\n\
    rules: [{apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], \
    verbs: [get, list, watch, create, patch, delete]}]\n";

/// A policy engine in one commit, whose webhook would refuse what it runs on.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_webhook_cannot_refuse_what_was_to_come_before_it() {
    let bench = Bench::make("engine").await;
    bench.plane.apply_yaml(&RIGHT.replace("SHOP", &bench.shop)).await.unwrap();
    let webhook = AdmissionWebhook::start(|_| Review::Deny("the engine is not running".to_owned())).unwrap();
    let hook = configuration(&bench, "ValidatingWebhookConfiguration", &webhook.client_config());
    // A number is no text: the API server refuses it.
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: rest, namespace: SHOP}\n";
    bench.commit(&[
        ("rest.yaml", account),
        ("hook.yaml", &hook),
        ("engine.yaml", &config_map("SHOP", "engine", "{v: 1}")),
    ]);
    bench.until_told(&["engine.yaml", "a new webhook comes when", "ValidatingWebhookConfiguration"]).await;
    let fixed = bench.commit(&[("engine.yaml", &config_map("SHOP", "engine", "{v: \"1\"}"))]);
    bench.until_ready(&fixed).await;
    assert_eq!(bench.data("engine").await, json!({"v": "1"}));
    bench.commit(&[("engine.yaml", &config_map("SHOP", "engine", "{v: \"2\"}"))]);
    bench.until_told(&["the engine is not running"]).await;
    // Without its webhook what leaves Git can go.
    for file in ["hook.yaml", "engine.yaml"] {
        bench.human.remove(file).unwrap();
    }
    let rest = bench.commit(&[]);
    bench.until_ready(&rest).await;
    assert_eq!(bench.data("engine").await, Value::Null);
}
