//! An ordinary day: sync, rest, edits, deletions, restarts.

use jiff::Timestamp;

use super::bed::{Bed, config_map};

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: SHOP}\n\
    spec:\n  replicas: 1\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
    spec: {containers: [{name: web, image: \"registry.example/web:1\", ports: [{containerPort: 80}]}]}\n---\n\
    apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: SHOP}\n\
    spec: {selector: {app: web}, ports: [{port: 80}]}\n";

fn commit_shop(bed: &Bed, maps: usize) -> String {
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n", bed.shop);
    bed.human.write("namespace.yaml", &namespace).unwrap();
    bed.human.write("web.yaml", &WEB.replace("SHOP", &bed.shop)).unwrap();
    for number in 0..maps {
        bed.human.write(&format!("maps/c{number}.yaml"), &config_map(&bed.shop, &format!("c{number}"), "1")).unwrap();
    }
    bed.human.commit("Open the shop").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn git_is_in_the_cluster_and_stays_there() {
    let mut bed = Bed::make("day").await;
    let first = commit_shop(&bed, 5);
    bed.start().await;
    let status = bed.until_ready(&first).await;
    assert_eq!(status["objects"]["total"], 8);
    assert_eq!(status["objects"]["healthy"], 8);

    // At rest: the branch is looked at each second, the API server never.
    bed.until_quiet().await;
    let rest = Timestamp::now();
    bed.until_looked_at(5).await;
    let calls = bed.calls(rest..);
    assert!(calls.is_empty(), "{calls}");

    // One object of a commit costs one PATCH, and the status around it.
    let before = Timestamp::now();
    bed.human.write("maps/c1.yaml", &config_map(&bed.shop, "c1", "2")).unwrap();
    let second = bed.human.commit("Change one value").unwrap();
    bed.until_ready(&second).await;
    assert_eq!(bed.value("c1").await.as_deref(), Some("2"));
    let calls = bed.calls(before..).writes().filter(|call| call.resource != "syncs" && call.resource != "events");
    assert_eq!(calls.len(), 1, "{calls}");

    // Somebody edits, somebody deletes.
    bed.edit("c1", "hand-made").await;
    let seen = |status: &serde_json::Value, object: &str| {
        let all = status["drift"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|seen| seen["object"].as_str().is_some_and(|name| name.ends_with(object)))
    };
    let status = bed.until("the edit to be told", |status| seen(status, "/c1").is_some()).await;
    assert_eq!(bed.value("c1").await.as_deref(), Some("2"));
    let told = seen(&status, "/c1").unwrap();
    assert_eq!(
        (&told["manager"], &told["fields"][0]["path"], &told["repaired"]),
        (&"kubectl-edit".into(), &".data.v".into(), &true.into())
    );
    bed.delete("c2").await;
    bed.until("the deletion to be told", |status| seen(status, "/c2").is_some()).await;
    assert_eq!(bed.value("c2").await.as_deref(), Some("1"));
    bed.until_ready(&second).await;
    let events = bed.events().await;
    assert!(events.iter().any(|event| event.contains("kubectl-edit") && event.contains(".data.v")), "{events:?}");

    // One object leaves Git.
    bed.human.remove("maps/c4.yaml").unwrap();
    let third = bed.human.commit("Remove one").unwrap();
    bed.until_ready(&third).await;
    assert_eq!(bed.value("c4").await, None);

    // A restart, even without the disk, writes nothing about objects; what happened meanwhile is seen.
    bed.until_quiet().await;
    bed.stop().await;
    let restart = Timestamp::now();
    bed.start().await;
    bed.until_ready(&third).await;
    bed.until_quiet().await;
    let calls = bed.calls(restart..).writes();
    assert!(calls.is_empty(), "{calls}");
    bed.stop().await;
    bed.edit("c0", "while nobody looked").await;
    bed.start().await;
    bed.until("the edit to be told", |status| seen(status, "/c0").is_some()).await;
    assert_eq!(bed.value("c0").await.as_deref(), Some("1"));
    bed.stop().await;
}
