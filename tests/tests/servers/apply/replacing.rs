//! Fields that cannot change.

use kube::ResourceExt as _;
use serde_json::json;

use super::bench::{Bench, config_map};

const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once, namespace: SHOP, annotations: {ASKED}}\n\
    spec: {suspend: true, template: {spec: {restartPolicy: POLICY, containers: [{name: a, image: \"registry.example/IMAGE\"}]}}}\n";

fn job(image: &str, policy: &str, asked: &str) -> String {
    JOB.replace("IMAGE", image).replace("POLICY", policy).replace("ASKED", asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_field_is_named_and_the_object_replaced_on_request_only() {
    let bench = Bench::make("replace").await;
    let jobs = bench.of("batch", "Job");
    bench.commit(&[("job.yaml", &job("one", "Never", "")), ("c.yaml", &config_map("SHOP", "c", "{v: \"1\"}"))]);
    bench.until_data("c", json!({"v": "1"})).await;
    bench.until("the job", |status| status["objects"]["total"] == 2).await;
    let first = jobs.get("once").await.unwrap().uid().unwrap();

    bench.commit(&[("job.yaml", &job("two", "Never", "")), ("c.yaml", &config_map("SHOP", "c", "{v: \"2\"}"))]);
    let status = bench.until_told(&["immutable: spec.template", "lockstep.dev/replace: on-immutable"]).await;
    assert_eq!(status["failures"]["first"][0]["file"], "job.yaml");
    bench.until_data("c", json!({"v": "2"})).await;

    // It is asked for now, but the new one would not be taken: the old one stays.
    let asked = "lockstep.dev/replace: on-immutable";
    bench.commit(&[("job.yaml", &job("two", "Sometimes", asked))]);
    bench.until_told(&["Sometimes", "was not deleted"]).await;
    assert_eq!(jobs.get("once").await.unwrap().uid().unwrap(), first);

    bench.commit(&[("job.yaml", &job("two", "Never", asked))]);
    bench.until("no failure", |status| status["failures"]["total"].as_u64().unwrap_or_default() == 0).await;
    let second = jobs.get("once").await.unwrap();
    assert_ne!(second.uid().unwrap(), first);
    assert_eq!(
        second.data["spec"]["template"]["spec"]["containers"][0]["image"],
        json!("registry.example/two"),
        "{second:?}"
    );
    bench.until_event("Replaced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_that_holds_the_old_object_is_named() {
    let bench = Bench::make("held").await;
    let map = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nimmutable: true\ndata: {{v: \"{value}\"}}\n\
             metadata: {{name: c, namespace: SHOP, annotations: {{lockstep.dev/replace: on-immutable}}}}\n"
        )
    };
    let first = bench.commit(&[("c.yaml", &map("1"))]);
    bench.until_ready(&first).await;
    let maps = bench.of("", "ConfigMap");
    bench.merge(&maps, "c", "somebody", json!({"metadata": {"finalizers": ["example.com/held"]}})).await;
    let second = bench.commit(&[("c.yaml", &map("2")), ("d.yaml", &config_map("SHOP", "d", "{v: \"1\"}"))]);
    bench.until_told(&["example.com/held"]).await;
    bench.until_data("d", json!({"v": "1"})).await;
    assert_eq!(bench.data("c").await, json!({"v": "1"}));
    bench.merge(&maps, "c", "somebody", json!({"metadata": {"finalizers": null}})).await;
    bench.until_data("c", json!({"v": "2"})).await;
    bench.until_ready(&second).await;
}
