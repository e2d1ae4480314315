//! What left Git goes, and only that, and only when it is plain that it should.

use lockstep_plan::Class;
use serde_json::json;

use super::{api_server::refusal, world::World};
use crate::{mailbox::ACKNOWLEDGE, ports::Happening, resource::SyncObject};

fn deletions(world: &World) -> Vec<String> {
    world.object_calls().into_iter().filter(|call| call.starts_with("delete")).collect()
}

#[tokio::test(start_paused = true)]
async fn an_object_that_left_git_is_deleted_and_a_namesake_is_not() {
    let world = World::with_config_maps(json!({}), 4).await;
    let mut copy = world.api.state().objects[&"/ConfigMap/a/c3".parse().unwrap()].body.clone();
    copy["metadata"]["name"] = json!("copy");
    world.api.create("somebody", copy);
    world.commit_config_maps(0..3, "1");
    world.look();
    world.until("deletion", |world| !world.api.has("/ConfigMap/a/c3")).await;
    world.until_ready().await;
    assert_eq!(deletions(&world), ["delete ConfigMap/a/c3"]);
    assert!(world.api.has("/ConfigMap/a/copy"));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Pruned { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_removes_most_is_held_until_it_is_acknowledged() {
    let world =
        World::with_config_maps(json!({"prune": {"enabled": true, "maxObjects": 3, "maxPercent": 20}}), 20).await;
    let commit = world.commit_config_maps(15..21, "2").to_string();
    world.look();
    world.until_reason("PruneHeld").await;
    let calls = world.object_calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("apply")).count(), 6, "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("delete")), "{calls:?}");
    let held = world.status().held.unwrap();
    assert_eq!((held.commit.as_str(), held.would_prune), (commit.as_str(), 15));
    assert!(held.reason.contains("15 of 20") && held.objects.len() == 15, "{held:?}");
    assert!(held.objects.contains(&"ConfigMap/a/c0".to_owned()), "{held:?}");
    assert_eq!(world.condition("Stalled").0, "True");

    let acknowledge = |world: &World, text: &str| {
        let text = text.to_owned();
        world.api.change_sync(|sync| {
            drop(sync.metadata.annotations.get_or_insert_default().insert(ACKNOWLEDGE.to_owned(), text));
        });
    };
    acknowledge(&world, "0000000000000000000000000000000000000000");
    world.pass(60).await;
    assert_eq!(deletions(&world), Vec::<String>::new());
    acknowledge(&world, &commit);
    world.until_ready().await;
    assert_eq!(deletions(&world).len(), 15);
    assert_eq!(world.status().held, None);
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Held { .. })), 1);

    let acknowledged = |world: &World| {
        world.api.state().syncs["shop"].metadata.annotations.iter().flatten().any(|(name, _)| name == ACKNOWLEDGE)
    };
    assert!(acknowledged(&world));
    world.commit_config_maps(15..22, "3");
    world.look();
    world.until("the end of the leave", |world| !acknowledged(world)).await;
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn the_leave_for_the_next_commit_is_not_taken_away_with_that_of_the_last_one() {
    let world = World::with_config_maps(json!({}), 20).await;
    let held = world.commit_config_maps(0..4, "1").to_string();
    world.look();
    world.until_reason("PruneHeld").await;
    let write = |sync: &mut SyncObject, commit: &str| {
        drop(sync.metadata.annotations.get_or_insert_default().insert(ACKNOWLEDGE.to_owned(), commit.to_owned()));
    };
    world.api.change_sync(|sync| write(sync, &held));
    world.until_ready().await;
    // The person is faster than the watch.
    let next = world.commit_config_maps(0..5, "2").to_string();
    write(world.api.state().syncs.get_mut("shop").unwrap(), &next);
    world.look();
    world.until("the next commit", |world| world.status().applied.is_some_and(|at| at.commit == next)).await;
    world.pass(60).await;
    let written = world.api.state().syncs["shop"].metadata.annotations.clone().unwrap();
    assert_eq!(written.get(ACKNOWLEDGE), Some(&next));
}

