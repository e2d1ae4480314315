//! Manifests and edits by chance.

use serde_json::{Map, Value, json};

use super::dice::Dice;

pub(crate) const WIDGETS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.drift.example.com}
spec:
  group: drift.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              text: {type: string}
              size: {type: number}
              on: {type: boolean}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              map: {type: object, additionalProperties: {type: string}}
              whole: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}
              list: {type: array, items: {type: string}}
              set: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              levels: {type: array, x-kubernetes-list-type: set, items: {type: number}}
              items:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [id, zone]
                items:
                  type: object
                  required: [id]
                  properties:
                    id: {type: number}
                    zone: {type: string, default: here}
                    note: {type: string}
                    tags: {type: object, additionalProperties: {type: string}}
"#;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A manifest of one of the four kinds.
pub(crate) fn manifest(dice: &mut Dice, kind: &str, name: &str, namespace: &str) -> Value {
    let mut object = match kind {
        "ConfigMap" => json!({"apiVersion": "v1", "kind": kind, "data": texts(dice)}),
        "Service" => json!({"apiVersion": "v1", "kind": kind, "spec": service(dice)}),
        "Deployment" => json!({"apiVersion": "apps/v1", "kind": kind, "spec": deployment(dice)}),
        _ => json!({"apiVersion": "drift.example.com/v1", "kind": "Widget", "spec": widget(dice)}),
    };
    object["metadata"] = json!({"name": name, "namespace": namespace, "labels": {"app": "x"}});
    if dice.once_in(2) {
        object["metadata"]["annotations"] = texts(dice);
    }
    object
}

fn texts(dice: &mut Dice) -> Value {
    let mut map = Map::new();
    for name in &NAMES[..dice.below(NAMES.len())] {
        map.insert((*name).to_owned(), json!(dice.below(9).to_string()));
    }
    Value::Object(map)
}

fn service(dice: &mut Dice) -> Value {
    let mut ports = Vec::new();
    for (number, name) in NAMES.iter().enumerate().take(1 + dice.below(3)) {
        let mut port = json!({"name": name, "port": 80 + number / 2});
        if number % 2 == 1 || dice.once_in(3) {
            port["protocol"] = json!(if number % 2 == 1 { "UDP" } else { "TCP" });
        }
        if dice.once_in(2) {
            port["targetPort"] = if dice.once_in(2) { json!(8080) } else { json!("web") };
        }
        ports.push(port);
    }
    let mut spec = json!({"ports": ports, "selector": {"app": "x"}});
    if dice.once_in(2) {
        spec["sessionAffinity"] = json!("None");
    }
    spec
}

