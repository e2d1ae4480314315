//! Watches and lists that break off, lie or fall silent.

use lockstep_daemon::Period;
use lockstep_testkit::{Fault, Requests, Seen, Times, Trick};
use serde_json::json;

use super::bed::{Bed, condition};

fn watches() -> Requests {
    Requests::with(&["watch"]).of("configmaps")
}

fn lists() -> Requests {
    Requests::with(&["list"]).of("configmaps")
}

/// A5: the API server cannot go on from where a watch stood; what happened in between is seen all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a5_a_watch_that_cannot_go_on_lists_again_and_misses_nothing() {
    let (bed, commit) = Bed::with_maps("a5", 3).await;
    bed.wait("the watch", async || bed.proxy.open_watches(&watches()) == 1).await;
    let (listed, drifts) = (bed.proxy.seen(&lists()).len(), bed.metric("drifts_total", &[]).await);

    // An ERROR event.
    assert_eq!(bed.proxy.trick(&watches(), &Trick::Stall), 1);
    bed.edit("c0", "hand-made").await;
    assert_eq!(bed.proxy.trick(&watches(), &Trick::gone()), 1);
    bed.until_value("c0", "1").await;
    assert_eq!(bed.proxy.seen(&lists()).len(), listed + 1, "one list for one gap");

    // The answer 410 to a watch that begins anew, for as long as it asks for the same state.
    bed.wait("the watch", async || bed.proxy.open_watches(&watches()) == 1).await;
    let gone = Fault::status(410, "Expired", "too old resource version: 1 (2)");
    let refused = bed.proxy.inject(watches(), Times::Always, gone);
    bed.proxy.trick(&watches(), &Trick::Stall);
    bed.delete("c1").await;
    bed.proxy.trick(&watches(), &Trick::End);
    bed.until_value("c1", "1").await;
    refused.lift();
    bed.wait("the watch", async || bed.proxy.open_watches(&watches()) == 1).await;
    let listed = bed.proxy.seen(&lists()).len();

    // An error of another kind, and a connection that breaks: neither loses anything, neither needs a list.
    for trick in [Trick::error(500, "InternalError", "etcdserver: no leader"), Trick::Cut] {
        bed.wait("the watch", async || bed.proxy.open_watches(&watches()) == 1).await;
        bed.proxy.trick(&watches(), &Trick::Stall);
        bed.edit("c2", "hand-made").await;
        assert_eq!(bed.proxy.trick(&watches(), &trick), 1);
        bed.until_value("c2", "1").await;
    }
    assert_eq!(bed.proxy.seen(&lists()).len(), listed);
    let told = async || bed.metric("drifts_total", &["true"]).await >= drifts + 4.0;
    bed.wait("the drifts to be counted", told).await;
    bed.finish(&commit, &[]).await;
}

/// A6: a watch falls silent without being closed, and so does the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a6_silence_is_noticed() {
    let mut bed = Bed::make("a6").await;
    bed.settings.watch_timeout = Period::seconds(2);
    bed.write("c0", "1");
    let commit = bed.commit("One map");
    bed.start().await;
    bed.until_ready(&commit).await;
    bed.wait("the watch", async || bed.proxy.trick(&watches(), &Trick::Stall) == 1).await;
    let (asked, listed) = (bed.proxy.seen(&watches()).len(), bed.proxy.seen(&lists()).len());
    bed.edit("c0", "hand-made").await;
    bed.until_value("c0", "1").await;
    assert!(bed.proxy.seen(&watches()).len() > asked);
    let whole = |seen: &Seen| !seen.asked.query.contains("limit=1&") && !seen.asked.query.ends_with("limit=1");
    assert!(!bed.proxy.seen(&lists())[listed..].iter().any(whole), "silence is no reason to list");
    let queries: Vec<String> = bed.proxy.seen(&watches()).into_iter().map(|seen| seen.asked.query).collect();
    assert!(
        queries.iter().all(|query| query.contains("timeoutSeconds=") && query.contains("allowWatchBookmarks=true"))
    );
    bed.finish(&commit, &[]).await;
}

/// A7: the token of a list expires between two pages.
#[tokio::test(flavor = "multi_thread")]
async fn a7_half_a_list_is_no_list() {
    let (mut bed, first) = Bed::with_maps("a7", 6).await;
    bed.until_ready(&first).await;
    bed.stop().await;
    let before = bed.patches().len();
    let gone = Fault::status(410, "Expired", "The provided continue parameter is too old");
    let gone = bed.proxy.inject(lists().query("continue=expires"), Times::Always, gone);
    let half = Fault::edit(|list| {
        list["metadata"]["continue"] = json!("expires");
        let items = list["items"].as_array_mut().unwrap();
        items.truncate(items.len() / 2);
    });
    let half = bed.proxy.inject(lists(), Times::First(2), half);
    bed.remove("c0");
    let second = bed.commit("Remove one");
    bed.start().await;
    bed.until_ready(&second).await;
    assert_eq!((half.hits(), gone.hits()), (2, 2));
    assert_eq!(bed.patches().len(), before, "what the half list lacked was not made again");
    assert_eq!(condition(&bed.status().await, "Healthy").0, "True");
    bed.finish(&second, &["c0"]).await;
}
