//! D1, D2, D3, D5: killed between any two writes, the daemon goes on where it was.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_testkit::{Fault, Requests, Seen, Times};
use serde_json::{Value, json};

use super::{
    oracle::{Declared, declared, differences},
    stand::{Stand, config_map, definition, deployment, is_ready, namespace, widget},
};

/// The writes that make the cluster what Git says: all but reports about it.
fn writes() -> Requests {
    let reports =
        [Requests::all().subresource("status"), Requests::all().of("events"), Requests::all().query("dryRun")];
    reports.into_iter().fold(Requests::writes(), Requests::except)
}

/// What Git says first, and what it says then: some objects change, some come, some go, and with them kinds.
fn commits(shop: &str) -> [Vec<Value>; 2] {
    let map = |number: usize, value: &str| config_map(shop, &format!("c{number}"), json!({"v": value}));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": shop}, "stringData": {"k": "1"}});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": shop}});
    let mut first = vec![namespace(shop), definition(shop), widget(shop, "w", 1), deployment(shop, "web", 1), account];
    first.extend((0..12).map(|number| map(number, "1")));
    let mut second = vec![namespace(shop), deployment(shop, "web", 2), secret];
    second.extend((0..9).map(|number| map(number, if number < 4 { "2" } else { "1" })));
    [first, second]
}

/// Commits these objects, each in its file, and nothing else.
fn commit(stand: &Stand, objects: &[Value], message: &str) -> String {
    let _ = stand.human.remove("all");
    for (number, object) in objects.iter().enumerate() {
        stand.human.write(&format!("all/{number}.yaml"), &object.to_string()).unwrap();
    }
    stand.human.commit(message).unwrap()
}

fn kinds(objects: &[Value]) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    objects.iter().map(|object| (text(&object["apiVersion"]), text(&object["kind"]))).collect()
}

/// Lets the daemon write so many times, kills it, starts it again, until all is done. Says how often it was killed.
async fn kill_after_each(stand: &mut Stand, commit: &str, writes_each: usize, limit: usize) -> usize {
    let mut kills = 0;
    loop {
        let held = stand.proxy.inject(writes(), Times::After(writes_each), Fault::Hold);
        stand.start();
        stand
            .wait("a write too many, or the commit", async |stand| {
                held.hits() > 0 || is_ready(&stand.status().await, commit)
            })
            .await;
        if held.hits() == 0 {
            held.lift();
            stand.stop().await;
            return kills;
        }
        stand.kill().await;
        held.lift();
        kills += 1;
        assert!(
            kills <= limit,
            "killed {kills} times, it has not got further: {:#?}",
            outline(&stand.proxy.seen(&writes()))
        );
    }
}

fn outline(seen: &[Seen]) -> Vec<String> {
    let line = |seen: &Seen| format!("{} {}/{} {:?}", seen.asked.verb, seen.asked.resource, seen.asked.name, seen.code);
    seen.iter().map(line).collect()
}

/// The cluster is the commit, nothing of the Sync is left over, and each object was made once and deleted once.
async fn check(stand: &mut Stand, wanted: &Declared, kinds: &BTreeSet<(String, String)>) {
    assert_eq!(differences(stand, wanted, kinds).await, [""; 0]);
    let seen = stand.proxy.seen(&writes());
    let done = |verb: &'static str| seen.iter().filter(move |seen| seen.asked.verb == verb);
    let deleted: Vec<&Value> = done("delete")
        .filter(|seen| seen.code.is_some_and(|code| code < 300))
        .map(|seen| &seen.body["preconditions"]["uid"])
        .collect();
    assert!(deleted.iter().all(|uid| uid.is_string()), "{deleted:?}");
    let once: BTreeSet<String> = deleted.iter().map(|uid| uid.to_string()).collect();
    assert_eq!(once.len(), deleted.len(), "deleted twice: {:#?}", outline(&seen));
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for seen in done("patch").filter(|seen| seen.code == Some(201)) {
        *made.entry(seen.asked.path.clone()).or_default() += 1;
    }
    assert!(made.values().all(|times| *times == 1), "made twice: {made:#?}");
}

/// The kinds that the Sync's record says it has objects of.
async fn recorded(stand: &Stand) -> BTreeSet<String> {
    let sync = stand.syncs().get("shop").await.unwrap();
    let annotations = sync.metadata.annotations.unwrap_or_default();
    annotations["applyset.kubernetes.io/contains-group-kinds"].split(',').map(str::to_owned).collect()
}

async fn sweep(name: &str, settings: &str, writes_each: usize) -> (Stand, [usize; 2]) {
    let mut stand = Stand::make(name).await;
    stand.settings(settings);
    let [first, second] = commits(&stand.shop);
    let all = kinds(&[first.clone(), second.clone()].concat());
    let mut kills = [0; 2];
    for (objects, kills) in [first, second].iter().zip(&mut kills) {
        let commit = commit(&stand, objects, "Another state of the shop");
        *kills = kill_after_each(&mut stand, &commit, writes_each, 60).await;
        let mut wanted = declared(objects.clone());
        // The API server keeps what it says under another key.
        if let Some(secret) = wanted.get_mut(&format!("Secret/{}/s", stand.shop)) {
            *secret =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": secret["metadata"], "data": {"k": "MQ=="}});
        }
        check(&mut stand, &wanted, &all).await;
    }
    // Nothing is left to be done but to take the kinds off the record that were still on their way out.
    let before = stand.proxy.seen(&writes()).len();
    stand.human.write("README.md", "No objects.\n").unwrap();
    let last = stand.human.commit("Say something").unwrap();
    stand.start();
    stand.until_ready(&last).await;
    stand.stop().await;
    let after = stand.proxy.seen(&writes()).split_off(before);
    assert!(after.iter().all(|seen| seen.asked.resource == "syncs"), "{:#?}", outline(&after));
    let record = recorded(&stand).await;
    // A kind whose definition went with it may stay on the record: it costs nothing, and nothing proves that it is gone.
    assert!(!record.contains("ServiceAccount") && record.contains("Secret"), "{record:?}");
    (stand, kills)
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_killed_after_each_single_write_it_converges() {
    let (stand, kills) = sweep("each", "concurrency: 1\n", 1).await;
    // One write less than there are: after the last one nothing is left to be held.
    let made = stand.proxy.seen(&writes()).iter().filter(|seen| seen.code.is_some()).count();
    assert!(kills[0] >= 17 && kills[1] >= 12 && made >= 30, "{kills:?} {:#?}", outline(&stand.proxy.seen(&writes())));
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_killed_with_many_writes_in_flight_it_converges() {
    let (_, kills) = sweep("many", "", 4).await;
    assert!(kills[0] >= 2 && kills[1] >= 2, "{kills:?}");
}
