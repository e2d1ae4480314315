//! What becomes of objects when their Sync is deleted.

use serde_json::json;

use super::town::Town;

#[tokio::test(flavor = "multi_thread")]
async fn objects_stay_or_go_as_the_policy_says_and_finalizers_of_others_are_not_touched() {
    let mut town = Town::make("ends").await;
    for (folder, name) in [("stays", "s"), ("goes", "g"), ("goes", "kept")] {
        town.human.write(&format!("{folder}/{name}.yaml"), &town.config_map(name, "1")).unwrap();
    }
    let commit = town.human.commit("objects of two").unwrap();
    town.sync("stays", "stays", json!({})).await;
    town.sync("goes", "goes", json!({"deletionPolicy": "prune"})).await;
    town.start().await;
    town.until_ready("stays", &commit).await;
    town.until_ready("goes", &commit).await;
    let finalizers = async |name: &str| town.syncs().get(name).await.unwrap().metadata.finalizers.unwrap_or_default();
    assert_eq!((finalizers("stays").await, finalizers("goes").await), (vec![], vec!["lockstep.dev/sync".to_owned()]));

    let keep = json!({"metadata": {"annotations": {"lockstep.dev/prune": "never"}}});
    town.maps().patch("kept", &Default::default(), &kube::api::Patch::Merge(keep)).await.unwrap();
    let other = json!({"metadata": {"finalizers": ["example.com/other", "lockstep.dev/sync"]}});
    town.syncs().patch("goes", &Default::default(), &kube::api::Patch::Merge(other)).await.unwrap();
    town.delete_sync("stays").await;
    town.until_gone("stays").await;
    town.delete_sync("goes").await;
    town.until("our finalizer to go", async || finalizers("goes").await == ["example.com/other"]).await;
    assert!(town.has("s").await && !town.has("g").await && town.has("kept").await);
    let none = json!({"metadata": {"finalizers": []}});
    town.syncs().patch("goes", &Default::default(), &kube::api::Patch::Merge(none)).await.unwrap();
    town.until_gone("goes").await;
    town.until("the events", async || {
        let events = town.events().await;
        events.iter().any(|event| event.starts_with("Orphaned: ") && event.contains("1 objects stay"))
            && events.iter().any(|event| event.starts_with("Dismantled: ") && event.contains("ConfigMap/"))
    })
    .await;
}
