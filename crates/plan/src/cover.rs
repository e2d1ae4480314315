//! Drift without reading the object: does our managed-fields entry still cover what we applied?
//!
//! The API server takes a field out of our entry as soon as somebody else changes or deletes it, and
//! leaves the entry alone when somebody adds a field that we never applied. So the entry, which every
//! metadata list carries, tells whether there is drift, and the other entries tell who made it. No
//! schema is needed: our own entry says which lists have keys and which are one value.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use crate::canonical;
use crate::live::{LiveMetadata, ManagedFields, is_own};

mod items;
mod path;
mod rewritten;
mod walk;

pub(crate) use items::{ListNode, match_items};
pub use rewritten::{ADMISSION, rewritten};

/// What the managed fields say about an object that we applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cover {
    /// Our entry owns every field that we applied: no drift.
    Covered,
    /// These fields are no longer ours.
    Drift {
        /// Each field that was lost, and who has it now.
        fields: Vec<FieldLoss>,
    },
    /// Nobody owns these empty maps or lists: only the API server, asked by a dry run, can tell.
    Doubtful {
        /// The empty maps and lists.
        fields: Vec<FieldLoss>,
    },
    /// Our entry names the fields as another API version does, so it cannot be compared.
    OtherVersion {
        /// The entry's API version.
        api_version: String,
    },
    /// Others have entries and we have none.
    NotOurs,
    /// Nobody has an entry: somebody cleared the managed fields. Nothing is covered.
    Cleared,
    /// The object is being deleted; an apply would change nothing about that.
    Deleting,
}

impl Cover {
    /// Leaves out fields of which an earlier apply has shown that the server does not keep them.
    #[must_use]
    pub fn without(self, unkept: &BTreeSet<String>) -> Self {
        let keep = |fields: Vec<FieldLoss>| -> Vec<FieldLoss> {
            fields.into_iter().filter(|loss| !unkept.contains(&loss.path)).collect()
        };
        match self {
            Self::Drift { fields } => match keep(fields) {
                fields if fields.is_empty() => Self::Covered,
                fields => Self::Drift { fields },
            },
            Self::Doubtful { fields } => match keep(fields) {
                fields if fields.is_empty() => Self::Covered,
                fields => Self::Doubtful { fields },
            },
            other => other,
        }
    }
}

/// A field that we applied and no longer own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLoss {
    /// The field, such as `.spec.template.spec.containers[name="web"].image`.
    pub path: String,
    /// The field manager that has it now; nobody has a field that was deleted.
    pub manager: Option<String>,
    /// The subresource through which that manager wrote it, such as `scale`.
    pub subresource: Option<String>,
    /// When that manager last wrote, as RFC 3339 text.
    pub time: Option<String>,
    /// What Git says, as JSON that is cut where it is long; never a value of a Secret.
    pub git: String,
}

/// So much of what Git says is told.
const TOLD: usize = 200;
const MASK: &str = "***";

impl FieldLoss {
    /// An autoscaler sets the replicas of what it scales through this subresource, under its controller's name.
    fn is_autoscaling(&self) -> bool {
        self.path == REPLICAS
            && self.manager.as_deref() == Some(AUTOSCALER)
            && self.subresource.as_deref() == Some("scale")
    }
}

impl fmt::Display for FieldLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match (&self.manager, &self.subresource) {
            (Some(manager), Some(subresource)) => write!(f, " (taken by {manager} through {subresource})"),
            (Some(manager), None) => write!(f, " (taken by {manager})"),
            (None, _) => f.write_str(" (owned by nobody)"),
        }
    }
}

const REPLICAS: &str = ".spec.replicas";
const AUTOSCALER: &str = "kube-controller-manager";

/// Whether an autoscaler that Git knows nothing of has taken the replicas of an object that we apply with replicas. It
/// may keep them: that is no drift, and the next apply must leave them out ([`without_replicas`]).
pub fn is_autoscaled(live: &LiveMetadata) -> bool {
    let has = |entry: &ManagedFields| entry.fields.pointer("/f:spec/f:replicas").is_some();
    let is_scaler =
        |entry: &&ManagedFields| entry.manager == AUTOSCALER && entry.subresource.as_deref() == Some("scale");
    live.own_entry().is_some_and(|own| !has(own)) && live.managed_fields.iter().filter(is_scaler).any(has)
}

/// The body of an object of which [`is_autoscaled`] is true.
#[must_use]
pub fn without_replicas(rendered: &Value) -> Value {
    let mut body = rendered.clone();
    if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
    }
    body
}

/// Compares what we applied (the body of a `Rendered`) with who owns which field now.
pub fn cover(rendered: &Value, live: &LiveMetadata) -> Cover {
    if live.deleting {
        return Cover::Deleting;
    }
    let Some(own) = live.own_entry() else {
        return if live.managed_fields.is_empty() { Cover::Cleared } else { Cover::NotOurs };
    };
    let applied = rendered["apiVersion"].as_str().unwrap_or_default();
    if !own.api_version.is_empty() && !applied.is_empty() && own.api_version != applied {
        return Cover::OtherVersion { api_version: own.api_version.clone() };
    }
    let others: Vec<&ManagedFields> = live.managed_fields.iter().filter(|entry| !is_own(entry)).collect();
    let (mut lost, mut doubtful) = walk::losses(rendered, &own.fields, &others);
    lost.retain(|loss| !loss.is_autoscaling());
    if rendered["apiVersion"] == "v1" && rendered["kind"] == "Secret" {
        lost.iter_mut()
            .chain(&mut doubtful)
            .filter(|loss| is_secret_value(&loss.path))
            .for_each(|loss| MASK.clone_into(&mut loss.git));
    }
    match (lost.is_empty(), doubtful.is_empty()) {
        (false, _) => Cover::Drift { fields: lost },
        (true, false) => Cover::Doubtful { fields: doubtful },
        (true, true) => Cover::Covered,
    }
}

fn is_secret_value(path: &str) -> bool {
    !path.starts_with(".metadata")
}

/// What Git says, short enough to be told.
fn in_short(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= TOLD {
        return text;
    }
    let mut end = TOLD - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// A hash of our own entry, to see later whether it changed; `None` where there is no entry.
pub fn entry_hash(live: &LiveMetadata) -> Option<String> {
    live.own_entry().map(|entry| canonical::hash(&json!([entry.api_version, entry.fields])))
}

#[cfg(test)]
mod tests;