#[tokio::test(start_paused = true)]
async fn an_emptied_folder_and_a_missing_path_never_prune_all() {
    for files in [&[("README.md", "nothing")] as &[_], &[]] {
        let world = World::with_config_maps(json!({}), 3).await;
        world.git.commit(files);
        world.look();
        world.until_reason("PruneHeld").await;
        world.pass(600).await;
        assert_eq!(deletions(&world), Vec::<String>::new());
        assert_eq!(world.status().held.unwrap().would_prune, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_that_never_was_there_is_said() {
    let mut world = World::new(json!({"source": {"repository": "https://git.example/c.git", "path": "tpyo"}}));
    world.commit_config_maps(0..2, "1");
    world.start();
    world.until_reason("PathMissing").await;
    assert!(world.condition("Ready").2.contains("tpyo"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_pruned_while_an_object_cannot_be_applied() {
    let world = World::with_config_maps(json!({}), 4).await;
    world.api.refuse("apply ConfigMap/a/c1", refusal(422, Class::Invalid, "data: Invalid value"));
    world.commit_config_maps(0..3, "2");
    world.look();
    world.until_reason("ApplyFailed").await;
    world.pass(60).await;
    assert_eq!(deletions(&world), Vec::<String>::new());
    let status = world.status();
    let failure = &status.failures.unwrap().first[0];
    assert_eq!((failure.object.as_str(), failure.file.as_str(), failure.line), ("ConfigMap/a/c1", "c001.yaml", 1));
    assert_eq!(world.api.value("/ConfigMap/a/c2", "/data/v"), Some(json!("2")), "the others are applied");
    assert_eq!(world.condition("Stalled").0, "True");

    world.api.refuse_nothing();
    world.commit_config_maps(0..3, "3");
    world.look();
    world.until_ready().await;
    assert_eq!(deletions(&world), ["delete ConfigMap/a/c3"]);
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_kind_that_cannot_be_listed_are_not_pruned() {
    let mut world = World::new(json!({}));
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\n";
    let config_map = super::world::config_map("c", "1");
    world.git.commit(&[("c.yaml", config_map.as_str()), ("s.yaml", secret)]);
    world.start();
    world.until_ready().await;
    world.stop().await;

    world.api.refuse("watch Secret", refusal(403, Class::Forbidden, "secrets is forbidden"));
    world.git.commit(&[("c.yaml", config_map.as_str())]);
    world.start();
    world.until_reason("WatchFailed").await;
    world.pass(600).await;
    assert!(world.api.has("/Secret/a/s"));
    assert!(world.condition("Ready").2.contains("Secret"));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_left_git_is_still_pruned_after_a_restart() {
    let mut world = World::new(json!({}));
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\n";
    let config_map = super::world::config_map("c", "1");
    world.git.commit(&[("c.yaml", config_map.as_str()), ("s.yaml", secret)]);
    world.start();
    world.until_ready().await;
    world.stop().await;
    world.git.commit(&[("c.yaml", config_map.as_str())]);
    world.start();
    world.until("deletion", |world| !world.api.has("/Secret/a/s")).await;
    world.until_ready().await;
    let record = world.api.state().syncs["shop"].metadata.annotations.clone().unwrap();
    assert_eq!(record[lockstep_plan::GROUP_KINDS_ANNOTATION], "ConfigMap");
}

#[tokio::test(start_paused = true)]
async fn pruning_can_be_switched_off() {
    let world =
        World::with_config_maps(json!({"prune": {"enabled": false, "maxObjects": 10, "maxPercent": 20}}), 4).await;
    let commit = world.commit_config_maps(0..2, "1").to_string();
    world.look();
    world.until("applied", |world| world.status().applied.is_some_and(|at| at.commit == commit)).await;
    assert_eq!(deletions(&world), Vec::<String>::new());
}
