//! Walks what we applied beside the entry that should own it.

use serde_json::{Map, Value};

use super::items::{ListNode, match_items};
use super::path::{Step, node_at, text};
use super::{FieldLoss, in_short};
use crate::live::ManagedFields;

/// Fields that no entry ever holds: they name the object.
const UNOWNED: [&str; 2] = ["apiVersion", "kind"];
const UNOWNED_METADATA: [&str; 2] = ["name", "namespace"];

struct Walk<'a> {
    others: &'a [&'a ManagedFields],
    path: Vec<Step<'a>>,
    lost: Vec<FieldLoss>,
    doubtful: Vec<FieldLoss>,
}

/// The fields that `own` does not hold, and the empty nodes of which nobody knows.
pub(super) fn losses<'a>(
    rendered: &'a Value,
    own: &'a Value,
    others: &'a [&'a ManagedFields],
) -> (Vec<FieldLoss>, Vec<FieldLoss>) {
    let mut walk = Walk { others, path: Vec::new(), lost: Vec::new(), doubtful: Vec::new() };
    // An entry without any field owns nothing, while an empty node further down owns all below it.
    let own = Some(own).filter(|own| !is_leaf(own));
    if let Some(map) = rendered.as_object() {
        walk.map(map, own);
    }
    (walk.lost, walk.doubtful)
}

/// A node without children is the whole value: all that is below it is owned with it.
pub(super) fn is_leaf(node: &Value) -> bool {
    node.as_object().is_some_and(Map::is_empty)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().all(Value::is_null),
        Value::Array(items) => items.iter().all(Value::is_null),
        _ => false,
    }
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &'a Value, own: Option<&'a Value>) {
        match (value, own) {
            (Value::Null, _) => {}
            (Value::Object(_) | Value::Array(_), None) if is_empty(value) => self.unowned_empty(value),
            (Value::Object(_) | Value::Array(_), Some(_)) if is_empty(value) => {}
            (Value::Object(_) | Value::Array(_), Some(node)) if is_leaf(node) => self.owned_whole(value),
            (Value::Object(_), None) if self.is_leaf_of_another() => self.lose(value),
            (Value::Object(map), _) => self.map(map, own),
            (Value::Array(items), Some(node)) => self.list(items, node),
            (Value::Array(_), None) => self.lose(value),
            (_, Some(node)) if is_leaf(node) || node.get(".").is_some() => {}
            _ => self.lose(value),
        }
    }

    fn map(&mut self, map: &'a Map<String, Value>, own: Option<&'a Value>) {
        let unowned: &[&str] = match self.path.as_slice() {
            [] => &UNOWNED,
            [Step::Field("metadata")] => &UNOWNED_METADATA,
            _ => &[],
        };
        for (name, value) in map.iter().filter(|(name, _)| !unowned.contains(&name.as_str())) {
            self.path.push(Step::Field(name));
            self.value(value, own.and_then(|own| own.get(format!("f:{name}"))));
            self.path.pop();
        }
    }

    fn list(&mut self, items: &'a [Value], node: &'a Value) {
        let list = ListNode::read(node);
        let keys = match_items(items, &list);
        for (index, (item, key)) in items.iter().zip(keys).enumerate().filter(|(_, (item, _))| !item.is_null()) {
            let label = list.label(item, key, index);
            self.path.push(Step::Item { item, index, key: key.map(|key| key.raw), label });
            let own = match key {
                Some(key) => Some(key.node),
                None => list.member(item).or_else(|| list.at(index)),
            };
            match (item, own) {
                // An item that is gone is one loss, not one for each of its fields.
                (_, None) => self.lose(item),
                (_, Some(_)) => self.value(item, own),
            }
            self.path.pop();
        }
    }

    /// Our leaf covers a map or a list, unless others own parts of it: then the kind's schema has changed
    /// under us from one value to many.
    fn owned_whole(&mut self, value: &Value) {
        let has_parts = |entry: &&&ManagedFields| node_at(&entry.fields, &self.path).is_some_and(|node| !is_leaf(node));
        if self.others.iter().any(|entry| has_parts(&entry)) {
            self.lose(value);
        }
    }

    /// A map that somebody else owns as one value was lost as one.
    fn is_leaf_of_another(&self) -> bool {
        self.others.iter().any(|entry| node_at(&entry.fields, &self.path).is_some_and(is_leaf))
    }

    /// An empty node leaves our entry when somebody fills it. As the parent of somebody's fields it is
    /// still what we applied; as somebody's leaf it was replaced.
    fn unowned_empty(&mut self, value: &Value) {
        let mut nodes = self.others.iter().filter_map(|entry| node_at(&entry.fields, &self.path)).peekable();
        if nodes.peek().is_none() {
            self.doubtful.push(self.loss(value));
        } else if nodes.any(is_leaf) {
            self.lose(value);
        }
    }

    fn lose(&mut self, value: &Value) {
        self.lost.push(self.loss(value));
    }

    fn loss(&self, value: &Value) -> FieldLoss {
        let holders = self.others.iter().filter(|entry| node_at(&entry.fields, &self.path).is_some());
        // Times are RFC 3339 in UTC, so their texts have their order.
        let holder = holders.max_by_key(|entry| &entry.time);
        FieldLoss {
            path: text(&self.path),
            manager: holder.map(|entry| entry.manager.clone()),
            subresource: holder.and_then(|entry| entry.subresource.clone()),
            time: holder.and_then(|entry| entry.time.clone()),
            git: in_short(value),
        }
    }
}
