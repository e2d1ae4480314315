//! A namespace takes all that is in it along, so it goes only when nothing in it is another's.

use lockstep_plan::Class;
use serde_json::{Value, json};

use super::{
    api_server::refusal,
    world::{World, config_map},
};

const SHOP: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n";

/// The namespace `shop` with a Deployment in it, and a ConfigMap elsewhere that stays.
async fn open() -> World {
    let mut world = World::new(json!({}));
    world.git.commit(&[("c.yaml", &*config_map("c", "1")), ("n.yaml", SHOP), ("w.yaml", WEB)]);
    world.start();
    world.until_ready().await;
    world
}

fn close(world: &World) {
    world.git.commit(&[("c.yaml", &*config_map("c", "1"))]);
    world.look();
}

/// Somebody makes an object in the namespace, owned by the object of this uid if one is given.
fn make(world: &World, api_version: &str, kind: &str, name: &str, owner: Option<&str>) {
    let owners: Vec<Value> = owner.iter().map(|uid| json!({"uid": uid})).collect();
    let metadata = json!({"name": name, "namespace": "shop", "ownerReferences": owners});
    world.api.create("somebody", json!({"apiVersion": api_version, "kind": kind, "metadata": metadata}));
}

fn uid(world: &World, id: &str) -> String {
    world.api.state().live(&id.parse().unwrap()).unwrap().uid
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_holds_what_others_made_stays() {
    let mut world = World::new(json!({}));
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    let config_map = super::world::config_map("c", "1");
    world.git.commit(&[("c.yaml", config_map.as_str()), ("n.yaml", namespace)]);
    world.start();
    world.until_ready().await;
    world.api.create(
        "somebody",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "shop"}}),
    );
    world.git.commit(&[("c.yaml", config_map.as_str())]);
    world.look();
    world.until_reason("Waiting").await;
    assert!(world.api.has("/Namespace//shop"));
    assert!(world.condition("Ready").2.contains("ConfigMap/shop/x"), "{:?}", world.condition("Ready"));
    // A copy of an object of ours is somebody's work, too, though it carries our labels.
    let copy = json!({
        "name": "copy",
        "namespace": "shop",
        "labels": world.api.value("/ConfigMap/a/c", "/metadata/labels"),
        "annotations": world.api.value("/ConfigMap/a/c", "/metadata/annotations"),
    });
    world.api.create("somebody", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": copy}));
    world.api.remove("/ConfigMap/shop/x");
    world.until("the copy", |world| world.condition("Ready").2.contains("ConfigMap/shop/copy")).await;
    assert!(world.api.has("/Namespace//shop"));
    // So is an object of a kind that no file of the Sync names.
    world.api.define_widgets();
    let widget = json!({"name": "w", "namespace": "shop"});
    world.api.create("somebody", json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": widget}));
    world.api.remove("/ConfigMap/shop/copy");
    world.until("the Widget", |world| world.condition("Ready").2.contains("Widget/shop/w")).await;
    assert!(world.api.has("/Namespace//shop"));
    world.api.remove("example.com/Widget/shop/w");
    world.until("deletion", |world| !world.api.has("/Namespace//shop")).await;
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_others_made_keeps_a_namespace_whatever_its_kind() {
    let cases: [(&str, &str, Option<&str>); 4] = [
        ("coordination.k8s.io/v1", "Lease", None),
        ("apps/v1", "ReplicaSet", None),
        ("v1", "ServiceAccount", None),
        // Its owner is nowhere in the namespace, and not ours.
        ("v1", "Pod", Some("of a cluster object")),
    ];
    for (api_version, kind, owner) in cases {
        let world = open().await;
        make(&world, api_version, kind, "guest", owner);
        close(&world);
        world.until_reason("Waiting").await;
        world.pass(600).await;
        let message = world.condition("Ready").2;
        assert!(message.contains(&format!("{kind}/shop/guest")), "{message}");
        assert!(world.api.has("/Namespace//shop"), "{kind}");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        world.api.remove(&format!("{group}/{kind}/shop/guest"));
        world.until("deletion", |world| !world.api.has("/Namespace//shop")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_kubernetes_makes_keeps_no_namespace() {
    let world = open().await;
    make(&world, "v1", "ServiceAccount", "default", None);
    make(&world, "v1", "ConfigMap", "kube-root-ca.crt", None);
    make(&world, "events.k8s.io/v1", "Event", "web.1", None);
    make(&world, "apps/v1", "ReplicaSet", "web-1", Some(&uid(&world, "apps/Deployment/shop/web")));
    make(&world, "v1", "Pod", "web-1-x", Some(&uid(&world, "apps/ReplicaSet/shop/web-1")));
    make(&world, "v1", "Secret", "token", Some(&uid(&world, "/Namespace//shop")));
    world.api.take_calls();
    close(&world);
    world.until("deletion", |world| !world.api.has("/Namespace//shop")).await;
    world.until_ready().await;
    let calls = world.api.take_calls();
    let count = |begin: &str| calls.iter().filter(|call| call.starts_with(begin)).count();
    // Each kind once for the plan and once right before the deletion, and none of the Events.
    assert_eq!((count("list Lease"), count("list Pod"), count("list Event"), count("discover")), (2, 2, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_listed_keeps_a_namespace_and_is_named() {
    let world = open().await;
    world.api.refuse("list Lease", refusal(403, Class::Forbidden, "leases.coordination.k8s.io is forbidden"));
    close(&world);
    world.until_reason("Waiting").await;
    world.pass(600).await;
    assert!(world.condition("Ready").2.contains("leases.coordination.k8s.io is forbidden"));
    assert!(world.api.has("/Namespace//shop"));
    world.api.refuse_nothing();
    world.until("deletion", |world| !world.api.has("/Namespace//shop")).await;
    world.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_into_a_namespace_while_the_turn_goes_on_keeps_it() {
    let world = open().await;
    world.api.take_calls();
    world.git.commit(&[("c.yaml", &*config_map("c", "2"))]);
    world.look();
    let is_planned = |world: &World| world.api.state().calls.iter().any(|call| call == "apply ConfigMap/a/c");
    world.until_exactly(is_planned).await;
    assert!(world.api.has("apps/Deployment/shop/web"), "nothing is deleted yet");
    make(&world, "coordination.k8s.io/v1", "Lease", "guest", None);
    world.until_reason("Waiting").await;
    world.pass(600).await;
    assert!(world.api.has("/Namespace//shop"));
    assert!(world.condition("Ready").2.contains("Lease/shop/guest"));
}
