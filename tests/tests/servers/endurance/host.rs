//! D4, D7, D9, D10: what the host and those who run the daemon do to it.

use std::{fs, os::unix::fs::chown, path::Path};

use kube::api::{Patch, PatchParams};
use lockstep_testkit::{Fault, Requests, Times, eventually};
use serde_json::{Value, json};

use super::{
    daemon::{self, PATIENCE},
    oracle::{declared, differences},
    stand::{Stand, condition, config_map, namespace},
};

fn maps(stand: &Stand, count: usize, value: &str) -> Vec<Value> {
    let map = |number: usize| config_map(&stand.shop, &format!("c{number}"), json!({"v": value}));
    (0..count).map(map).chain([namespace(&stand.shop)]).collect()
}

fn commit(stand: &Stand, objects: &[Value], message: &str) -> String {
    for (number, object) in objects.iter().enumerate() {
        stand.human.write(&format!("all/{number}.yaml"), &object.to_string()).unwrap();
    }
    stand.human.commit(message).unwrap()
}

fn patches() -> Requests {
    Requests::with(&["patch"]).of("configmaps")
}

/// Somebody edits `c0`, and it is changed back.
async fn drift_is_repaired(stand: &mut Stand, value: &str) {
    let map = config_map(&stand.shop, "c0", json!({}));
    let edit = Patch::Merge(json!({"data": {"v": "by hand"}}));
    stand.of(&map).patch("c0", &PatchParams::default(), &edit).await.unwrap();
    stand
        .wait("the repair", async |stand| {
            stand.of(&map).get("c0").await.is_ok_and(|map| map.data["data"]["v"] == value)
        })
        .await;
}

/// D4: what is in flight is finished, nothing more is begun, and the process ends with 0.
#[tokio::test(flavor = "multi_thread")]
async fn d4_asked_to_end_it_finishes_what_is_in_flight() {
    let mut stand = Stand::make("d4").await;
    stand.settings("concurrency: 2\n");
    let objects = maps(&stand, 8, "1");
    let commit = commit(&stand, &objects, "Open the shop");
    let held = stand.proxy.inject(patches(), Times::After(2), Fault::Hold);
    stand.start();
    stand.wait("two applies in flight", async |_| held.hits() == 2).await;
    let daemon = stand.take();
    let lift = async {
        stand.wait("the daemon to hear of it", async |stand| stand.log().contains("asked to stop")).await;
        held.lift();
    };
    let (ended, ()) = tokio::join!(daemon::stop(daemon), lift);
    assert!(ended.success(), "{ended}: {}", stand.log());
    let codes: Vec<_> = stand.proxy.seen(&patches()).iter().map(|seen| seen.code).collect();
    assert_eq!(codes, [Some(201); 4], "what was in flight is done, the rest is not begun");
    let status = stand.status().await;
    assert!(status["applied"].is_null() && condition(&status, "Ready").0 != "True", "{status:#}");

    stand.start();
    stand.until_ready(&commit).await;
    stand.stop().await;
    assert_eq!(stand.proxy.seen(&patches()).len(), 8, "what was done is not done again");
}

/// D7: two daemons for one Sync, which nothing but the number of replicas prevents. Both come to the same, and nothing is
/// deleted twice.
#[tokio::test(flavor = "multi_thread")]
async fn d7_two_daemons_for_one_sync_do_no_harm() {
    let mut stand = Stand::make("d7").await;
    let first = maps(&stand, 6, "1");
    let opened = commit(&stand, &first, "Open the shop");
    let elsewhere = tempfile::tempdir().unwrap();
    let settings = fs::read_to_string(stand.folder().join("settings.yaml")).unwrap();
    let data = |folder: &Path| folder.join("data").display().to_string();
    let second_settings = elsewhere.path().join("settings.yaml");
    fs::write(&second_settings, settings.replace(&data(stand.folder()), &data(elsewhere.path()))).unwrap();
    stand.start();
    let second = daemon::start(&second_settings, elsewhere.path());
    stand.until_ready(&opened).await;
    drift_is_repaired(&mut stand, "1").await;
    stand.human.remove("all/5.yaml").unwrap();
    stand.human.write("all/0.yaml", &config_map(&stand.shop, "c0", json!({"v": "2"})).to_string()).unwrap();
    let changed = stand.human.commit("Change one, remove one").unwrap();
    stand.until_ready(&changed).await;
    drift_is_repaired(&mut stand, "2").await;
    let mut wanted = declared(first);
    wanted.remove(&format!("ConfigMap/{}/c5", stand.shop));
    wanted.get_mut(&format!("ConfigMap/{}/c0", stand.shop)).unwrap()["data"]["v"] = json!("2");
    let kinds = [("v1".to_owned(), "ConfigMap".to_owned())].into();
    let is_done = async |stand: &Stand| differences(stand, &wanted, &kinds).await.is_empty();
    stand.wait("the cluster to be the commit", is_done).await;
    assert!(condition(&stand.status().await, "Stalled").0 != "True");
    assert!(daemon::stop(second).await.success());
    stand.stop().await;
    let deleted = stand.proxy.seen(&Requests::with(&["delete"]).of("configmaps"));
    let done: Vec<String> = (deleted.iter().filter(|seen| seen.code.is_some_and(|code| code < 300)))
        .map(|seen| seen.body["preconditions"]["uid"].to_string())
        .collect();
    // One that has not seen the commit yet may have made again what the other one deleted.
    let once: std::collections::BTreeSet<&String> = done.iter().collect();
    assert!(!done.is_empty() && once.len() == done.len(), "{deleted:#?}");
}

fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| entry.metadata().map_or(0, |meta| if meta.is_dir() { size(&entry.path()) } else { meta.len() }))
        .sum()
}

/// D9: the disk of the clones is full: said by name, the last commit is kept, and nothing needs a restart.
#[tokio::test(flavor = "multi_thread")]
async fn d9_a_full_disk_is_named_and_the_last_commit_is_kept() {
    const LIMIT: u64 = 256 << 10;
    let mut stand = Stand::make("d9").await;
    let mut objects = maps(&stand, 3, "1");
    let first = commit(&stand, &objects, "Open the shop");
    stand.start();
    stand.until_ready(&first).await;
    stand.daemon().limit_files(Some(LIMIT)).unwrap();
    // Nothing that a pack could make smaller.
    let mut dice = super::dice::Dice::new(9);
    let noise: String = (0..LIMIT).map(|_| char::from(b'!' + u8::try_from(dice.below(90)).unwrap())).collect();
    stand.human.write("noise.txt", &noise).unwrap();
    stand.human.write("more.txt", &noise.chars().rev().collect::<String>()).unwrap();
    objects[0]["data"]["v"] = json!("2");
    let second = commit(&stand, &objects, "Too much for the disk");
    let status = stand.until_reason("FetchFailed").await;
    let message = status["conditions"].to_string();
    assert!(message.contains("File too large") && message.contains(&stand.data().display().to_string()), "{message}");
    assert_eq!(status["applied"]["commit"], *first);
    drift_is_repaired(&mut stand, "1").await;
    // What a failed fetch has written must not fill the disk further.
    let looks = stand.git.http_requests();
    let before = size(&stand.data());
    stand.wait("more looks at the branch", async |stand| stand.git.http_requests() >= looks + 6).await;
    assert!(size(&stand.data()) < before + 2 * LIMIT, "{} after {before} bytes", size(&stand.data()));
    stand.daemon().limit_files(None).unwrap();
    stand.until_ready(&second).await;
    stand.stop().await;
    assert_eq!(differences(&stand, &declared(objects), &[].into()).await, [""; 0]);
}

/// D10: neither root nor a place to write but its data folder.
#[tokio::test(flavor = "multi_thread")]
async fn d10_it_needs_no_user_no_home_and_no_place_but_its_folder() {
    const NOBODY: u32 = 65532;
    let mut stand = Stand::make("d10").await;
    let objects = maps(&stand, 3, "1");
    let commit = commit(&stand, &objects, "Open the shop");
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let home = tempfile::tempdir().unwrap();
    stand.hand_over(home.path());
    for path in [
        home.path().to_owned(),
        home.path().join("settings.yaml"),
        home.path().join("kubeconfig"),
        home.path().join("data"),
    ] {
        if is_root {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let daemon = daemon::start_bare(&home.path().join("settings.yaml"), stand.folder(), is_root.then_some(NOBODY));
    stand.until_ready(&commit).await;
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    let ended = daemon::stop(daemon).await;
    assert!(ended.success(), "{ended}: {}", stand.log());
    let waited = eventually(PATIENCE, "the commit", async || {
        differences(&stand, &declared(objects.clone()), &[].into()).await.is_empty()
    });
    waited.await.unwrap();
}
