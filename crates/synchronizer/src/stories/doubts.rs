//! What is not known is neither gone nor as it should be.

use lockstep_plan::{Class, Status};
use serde_json::json;

use super::{
    api_server::refusal,
    git::Damage,
    world::{World, config_map, key},
};
use crate::ports::Happening;

const WIDGET: &str = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: a}\nspec: {size: 1}\n";

/// A Sync with a Widget, whose definition is somebody else's.
async fn with_a_widget(changes: serde_json::Value) -> World {
    let mut world = World::new(changes);
    world.api.define_widgets();
    world.git.commit(&[("c.yaml", &config_map("c0", "1")), ("w.yaml", WIDGET)]);
    world.start();
    world.until_ready().await;
    assert!(world.api.has("example.com/Widget/a/w"));
    world
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_defined_and_not_served_keeps_its_objects_in_mind() {
    let mut world = with_a_widget(json!({})).await;
    world.stop().await;
    world.git.commit(&[("c.yaml", &config_map("c0", "1"))]);
    world.api.hide_widgets(true);
    world.start();
    world.until_reason("WatchFailed").await;
    assert!(world.condition("Ready").2.contains("Widget.example.com"), "{}", world.condition("Ready").2);
    world.pass(900).await;
    assert_eq!((world.condition("Ready").0.as_str(), world.reason().as_str()), ("False", "WatchFailed"));
    world.api.hide_widgets(false);
    world.until_ready().await;
    assert!(!world.api.has("example.com/Widget/a/w"), "it left Git");
    assert_eq!(world.witness.count(|it| matches!(it, Happening::KindLost { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sync_does_not_end_while_objects_of_it_cannot_be_seen() {
    let mut world = with_a_widget(json!({"deletionPolicy": "prune"})).await;
    world.stop().await;
    world.api.hide_widgets(true);
    world.api.delete_sync();
    world.start();
    world.until_reason("Deleting").await;
    world.pass(60).await;
    let message = world.condition("Ready").2;
    assert!(message.contains("objects of kind Widget.example.com: they cannot be listed"), "{message}");
    world.api.hide_widgets(false);
    world.until("end", |world| world.board.get(&key()).is_none()).await;
    assert!(!world.api.has("example.com/Widget/a/w"));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Dismantled { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_clone_is_no_fault_of_the_commit() {
    let world = World::with_config_maps(json!({}), 2).await;
    world.git.damage(Damage::Files);
    let commit = world.commit_config_maps(0..2, "2");
    world.look();
    world.until_reason("FetchFailed").await;
    assert!(world.condition("Ready").2.contains("the pack ends in the middle"), "{}", world.condition("Ready").2);
    world.pass(600).await;
    world.git.damage(Damage::None);
    world.until_ready().await;
    assert_eq!(world.status().applied.unwrap().commit, commit.to_string());
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Invalid { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn a_changed_sync_is_not_ready_before_a_turn_knew_the_change() {
    let world = World::with_config_maps(json!({}), 2).await;
    world.git.damage(Damage::Everything);
    world.api.change_sync(|sync| sync.spec.source.path = "elsewhere".to_owned());
    world.until_reason("FetchFailed").await;
    for _ in 0..900 {
        world.pass(1).await;
        assert_eq!(world.condition("Ready").0, "False", "{:?}", world.condition("Ready"));
    }
    world.git.damage(Damage::None);
    world.until_reason("PruneHeld").await;
}

/// Two ConfigMaps, the second of which waits for the health of the first.
fn commit_waves(world: &World, first: &str, second: &str) {
    let in_wave = |name: &str, wave: &str, value: &str| {
        let annotated = format!("{{name: {name}, annotations: {{lockstep.dev/wave: \"{wave}\"}},");
        config_map(name, value).replace(&format!("{{name: {name},"), &annotated)
    };
    world.git.commit(&[("a.yaml", &in_wave("first", "0", first)), ("b.yaml", &in_wave("second", "1", second))]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_turn_waits_also_when_somebody_deletes_it() {
    let mut world = World::new(json!({}));
    commit_waves(&world, "1", "1");
    world.start();
    world.until_ready().await;
    world.set_health("/ConfigMap/a/first", Some(Status::InProgress));
    commit_waves(&world, "2", "2");
    world.look();
    world.until_reason("Waiting").await;
    world.api.remove("/ConfigMap/a/second");
    world.pass(60).await;
    assert!(!world.api.has("/ConfigMap/a/second"), "what comes first is not healthy");
    world.set_health("/ConfigMap/a/first", None);
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/second", "/data/v"), Some(json!("2")));
}

#[tokio::test(start_paused = true)]
async fn a_wave_does_not_begin_because_a_start_has_not_seen_the_one_before() {
    let mut world = World::new(json!({}));
    commit_waves(&world, "1", "1");
    world.start();
    world.until_ready().await;
    world.stop().await;
    world.set_health("/ConfigMap/a/first", Some(Status::InProgress));
    commit_waves(&world, "1", "2");
    world.start();
    world.until_reason("Waiting").await;
    world.pass(60).await;
    assert_eq!(world.api.value("/ConfigMap/a/second", "/data/v"), Some(json!("1")), "what comes first is not healthy");
    world.set_health("/ConfigMap/a/first", None);
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/second", "/data/v"), Some(json!("2")));
}

#[tokio::test(start_paused = true)]
async fn deletions_end_when_the_daemon_is_asked_to_stop() {
    let mut world = World::with_config_maps(json!({"prune": {"enabled": true, "maxObjects": 100}}), 60).await;
    world.commit_config_maps(0..10, "1");
    world.look();
    world.until_exactly(|world| world.api.count("ConfigMap") < 60).await;
    world.stop().await;
    let left = world.api.count("ConfigMap");
    assert!(left > 40, "{left}");
    world.start();
    world.until("the rest", |world| world.api.count("ConfigMap") == 10).await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_the_cluster_is_tried_again_without_asking_git() {
    let world = World::with_config_maps(json!({"interval": "10m"}), 2).await;
    world.api.refuse("apply ConfigMap/a/c1", refusal(500, Class::Transient, "etcdserver: leader changed"));
    world.commit_config_maps(0..2, "2");
    world.look();
    world.until_reason("ApplyFailed").await;
    let asked = world.git.asked_now();
    world.api.take_calls();
    world.pass(120).await;
    let tries = world.object_calls().iter().filter(|call| *call == "apply ConfigMap/a/c1").count();
    assert!(tries >= 4, "{tries}");
    assert_eq!(world.git.asked_now(), asked);
}
