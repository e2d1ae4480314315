//! Repositories that are rewritten, gone, or faster than the cluster.

use std::{collections::BTreeMap, process::Command};

use lockstep_testkit::{Fault, Requests, Times};
use serde_json::Value;

use super::bed::{Bed, condition};

/// C1: the branch is rewritten.
#[tokio::test(flavor = "multi_thread")]
async fn c1_a_rewritten_branch_is_followed_and_told() {
    let (bed, first) = Bed::with_maps("c1", 3).await;
    bed.write("c0", "2");
    let second = bed.commit("A commit that is taken back");
    bed.until_ready(&second).await;
    bed.human.git(&["reset", "--quiet", "--hard", &first]).unwrap();
    bed.write("c0", "1");
    bed.write("c1", "3");
    bed.human.git(&["commit", "--quiet", "--all", "--message", "Another past"]).unwrap();
    bed.human.git(&["push", "--quiet", "--force", "origin", "HEAD:main"]).unwrap();
    let third = bed.human.head().unwrap();
    bed.until_ready(&third).await;
    let told = async || {
        bed.events().await.iter().any(|event| event.starts_with("BranchRewritten") && event.contains(&second[..10]))
    };
    bed.wait("the rewriting to be told", told).await;
    assert_eq!(bed.events().await.iter().filter(|event| event.starts_with("BranchRewritten")).count(), 1);
    bed.finish(&third, &[]).await;
}

/// C2: the branch is gone, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn c2_without_its_branch_the_cluster_stays_as_it_is() {
    let (bed, first) = Bed::with_maps("c2", 3).await;
    let rename = |from: &str, to: &str| {
        let mut git = Command::new("git");
        git.arg("--git-dir").arg(bed.git.repository()).args(["branch", "--move", from, to]);
        assert!(git.status().unwrap().success());
    };
    rename("main", "trunk");
    let status = bed.until_reason("FetchFailed").await;
    assert!(status["conditions"].to_string().contains("main"), "{status:#}");
    assert_eq!(status["applied"]["commit"], *first);
    assert!(bed.metric("fetch_failures_total", &[]).await > 0.0);
    bed.edit("c1", "hand-made").await;
    bed.until_value("c1", "1").await;
    assert_eq!(bed.deletions(), [""; 0]);
    rename("trunk", "main");
    bed.write("c0", "2");
    let second = bed.commit("It is back");
    bed.finish(&second, &[]).await;
}

/// C3: a commit empties the folder, or takes it away.
#[tokio::test(flavor = "multi_thread")]
async fn c3_an_emptied_folder_needs_a_person() {
    let (bed, _) = Bed::with_maps("c3", 3).await;
    bed.sync(serde_json::json!({"source": {"repository": bed.git.http_url(), "path": "maps"}})).await;
    for number in 0..3 {
        bed.remove(&format!("c{number}"));
    }
    bed.human.write("maps/README.md", "Nothing here.\n").unwrap();
    let emptied = bed.commit("Empty the folder");
    let status = bed.until("the hold", |status| status["held"]["commit"] == *emptied).await;
    assert_eq!((condition(&status, "Ready").1.as_str(), &status["held"]["wouldPrune"]), ("PruneHeld", &3.into()));
    bed.human.remove("maps").unwrap();
    let taken = bed.commit("Take the folder away");
    let status = bed.until("the second hold", |status| status["held"]["commit"] == *taken).await;
    assert_ne!(condition(&status, "Ready").0, "True");
    bed.until_looked_at(2).await;
    assert_eq!((bed.deletions().len(), bed.value("c1").await.as_deref()), (0, Some("1")));
    // The leave is for one commit: that for the one before counts for nothing.
    bed.acknowledge(&emptied).await;
    bed.until_looked_at(2).await;
    assert_eq!(bed.deletions().len(), 0);
    bed.write("c0", "2");
    bed.write("c1", "1");
    bed.write("c2", "1");
    let back = bed.commit("It was a mistake");
    bed.finish(&back, &[]).await;
}

/// C4: a commit removes most of what there is.
#[tokio::test(flavor = "multi_thread")]
async fn c4_most_of_it_goes_only_with_leave() {
    let (bed, _) = Bed::with_maps("c4", 20).await;
    for number in 8..20 {
        bed.remove(&format!("c{number}"));
    }
    bed.write("c0", "2");
    let commit = bed.commit("Remove twelve of twenty");
    let status = bed.until_reason("PruneHeld").await;
    assert_eq!((&status["held"]["commit"], &status["held"]["wouldPrune"]), (&commit.as_str().into(), &12.into()));
    assert_eq!(bed.value("c0").await.as_deref(), Some("2"), "the rest is applied");
    assert_eq!(bed.metric("syncs", &["state=\"held\""]).await, 1.0);
    assert_eq!(bed.deletions().len(), 0);
    bed.acknowledge(&commit).await;
    bed.until_ready(&commit).await;
    let mut deleted = bed.finish_after_deletions(&commit).await;
    deleted.sort();
    let mut wanted: Vec<String> = (8..20).map(|number| format!("c{number}")).collect();
    wanted.sort();
    assert_eq!(deleted, wanted);
}

