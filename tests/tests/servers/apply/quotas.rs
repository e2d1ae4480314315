//! Pods that a quota forbids: their controllers say so in Events only, and the Sync repeats it.

use serde_json::{Value, json};

use super::bench::Bench;

fn workload(version: &str, kind: &str, name: &str, spec: &Value) -> String {
    let mut spec = spec.clone();
    let restart = if kind == "Job" { "Never" } else { "Always" };
    spec["template"] = json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "example.com/c:1"}]},
    });
    if kind != "Job" {
        spec["selector"] = json!({"matchLabels": {"app": name}});
    }
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "SHOP"}, "spec": spec})
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_keeps_pods_from_being_made_is_named_and_forgotten_when_it_is_gone() {
    let bench = Bench::make("quota").await;
    let quota = |pods: &str| {
        let metadata = json!({"name": "pods", "namespace": bench.shop});
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": pods}}})
            .to_string()
    };
    bench.plane.apply_yaml(&quota("0")).await.unwrap();
    let files = [
        ("set.yaml", workload("apps/v1", "StatefulSet", "set", &json!({"serviceName": "set", "replicas": 1}))),
        ("every.yaml", workload("apps/v1", "DaemonSet", "every", &json!({}))),
        ("once.yaml", workload("batch/v1", "Job", "once", &json!({}))),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    bench.patch_spec(json!({"timeout": "3s"})).await;
    bench.commit(&files);
    bench
        .until("the quota to be named for each", |status| {
            let told: Vec<String> =
                status["failures"]["first"].as_array().into_iter().flatten().map(Value::to_string).collect();
            let named =
                |kind: &str| told.iter().any(|failure| failure.contains(kind) && failure.contains("exceeded quota"));
            ["StatefulSet/", "DaemonSet/", "Job/"].into_iter().all(named)
        })
        .await;
    bench.plane.apply_yaml(&quota("10")).await.unwrap();
    bench.human.remove("once.yaml").unwrap();
    let last = bench.commit(&[]);
    bench.until_ready(&last).await;
}
