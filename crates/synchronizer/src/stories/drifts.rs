//! What others change is seen by the watches and changed back without a look at Git.

use serde_json::json;

use super::world::World;
use crate::{drift::manager, ports::Happening};

#[tokio::test(start_paused = true)]
async fn a_changed_field_is_changed_back_and_its_taker_named() {
    let world = World::with_config_maps(json!({}), 3).await;
    let fetches = world.git.fetches();
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until("repair", |world| world.api.value("/ConfigMap/a/c1", "/data/v") == Some(json!("1"))).await;
    world.until("report", |world| !world.status().drift.is_empty()).await;
    assert_eq!(world.object_calls(), ["apply ConfigMap/a/c1"]);
    assert_eq!(world.git.fetches(), fetches);
    let seen = &world.status().drift[0];
    assert_eq!((seen.object.as_str(), seen.manager.as_str(), seen.repaired), ("ConfigMap/a/c1", "kubectl-edit", true));
    let fields: Vec<_> = seen.fields.iter().map(|field| (field.path.as_str(), field.git.as_str())).collect();
    assert_eq!(fields, [(".data.v", "\"1\"")]);
    let is_it = |it: &Happening| matches!(it, Happening::Drifted { fields, repaired: true, .. } if manager(fields) == "kubectl-edit");
    assert_eq!(world.witness.count(is_it), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_is_made_again() {
    let world = World::with_config_maps(json!({}), 3).await;
    world.api.remove("/ConfigMap/a/c1");
    world.until("repair", |world| world.api.has("/ConfigMap/a/c1")).await;
    assert_eq!(world.object_calls(), ["lookup ConfigMap/a/c1", "apply ConfigMap/a/c1"]);
    world
        .until("report", |world| world.status().drift.iter().any(|seen| seen.fields.is_empty() && seen.repaired))
        .await;
}

#[tokio::test(start_paused = true)]
async fn stripped_labels_come_back_and_foreign_ones_stay() {
    let world = World::with_config_maps(json!({}), 2).await;
    let label = |name: &'static str| ["metadata", "labels", name];
    world.api.edit("/ConfigMap/a/c0", "kubectl-label", &label("team"), Some(json!("red")));
    world.pass(60).await;
    assert_eq!(world.object_calls(), Vec::<String>::new(), "what we never applied is nobody's business");
    world.api.edit("/ConfigMap/a/c0", "kubectl-label", &label("lockstep.dev/sync"), None);
    let pointer = "/metadata/labels/lockstep.dev~1sync";
    world.until("repair", |world| world.api.value("/ConfigMap/a/c0", pointer) == Some(json!("shop"))).await;
    assert_eq!(world.api.value("/ConfigMap/a/c0", "/metadata/labels/team"), Some(json!("red")));
}

#[tokio::test(start_paused = true)]
async fn drift_during_downtime_is_repaired_at_the_start() {
    let mut world = World::with_config_maps(json!({}), 3).await;
    world.stop().await;
    world.api.edit("/ConfigMap/a/c2", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.api.take_calls();
    world.start();
    world.until("repair", |world| world.api.value("/ConfigMap/a/c2", "/data/v") == Some(json!("1"))).await;
    assert_eq!(world.object_calls(), ["apply ConfigMap/a/c2"]);
    world.until("report", |world| world.status().drift.iter().any(|seen| seen.manager == "kubectl-edit")).await;
}

#[tokio::test(start_paused = true)]
async fn under_report_drift_is_said_and_left() {
    let world = World::with_config_maps(json!({"drift": "report"}), 3).await;
    world.api.edit("/ConfigMap/a/c1", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until_reason("Drifted").await;
    world.pass(120).await;
    assert_eq!(world.object_calls(), Vec::<String>::new());
    assert_eq!(world.status().objects.unwrap().drifted, 1);
    assert!(world.condition("Ready").2.contains("kubectl-edit"));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Drifted { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fight_slows_down_and_names_the_opponent() {
    let world = World::with_config_maps(json!({}), 1).await;
    for round in 0..120 {
        world.api.edit("/ConfigMap/a/c0", "rival", &["data", "v"], Some(json!(round.to_string())));
        world.pass(1).await;
    }
    let repairs = world.object_calls().len();
    assert!((6..=20).contains(&repairs), "{repairs} repairs in two minutes");
    let fight = world.status().fights.remove(0);
    assert_eq!((fight.object.as_str(), fight.manager.as_str()), ("ConfigMap/a/c0", "rival"));
    assert_eq!(fight.fields, [".data.v"]);
    assert!(
        world.witness.count(|it| matches!(it, Happening::Fighting { fields, .. } if manager(fields) == "rival")) > 0
    );
    world.pass(600).await;
    world.until("peace", |world| world.api.value("/ConfigMap/a/c0", "/data/v") == Some(json!("1"))).await;
    world.until("no fight", |world| world.status().fights.is_empty()).await;
    world.until_ready().await;
}
