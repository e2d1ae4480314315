//! What is hard to apply: fields that cannot change, kinds that are not there yet, objects that others made.

use lockstep_plan::Class;
use serde_json::json;

use super::{
    api_server::refusal,
    world::{World, config_map},
};
use crate::{ports::Happening, protected::Protected};

const IMMUTABLE: &str = "apply ConfigMap a/c1: ConfigMap \"c1\" is invalid: data: Forbidden: field is immutable when `immutable` is set (HTTP 422 Invalid)";

fn replaceable(value: &str) -> String {
    config_map("c1", value).replace("{name: c1,", "{name: c1, annotations: {lockstep.dev/replace: on-immutable},")
}

#[tokio::test(start_paused = true)]
async fn an_immutable_field_is_named_and_nothing_is_deleted_without_being_asked() {
    let world = World::with_config_maps(json!({}), 3).await;
    world.api.refuse("apply ConfigMap/a/c1", refusal(422, Class::Immutable, IMMUTABLE));
    world.commit_config_maps(0..3, "2");
    world.look();
    world.until_reason("ApplyFailed").await;
    let message = world.status().failures.unwrap().first[0].message.clone();
    assert!(
        message.contains("immutable: data;") && message.contains("lockstep.dev/replace: on-immutable"),
        "{message}"
    );
    assert_eq!(world.api.value("/ConfigMap/a/c2", "/data/v"), Some(json!("2")), "the others go on");
    world.pass(300).await;
    assert!(!world.object_calls().iter().any(|call| call.starts_with("delete")));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_made_anew_is_not_deleted() {
    let world = World::with_config_maps(json!({}), 2).await;
    world.api.refuse("apply ConfigMap/a/c1", refusal(422, Class::Immutable, IMMUTABLE));
    world.api.refuse("dry-run-create", refusal(422, Class::Invalid, "the new one is wrong"));
    world.git.commit(&[("c000.yaml", &config_map("c0", "1")), ("c001.yaml", &replaceable("2"))]);
    world.look();
    world.until_reason("ApplyFailed").await;
    let message = world.status().failures.unwrap().first[0].message.clone();
    assert!(message.contains("the new one is wrong") && message.contains("was not deleted"), "{message}");
    assert!(!world.object_calls().iter().any(|call| call.starts_with("delete")));
    assert!(world.api.has("/ConfigMap/a/c1"));
}

#[tokio::test(start_paused = true)]
async fn what_others_have_filled_is_not_made_anew_even_on_request() {
    let mut world = World::new(json!({}));
    let definition = |scope: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {{name: widgets.example.com, annotations: {{lockstep.dev/replace: on-immutable}}}}\n\
             spec: {{group: example.com, scope: {scope}, names: {{kind: Widget, plural: widgets}}, versions: [{{name: v1}}]}}\n"
        )
    };
    world.git.commit(&[("c.yaml", &definition("Namespaced"))]);
    world.start();
    world.until_ready().await;
    let refused = "apply CustomResourceDefinition widgets.example.com: spec.scope: Invalid value: field is immutable";
    world.api.refuse("apply CustomResourceDefinition", refusal(422, Class::Immutable, refused));
    world.git.commit(&[("c.yaml", &definition("Cluster"))]);
    world.look();
    world.until_reason("ApplyFailed").await;
    let message = world.status().failures.unwrap().first[0].message.clone();
    assert!(message.contains("all that is in it would go with it"), "{message}");
    world.pass(300).await;
    assert!(!world.object_calls().iter().any(|call| call.starts_with("delete")));
}

#[tokio::test(start_paused = true)]
async fn what_the_daemon_runs_on_is_not_made_anew_even_on_request() {
    let mut world = World::new(json!({}));
    world.protected = Protected::of("a");
    let replaceable = |value: &str| replaceable(value).replace("name: c1,", "name: lockstep-synchronizer,");
    world.git.commit(&[("c001.yaml", &replaceable("1"))]);
    world.start();
    world.until_ready().await;
    world.api.refuse("apply ConfigMap/a/lockstep-synchronizer", refusal(422, Class::Immutable, IMMUTABLE));
    world.git.commit(&[("c001.yaml", &replaceable("2"))]);
    world.look();
    world.until_reason("ApplyFailed").await;
    let message = world.status().failures.unwrap().first[0].message.clone();
    assert!(message.contains("immutable: data;") && message.contains("the synchronizer itself needs it"), "{message}");
    assert!(!world.object_calls().iter().any(|call| call.starts_with("delete")));
}

