//! The way from the root of an object to one of its fields, in a manifest and in managed fields.

use serde_json::Value;

use super::items::ListNode;
use super::walk::is_leaf;

/// One step down.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// Into a field of a map.
    Field(&'a str),
    /// Into an item of a list.
    Item {
        /// The item as the manifest has it.
        item: &'a Value,
        /// Its position in the manifest.
        index: usize,
        /// Its node in our own entry, if we still have it.
        key: Option<&'a str>,
        /// What to print between the brackets.
        label: String,
    },
}

/// The node that an entry has for a path: the field's own, or a leaf above it that owns the field too.
pub(super) fn node_at<'n>(fields: &'n Value, path: &[Step<'_>]) -> Option<&'n Value> {
    if is_leaf(fields) {
        return None;
    }
    let mut node = fields;
    for step in path {
        if is_leaf(node) {
            return Some(node);
        }
        node = match step {
            Step::Field(name) => node.get(format!("f:{name}"))?,
            Step::Item { item, index, key, .. } => match key.and_then(|key| node.get(key)) {
                Some(child) => child,
                None => {
                    let list = ListNode::read(node);
                    list.keyed(item).or_else(|| list.member(item)).or_else(|| list.at(*index))?
                }
            },
        };
    }
    Some(node)
}

/// The path as a person reads it: `.spec.ports[port=80,protocol="TCP"].name`.
pub(super) fn text(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) if is_plain(name) => {
                text.push('.');
                text.push_str(name);
            }
            Step::Field(name) => text.push_str(&format!("[{name:?}]")),
            Step::Item { label, .. } => text.push_str(&format!("[{label}]")),
        }
    }
    text
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
}
