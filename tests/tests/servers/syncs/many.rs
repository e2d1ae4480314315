//! Many Syncs of one repository: one after the other where they say so, together otherwise.

use serde_json::json;

use super::town::{Town, ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_syncs_brings_each_commit_in_its_order() {
    let mut town = Town::make("chain").await;
    let write = |town: &Town, value: &str| {
        for name in ["first", "second", "third"] {
            town.human.write(&format!("{name}/{name}.yaml"), &town.config_map(name, value)).unwrap();
        }
        town.human.commit(value).unwrap()
    };
    let one = write(&town, "1");
    town.sync("third", "third", json!({"dependsOn": [{"name": "second"}]})).await;
    town.sync("second", "second", json!({"dependsOn": [{"name": "first"}]})).await;
    town.start().await;
    town.until("the missing one to be named", async || {
        ready(&town.status("second").await).2 == "the Sync first does not exist"
    })
    .await;
    assert!(!town.has("second").await && !town.has("third").await);
    town.sync("first", "first", json!({})).await;
    town.until_ready("third", &one).await;
    let two = write(&town, "2");
    town.until_ready("third", &two).await;
    let calls = town.calls();
    let applies = calls.iter().filter(|call| call.resource == "configmaps" && call.verb == "patch");
    let names: Vec<&str> = applies.map(|call| call.name.as_str()).collect();
    assert_eq!(names, ["first", "second", "third", "first", "second", "third"]);

    town.sync("first", "first", json!({"dependsOn": [{"name": "third"}]})).await;
    town.until("the cycle to be named", async || ready(&town.status("first").await).1 == "DependencyCycle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_syncs_of_one_repository_share_their_questions() {
    const SYNCS: usize = 30;
    let mut town = Town::make("many").await;
    for number in 0..SYNCS {
        let name = format!("m{number}");
        town.human.write(&format!("{name}/{name}.yaml"), &town.config_map(&name, "1")).unwrap();
    }
    town.human.commit("all").unwrap();
    for number in 0..SYNCS {
        town.sync(&format!("m{number}"), &format!("m{number}"), json!({"interval": "10m"})).await;
    }
    town.start().await;
    town.until("all to be ready", async || {
        let all = town.syncs().list(&Default::default()).await.unwrap();
        all.iter().filter(|sync| ready(&sync.data["status"]).0 == "True").count() == SYNCS
    })
    .await;
    // Each question is two requests, and the pack a third; who waited shared the answer to the next.
    assert!(town.git.http_requests() <= 12, "{} requests for {SYNCS} Syncs", town.git.http_requests());
    let calls = town.calls();
    let count = |resource: &str, subresource: &str, verb: &str| {
        let same = |call: &&lockstep_testkit::Call| {
            (call.resource.as_str(), call.subresource.as_str(), call.verb.as_str()) == (resource, subresource, verb)
        };
        calls.iter().filter(same).count()
    };
    assert_eq!(count("configmaps", "", "patch"), SYNCS);
    assert_eq!(count("syncs", "", "patch"), SYNCS);
    assert!(count("syncs", "status", "patch") <= 2 * SYNCS, "{calls}");
    assert!(count("configmaps", "", "get") <= SYNCS, "{calls}");
}
