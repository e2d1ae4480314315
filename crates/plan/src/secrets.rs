//! Secrets never appear: their values are masked in what is shown and compared. What servers say is cut at the edge.

use serde_json::{Map, Value};

const MASK: &str = "***";
pub(crate) const BEFORE: &str = "*** (before)";
pub(crate) const AFTER: &str = "*** (after)";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object that may be shown: the values of a Secret, and of the Secrets in a list, are gone.
pub fn mask(object: &Value) -> Value {
    let mut masked = object.clone();
    mask_in_place(&mut masked);
    masked
}

/// Two states of an object for a diff: a value that differs can be seen to differ, and nothing more.
pub fn mask_pair(before: &Value, after: &Value) -> (Value, Value) {
    let (mut masked_before, mut masked_after) = (mask(before), mask(after));
    for map in ["data", "stringData"] {
        let differing = |name: &String| {
            before[map].get(name).is_some_and(|left| after[map].get(name).is_some_and(|right| left != right))
        };
        let names: Vec<String> =
            before[map].as_object().into_iter().flatten().map(|(name, _)| name.clone()).filter(differing).collect();
        for name in names.iter().filter(|_| is_secret(before) && is_secret(after)) {
            masked_before[map][name] = Value::from(BEFORE);
            masked_after[map][name] = Value::from(AFTER);
        }
    }
    (masked_before, masked_after)
}

fn is_secret(object: &Value) -> bool {
    object["apiVersion"] == "v1" && object["kind"] == "Secret"
}

fn mask_in_place(object: &mut Value) {
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(mask_in_place);
    }
    if !is_secret(object) {
        return;
    }
    // A misspelt `stringData` holds values, too.
    for (name, value) in object.as_object_mut().into_iter().flatten() {
        match (name.as_str(), value) {
            ("apiVersion" | "kind" | "metadata", _) | ("type", Value::String(_)) | ("immutable", Value::Bool(_)) => {}
            (_, Value::Object(entries)) => entries.values_mut().for_each(|value| *value = Value::from(MASK)),
            (_, Value::Null) => {}
            (_, other) => *other = Value::from(MASK),
        }
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        // Sets stand in managed fields with their values.
        metadata.remove("managedFields");
        if let Some(text) = metadata.get_mut("annotations").and_then(Value::as_object_mut).and_then(last_applied) {
            *text = Value::from(MASK);
        }
    }
}

fn last_applied(annotations: &mut Map<String, Value>) -> Option<&mut Value> {
    annotations.get_mut(LAST_APPLIED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_shows_its_keys_and_nothing_else() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "hunter2", "b": 1}, "stringData": "hunter2",
            "metadata": {"name": "x", "managedFields": [{"v:\"hunter2\"": {}}], "annotations": {LAST_APPLIED: "hunter2", "note": "y"}},
            "stringdata": {"c": "hunter2"}, "immutable": "hunter2",
        });
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": MASK, "b": MASK}, "stringData": MASK,
            "metadata": {"name": "x", "annotations": {LAST_APPLIED: MASK, "note": "y"}},
            "stringdata": {"c": MASK}, "immutable": MASK,
        });
        assert_eq!(mask(&secret), expected);
        assert_eq!(mask(&json!({"kind": "List", "items": [secret]})), json!({"kind": "List", "items": [expected]}));
        let other = json!({"apiVersion": "example.com/v1", "kind": "Secret", "data": {"a": "b"}});
        assert_eq!(mask(&other), other);
    }

    #[test]
    fn a_diff_of_secrets_shows_that_values_differ_and_not_how() {
        let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "data": data});
        let (before, after) =
            mask_pair(&secret(json!({"a": "1", "b": "2", "c": "3"})), &secret(json!({"a": "1", "b": "9", "d": "4"})));
        assert_eq!(before["data"], json!({"a": MASK, "b": BEFORE, "c": MASK}));
        assert_eq!(after["data"], json!({"a": MASK, "b": AFTER, "d": MASK}));
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}});
        assert_eq!(mask_pair(&map, &map), (map.clone(), map));
    }
}
