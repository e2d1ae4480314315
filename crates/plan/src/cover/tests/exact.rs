//! For any object: its exact entry covers it, and each leaf that is taken out is the one that is missed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Cover, cover, live, ours};

/// A field together with what its schema says about ownership.
#[derive(Debug, Clone)]
enum Field {
    Scalar(i32),
    Empty,
    Map(BTreeMap<String, Field>),
    AtomicMap(BTreeMap<String, Field>),
    AtomicList(Vec<Field>),
    Set(Vec<i32>),
    Keyed(BTreeMap<String, Field>),
}

/// A leaf: its place in the entry, and its path as a person reads it.
type Leaf = (Vec<String>, String);

impl Field {
    fn value(&self) -> Value {
        let map = |fields: &BTreeMap<String, Field>| {
            fields.iter().map(|(name, field)| (name.clone(), field.value())).collect::<Map<_, _>>()
        };
        match self {
            Self::Scalar(number) => json!(number),
            Self::Empty => json!({}),
            Self::Map(fields) | Self::AtomicMap(fields) => Value::Object(map(fields)),
            Self::AtomicList(items) => items.iter().map(Field::value).collect(),
            Self::Set(members) => json!(members),
            Self::Keyed(items) => {
                items.iter().map(|(name, field)| json!({"name": name, "content": field.value()})).collect()
            }
        }
    }

    fn leaves(&self, place: &[String], path: &str) -> Vec<Leaf> {
        let below = |name: &str| [place, &[name.to_owned()]].concat();
        match self {
            Self::Map(fields) => fields
                .iter()
                .flat_map(|(name, field)| field.leaves(&below(&format!("f:{name}")), &format!("{path}.{name}")))
                .collect(),
            Self::Set(members) => {
                members.iter().map(|member| (below(&format!("v:{member}")), format!("{path}[={member}]"))).collect()
            }
            Self::Keyed(items) => items
                .iter()
                .flat_map(|(name, field)| {
                    let item = below(&format!("k:{{\"name\":\"{name}\"}}"));
                    let path = format!("{path}[name=\"{name}\"]");
                    let child = |name: &str| [item.as_slice(), &[format!("f:{name}")]].concat();
                    let mut leaves = vec![(child("name"), format!("{path}.name"))];
                    leaves.extend(field.leaves(&child("content"), &format!("{path}.content")));
                    leaves
                })
                .collect(),
            _ => vec![(place.to_vec(), path.to_owned())],
        }
    }
}

/// The entry that the server would write for these leaves: no node without something below it.
fn entry(leaves: &[Leaf]) -> Value {
    let mut entry = json!({});
    for (place, _) in leaves {
        let mut node = &mut entry;
        for name in place {
            if name.starts_with("k:") {
                node = &mut node[name];
                node["."] = json!({});
            } else {
                node = &mut node[name];
            }
        }
        *node = json!({});
    }
    entry
}

fn field() -> impl Strategy<Value = Field> {
    let leaf = prop_oneof![any::<i32>().prop_map(Field::Scalar), Just(Field::Empty)];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let map = prop::collection::btree_map("[a-z]{1,3}", inner.clone(), 1..4);
        prop_oneof![
            map.clone().prop_map(Field::Map),
            map.clone().prop_map(Field::AtomicMap),
            map.prop_map(Field::Keyed),
            prop::collection::vec(inner, 1..3).prop_map(Field::AtomicList),
            prop::collection::btree_set(any::<i32>(), 2..4)
                .prop_map(|members| Field::Set(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_exact_entry_covers_and_a_missing_leaf_is_found(spec in field(), chosen in any::<prop::sample::Index>()) {
        let rendered = json!({"apiVersion": "apps/v1", "kind": "X", "metadata": {"name": "x"}, "spec": spec.value(), "kept": 1});
        let mut leaves = spec.leaves(&["f:spec".to_owned()], ".spec");
        leaves.push((vec!["f:kept".to_owned()], ".kept".to_owned()));
        prop_assert_eq!(cover(&rendered, &live(vec![ours(entry(&leaves))])), Cover::Covered);

        let removed = chosen.index(leaves.len() - 1);
        let (place, path) = leaves.remove(removed);
        let found = cover(&rendered, &live(vec![ours(entry(&leaves))]));
        let paths = |fields: Vec<super::FieldLoss>| fields.into_iter().map(|loss| loss.path).collect::<Vec<_>>();
        let mut gone = (Vec::new(), Vec::new());
        match value_at(&rendered, &place) {
            Some(value) => split(value, path, &mut gone),
            None => gone.0.push(path),
        }
        match found {
            Cover::Drift { fields } => prop_assert_eq!(paths(fields), gone.0),
            Cover::Doubtful { fields } => prop_assert_eq!((Vec::new(), paths(fields)), gone),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

/// A map whose node is gone is told field by field, for nobody knows any more whether it was one value;
/// of the empty nodes in it only the server can tell.
fn split(value: &Value, path: String, gone: &mut (Vec<String>, Vec<String>)) {
    match value {
        Value::Object(map) if map.is_empty() => gone.1.push(path),
        Value::Object(map) => {
            for (name, value) in map {
                split(value, format!("{path}.{name}"), gone);
            }
        }
        _ => gone.0.push(path),
    }
}

fn value_at<'a>(rendered: &'a Value, place: &[String]) -> Option<&'a Value> {
    let mut value = rendered;
    for name in place {
        value = match name.split_at(2) {
            ("f:", field) => value.get(field)?,
            ("k:", key) => value
                .as_array()?
                .iter()
                .find(|item| serde_json::from_str::<Value>(key).is_ok_and(|key| key["name"] == item["name"]))?,
            _ => return None,
        };
    }
    Some(value)
}
