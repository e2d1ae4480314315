//! The conditions in an object's status.

use serde_json::{Map, Value};

use super::Malformed;

/// One entry of `status.conditions`; absent texts are empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

impl Condition<'_> {
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    pub(super) fn is_false(&self) -> bool {
        self.status == "False"
    }
}

/// The conditions of `object` in their own order; a status of another shape is an error, as in kstatus.
pub(super) fn of(object: &Value) -> Result<Vec<Condition<'_>>, Malformed> {
    let status = match object.get("status") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(status)) => status,
        Some(_) => return Err(Malformed("status is not an object".to_owned())),
    };
    match status.get("conditions") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => entries.iter().map(condition).collect(),
        Some(_) => Err(Malformed("status.conditions is not a list".to_owned())),
    }
}

/// Conditions that an annotation holds as JSON text (the HorizontalPodAutoscaler of autoscaling/v1).
pub(super) fn in_list(entries: &Value) -> Result<Vec<Condition<'_>>, Malformed> {
    match entries {
        Value::Array(entries) => entries.iter().map(condition).collect(),
        _ => Err(Malformed("the conditions in the annotation are not a list".to_owned())),
    }
}

/// One entry of such a list.
pub(super) fn condition(entry: &Value) -> Result<Condition<'_>, Malformed> {
    let Value::Object(fields) = entry else {
        return Err(Malformed("an entry of status.conditions is not an object".to_owned()));
    };
    Ok(Condition {
        kind: text(fields, "type")?,
        status: text(fields, "status")?,
        reason: text(fields, "reason")?,
        message: text(fields, "message")?,
    })
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Malformed> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Malformed(format!("{name} of an entry of status.conditions is not a string"))),
    }
}

/// The first condition of that type.
pub(super) fn find<'a>(conditions: &'a [Condition<'a>], kind: &str) -> Option<&'a Condition<'a>> {
    conditions.iter().find(|condition| condition.kind == kind)
}
