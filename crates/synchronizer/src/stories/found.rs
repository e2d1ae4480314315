//! What no watch shows: objects without our label that were only to be created, and kinds that cannot be listed.

use lockstep_plan::Class;
use serde_json::json;

use super::{
    api_server::refusal,
    world::{World, config_map},
};
use crate::ports::Happening;

/// A Secret that is only to be created, as this annotation says.
fn secret(annotation: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: a, annotations: {{{annotation}}}}}\n\
         stringData: {{password: from-git}}\n"
    )
}

const CREATE_ONLY: &str = "lockstep.dev/apply: create-only";

fn has_no_drift(world: &World) -> bool {
    let objects = world.status().objects.unwrap();
    let is_drift = |it: &Happening| matches!(it, Happening::Drifted { .. } | Happening::Fighting { .. });
    objects.drifted == 0 && world.witness.count(is_drift) == 0
}

#[tokio::test(start_paused = true)]
async fn what_others_made_and_was_only_to_be_created_is_left_to_them() {
    for annotation in [CREATE_ONLY, "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent"] {
        let mut world = World::new(json!({"audit": "0s"}));
        let metadata = json!({"name": "s", "namespace": "a"});
        let by_hand = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": "Ynk="}});
        world.api.create("kubectl-create", by_hand);
        world.git.commit(&[("c.yaml", &config_map("c0", "1")), ("s.yaml", &secret(annotation))]);
        world.start();
        world.until_ready().await;
        world.pass(600).await;
        assert_eq!(world.object_calls().iter().filter(|call| call.ends_with("Secret/a/s")).count(), 1, "{annotation}");
        assert_eq!(world.api.value("/Secret/a/s", "/data/password"), Some(json!("Ynk=")));
        assert!(has_no_drift(&world), "{annotation}");
        world.until_ready().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_only_to_be_created_is_let_alone_without_its_label_and_made_again_when_it_is_gone() {
    let mut world = World::new(json!({"audit": "0s"}));
    world.git.commit(&[("s.yaml", &secret(CREATE_ONLY))]);
    world.start();
    world.until_ready().await;
    world.api.edit("/Secret/a/s", "kubectl-label", &["metadata", "labels", "lockstep.dev/sync"], None);
    world.pass(600).await;
    let label = "/metadata/labels/lockstep.dev~1sync";
    assert_eq!(world.api.value("/Secret/a/s", label), None, "it is never touched again");
    assert!(has_no_drift(&world));

    world.api.edit("/Secret/a/s", "kubectl-label", &["metadata", "labels", "lockstep.dev/sync"], Some(json!("shop")));
    world.pass(5).await;
    world.api.remove("/Secret/a/s");
    world.until("the new one", |world| world.api.has("/Secret/a/s")).await;
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_listed_is_not_gone() {
    let mut world = World::with_config_maps(json!({}), 3).await;
    world.stop().await;
    world.api.refuse("watch ConfigMap", refusal(403, Class::Forbidden, "list configmaps: forbidden"));
    world.start();
    world.until_reason("WatchFailed").await;
    world.pass(600).await;
    assert!(has_no_drift(&world));
    assert!(world.object_calls().iter().all(|call| call.starts_with("lookup")));
}
