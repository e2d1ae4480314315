//! An API server that is away, slow or overloaded for long, very many failures, and Syncs that get in each other's way.
//!
//! `LOCKSTEP_LONG_FAULTS=1` makes the times and numbers those of the fault catalogue; without it they are smaller.

use std::time::{Duration, Instant};

use lockstep_testkit::{Answer, Fault, Requests, Times};
use serde_json::json;

use super::bed::{Bed, config_map};

fn patches() -> Requests {
    Requests::with(&["patch"]).of("configmaps")
}

fn long<T>(long: T, short: T) -> T {
    if std::env::var_os("LOCKSTEP_LONG_FAULTS").is_some() { long } else { short }
}

/// A1: nothing is answered for five minutes, from the middle of an apply on.
#[tokio::test(flavor = "multi_thread")]
async fn a1_a_long_outage_is_asked_about_ever_more_seldom_and_the_same_commit_goes_on() {
    let (bed, first) = Bed::with_maps("a1-long", 2).await;
    let before = bed.patches().len();
    for number in 2..8 {
        bed.write(&format!("c{number}"), "1");
    }
    bed.remove("c0");
    let lost = bed.proxy.inject(patches(), Times::After(3), Fault::Drop);
    let second = bed.commit("Add six, remove one");
    bed.wait("the outage to be met", async || lost.hits() > 0).await;
    let all = bed.proxy.inject(Requests::all(), Times::Always, Fault::Drop);
    let began = Instant::now();
    let outage = Duration::from_secs(long(300, 12));
    bed.wait_long(outage * 2, "the outage to be over", async || {
        bed.admin("live").await;
        began.elapsed() >= outage
    })
    .await;
    // Of one request, the next attempt comes later than the one before did, up to the longest pause.
    let attempts = bed.patches().split_off(before);
    for name in ["c2", "c3", "c4", "c5", "c6", "c7"] {
        let of_one = attempts.iter().filter(|seen| seen.asked.name == name && seen.code.is_none()).count();
        assert!(of_one <= long(60, 12), "{name} was sent {of_one} times into the outage");
    }
    assert_eq!(bed.deletions().len(), 0);
    all.lift();
    lost.lift();
    assert_eq!(bed.status().await["applied"]["commit"].as_str(), Some(first.as_str()));
    bed.until_ready(&second).await;
    let made = bed.patches().split_off(before).into_iter().filter(|seen| seen.code.is_some());
    assert_eq!(made.count(), 6, "each object is applied once");
    bed.finish(&second, &["c0"]).await;
}

/// A2: every answer is slow, none too slow: the turn ends at its deadline, names what it has not begun, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a2_a_turn_has_a_deadline_and_the_next_one_goes_on() {
    let mut bed = Bed::make("a2-turn").await;
    bed.settings.concurrency = 2;
    bed.sync(json!({"timeout": "1s"})).await;
    for number in 0..30 {
        bed.write(&format!("c{number}"), "1");
    }
    let commit = bed.commit("Open the shop");
    let slow = bed.proxy.inject(patches(), Times::Always, Fault::Delay(Duration::from_secs(1)));
    bed.start().await;
    let status = bed.until("the deadline", |status| status["waiting"].to_string().contains("took too long")).await;
    assert!(status["waiting"][0]["object"].as_str().unwrap().starts_with("ConfigMap/"), "{status:#}");
    assert_eq!(status["applied"], json!(null));
    bed.admin("live").await;
    let applied = bed.patches().iter().filter(|seen| seen.code == Some(201)).count();
    assert!((1..30).contains(&applied), "{applied} were applied");
    assert!(bed.proxy.most_at_once(&patches()) <= 2);
    slow.lift();
    bed.until_ready(&commit).await;
    assert_eq!(bed.patches().iter().filter(|seen| seen.code == Some(201)).count(), 30);
    bed.finish(&commit, &[]).await;
}