fn deployment(dice: &mut Dice) -> Value {
    let mut containers = Vec::new();
    for name in &NAMES[..=dice.below(2)] {
        let mut container = json!({"name": name, "image": format!("registry.example/{name}:1")});
        for part in 0..6 {
            if dice.once_in(2) {
                continue;
            }
            let (field, value) = match part {
                0 => ("env", json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])),
                1 => ("args", json!(["-v", "-x"])),
                2 => ("resources", json!({"limits": {"cpu": 1, "memory": "64Mi"}})),
                3 => ("ports", json!([{"containerPort": 53, "name": "u", "protocol": "UDP"}, {"containerPort": 53}])),
                4 => ("volumeMounts", json!([{"name": "tmp", "mountPath": "/tmp"}])),
                _ => ("securityContext", json!({})),
            };
            container[field] = value;
        }
        containers.push(container);
    }
    let mut pod = json!({"containers": containers, "volumes": [{"name": "tmp", "emptyDir": {}}]});
    if dice.once_in(2) {
        pod["nodeSelector"] = if dice.once_in(2) { json!({}) } else { json!({"disk": "fast"}) };
    }
    if dice.once_in(2) {
        pod["tolerations"] = json!([]);
    }
    let mut spec = json!({"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod}});
    if dice.once_in(2) {
        spec["replicas"] = json!(0);
    }
    spec
}

fn widget(dice: &mut Dice) -> Value {
    let all = json!({
        "text": "t", "size": 1.5, "on": true, "free": {"x": {"y": [1, 2]}, "z": {}}, "map": texts(dice), "whole": {"a": "b"},
        "list": ["p", "q"], "set": ["p", "q"], "levels": [1.0, 2], "items": [{"id": 1, "note": "n"}, {"id": 1, "zone": "there"}, {"id": 2.0, "tags": {}}],
    });
    all.as_object().unwrap().clone().into_iter().filter(|_| dice.below(4) > 0).collect()
}

/// Changes one thing about an object that was read; says where.
pub(crate) fn edit(dice: &mut Dice, object: &mut Value) -> String {
    let roots: Vec<&str> = ["spec", "data"].into_iter().filter(|root| object.get(*root).is_some()).collect();
    let parts = ["labels", "annotations"];
    let (place, node) = match dice.below(4) {
        0 => {
            let part = *dice.pick(&parts);
            let map = &mut object["metadata"][part];
            if map.is_null() {
                *map = json!({});
            }
            (format!("metadata.{part}"), map)
        }
        _ if roots.is_empty() => {
            object["data"] = json!({});
            ("data".to_owned(), &mut object["data"])
        }
        _ => {
            let root = *dice.pick(&roots);
            (root.to_owned(), &mut object[root])
        }
    };
    descend(dice, place, node)
}

fn descend(dice: &mut Dice, place: String, node: &mut Value) -> String {
    match node {
        Value::Object(map) => {
            let names: Vec<String> = map.keys().cloned().collect();
            match dice.below(8) {
                0 if !names.is_empty() => {
                    let name = dice.pick(&names).clone();
                    map.remove(&name);
                    format!("{place}.{name} removed")
                }
                1 => {
                    let name = *dice.pick(&NAMES);
                    map.insert(name.to_owned(), json!(dice.below(99).to_string()));
                    format!("{place}.{name} set")
                }
                _ if names.is_empty() => {
                    map.insert("a".to_owned(), json!("new"));
                    format!("{place}.a set")
                }
                _ => {
                    let name = dice.pick(&names).clone();
                    let inner = map.get_mut(&name).unwrap();
                    descend(dice, format!("{place}.{name}"), inner)
                }
            }
        }
        Value::Array(items) => match dice.below(5) {
            0 if !items.is_empty() => {
                let index = dice.below(items.len());
                items.remove(index);
                format!("{place}[{index}] removed")
            }
            1 => {
                let mut item = items.last().cloned().unwrap_or_else(|| json!("new"));
                rename(dice, &mut item);
                items.push(item);
                format!("{place} item added")
            }
            _ if items.is_empty() => {
                items.push(json!("new"));
                format!("{place} filled")
            }
            _ => {
                let index = dice.below(items.len());
                descend(dice, format!("{place}[{index}]"), &mut items[index])
            }
        },
        scalar => {
            *scalar = match &*scalar {
                Value::Bool(on) => json!(!on),
                Value::Number(number) => json!(number.as_f64().unwrap() as i64 + 1),
                Value::String(text) => other_text(dice, text),
                _ => Value::Null,
            };
            format!("{place} changed")
        }
    }
}

/// Makes an item of a keyed list another item.
fn rename(dice: &mut Dice, item: &mut Value) {
    match item {
        Value::Object(map) => {
            for name in ["name", "mountPath", "zone"] {
                if let Some(Value::String(text)) = map.get_mut(name) {
                    text.push_str(&dice.below(99).to_string());
                }
            }
            for name in ["port", "containerPort", "id"] {
                if let Some(number) = map.get_mut(name) {
                    *number = json!(number.as_f64().unwrap() as i64 + 1 + dice.below(50) as i64);
                }
            }
        }
        Value::String(text) => text.push('x'),
        Value::Number(number) => *item = json!(number.as_f64().unwrap() as i64 + 7),
        _ => {}
    }
}

fn other_text(dice: &mut Dice, text: &str) -> Value {
    match text {
        "TCP" => json!("UDP"),
        "UDP" => json!("TCP"),
        "None" => json!("ClientIP"),
        "Always" => json!("IfNotPresent"),
        "IfNotPresent" => json!("Always"),
        "Opaque" | "ClusterIP" => json!(text),
        _ => json!(format!("{text}{}", dice.below(9))),
    }
}
