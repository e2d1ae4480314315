//! A Sync is deleted, and its objects go or stay as it says.

use serde_json::json;

use super::{
    api_server::refusal,
    world::{World, key},
};
use crate::ports::{FINALIZER, Happening};
use lockstep_plan::Class;

async fn with_policy(policy: &str) -> World {
    World::with_config_maps(json!({"deletionPolicy": policy}), 3).await
}

fn is_gone(world: &World) -> bool {
    world.board.get(&key()).is_none() && !world.api.state().syncs.contains_key("shop")
}

fn deletions(world: &World) -> usize {
    world.object_calls().iter().filter(|call| call.starts_with("delete")).count()
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_is_there_before_the_first_object_and_goes_with_the_policy() {
    let mut world = World::new(json!({"deletionPolicy": "prune"}));
    world.commit_config_maps(0..1, "1");
    world.start();
    world.until_ready().await;
    let calls = world.api.take_calls();
    let place = |name: &str| calls.iter().position(|call| call.starts_with(name)).unwrap();
    assert!(place("finalizer Present") < place("apply"), "{calls:?}");
    world.api.change_sync(|sync| sync.spec.deletion_policy = crate::resource::DeletionPolicy::Orphan);
    world.until("release", |world| world.api.state().syncs["shop"].metadata.finalizers.is_none()).await;
    world.pass(120).await;
    let calls = world.api.take_calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("finalizer")).count(), 1, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn prune_and_wait_delete_everything_without_asking_the_guard() {
    for policy in ["prune", "wait"] {
        let world = with_policy(policy).await;
        world.api.create(
            "somebody",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": "a"}}),
        );
        world.api.delete_sync();
        world.until("end", is_gone).await;
        assert_eq!(deletions(&world), 3);
        assert!(world.api.has("/ConfigMap/a/other"));
        let told = Happening::Dismantled { objects: 3, staying: Vec::new() };
        assert_eq!(world.witness.count(|it| *it == told), 1);
        assert_eq!(world.witness.count(|it| matches!(it, Happening::Orphaned { .. })), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn orphan_has_no_finalizer_and_a_suspended_sync_deletes_nothing() {
    let world = with_policy("orphan").await;
    assert_eq!(world.api.state().syncs["shop"].metadata.finalizers, None);
    let world = with_policy("prune").await;
    world.api.change_sync(|sync| sync.spec.suspend = true);
    world.until_reason("Suspended").await;
    world.api.delete_sync();
    world.until("end", is_gone).await;
    assert_eq!(deletions(&world), 0);
    assert_eq!(world.witness.count(|it| *it == Happening::Orphaned { objects: 3 }), 1);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_deleted_stays_and_is_named() {
    let world = with_policy("prune").await;
    world.api.edit(
        "/ConfigMap/a/c1",
        "kubectl-annotate",
        &["metadata", "annotations", "lockstep.dev/prune"],
        Some(json!("never")),
    );
    world.pass(5).await;
    world.api.delete_sync();
    world.until("end", is_gone).await;
    assert!(world.api.has("/ConfigMap/a/c1") && !world.api.has("/ConfigMap/a/c0"));
    let named = |it: &Happening| matches!(it, Happening::Dismantled { objects: 2, staying } if staying.len() == 1 && staying[0].contains("c1"));
    assert_eq!(world.witness.count(named), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_is_tried_again_and_given_up_after_ten_minutes() {
    let world = with_policy("prune").await;
    world.api.refuse("delete ConfigMap/a/c1", refusal(403, Class::Forbidden, "not you"));
    world.api.delete_sync();
    world.until_reason("Deleting").await;
    assert!(world.condition("Ready").2.contains("c1"), "{}", world.condition("Ready").2);
    world.pass(500).await;
    assert!(!is_gone(&world));
    world.until("end", is_gone).await;
    assert!(world.api.has("/ConfigMap/a/c1") && !world.api.has("/ConfigMap/a/c0"));
    let left =
        |it: &Happening| matches!(it, Happening::Abandoned { left, .. } if left.iter().any(|one| one.contains("c1")));
    assert_eq!(world.witness.count(left), 1);

    let world = with_policy("prune").await;
    world.api.refuse("delete ConfigMap/a/c1", refusal(403, Class::Forbidden, "not you"));
    world.api.delete_sync();
    world.until_reason("Deleting").await;
    world.api.refuse_nothing();
    world.until("end", is_gone).await;
    assert!(!world.api.has("/ConfigMap/a/c1"));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Dismantled { objects: 3, .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn wait_waits_for_what_a_finalizer_holds() {
    let world = with_policy("wait").await;
    world.api.hold("/ConfigMap/a/c2");
    world.api.delete_sync();
    world.until_reason("Deleting").await;
    world.until("words", |world| world.condition("Ready").2.contains("1 on their way out: ConfigMap/a/c2")).await;
    world.pass(60).await;
    assert!(!is_gone(&world));
    world.api.remove("/ConfigMap/a/c2");
    world.until("end", is_gone).await;
    assert_eq!(deletions(&world), 3);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_goes_on_after_a_restart() {
    let mut world = with_policy("wait").await;
    world.stop().await;
    world.api.delete_sync();
    assert_eq!(world.api.state().syncs["shop"].metadata.finalizers, Some(vec![FINALIZER.to_owned()]));
    world.start();
    world.until("end", is_gone).await;
    assert!(!world.api.has("/ConfigMap/a/c0"));
}

#[tokio::test(start_paused = true)]
async fn nobody_deletes_for_an_account_or_in_a_namespace_that_is_gone() {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer", "namespace": "lockstep"}});
    let mut world = World::new(json!({"deletionPolicy": "prune", "serviceAccountName": "deployer"}));
    world.commit_config_maps(0..2, "1");
    world.start();
    world.until_reason("AccountMissing").await;
    assert!(world.condition("Ready").2.contains("lockstep/deployer"));
    world.api.create("somebody", account);
    world.until_ready().await;
    world.api.refuse("delete", refusal(403, Class::Forbidden, "not you"));
    world.api.remove("/ServiceAccount/lockstep/deployer");
    world.api.delete_sync();
    world.until("end", is_gone).await;
    let told =
        |it: &Happening| matches!(it, Happening::Abandoned { reason, .. } if reason.contains("lockstep/deployer"));
    assert_eq!(world.witness.count(told), 1);
}
