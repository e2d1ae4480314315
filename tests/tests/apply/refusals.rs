//! One object is refused; the others go on.

use serde_json::json;

use super::bench::{Bench, config_map};

/// Denies ConfigMaps of the name `denied`, and nothing else in the cluster.
const POLICY: &str = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: policy-SHOP}\n\
    spec:\n  failurePolicy: Fail\n  matchConstraints:\n    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: SHOP}}\n    \
    resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]\n  \
    validations: [{expression: \"object.metadata.name != 'denied'\", message: the name is denied}]\n---\n\
    apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: policy-SHOP}\n\
    spec: {policyName: policy-SHOP, validationActions: [Deny]}\n";

/// Calls a webhook that nobody serves.
const WEBHOOK: &str = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: webhook-SHOP}\n\
    webhooks:\n- name: nobody.example.com\n  admissionReviewVersions: [v1]\n  sideEffects: None\n  failurePolicy: Fail\n  timeoutSeconds: 1\n  \
    clientConfig: {url: \"https://127.0.0.1:1/\"}\n  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: SHOP}}\n  \
    rules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]\n";

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_is_denied_and_named_and_nothing_is_pruned_meanwhile() {
    let bench = Bench::make("denied").await;
    let first = bench.commit(&[("gone.yaml", &config_map("SHOP", "gone", "{v: \"1\"}"))]);
    bench.until_ready(&first).await;
    bench.plane.apply_yaml(&POLICY.replace("SHOP", &bench.shop)).await.unwrap();
    // A policy takes a moment to be enforced.
    let probe = |name: &str| config_map(&bench.shop, name, "{v: x}");
    lockstep_testkit::eventually(std::time::Duration::from_secs(30), "the policy", async || {
        let denied = bench.plane.apply_yaml(&probe("denied")).await.is_err();
        if !denied {
            let maps = bench.of("", "ConfigMap");
            maps.delete("denied", &Default::default()).await.unwrap();
        }
        denied
    })
    .await
    .unwrap();
    let maps: Vec<String> = (0..40).map(|number| config_map("SHOP", &format!("c{number}"), "{v: \"1\"}")).collect();
    bench.human.remove("gone.yaml").unwrap();
    bench.commit(&[("maps.yaml", &maps.concat()), ("denied.yaml", &config_map("SHOP", "denied", "{v: \"1\"}"))]);
    let status = bench.until_told(&["the name is denied", &format!("policy-{}", bench.shop), "denied.yaml"]).await;
    assert_eq!(status["failures"]["total"], 1);
    for number in 0..40 {
        assert_eq!(bench.data(&format!("c{number}")).await, json!({"v": "1"}));
    }
    assert_eq!(bench.data("gone").await, json!({"v": "1"}), "nothing is pruned while an apply fails");
    bench.human.remove("denied.yaml").unwrap();
    let last = bench.commit(&[]);
    bench.until_ready(&last).await;
    assert_eq!(bench.data("gone").await, json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_down_is_waited_for() {
    let bench = Bench::make("webhook").await;
    bench.plane.apply_yaml(&WEBHOOK.replace("SHOP", &bench.shop)).await.unwrap();
    lockstep_testkit::eventually(std::time::Duration::from_secs(30), "the webhook", async || {
        bench.plane.apply_yaml(&config_map(&bench.shop, "probe", "{v: x}")).await.is_err()
    })
    .await
    .unwrap();
    let commit = bench.commit(&[("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}"))]);
    let status = bench.until_told(&["nobody.example.com"]).await;
    let stalled = status["conditions"].as_array().unwrap().iter().find(|it| it["type"] == "Stalled").unwrap().clone();
    assert_eq!(stalled["status"], "False", "it is tried again: {status:#}");
    let none = WEBHOOK.replace("SHOP", &bench.shop);
    let none = format!("{}webhooks: []\n", none.split("webhooks:").next().unwrap());
    bench.plane.apply_yaml(&none).await.unwrap();
    bench.until_ready(&commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_named_and_what_is_large_is_applied() {
    let bench = Bench::make("large").await;
    let large = format!("{{v: {}}}", "x".repeat(1_000_000));
    let huge = format!("{{v: {}}}", "x".repeat(1_100_000));
    bench.commit(&[
        ("large.yaml", &config_map("SHOP", "large", &large)),
        ("huge.yaml", &config_map("SHOP", "huge", &huge)),
        ("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}")),
    ]);
    let status = bench.until_told(&["huge.yaml", "Too long"]).await;
    assert_eq!(status["failures"]["total"], 1, "{status:#}");
    assert_eq!(bench.data("c").await, json!({"v": "1"}));
    assert_eq!(bench.data("large").await["v"].as_str().map(str::len), Some(1_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_going_holds_up_nobody_else() {
    let bench = Bench::make("going").await;
    let going = format!("{}-going", bench.shop);
    let space = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {going}}}\n---\n");
    let held = config_map(&going, "held", "{v: \"1\"}")
        .replace("{name: held,", "{name: held, finalizers: [example.com/held],");
    bench.plane.apply_yaml(&format!("{space}{held}")).await.unwrap();
    let spaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
        kube::Api::all(bench.plane.admin_client().await.unwrap());
    spaces.delete(&going, &Default::default()).await.unwrap();
    let there = config_map(&going, "there", "{v: \"1\"}");
    bench.commit(&[("there.yaml", &there), ("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}"))]);
    bench.until_told(&["being terminated"]).await;
    assert_eq!(bench.data("c").await, json!({"v": "1"}));
}
