//! What differs between two states of an object, field by field, for people.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::ownership::{APPLIED_ANNOTATION, ID_ANNOTATION, PART_OF_LABEL, SYNC_LABEL, SYNC_NAMESPACE_LABEL};
use crate::render::SERVER_METADATA;
use crate::secrets::{AFTER, BEFORE, mask, mask_pair};

/// The items of a list are told apart by the first of these that every item has and no two share.
const KEYS: [&str; 9] =
    ["name", "containerPort", "port", "mountPath", "devicePath", "topologyKey", "ip", "key", "type"];
/// So much of a long text is shown before what differs in it.
const CONTEXT: usize = 160;
const CUT: &str = "…";

/// One field, before and after. One side is absent where the field is.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// `.spec.template.spec.containers[name="web"].image`.
    pub path: String,
    /// Before; a value that is no map and no list, or an empty one.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
}

/// The fields in which two states of an object differ; without one side, all fields of the other. Values of Secrets are
/// masked. Status, what only the API server sets, and our own marks are left out.
pub fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldChange> {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => {
            let (before, after) = mask_pair(before, after);
            (Some(before), Some(after))
        }
        (before, after) => (before.map(mask), after.map(mask)),
    };
    let mut found = Vec::new();
    walk(&mut String::new(), before.map(substance).as_ref(), after.map(substance).as_ref(), &mut found);
    found
}

impl FieldChange {
    /// The same with texts of at most about `limit` characters each. Of long ones the part is kept where they differ.
    #[must_use]
    pub fn shortened(self, limit: usize) -> Self {
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let (before, after) = (text(&self.before), text(&self.after));
        let same = match (&before, &after) {
            (Some(before), Some(after)) => {
                before.chars().zip(after.chars()).take_while(|(one, other)| one == other).count()
            }
            _ => 0,
        };
        let cut = |value: Option<Value>, text: Option<String>| match text {
            Some(text) if text.chars().count() > limit => Some(Value::from(excerpt(&text, same, limit))),
            _ => value,
        };
        Self { path: self.path, before: cut(self.before, before), after: cut(self.after, after) }
    }

    /// The same for somebody who may not see the values.
    #[must_use]
    pub fn masked(self) -> Self {
        let (before, after) = (self.before.map(|_| BEFORE.into()), self.after.map(|_| AFTER.into()));
        Self { path: self.path, before, after }
    }
}

/// `limit` characters of a text, with some of what stands before the first `same` ones are over.
fn excerpt(text: &str, same: usize, limit: usize) -> String {
    let start = same.saturating_sub(CONTEXT.min(limit / 2));
    let part: String = text.chars().skip(start).take(limit).collect();
    let (before, after) = (start > 0, text.chars().count() > start + limit);
    format!("{}{part}{}", if before { CUT } else { "" }, if after { CUT } else { "" })
}

/// An object without what Git does not decide.
fn substance(mut object: Value) -> Value {
    let Some(root) = object.as_object_mut() else { return object };
    root.remove("status");
    let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) else { return object };
    for name in SERVER_METADATA {
        metadata.remove(name);
    }
    take_out(metadata, "labels", &[SYNC_LABEL, SYNC_NAMESPACE_LABEL, PART_OF_LABEL]);
    take_out(metadata, "annotations", &[ID_ANNOTATION, APPLIED_ANNOTATION]);
    object
}

fn take_out(metadata: &mut Map<String, Value>, map: &str, names: &[&str]) {
    let Some(entries) = metadata.get_mut(map).and_then(Value::as_object_mut) else { return };
    entries.retain(|name, _| !names.contains(&name.as_str()));
    if entries.is_empty() {
        metadata.remove(map);
    }
}

fn walk(path: &mut String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let known = found.len();
    match (before, after) {
        (None | Some(Value::Object(_)), None | Some(Value::Object(_))) if !is_empty(before) && !is_empty(after) => {
            let (left, right) = (before.and_then(Value::as_object), after.and_then(Value::as_object));
            let names: BTreeSet<&String> = left.into_iter().chain(right).flat_map(Map::keys).collect();
            for name in names {
                step(
                    path,
                    &field(name),
                    left.and_then(|map| map.get(name)),
                    right.and_then(|map| map.get(name)),
                    found,
                );
            }
        }
        (None | Some(Value::Array(_)), None | Some(Value::Array(_))) if !is_empty(before) && !is_empty(after) => {
            let (left, right) = (labelled(before, after), labelled(after, before));
            let kept: BTreeMap<&String, &Value> = right.iter().map(|(label, item)| (label, *item)).collect();
            for (label, item) in &left {
                step(path, label, Some(item), kept.get(label).copied(), found);
            }
            let before_too: BTreeSet<&String> = left.iter().map(|(label, _)| label).collect();
            for (label, item) in right.iter().filter(|(label, _)| !before_too.contains(label)) {
                step(path, label, None, Some(item), found);
            }
            if found.len() == known {
                // The same items in another order, which may matter.
                found.push(FieldChange { path: path.clone(), before: before.cloned(), after: after.cloned() });
            }
        }
        _ => found.push(FieldChange { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
}

fn step(path: &mut String, name: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldChange>) {
    let length = path.len();
    path.push_str(name);
    walk(path, before, after, found);
    path.truncate(length);
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        _ => false,
    }
}

fn field(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { format!(".{name}") } else { format!("[{name:?}]") }
}

/// The items of a list by what stands between the brackets. `other` is the list that it is compared with.
fn labelled<'a>(list: Option<&'a Value>, other: Option<&'a Value>) -> Vec<(String, &'a Value)> {
    let items = |list: Option<&'a Value>| list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (items, others) = (items(list), items(other));
    let key = KEYS.into_iter().find(|key| tells_apart(key, items) && tells_apart(key, others));
    let label = |(index, item): (usize, &'a Value)| match key {
        Some(key) => (format!("[{key}={}]", item[key]), item),
        None => (format!("[{index}]"), item),
    };
    items.iter().enumerate().map(label).collect()
}

fn tells_apart(key: &str, items: &[Value]) -> bool {
    let mut seen = BTreeSet::new();
    items.iter().all(|item| item.get(key).is_some_and(|value| !value.is_object() && seen.insert(value.to_string())))
}

#[cfg(test)]
mod tests;
