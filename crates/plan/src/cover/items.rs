//! Which item of a list in the manifest is which node of a managed-fields entry.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::canonical::same;

/// One keyed item of a list: `k:{"containerPort":80,"protocol":"TCP"}`.
#[derive(Debug)]
pub(crate) struct Key<'a> {
    /// The name of the node, `k:` included.
    pub(crate) raw: &'a str,
    pub(super) fields: Map<String, Value>,
    pub(super) node: &'a Value,
}

impl Key<'_> {
    /// Whether the item has no other value for any field of the key. Fields that it lacks were defaulted.
    fn fits(&self, item: &Value) -> bool {
        self.fields.iter().all(|(name, value)| item.get(name).is_none_or(|found| found.is_null() || same(found, value)))
    }

    /// Whether this very item is the one of this key.
    pub(super) fn is_of(&self, item: &Value) -> bool {
        self.fields.iter().all(|(name, value)| item.get(name).is_some_and(|found| same(found, value)))
    }

    /// The one default inside a list key that Kubernetes itself has.
    fn has_usual_defaults(&self) -> bool {
        self.fields.get("protocol").is_none_or(|protocol| protocol == "TCP")
    }
}

/// The children of a node that stands for a list.
#[derive(Debug)]
pub(crate) struct ListNode<'a> {
    keys: Vec<Key<'a>>,
    members: Vec<(&'a str, Value, &'a Value)>,
    node: &'a Value,
}

impl<'a> ListNode<'a> {
    pub(crate) fn read(node: &'a Value) -> Self {
        let mut list = Self { keys: Vec::new(), members: Vec::new(), node };
        for (raw, child) in node.as_object().into_iter().flatten() {
            if let Some(Ok(Value::Object(fields))) = raw.strip_prefix("k:").map(serde_json::from_str) {
                list.keys.push(Key { raw, fields, node: child });
            } else if let Some(Ok(value)) = raw.strip_prefix("v:").map(serde_json::from_str) {
                list.members.push((raw, value, child));
            }
        }
        list
    }

    /// The node of a member of a set.
    pub(crate) fn member(&self, item: &Value) -> Option<&'a Value> {
        self.members.iter().find(|(_, value, _)| same(value, item)).map(|(.., node)| *node)
    }

    /// The name of the node for an item.
    pub(crate) fn name_of(&self, item: &Value) -> Option<String> {
        let key = self.keys.iter().find(|key| item.is_object() && key.fits(item)).map(|key| key.raw);
        let member = || self.members.iter().find(|(_, value, _)| same(value, item)).map(|(raw, ..)| *raw);
        key.or_else(member).map(str::to_owned)
    }

    /// The node of an item that is known by its position.
    pub(super) fn at(&self, index: usize) -> Option<&'a Value> {
        self.node.get(format!("i:{index}"))
    }

    /// The first keyed node that fits an item.
    pub(super) fn keyed(&self, item: &Value) -> Option<&'a Value> {
        item.as_object()?;
        self.keys.iter().find(|key| key.fits(item)).map(|key| key.node)
    }

    /// What stands in brackets in a path.
    pub(super) fn label(&self, item: &Value, key: Option<&Key<'_>>, index: usize) -> String {
        let pairs: Vec<String> = match (item, key) {
            (_, Some(key)) => key.fields.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            (Value::Object(_), None) => {
                let names = self.key_names();
                let names = if names.is_empty() { BTreeSet::from(["name"]) } else { names };
                names.into_iter().filter_map(|name| Some(format!("{name}={}", item.get(name)?))).collect()
            }
            (Value::Array(_), None) => Vec::new(),
            (scalar, None) => vec![format!("={scalar}")],
        };
        if pairs.is_empty() { index.to_string() } else { pairs.join(",") }
    }

    fn key_names(&self) -> BTreeSet<&str> {
        self.keys.iter().flat_map(|key| key.fields.keys().map(String::as_str)).collect()
    }
}

/// Gives each item the keyed node that is its own, one to one. The items that say most about their key
/// choose first: of 53/UDP and 53, which means TCP, the second must not take the UDP node.
pub(crate) fn match_items<'l, 'a>(items: &[Value], list: &'l ListNode<'a>) -> Vec<Option<&'l Key<'a>>> {
    let mut matched = vec![None; items.len()];
    if list.keys.is_empty() {
        return matched;
    }
    let names = list.key_names();
    let said = |index: &usize| {
        names.iter().filter(|name| items[*index].get(**name).is_some_and(|value| !value.is_null())).count()
    };
    let mut order: Vec<usize> = (0..items.len()).filter(|index| items[*index].is_object()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(said(index)));
    let mut free: Vec<&Key<'a>> = list.keys.iter().collect();
    for index in order {
        let fits = |key: &&Key<'a>| key.fits(&items[index]);
        let usual = free.iter().position(|key| fits(key) && key.has_usual_defaults());
        if let Some(position) = usual.or_else(|| free.iter().position(fits)) {
            matched[index] = Some(free.swap_remove(position));
        }
    }
    matched
}
