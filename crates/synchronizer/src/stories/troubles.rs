//! What cannot be read, applied or made healthy is said, and nothing worse comes of it.

use lockstep_plan::{Class, Status};
use serde_json::json;

use super::{
    api_server::refusal,
    world::{World, config_map},
};
use crate::ports::Happening;
use crate::resource::{self, SyncObject};

#[tokio::test(start_paused = true)]
async fn one_broken_file_among_three_hundred_stops_the_whole_commit() {
    let world = World::with_config_maps(json!({"audit": "0s"}), 300).await;
    let mut files: Vec<(String, String)> =
        (0..300).map(|number| (format!("c{number:03}.yaml"), config_map(&format!("c{number}"), "2"))).collect();
    files[123].1 = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c123\n  name: twice\n".to_owned();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.git.commit(&files);
    world.look();
    world.until_reason("InvalidManifests").await;
    assert_eq!(world.object_calls(), Vec::<String>::new());
    let failures = world.status().failures.unwrap();
    assert_eq!((failures.first[0].file.as_str(), failures.first[0].line), ("c123.yaml", 5));
    assert!(world.condition("Ready").2.contains("c123.yaml:5"), "{:?}", world.condition("Ready"));
    assert_eq!(world.condition("Stalled").0, "True");

    // The last good commit is kept.
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until("repair", |world| world.api.value("/ConfigMap/a/c1", "/data/v") == Some(json!("1"))).await;
    world.pass(900).await;
    assert_eq!(world.object_calls(), ["apply ConfigMap/a/c1"]);
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Invalid { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_with_a_broken_head_the_applied_commit_is_enforced() {
    let mut world = World::with_config_maps(json!({}), 2).await;
    world.stop().await;
    world.git.commit(&[("c.yaml", "kind: [")]);
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.api.remove("/ConfigMap/a/c0");
    world.start();
    world
        .until("repair", |world| {
            world.api.has("/ConfigMap/a/c0") && world.api.value("/ConfigMap/a/c1", "/data/v") == Some(json!("1"))
        })
        .await;
    world.until_reason("InvalidManifests").await;
}

#[tokio::test(start_paused = true)]
async fn while_git_is_down_the_last_commit_is_kept_also_over_a_restart() {
    let mut world = World::with_config_maps(json!({}), 2).await;
    world.git.set_down(true);
    world.until_reason("FetchFailed").await;
    assert!(world.condition("Ready").2.contains("network"));
    world.stop().await;
    world.start();
    world.api.remove("/ConfigMap/a/c0");
    world.until("repair", |world| world.api.has("/ConfigMap/a/c0")).await;
    world.pass(1800).await;
    assert_eq!(world.reason(), "FetchFailed");
    world.git.set_down(false);
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn duplicates_and_kustomizations_are_refused_by_name() {
    for (files, words) in [
        (vec![("a.yaml", config_map("c", "1")), ("b.yaml", config_map("c", "2"))], ["a.yaml:1", "b.yaml:1"]),
        (
            vec![("a.yaml", config_map("c", "1")), ("x/kustomization.yaml", "resources: [a.yaml]\n".to_owned())],
            ["x/kustomization.yaml:1", "kustomize"],
        ),
    ] {
        let mut world = World::new(json!({}));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        world.git.commit(&files);
        world.start();
        world.until_reason("InvalidManifests").await;
        let message = world.condition("Ready").2;
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        assert_eq!(world.object_calls(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_owns_is_refused_and_what_nobody_owns_is_adopted() {
    let mut world = World::new(json!({}));
    let foreign = |name: &str, labels: serde_json::Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a", "labels": labels}, "data": {"v": "theirs"}});
    world.api.create("flux", foreign("c0", json!({"kustomize.toolkit.fluxcd.io/name": "apps"})));
    world.api.create("other", foreign("c1", json!({"lockstep.dev/sync": "other", "lockstep.dev/sync-namespace": "x"})));
    world.api.create("somebody", foreign("c2", json!({})));
    world.commit_config_maps(0..4, "1");
    world.start();
    world.until_reason("ApplyFailed").await;
    for (id, value) in [("c0", "theirs"), ("c1", "theirs"), ("c2", "1"), ("c3", "1")] {
        assert_eq!(world.api.value(&format!("/ConfigMap/a/{id}"), "/data/v"), Some(json!(value)), "{id}");
    }
    assert_eq!(world.status().failures.unwrap().total, 2);
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Adopted { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again_with_growing_pauses() {
    let world = World::with_config_maps(json!({}), 2).await;
    world.api.refuse("apply ConfigMap/a/c1", refusal(500, Class::Transient, "etcdserver: leader changed"));
    world.commit_config_maps(0..2, "2");
    world.look();
    world.until_reason("ApplyFailed").await;
    assert_eq!((world.condition("Stalled").0, world.condition("Reconciling").0), ("False".into(), "True".into()));
    world.pass(600).await;
    let tries = world.object_calls().iter().filter(|call| *call == "apply ConfigMap/a/c1").count();
    assert!((8..=14).contains(&tries), "{tries} tries in ten minutes");
    world.api.refuse_nothing();
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn ready_needs_health_and_says_when_it_does_not_come_in_time() {
    let world = World::with_config_maps(json!({"timeout": "2m"}), 2).await;
    world.set_health("/ConfigMap/a/c1", Some(Status::InProgress));
    world.until_reason("Progressing").await;
    assert_eq!(world.condition("Healthy").0, "False");
    world.until_reason("Unhealthy").await;
    assert_eq!((world.condition("Stalled").0, world.status().objects.unwrap().failed), ("True".into(), 1));
    world.set_health("/ConfigMap/a/c1", None);
    world.until_ready().await;
    world.set_health("/ConfigMap/a/c1", Some(Status::Failed));
    world.until_reason("Unhealthy").await;
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Unhealthy { .. })), 2);
    assert_eq!(world.object_calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_shorter_timeout_counts_for_what_is_on_its_way_already() {
    let world = World::with_config_maps(json!({"timeout": "1h"}), 2).await;
    world.set_health("/ConfigMap/a/c1", Some(Status::InProgress));
    world.until_reason("Progressing").await;
    world.api.change_sync(|sync| sync.spec.timeout = serde_json::from_value(json!("1m")).unwrap());
    world.until_reason("Unhealthy").await;
}

fn checks(current: &str) -> Vec<crate::resource::HealthCheck> {
    serde_json::from_value(json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": current}])).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wrong_expression_of_the_sync_keeps_what_was_applied_in_force() {
    let mut world = World::with_config_maps(json!({}), 3).await;
    let first = world.status().applied.unwrap().commit;
    world.api.change_sync(|sync| sync.spec.health_checks = checks("data.v =="));
    world.until_reason("InvalidSpec").await;
    let message = world.condition("Ready").2;
    for words in ["spec.healthChecks[0] (ConfigMap): current: line 1, column ", "Sync lockstep/shop"] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!((world.condition("Stalled").0.as_str(), world.object_calls()), ("True", Vec::<String>::new()));

    // A new commit waits, and what another hand changes is changed back; over a restart, too.
    world.commit_config_maps(0..2, "2");
    for _ in 0..2 {
        world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
        world.until("repair", |world| world.api.value("/ConfigMap/a/c1", "/data/v") == Some(json!("1"))).await;
        world.pass(100).await;
        assert_eq!(world.reason(), "InvalidSpec");
        world.stop().await;
        world.start();
    }
    world.pass(100).await;
    assert_eq!((world.status().applied.unwrap().commit, world.reason().as_str()), (first, "InvalidSpec"));
    assert!(world.api.has("/ConfigMap/a/c2"));

    world.api.change_sync(|sync| sync.spec.health_checks = checks("data.v == '2'"));
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/c1", "/data/v"), Some(json!("2")));
    assert!(!world.api.has("/ConfigMap/a/c2"));
}

/// Makes the specification one that cannot be read: of another version, or with a span that no clock can reckon.
fn garble(sync: &mut SyncObject) {
    let mut raw = serde_json::to_value(&*sync).unwrap();
    raw["spec"]["audit"] = json!("9999999999999999999h");
    *sync = resource::read(raw).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_cannot_be_read_stands_still_and_says_why_and_the_others_go_on() {
    let world = World::with_config_maps(json!({"deletionPolicy": "prune"}), 3).await;
    let first = world.status().applied.unwrap().commit;
    world.api.change_sync(garble);
    world.until_reason("InvalidSpec").await;
    let (ready, _, message) = world.condition("Ready");
    assert!(ready == "False" && message.contains("spec.audit: \"9999999999999999999h\" is not a span"), "{message}");
    assert_eq!(world.condition("Stalled").0, "True");

    world.api.make_sync("other", json!({"source": {"repository": "https://git.example/c.git", "path": "none"}}));
    world.commit_config_maps(0..2, "2");
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until("the other", |world| world.condition_of("other", "Ready").1 == "PathMissing").await;
    world.pass(600).await;
    assert_eq!(world.object_calls().iter().filter(|call| call.contains("ConfigMap/")).count(), 0);
    assert_eq!((world.status().applied.unwrap().commit, world.reason().as_str()), (first, "InvalidSpec"));

    world.api.change_sync(|sync| sync.spec = serde_json::from_value(json!({"source": sync.spec.source})).unwrap());
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/c1", "/data/v"), Some(json!("2")));
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_cannot_be_read_is_let_go_and_its_objects_stay() {
    let world = World::with_config_maps(json!({"deletionPolicy": "prune"}), 3).await;
    world.api.change_sync(garble);
    world.api.delete_sync();
    world.until("end", |world| !world.api.state().syncs.contains_key("shop")).await;
    assert_eq!(world.api.count("ConfigMap"), 3);
    let is_told =
        |it: &Happening| matches!(it, Happening::Abandoned { reason, .. } if reason.contains("cannot be read"));
    assert_eq!(world.witness.count(is_told), 1);
}

#[tokio::test(start_paused = true)]
async fn repairs_of_one_object_give_another_no_more_time_to_become_healthy() {
    let world = World::with_config_maps(json!({"timeout": "5m", "audit": "0s"}), 3).await;
    world.set_health("/ConfigMap/a/c0", Some(Status::InProgress));
    for _ in 0..6 {
        world.api.edit("/ConfigMap/a/c1", "rival", &["data", "v"], Some(json!("9")));
        world.pass(60).await;
        assert_eq!(world.api.value("/ConfigMap/a/c1", "/data/v"), Some(json!("1")));
    }
    assert_eq!(world.reason(), "Unhealthy");

    // What an apply has changed has its own time.
    world.commit_config_maps(0..3, "2");
    world.look();
    world.until_reason("Progressing").await;
    world.pass(240).await;
    assert_eq!(world.reason(), "Progressing");
    world.pass(120).await;
    assert_eq!(world.reason(), "Unhealthy");
}

#[tokio::test(start_paused = true)]
async fn retries_of_what_failed_give_no_more_time_to_become_healthy() {
    let world = World::with_config_maps(json!({"timeout": "5m", "audit": "0s"}), 2).await;
    world.api.refuse("apply ConfigMap/a/c1", refusal(422, Class::Invalid, "no"));
    world.set_health("/ConfigMap/a/c0", Some(Status::InProgress));
    world.commit_config_maps(0..2, "2");
    world.look();
    world.until_reason("ApplyFailed").await;
    assert_ne!(world.condition("Healthy").1, "Unhealthy");
    world.pass(360).await;
    assert_eq!(world.condition("Healthy").1, "Unhealthy", "{:?}", world.condition("Healthy"));
}
