//! Managed fields of a body, with every list as one value.

use lockstep_manifest::ObjectId;
use serde_json::{Map, Value, json};

/// The fields that an apply of this body owns.
pub(super) fn of(body: &Value) -> Value {
    let mut body = body.clone();
    let root = body.as_object_mut().unwrap();
    root.remove("apiVersion");
    root.remove("kind");
    let metadata = root.get_mut("metadata").unwrap().as_object_mut().unwrap();
    metadata.remove("name");
    metadata.remove("namespace");
    tree(&body)
}

fn tree(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (format!("f:{name}"), tree(value))).collect(),
        _ => json!({}),
    }
}

/// Sets or removes what is at a path.
pub(super) fn set(value: &mut Value, path: &[&str], new: Option<Value>) {
    let Some(map) = value.as_object_mut() else { return };
    match (path, new) {
        ([name], Some(new)) => drop(map.insert((*name).to_owned(), new)),
        ([name], None) => drop(map.remove(*name)),
        ([name, rest @ ..], Some(new)) => {
            set(map.entry((*name).to_owned()).or_insert_with(|| json!({})), rest, Some(new));
        }
        ([name, rest @ ..], None) => {
            if let Some(inner) = map.get_mut(*name) {
                set(inner, rest, None);
            }
        }
        ([], _) => {}
    }
}

/// `left` without the leaves of `right`.
pub(super) fn without(left: &Value, right: &Value) -> Value {
    let (Some(left), Some(right)) = (left.as_object(), right.as_object()) else { return left.clone() };
    let mut rest = Map::new();
    for (name, value) in left {
        match right.get(name) {
            None => drop(rest.insert(name.clone(), value.clone())),
            Some(other) => {
                let inner = without(value, other);
                if inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                    rest.insert(name.clone(), inner);
                }
            }
        }
    }
    Value::Object(rest)
}

/// Lays `new` over `old`, after taking away what was applied before and is not any more.
pub(super) fn merged(old: &Value, new: &Value, dropped: &Value) -> Value {
    let mut result = old.clone();
    remove(&mut result, dropped);
    lay(&mut result, new);
    result
}

fn remove(value: &mut Value, fields: &Value) {
    let (Some(map), Some(fields)) = (value.as_object_mut(), fields.as_object()) else { return };
    for (name, inner) in fields {
        let name = name.trim_start_matches("f:");
        if inner.as_object().is_some_and(Map::is_empty) {
            map.remove(name);
        } else if let Some(value) = map.get_mut(name) {
            remove(value, inner);
        }
    }
}

fn lay(value: &mut Value, new: &Value) {
    match (value.as_object_mut(), new.as_object()) {
        (Some(map), Some(new)) => {
            for (name, inner) in new {
                lay(map.entry(name.clone()).or_insert(Value::Null), inner);
            }
        }
        _ => *value = new.clone(),
    }
}

pub(super) fn id_of(body: &Value) -> ObjectId {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let group = text("/apiVersion").split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
    ObjectId::new(group, text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}
