//! The Sync object itself: suspended, changed, deleted, made anew.

use serde_json::json;

use super::world::{World, key};
use crate::ports::Happening;

#[tokio::test(start_paused = true)]
async fn a_suspended_sync_stands_still_and_catches_up_afterwards() {
    let world = World::with_config_maps(json!({}), 3).await;
    world.api.change_sync(|sync| sync.spec.suspend = true);
    world.until_reason("Suspended").await;
    let fetches = world.git.fetches();
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.commit_config_maps(0..4, "2");
    world.look();
    world.pass(600).await;
    assert_eq!((world.object_calls(), world.git.fetches()), (Vec::new(), fetches));
    world.api.change_sync(|sync| sync.spec.suspend = false);
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/c1", "/data/v"), Some(json!("2")));
}

#[tokio::test(start_paused = true)]
async fn a_status_of_our_own_wakes_nobody() {
    let world = World::with_config_maps(json!({}), 3).await;
    let fetches = world.git.fetches();
    for _ in 0..5 {
        let status = world.status();
        world.api.state().syncs.get_mut("shop").unwrap().status = Some(status);
        world.pass(1).await;
    }
    assert!(world.git.fetches() - fetches <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_sync_leaves_its_objects_and_says_so() {
    let world = World::with_config_maps(json!({}), 3).await;
    world.api.delete_sync();
    world.until("end", |world| world.board.get(&key()).is_none()).await;
    world.pass(60).await;
    assert_eq!(world.object_calls(), Vec::<String>::new());
    assert!(world.api.has("/ConfigMap/a/c0"));
    assert_eq!(world.witness.count(|it| *it == Happening::Orphaned { objects: 3 }), 1);
}

#[tokio::test(start_paused = true)]
async fn the_board_tells_commit_and_turns() {
    let world = World::with_config_maps(json!({}), 3).await;
    let first = world.board.get(&key()).unwrap();
    let commit = world.commit_config_maps(0..3, "2").to_string();
    world.look();
    world.until("turn", |world| world.board.get(&key()).is_some_and(|now| now.turns > first.turns)).await;
    world.until_ready().await;
    let now = world.board.get(&key()).unwrap();
    assert_eq!(now.status.applied.as_ref().unwrap().commit, commit);
    assert_eq!(now.previous_commit, first.status.applied.as_ref().map(|at| at.commit.clone()));
}
