//! Sets of fields in the `FieldsV1` format: a node without children, or with the child `.`, is in the set itself.

use serde_json::{Map, Value, json};

/// Whether the field of this node is in the set, and not only fields below it.
fn is_member(node: &Value) -> bool {
    node.as_object().is_some_and(|map| map.is_empty() || map.contains_key("."))
}

/// Adds the fields of `other`.
pub(crate) fn unite(set: &mut Value, other: &Value) {
    let (whole_set, whole_other) = (is_member(set), is_member(other));
    let Some(others) = other.as_object() else { return };
    if !set.is_object() {
        *set = other.clone();
        return;
    }
    let Some(map) = set.as_object_mut() else { return };
    for (name, child) in others {
        match map.get_mut(name) {
            Some(known) => unite(known, child),
            None => drop(map.insert(name.clone(), child.clone())),
        }
    }
    if (whole_set || whole_other) && !map.is_empty() {
        map.insert(".".to_owned(), json!({}));
    }
}

/// What is left of a set without the fields of `other`; nothing when all of it goes.
pub(crate) fn without(set: &Value, other: &Value) -> Option<Value> {
    let map = set.as_object()?;
    if map.is_empty() {
        return (!is_member(other)).then(|| set.clone());
    }
    let mut rest = Map::new();
    for (name, child) in map {
        let kept = match (name.as_str(), other.get(name)) {
            (".", _) if is_member(other) => None,
            (_, Some(other)) => without(child, other),
            (_, None) => Some(child.clone()),
        };
        rest.extend(kept.map(|kept| (name.clone(), kept)));
    }
    // A node that loses all its children is no leaf: it was never in the set.
    if rest.is_empty() { None } else { Some(Value::Object(rest)) }
}

/// Takes the node at a path of child names away, and the parents that this leaves empty. Says whether it was there.
pub(crate) fn remove(set: &mut Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    let Some(map) = set.as_object_mut() else { return false };
    let Some(child) = map.get_mut(*first) else { return false };
    if rest.is_empty() {
        map.remove(*first);
        return true;
    }
    let removed = remove(child, rest);
    if removed && child.as_object().is_some_and(Map::is_empty) {
        map.remove(*first);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_united_and_taken_from_each_other() {
        let table = [
            (
                json!({"f:a": {}}),
                json!({"f:b": {"f:c": {}}}),
                json!({"f:a": {}, "f:b": {"f:c": {}}}),
                Some(json!({"f:a": {}})),
            ),
            (
                json!({"f:a": {}}),
                json!({"f:a": {"f:c": {}}}),
                json!({"f:a": {".": {}, "f:c": {}}}),
                Some(json!({"f:a": {}})),
            ),
            (
                json!({"f:a": {"f:c": {}}}),
                json!({"f:a": {}}),
                json!({"f:a": {".": {}, "f:c": {}}}),
                Some(json!({"f:a": {"f:c": {}}})),
            ),
            (
                json!({"f:a": {".": {}, "f:c": {}}}),
                json!({"f:a": {".": {}, "f:d": {}}}),
                json!({"f:a": {".": {}, "f:c": {}, "f:d": {}}}),
                Some(json!({"f:a": {"f:c": {}}})),
            ),
            (json!({"f:a": {"f:c": {}}}), json!({"f:a": {"f:c": {}}}), json!({"f:a": {"f:c": {}}}), None),
        ];
        for (left, right, union, difference) in table {
            let mut united = left.clone();
            unite(&mut united, &right);
            assert_eq!(united, union, "{left} and {right}");
            assert_eq!(without(&left, &right), difference, "{left} without {right}");
        }
        let mut nothing = Value::Null;
        unite(&mut nothing, &json!({"f:a": {}}));
        assert_eq!(nothing, json!({"f:a": {}}));
    }

    #[test]
    fn a_path_is_removed_with_the_parents_that_it_empties() {
        let mut set = json!({"f:a": {"f:b": {"f:c": {}}}, "f:d": {}});
        assert!(!remove(&mut set, &["f:a", "f:x"]));
        assert!(remove(&mut set, &["f:a", "f:b", "f:c"]));
        assert_eq!(set, json!({"f:d": {}}));
    }
}
