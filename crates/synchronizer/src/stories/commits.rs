//! Commits come in, and the cluster follows at the price of what they change.

use serde_json::json;

use super::world::{World, config_map};
use crate::ports::Happening;

#[tokio::test(start_paused = true)]
async fn a_first_sync_records_its_kinds_and_then_writes_each_object_once() {
    let mut world = World::new(json!({}));
    let commit = world.commit_config_maps(0..3, "1");
    world.start();
    world.until_ready().await;

    let calls = world.object_calls();
    let position = |start: &str| calls.iter().position(|call| call.starts_with(start)).unwrap();
    assert!(position("record ConfigMap") < position("apply"), "{calls:?}");
    let applies: Vec<_> = calls.iter().filter(|call| call.starts_with("apply")).collect();
    assert_eq!(applies.len(), 3, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.starts_with("lookup")).count(), 3, "{calls:?}");

    let status = world.status();
    assert_eq!(status.applied.unwrap().commit, commit.to_string());
    assert_eq!(status.objects.map(|objects| (objects.total, objects.healthy)), Some((3, 3)));
    assert_eq!(world.condition("Stalled").0, "False");
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Applied { created: 3, changed: 0, .. })), 1);
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Healthy { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn at_rest_the_branch_is_looked_at_and_the_api_server_is_not() {
    let world = World::with_config_maps(json!({}), 3).await;
    let before = world.git.fetches();
    world.pass(600).await;
    let looks = world.git.fetches() - before;
    assert!((18..=27).contains(&looks), "{looks} looks in ten minutes of 30 s");
    assert_eq!(world.api.take_calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_commit_costs_one_patch_for_each_object_that_it_changes() {
    let world = World::with_config_maps(json!({}), 30).await;
    let read = world.git.blobs_read();
    let files: Vec<(String, String)> = (0..30)
        .map(|number| {
            (format!("c{number:03}.yaml"), config_map(&format!("c{number}"), if number == 7 { "2" } else { "1" }))
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let commit = world.git.commit(&files).to_string();
    world.look();
    world.until("applied", |world| world.status().applied.is_some_and(|at| at.commit == commit)).await;
    assert_eq!(world.object_calls(), ["apply ConfigMap/a/c7"]);
    assert_eq!(world.git.blobs_read() - read, 1);
    assert_eq!(world.api.value("/ConfigMap/a/c7", "/data/v"), Some(json!("2")));
}

#[tokio::test(start_paused = true)]
async fn a_commit_with_the_same_tree_is_applied_without_a_call_about_objects() {
    let world = World::with_config_maps(json!({}), 3).await;
    let commit = world.commit_config_maps(0..3, "1").to_string();
    world.look();
    world.until("applied", |world| world.status().applied.is_some_and(|at| at.commit == commit)).await;
    world.until_ready().await;
    assert_eq!(world.object_calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_restart_over_an_unchanged_cluster_lists_and_writes_nothing() {
    let mut world = World::with_config_maps(json!({}), 30).await;
    world.stop().await;
    world.api.take_calls();
    world.start();
    world.pass(120).await;
    assert_eq!(world.reason(), "Succeeded");
    assert_eq!(world.api.take_calls(), ["watch CustomResourceDefinition.apiextensions.k8s.io", "watch ConfigMap"]);
}

#[tokio::test(start_paused = true)]
async fn many_unknown_objects_are_looked_up_by_one_list() {
    let world = World::with_config_maps(json!({}), 1).await;
    world.commit_config_maps(0..100, "1");
    world.look();
    world.until("100 objects", |world| world.status().objects.is_some_and(|objects| objects.healthy == 100)).await;
    let calls = world.object_calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("list")).count(), 1);
    assert_eq!(calls.iter().filter(|call| call.starts_with("lookup")).count(), 0);
    assert_eq!(calls.iter().filter(|call| call.starts_with("apply")).count(), 99);
}

#[tokio::test(start_paused = true)]
async fn a_definition_its_namespace_and_its_objects_fit_into_one_commit() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
        metadata: {name: widgets.example.com}\n\
        spec: {group: example.com, scope: Namespaced, names: {kind: Widget, plural: widgets}, versions: [{name: v1}]}\n";
    let mut world = World::new(json!({}));
    world.git.commit(&[
        (
            "a-widget.yaml",
            "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: shop}\nspec: {size: 1}\n",
        ),
        ("b-definition.yaml", definition),
        ("c-namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"),
    ]);
    world.start();
    world.until_ready().await;
    let applies: Vec<String> = world.object_calls().into_iter().filter(|call| call.starts_with("apply")).collect();
    let order = ["apply Namespace/shop", "apply CustomResourceDefinition/widgets.example.com", "apply Widget/shop/w"];
    assert_eq!(applies, order);
}

#[tokio::test(start_paused = true)]
async fn objects_without_a_namespace_go_to_default_and_every_call_is_the_accounts() {
    let mut world = World::new(json!({"serviceAccountName": "robot"}));
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "lockstep"}});
    world.api.create("somebody", account);
    world.git.commit(&[("c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")]);
    world.start();
    world.until_ready().await;
    let calls: Vec<String> = world.object_calls().into_iter().filter(|call| call.contains("/default/")).collect();
    let wanted = ["lookup ConfigMap/default/c as lockstep/robot", "apply ConfigMap/default/c as lockstep/robot"];
    assert_eq!(calls, wanted);
}