/// A3: the API server has too much to do: fewer requests are under way at once from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a3_fewer_requests_are_in_flight_after_a_429() {
    let mut bed = Bed::make("a3-rate").await;
    bed.settings.concurrency = 16;
    for number in 0..60 {
        bed.write(&format!("c{number}"), "1");
    }
    let commit = bed.commit("Open the shop");
    let answer = Answer::status(429, "TooManyRequests", "too many requests").retry_after(1);
    let busy = bed.proxy.inject(patches(), Times::First(32), Fault::Answer(answer));
    let slow = bed.proxy.inject(patches(), Times::Always, Fault::Delay(Duration::from_millis(300)));
    bed.start().await;
    bed.until_ready(&commit).await;
    let all = bed.patches();
    let refused: Vec<_> = all.iter().filter(|seen| seen.code == Some(429)).collect();
    let first = refused.iter().filter_map(|seen| seen.ended).min().unwrap();
    let in_flight =
        |at: Instant| all.iter().filter(|seen| seen.began <= at && seen.ended.is_none_or(|end| end > at)).count();
    let after = all.iter().filter(|seen| seen.began > first + Duration::from_millis(500)).take(20);
    let most = after.map(|seen| in_flight(seen.began)).max().unwrap();
    assert!(most <= 8, "{most} were in flight after the refusals, of 16 that are allowed");
    assert!(bed.proxy.most_at_once(&patches()) <= 16);
    assert_eq!(bed.metric("applies_total", &["failed"]).await, 0.0);
    slow.lift();
    busy.lift();
    bed.finish(&commit, &[]).await;
}

/// E5: thirteen thousand objects are refused.
#[tokio::test(flavor = "multi_thread")]
async fn e5_very_many_failures_are_counted_and_the_sync_stays_small() {
    let count = long(13_000, 1_500);
    let mut bed = Bed::make("e5").await;
    bed.write("c0", "1");
    // No name of an object has capitals.
    let wrong: String =
        (0..count).map(|number| config_map(&bed.shop, &format!("Wrong-{number}"), "1") + "---\n").collect();
    bed.human.write("wrong.yaml", &wrong).unwrap();
    bed.commit("Many that nobody takes");
    bed.start().await;
    let status = bed
        .until_long(Duration::from_secs(300), "all to be counted", |status| status["failures"]["total"] == count)
        .await;
    assert!(status["failures"]["first"].as_array().unwrap().len() < count, "{}", status["failures"]["total"]);
    let size = serde_json::to_vec(&bed.syncs().get("shop").await.unwrap()).unwrap().len();
    assert!(size < 64 << 10, "the Sync has {size} bytes");
    bed.admin("live").await;
    assert_eq!(bed.value("c0").await.as_deref(), Some("1"));
    bed.human.remove("wrong.yaml").unwrap();
    let last = bed.commit("Without them");
    bed.finish(&last, &[]).await;
}

/// One Sync with very slow, then failing writes leaves another one alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_slow_or_broken_does_not_hold_up_another() {
    let mut bed = Bed::make("fair").await;
    bed.settings.concurrency = 4;
    bed.settings.turns = 2;
    let url = bed.git.http_url();
    bed.sync(json!({"source": {"repository": url, "path": "maps"}})).await;
    let source = json!({"repository": url, "path": "small"});
    let small = json!({
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "small", "namespace": bed.namespace},
        "spec": {"source": source, "interval": "1s"},
    });
    bed.plane.apply_yaml(&small.to_string()).await.unwrap();
    for number in 0..100 {
        bed.write(&format!("c{number}"), "1");
    }
    let write = |value: &str| bed.human.write("small/s.yaml", &config_map(&bed.shop, "s", value)).unwrap();
    write("1");
    bed.commit("Open both");
    let theirs = patches().except(patches().named("s"));
    let slow = bed.proxy.inject(theirs.clone(), Times::Always, Fault::Delay(Duration::from_millis(700)));
    bed.start().await;
    bed.wait("the large one to be at work", async || bed.patches().len() > 4).await;
    bed.until_value("s", "1").await;
    let write = |value: &str| bed.human.write("small/s.yaml", &config_map(&bed.shop, "s", value)).unwrap();
    write("2");
    bed.commit("Change the small one");
    bed.until_value("s", "2").await;
    assert_eq!(bed.status().await["applied"], json!(null), "the large one is still at work");
    slow.lift();
    bed.wait("the large one", async || bed.status().await["applied"]["commit"].is_string()).await;

    let broken = bed.proxy.inject(theirs, Times::Always, Fault::status(500, "InternalError", "etcdserver: no leader"));
    let write = |value: &str| bed.human.write("small/s.yaml", &config_map(&bed.shop, "s", value)).unwrap();
    for number in 0..100 {
        bed.write(&format!("c{number}"), "2");
    }
    write("3");
    let last = bed.commit("Change all");
    bed.wait("the large one to fail", async || broken.hits() > 0).await;
    bed.until_value("s", "3").await;
    assert_ne!(bed.status().await["applied"]["commit"], last.as_str());
    broken.lift();
    bed.finish(&last, &[]).await;
}