/// C8: the Git server is down for a while.
#[tokio::test(flavor = "multi_thread")]
async fn c8_while_git_is_down_the_last_commit_is_kept() {
    let (bed, first) = Bed::with_maps("c8", 3).await;
    let applied = bed.metric("last_applied_timestamp_seconds", &[]).await;
    bed.remove("c2");
    bed.git.stop();
    let second = bed.commit("Nobody hears of it yet");
    let status = bed.until_reason("FetchFailed").await;
    assert_eq!(
        (&status["applied"]["commit"], &status["fetched"]["commit"]),
        (&first.as_str().into(), &first.as_str().into())
    );
    bed.edit("c1", "hand-made").await;
    bed.until_value("c1", "1").await;
    assert!(bed.metric("fetch_failures_total", &[]).await > 0.0);
    assert!(applied > 0.0);
    assert_eq!((bed.metric("last_applied_timestamp_seconds", &[]).await, bed.deletions().len()), (applied, 0));
    bed.git.resume().unwrap();
    bed.finish(&second, &["c2"]).await;
}

/// The values that were applied to ConfigMaps and the commits that were said to be applied, in this order.
fn told(bed: &Bed) -> Vec<(&'static str, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seen = bed.proxy.seen(&Requests::with(&["patch"]));
    let mut all: Vec<_> = seen.iter().filter(|seen| seen.code.is_some_and(|code| code < 300)).collect();
    all.sort_by_key(|seen| seen.ended);
    let step = |seen: &&lockstep_testkit::Seen| match (seen.asked.resource.as_str(), seen.asked.subresource.as_str()) {
        ("configmaps", "") => Some(("value", seen.asked.name.clone(), text(&seen.body["data"]["v"]))),
        ("syncs", "status") => Some(("commit", String::new(), text(&seen.body[1]["value"]["applied"]["commit"]))),
        _ => None,
    };
    all.iter().filter_map(step).collect()
}

/// C14: commits come faster than they can be applied.
#[tokio::test(flavor = "multi_thread")]
async fn c14_the_newest_commit_wins_and_what_is_said_was_done() {
    let (bed, first) = Bed::with_maps("c14", 2).await;
    let mut values = BTreeMap::from([(first, "1".to_owned())]);
    let slow = bed.proxy.inject(
        Requests::with(&["patch"]).of("configmaps"),
        Times::Every(2),
        Fault::Delay(std::time::Duration::from_millis(300)),
    );
    for number in 2..27 {
        bed.write("c0", &number.to_string());
        bed.write("c1", &number.to_string());
        values.insert(bed.commit("Another one"), number.to_string());
    }
    let last = bed.human.head().unwrap();
    bed.until_ready(&last).await;
    slow.lift();
    let mut now: BTreeMap<String, String> = BTreeMap::new();
    let mut said = 0;
    for (what, name, text) in told(&bed) {
        if what == "value" {
            now.insert(name, text);
        } else if !text.is_empty() {
            said += 1;
            assert!(now.values().all(|value| *value == values[&text]), "{text} is said to be applied: {now:?}");
        }
    }
    assert!(said >= 2);
    bed.finish(&last, &[]).await;
}

/// C15: a commit lands while another one is being applied.
#[tokio::test(flavor = "multi_thread")]
async fn c15_two_commits_are_never_mixed() {
    let (bed, _) = Bed::with_maps("c15", 5).await;
    let held = bed.proxy.inject(Requests::with(&["patch"]).of("configmaps").named("c3"), Times::First(1), Fault::Hold);
    let change = |value: &str| (0..5).for_each(|number| bed.write(&format!("c{number}"), value));
    change("2");
    let second = bed.commit("The second");
    bed.wait("the apply", async || held.hits() == 1).await;
    change("3");
    let third = bed.commit("The third");
    held.lift();
    bed.until_ready(&third).await;
    let told = told(&bed);
    let values: Vec<&str> =
        told.iter().filter(|(what, ..)| *what == "value").map(|(.., value)| value.as_str()).collect();
    assert_eq!(values, [["1"; 5], ["2"; 5], ["3"; 5]].concat(), "one after the other");
    assert!(told.iter().any(|(what, _, commit)| *what == "commit" && *commit == second), "{told:?}");
    bed.finish(&third, &[]).await;
}