#[tokio::test(start_paused = true)]
async fn on_request_it_is_deleted_and_made_anew() {
    let world = World::with_config_maps(json!({}), 2).await;
    world.api.refuse_once("apply ConfigMap/a/c1", refusal(422, Class::Immutable, IMMUTABLE));
    world.git.commit(&[("c000.yaml", &config_map("c0", "1")), ("c001.yaml", &replaceable("2"))]);
    world.look();
    world.until("the new one", |world| world.api.value("/ConfigMap/a/c1", "/data/v") == Some(json!("2"))).await;
    world.until_ready().await;
    let calls = world.object_calls();
    let about: Vec<&str> = calls.iter().filter_map(|call| call.strip_suffix(" ConfigMap/a/c1")).collect();
    assert_eq!(about, ["apply", "dry-run-create", "lookup", "delete", "lookup", "apply"]);
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Replaced { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn an_object_of_an_unknown_kind_waits_for_its_definition_and_holds_nobody_up() {
    let mut world = World::new(json!({}));
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: a}\nspec: {size: 1}\n";
    world.git.commit(&[("c.yaml", &config_map("c0", "1")), ("w.yaml", widget)]);
    world.start();
    world.until_reason("Waiting").await;
    assert!(world.api.has("/ConfigMap/a/c0"));
    assert!(world.condition("Ready").2.contains("Widget"), "{:?}", world.condition("Ready"));
    world.pass(3600).await;
    world.api.take_calls();
    let fetches = world.git.fetches();
    world.api.create(
        "operator",
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"}}),
    );
    world.pass(2).await;
    assert!(world.api.has("example.com/Widget/a/w"), "{:?}", world.api.take_calls());
    assert!(world.git.fetches() - fetches <= 2, "no new commit was needed");
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_client_side_apply_left_is_taken_over_and_goes_with_git() {
    let mut world = World::new(json!({}));
    world.api.create(
        "kubectl-client-side-apply",
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c0", "namespace": "a", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "data": {"v": "theirs", "old": "left Git long ago"},
        }),
    );
    world.commit_config_maps(0..1, "1");
    world.start();
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/c0", "/data"), Some(json!({"v": "1"})));
    let copy = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
    assert_eq!(world.api.value("/ConfigMap/a/c0", copy), None);
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Adopted { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_finishes_what_is_in_flight_and_the_next_start_the_rest() {
    let mut world = World::new(json!({}));
    world.commit_config_maps(0..200, "1");
    world.start();
    world.until_exactly(|world| world.api.count("ConfigMap") >= 50).await;
    world.stop().await;
    let made = world.api.count("ConfigMap");
    assert!((50..200).contains(&made), "{made} objects");
    world.api.take_calls();
    world.start();
    world.until_ready().await;
    assert_eq!(world.api.count("ConfigMap"), 200);
    let applies = world.object_calls().iter().filter(|call| call.starts_with("apply")).count();
    assert_eq!(applies, 200 - made, "each object is made once");
}

#[tokio::test(start_paused = true)]
async fn a_wave_begins_when_the_one_before_is_healthy_and_waiting_is_no_failure() {
    let wave = |name: &str, wave: &str| {
        config_map(name, "1").replace("namespace: a", &format!("namespace: a, annotations: {{{wave}}}"))
    };
    let world = World::with_config_maps(json!({}), 1).await;
    world.api.take_calls();
    // Health is known before the turn that applies: as for an object that a watch has shown already.
    world.set_health("/ConfigMap/a/c1", Some(lockstep_plan::Status::InProgress));
    world.git.commit(&[
        ("c000.yaml", &config_map("c0", "1")),
        ("c1.yaml", &wave("c1", "lockstep.dev/wave: \"1\"")),
        ("c2.yaml", &wave("c2", "argocd.argoproj.io/sync-wave: \"2\"")),
        ("c3.yaml", &wave("c3", "lockstep.dev/wave: \"2\", lockstep.dev/depends-on: /namespaces/a/ConfigMap/c2")),
    ]);
    world.look();
    world.until_reason("Waiting").await;
    world.pass(60).await;
    assert!(world.api.has("/ConfigMap/a/c1") && !world.api.has("/ConfigMap/a/c2"));
    let status = world.status();
    assert_eq!(status.failures.map_or(0, |failures| failures.total), 0, "waiting is no failure");
    let why: Vec<String> = status.waiting.iter().map(|waiting| format!("{waiting:?}")).collect();
    assert!(why.iter().any(|why| why.contains("c2") && why.contains("c1")), "{why:?}");
    world.set_health("/ConfigMap/a/c1", None);
    world.pass(1).await;
    assert!(world.api.has("/ConfigMap/a/c2") && world.api.has("/ConfigMap/a/c3"), "{:?}", world.status());
    world.until_ready().await;
    let calls = world.object_calls();
    let applies: Vec<&String> = calls.iter().filter(|call| call.starts_with("apply")).collect();
    assert_eq!(applies, ["apply ConfigMap/a/c1", "apply ConfigMap/a/c2", "apply ConfigMap/a/c3"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_to_be_deleted_is_let_go() {
    let world = World::with_config_maps(json!({}), 3).await;
    let kept = config_map("c1", "1").replace("namespace: a", "namespace: a, annotations: {lockstep.dev/prune: never}");
    world.git.commit(&[
        ("c000.yaml", &config_map("c0", "1")),
        ("c001.yaml", &kept),
        ("c002.yaml", &config_map("c2", "1")),
    ]);
    world.look();
    world
        .until("the mark", |world| {
            world.api.value("/ConfigMap/a/c1", "/metadata/annotations/lockstep.dev~1prune").is_some()
        })
        .await;
    world.until_ready().await;
    world.commit_config_maps([0, 2], "1");
    world.look();
    world
        .until("the release", |world| {
            world.api.value("/ConfigMap/a/c1", "/metadata/labels/lockstep.dev~1sync").is_none()
        })
        .await;
    world.until_ready().await;
    assert_eq!(world.api.value("/ConfigMap/a/c1", "/data/v"), Some(json!("1")));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::Released { .. })), 1);
    assert!(!world.object_calls().iter().any(|call| call.starts_with("delete")));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_came_with_the_definition_is_applied_in_the_same_turn() {
    let mut world = World::new(json!({"audit": "0s"}));
    let files = |field: &str| {
        let definition = format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.example.com}}\n\
             spec: {{group: example.com, scope: Namespaced, names: {{kind: Widget, plural: widgets}}, \
             versions: [{{name: v1, schema: {field}}}]}}\n"
        );
        let widget = format!(
            "apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w, namespace: a}}\nspec: {{{field}: 1}}\n"
        );
        (definition, widget)
    };
    for field in ["size", "color"] {
        let (definition, widget) = files(field);
        world.git.commit(&[("d.yaml", &definition), ("w.yaml", &widget)]);
        if field == "size" {
            world.start();
            world.until_ready().await;
        }
    }
    let unknown = "failed to create typed patch object (a/w; example.com/v1, Kind=Widget): .spec.color: field not declared in schema";
    for _ in 0..3 {
        world.api.refuse_once("apply Widget", refusal(500, Class::Invalid, unknown));
    }
    world.look();
    world.pass(3).await;
    assert_eq!(world.api.value("example.com/Widget/a/w", "/spec/color"), Some(json!(1)));
    assert_eq!(world.witness.count(|it| matches!(it, Happening::ApplyFailed { .. })), 0);

    // Without a change of the definition it is Git that is wrong.
    world.api.refuse_once("apply Widget", refusal(500, Class::Invalid, unknown));
    let (definition, widget) = files("color");
    world.git.commit(&[("d.yaml", &definition), ("w.yaml", &widget.replace(": 1}", ": 2}"))]);
    world.look();
    world.until_reason("ApplyFailed").await;
}
