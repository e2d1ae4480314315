//! Syncs that wait for each other.

use serde_json::json;

use super::world::{World, config_map};
use crate::ports::Happening;

/// Two Syncs of one repository: `shop`, of the folder `shop`, waits for `base`, of the folder `base`.
async fn pair() -> World {
    let mut world = World::new(json!({
        "source": {"repository": "https://git.example/c.git", "path": "shop"}, "dependsOn": [{"name": "base"}],
    }));
    commit(&world, "1");
    world.start();
    world
}

fn make_base(world: &World) {
    world.api.make_sync("base", json!({"source": {"repository": "https://git.example/c.git", "path": "base"}}));
}

fn commit(world: &World, value: &str) -> String {
    let files = [("base/b.yaml", config_map("base", value)), ("shop/s.yaml", config_map("shop", value))];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    world.git.commit(&files).to_string()
}

#[tokio::test(start_paused = true)]
async fn a_sync_waits_for_one_that_does_not_exist_yet_and_applies_as_soon_as_it_is_ready() {
    let world = pair().await;
    world.until_reason("DependencyNotReady").await;
    let (status, _, message) = world.condition("Ready");
    assert_eq!((status.as_str(), message.as_str()), ("False", "the Sync base does not exist"));
    assert_eq!(world.condition("Reconciling").0, "True");
    world.pass(600).await;
    assert_eq!(world.object_calls(), Vec::<String>::new());

    make_base(&world);
    world.until_ready().await;
    let applies: Vec<String> = world.object_calls().into_iter().filter(|call| call.starts_with("apply")).collect();
    assert_eq!(applies, ["apply ConfigMap/a/base", "apply ConfigMap/a/shop"]);
}

#[tokio::test(start_paused = true)]
async fn each_commit_reaches_the_dependency_first_and_the_old_one_is_kept_up_meanwhile() {
    let world = pair().await;
    make_base(&world);
    world.until_ready().await;
    world.object_calls();
    world.api.refuse("apply ConfigMap/a/base", super::api_server::refusal(422, lockstep_plan::Class::Invalid, "no"));
    let second = commit(&world, "2");
    world.look();
    world.until_reason("DependencyNotReady").await;
    world.pass(60).await;
    assert_eq!(world.api.value("/ConfigMap/a/shop", "/data/v"), Some(json!("1")));
    world.api.edit("/ConfigMap/a/shop", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until("repair", |world| world.api.value("/ConfigMap/a/shop", "/data/v") == Some(json!("1"))).await;

    world.api.refuse_nothing();
    world.api.change_sync_of("base", |_| {});
    world.until_ready().await;
    assert_eq!(world.status().applied.unwrap().commit, second);
    assert_eq!(world.api.value("/ConfigMap/a/shop", "/data/v"), Some(json!("2")));
}

#[tokio::test(start_paused = true)]
async fn a_restart_asks_nobody_for_leave_again() {
    let mut world = pair().await;
    make_base(&world);
    world.until_ready().await;
    world.stop().await;
    world.api.take_calls();
    world.git.set_down(true);
    world.start();
    world.until_reason("FetchFailed").await;
    world.api.edit("/ConfigMap/a/shop", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until("repair", |world| world.api.value("/ConfigMap/a/shop", "/data/v") == Some(json!("1"))).await;
}

#[tokio::test(start_paused = true)]
async fn syncs_that_wait_for_each_other_say_so_until_one_gives_way() {
    let world = pair().await;
    make_base(&world);
    world.until_ready().await;
    world.api.change_sync_of("base", |sync| {
        sync.spec.depends_on = serde_json::from_value(json!([{"name": "shop"}])).unwrap();
    });
    commit(&world, "2");
    world.look();
    world.until_reason("DependencyCycle").await;
    assert_eq!(world.condition("Stalled").0, "True");
    assert!(world.condition("Ready").2.contains("shop → base → shop"), "{}", world.condition("Ready").2);
    world.api.change_sync_of("base", |sync| sync.spec.depends_on.clear());
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/shop", "/data/v"), Some(json!("2")));
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_the_work_on_one_sync_is_told_there_and_stops_no_other() {
    let world = pair().await;
    make_base(&world);
    world.until_ready().await;
    world.api.change_sync(|sync| sync.spec.depends_on.clear());
    world.git.set_fault(Some("shop"));
    commit(&world, "2");
    world.look();
    world.until_reason("InternalError").await;
    assert_eq!((world.condition("Ready").0, world.condition("Stalled").0), ("False".to_owned(), "True".to_owned()));
    let base = |world: &World| world.api.value("/ConfigMap/a/base", "/data/v");
    world.until("the other", |world| base(world) == Some(json!("2"))).await;
    world.pass(900).await;
    let faults = world.witness.count(|it| matches!(it, Happening::Faulted));
    assert!((6..=14).contains(&faults), "{faults}: less and less often");
    world.api.edit("/ConfigMap/a/base", "kubectl-edit", &["data", "v"], Some(json!("9")));
    world.until("repair", |world| base(world) == Some(json!("2"))).await;

    world.git.set_fault(None);
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/shop", "/data/v"), Some(json!("2")));
}
