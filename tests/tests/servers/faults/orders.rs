//! Orders that somebody wrote down, also in the words of other tools.

use serde_json::Value;

use super::bed::Bed;
use crate::plane::api;

fn web(bed: &Bed, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\n\
         metadata: {{name: web, namespace: {}, annotations: {{argocd.argoproj.io/sync-wave: \"-1\"}}}}\n\
         spec:\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
         spec: {{containers: [{{name: web, image: \"registry.example/web:{image}\"}}]}}\n",
        bed.shop
    )
}

/// B7: objects wait for each other. B8: what others depend on does not become ready, then leaves Git under them. A wave
/// of another tool begins when the one before is healthy.
#[tokio::test(flavor = "multi_thread")]
async fn b7_b8_circles_are_named_and_what_is_needed_is_waited_for_and_stays() {
    let (bed, first) = Bed::with_maps("b7", 2).await;
    let on = |group: &str, kind: &str, name: &str| {
        format!("config.kubernetes.io/depends-on: {group}/namespaces/{}/{kind}/{name}", bed.shop)
    };
    bed.write_with("c2", "1", &on("", "ConfigMap", "c3"));
    bed.write_with("c3", "1", &on("", "ConfigMap", "c2"));
    bed.write("c0", "2");
    bed.commit("A circle");
    let status = bed.until_reason("InvalidManifests").await;
    let told = status["failures"].to_string();
    for part in ["maps/c2.yaml", "maps/c3.yaml", "depends on"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(status["applied"]["commit"], first.as_str());
    assert_eq!(
        (bed.value("c0").await.as_deref(), bed.value("c2").await, bed.value("c3").await),
        (Some("1"), None, None)
    );

    // The image cannot be pulled.
    bed.human.write("web.yaml", &web(&bed, "bad")).unwrap();
    bed.write_with("c2", "1", &on("apps", "Deployment", "web"));
    bed.write_with("c3", "1", "argocd.argoproj.io/sync-wave: \"1\"");
    bed.write("c1", "2");
    bed.commit("A dependency and waves");
    let waiting = |status: &Value| {
        let told = status["waiting"].to_string();
        ["/c1\"", "/c2\"", "/c3\"", "Deployment/"].iter().all(|part| told.contains(part)) && told.contains("web: ")
    };
    let status = bed.until("the wait", waiting).await;
    let failed = status["failures"]["first"].to_string();
    assert!(["/c1", "/c2", "/c3"].iter().all(|name| !failed.contains(name)), "waiting is no failure: {failed}");
    let webs = api(&bed.client, "apps", "v1", "Deployment", Some(&bed.shop));
    let deployment = webs.get("web").await.unwrap().metadata.uid;
    bed.until_looked_at(2).await;
    assert_eq!(
        (bed.value("c1").await.as_deref(), bed.value("c2").await, bed.value("c3").await),
        (Some("1"), None, None)
    );

    bed.human.write("web.yaml", &web(&bed, "1")).unwrap();
    let ready = bed.commit("An image that can be pulled");
    bed.until_ready(&ready).await;
    assert_eq!(webs.get("web").await.unwrap().metadata.uid, deployment);

    bed.human.remove("web.yaml").unwrap();
    bed.write("c0", "3");
    bed.commit("Remove what is depended on");
    let status = bed.until_reason("InvalidManifests").await;
    let told = status["failures"].to_string();
    assert!(told.contains("maps/c2.yaml") && told.contains("Deployment/"), "{told}");
    bed.until_looked_at(2).await;
    assert_eq!((bed.value("c0").await.as_deref(), bed.deletions()), (Some("2"), vec![]));
    assert_eq!(webs.get("web").await.unwrap().metadata.uid, deployment);

    bed.write("c2", "2");
    let last = bed.commit("Depend on nothing");
    bed.wait("the deployment to be gone", async || webs.get_opt("web").await.unwrap().is_none()).await;
    bed.finish(&last, &["web"]).await;
}
