//! One text for one value, whatever order its maps were written in, and the hash of it.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Half of a SHA-256 as hexadecimal text.
pub(crate) fn hash(value: &Value) -> String {
    let mut text = Vec::with_capacity(1024);
    write(value, &mut text);
    hex::encode(&Sha256::digest(text)[..16])
}

/// Whether two values are the same to the API server, which stores `1.0` as `1`.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            // The order of a serde_json map depends on a feature that any crate of a build may switch on.
            let mut entries: Vec<_> = map.iter().collect();
            if !entries.is_sorted_by_key(|(key, _)| *key) {
                entries.sort_by_key(|(key, _)| *key);
            }
            text.push(b'{');
            for (key, value) in entries {
                quote(key, text);
                text.push(b':');
                write(value, text);
                text.push(b',');
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for item in items {
                write(item, text);
                text.push(b',');
            }
            text.push(b']');
        }
        Value::String(value) => quote(value, text),
        scalar => text.extend(scalar.to_string().into_bytes()),
    }
}

fn quote(name: &str, text: &mut Vec<u8>) {
    // Memory takes everything, so this cannot fail.
    drop(serde_json::to_writer(text, name));
}
