use lockstep_manifest::Object;
use serde_json::{Value, json};

use super::*;
use crate::ownership::Ownership;
use crate::render::render;

fn rendered(id: &str, mut value: Value) -> Rendered {
    let id: ObjectId = id.parse().unwrap();
    value["metadata"]["name"] = json!(id.name);
    let object = Object { id, api_version: "v1".into(), value, file: "a.yaml".into(), line: 1 };
    render(object.clone(), &Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() }).unwrap()
}

fn web() -> Rendered {
    rendered("apps/Deployment/a/web", json!({"spec": {"replicas": 3, "paused": false}}))
}

fn hpa(target: Value) -> Rendered {
    rendered("autoscaling/HorizontalPodAutoscaler/a/web", json!({"spec": {"scaleTargetRef": target}}))
}

fn keda(target: Value) -> Rendered {
    rendered("keda.sh/ScaledObject/a/web", json!({"spec": {"scaleTargetRef": target}}))
}

#[test]
fn replicas_are_left_to_the_autoscaler_that_targets_the_workload() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let table = [
        (hpa(deployment.clone()), true),
        (hpa(json!({"apiVersion": "apps/v1beta2", "kind": "Deployment", "name": "web"})), true),
        (keda(json!({"name": "web"})), true),
        (keda(deployment.clone()), true),
        (hpa(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"})), false),
        (hpa(json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"})), false),
        (hpa(json!({"kind": "Deployment", "name": "web"})), false),
        (hpa(json!({})), false),
        (rendered("example.com/ScaledObject/a/web", json!({"spec": {"scaleTargetRef": deployment}})), false),
        (rendered("keda.sh/ScaledObject/b/web", json!({"spec": {"scaleTargetRef": {"name": "web"}}})), false),
    ];
    for (scaler, expected) in table {
        let mut wanted = [web(), scaler.clone()];
        leave_to_autoscalers(&mut wanted);
        let spec = wanted[0].body.value()["spec"].clone();
        assert_eq!(spec.get("replicas").is_none(), expected, "{:?}", scaler.body.value());
        assert_eq!(spec["paused"], json!(false));
        assert_eq!(wanted[0].hash != web().hash, expected);
        let instructions = wanted[0].instructions.as_deref();
        assert_eq!(instructions.map(|it| it.ignore_fields.clone()).unwrap_or_default().len(), usize::from(expected));
    }
}

#[test]
fn what_is_left_comes_back_when_the_autoscaler_goes() {
    let mut both = [web(), keda(json!({"name": "web"}))];
    leave_to_autoscalers(&mut both);
    let once = both[0].clone();
    leave_to_autoscalers(&mut both);
    assert_eq!((both[0].hash.clone(), both[0].body.clone()), (once.hash.clone(), once.body.clone()), "idempotent");
    let mut alone = [once];
    leave_to_autoscalers(&mut alone);
    assert_eq!((&alone[0].hash, &alone[0].body), (&web().hash, &web().body));
    assert_eq!(alone[0].instructions, None);
}

#[test]
fn a_workload_without_replicas_in_git_is_still_handed_over() {
    let bare = rendered("apps/Deployment/a/web", json!({"spec": {"paused": false}}));
    let mut both = [bare.clone(), keda(json!({"name": "web"}))];
    leave_to_autoscalers(&mut both);
    assert_eq!(both[0].hash, bare.hash);
    assert_eq!(both[0].instructions.as_ref().unwrap().ignore_fields, ["/spec/replicas".parse().unwrap()]);
    // What a person left to others stays with them.
    let spec =
        json!({"metadata": {"annotations": {"lockstep.dev/ignore-fields": "/spec/replicas"}}, "spec": {"replicas": 3}});
    let own = rendered("apps/Deployment/a/web", spec);
    let mut both = [own.clone(), keda(json!({"name": "web"}))];
    leave_to_autoscalers(&mut both);
    leave_to_autoscalers(&mut both[..1]);
    assert_eq!((&both[0].hash, &both[0].instructions), (&own.hash, &own.instructions));
}
