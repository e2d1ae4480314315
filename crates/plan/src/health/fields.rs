//! Reading single fields of an object, as leniently as kstatus does.

use serde_json::Value;

use super::Malformed;

/// The text at `pointer`; `None` when it is absent, empty or no text.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The number at `pointer`; `None` when it is absent or no number.
pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(|value| value.as_i64().or_else(|| value.as_f64().map(|float| float as i64)))
}

/// A status counter; absent means none yet.
pub(super) fn count(object: &Value, pointer: &str) -> i64 {
    number(object, pointer).unwrap_or(0)
}

/// A number that must be one when it is there at all.
pub(super) fn whole(object: &Value, pointer: &str) -> Result<Option<i64>, Malformed> {
    match object.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            Malformed(format!("{field} is not a whole number"))
        }),
    }
}

/// Whether the flag at `pointer` is set.
pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at `pointer`; absent means empty.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
