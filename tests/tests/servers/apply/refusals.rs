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

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: blobs.SHOP.example.com}\n\
    spec:\n  group: SHOP.example.com\n  scope: Namespaced\n  names: {kind: Blob, plural: blobs}\n  versions:\n  - name: v1\n    served: true\n    \
    storage: true\n    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {text: {type: string}}}}}}\n---\n\
    apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
    metadata: {name: manages-SHOP, labels: {lockstep.dev/aggregate-to-manages: \"true\"}}\n\
    rules: [{apiGroups: [SHOP.example.com], resources: [blobs], verbs: [get, list, watch, create, patch, delete]}]\n";

/// The API server answers 500 to each of them, as it does when it is not well.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_manifest_is_final_whatever_its_code() {
    let bench = Bench::make("final").await;
    bench.plane.apply_yaml(&DEFINITION.replace("SHOP", &bench.shop)).await.unwrap();
    let unknown = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: unknown, namespace: SHOP}\nspec:\n  replicaz: 1\n  \
        selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}\n";
    let base64 = config_map("SHOP", "base64", "{}").replace("data: {}", "binaryData: {v: \"%%%\"}");
    let typed = config_map("SHOP", "typed", "{v: [1]}");
    let twice = "apiVersion: v1\nkind: Service\nmetadata: {name: twice, namespace: SHOP}\n\
        spec: {ports: [{name: a, port: 80}, {name: b, port: 80, protocol: TCP}]}\n";
    let blob = format!(
        "apiVersion: SHOP.example.com/v1\nkind: Blob\nmetadata: {{name: blob, namespace: SHOP}}\nspec: {{text: {}}}\n",
        "x".repeat(1_700_000)
    );
    let files = [("unknown", unknown), ("base64", &base64), ("typed", &typed), ("twice", twice), ("blob", &blob)];
    let named: Vec<(String, &str)> = files.iter().map(|(name, text)| (format!("{name}.yaml"), *text)).collect();
    let written: Vec<(&str, &str)> = named.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    bench.commit(&[written.as_slice(), &[("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}"))]].concat());
    let status = bench.until("all refusals", |status| status["failures"]["total"] == files.len()).await;
    let told = status["failures"].to_string();
    assert!(named.iter().all(|(name, _)| told.contains(name)) && told.len() < 20_000, "{told}");
    let is_stuck = |status: &serde_json::Value| {
        status["conditions"].as_array().unwrap().iter().any(|it| it["type"] == "Stalled" && it["status"] == "True")
    };
    assert!(is_stuck(&status), "{status:#}");
    bench.until_data("c", json!({"v": "1"})).await;
    let patches = || {
        let user = format!("system:serviceaccount:{}:daemon", bench.sync_namespace());
        let calls = bench.plane.count_calls(&user, ..).unwrap().requests();
        let refused = |call: &&lockstep_testkit::Call| {
            call.verb == "patch" && files.iter().any(|(name, _)| call.uri.contains(&format!("/{name}?")))
        };
        calls.iter().filter(refused).map(|call| format!("{} {}", call.name, call.code)).collect::<Vec<_>>()
    };
    // One that is only away for a moment would be asked again long before that.
    bench.until_looked_at(5).await;
    let mut asked = patches();
    asked.sort();
    assert_eq!(asked, ["base64 500", "blob 500", "twice 500", "typed 500", "unknown 500"]);

    for (name, _) in &named {
        bench.human.remove(name).unwrap();
    }
    let last = bench.commit(&[]);
    bench.until_ready(&last).await;
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
