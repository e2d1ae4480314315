//! A webhook that can refuse every later write comes last and goes first.

use lockstep_plan::Class;
use serde_json::json;

use super::{api_server::refusal, world::World};

const DEPLOYMENT: &str =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: engine, namespace: a}\nspec: {replicas: 1}\n";
const WIDGET: &str = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: a}\nspec: {size: 1}\n";
const HOOK: &str = "admissionregistration.k8s.io/ValidatingWebhookConfiguration//engine";

fn hook(policy: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n\
         metadata: {{name: engine}}\nwebhooks: [{{name: engine.example.com, failurePolicy: {policy}}}]\n"
    )
}

/// An engine in one commit with its webhook, whose Deployment is refused.
async fn refused() -> World {
    let world = World::with_config_maps(json!({"audit": "0s"}), 1).await;
    world.api.define_widgets();
    world.api.refuse("apply Deployment/a/engine", refusal(503, Class::Transient, "not now"));
    world.git.commit(&[("a.yaml", &hook("Fail")), ("b.yaml", DEPLOYMENT), ("c.yaml", WIDGET)]);
    world.look();
    world
}

#[tokio::test(start_paused = true)]
async fn a_new_webhook_waits_for_what_it_may_run_on() {
    let world = refused().await;
    world.until_reason("ApplyFailed").await;
    world.pass(120).await;
    assert!(!world.api.has(HOOK) && world.api.has("example.com/Widget/a/w"));
    let waiting = world.status().waiting;
    let why = waiting.iter().find(|it| it.object.ends_with("/engine")).map(|it| it.why.clone());
    assert!(why.is_some_and(|why| why.contains("Deployment/a/engine is not applied")), "{waiting:?}");

    world.api.refuse_nothing();
    // A custom resource may need the webhook: it holds nothing up.
    world.api.refuse("apply Widget", refusal(422, Class::Invalid, "spec.color: Required value"));
    world.git.commit(&[("a.yaml", &hook("Fail")), ("b.yaml", DEPLOYMENT), ("c.yaml", &WIDGET.replace("1}", "2}"))]);
    world.look();
    world.until("the webhook", |world| world.api.has(HOOK)).await;
    world.api.refuse_nothing();
    world.until_ready().await;

    // One that is in force already is never held up: the change may be what puts things right.
    world.api.refuse("apply Deployment/a/engine", refusal(403, Class::Denied, "denied the request"));
    world.git.commit(&[("a.yaml", &hook("Ignore")), ("b.yaml", &DEPLOYMENT.replace("1}", "2}")), ("c.yaml", WIDGET)]);
    world.look();
    let policy = |world: &World| world.api.value(HOOK, "/webhooks/0/failurePolicy");
    world.until("the change", |world| policy(world) == Some(json!("Ignore"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_the_last_to_come_and_the_first_to_go() {
    let world = World::with_config_maps(json!({"audit": "0s"}), 10).await;
    let rest: Vec<(String, String)> = (0..10)
        .map(|number| (format!("c{number:03}.yaml"), super::world::config_map(&format!("c{number}"), "1")))
        .collect();
    let rest: Vec<(&str, &str)> = rest.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.git.commit(&[&rest[..], &[("a.yaml", &hook("Fail")), ("b.yaml", DEPLOYMENT)]].concat());
    world.look();
    world.until("all", |world| world.api.has(HOOK)).await;
    world.until_ready().await;
    let about_engine = |world: &World, verb: &str| -> Vec<String> {
        let calls = world.object_calls().into_iter().filter(|call| call.ends_with("engine"));
        calls.filter_map(|call| call.strip_prefix(verb).map(str::to_owned)).collect()
    };
    let (webhook, deployment) = ("ValidatingWebhookConfiguration/engine".to_owned(), "Deployment/a/engine".to_owned());
    assert_eq!(about_engine(&world, "apply "), [deployment.clone(), webhook.clone()]);
    world.git.commit(&rest);
    world.look();
    world.until("the end", |world| !world.api.has("apps/Deployment/a/engine")).await;
    world.until_ready().await;
    assert_eq!(about_engine(&world, "delete "), [webhook, deployment]);
}
