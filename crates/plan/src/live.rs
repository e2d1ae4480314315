//! What a metadata-only list or watch tells of an object in the cluster.

use std::collections::BTreeMap;

use lockstep_manifest::ObjectId;
use serde_json::Value;

mod packed;

pub use packed::PackedMetadata;

/// The field manager under which everything is applied.
pub const FIELD_MANAGER: &str = "lockstep";

/// One entry of `metadata.managedFields`: the fields that one writer owns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ManagedFields {
    /// The name that the writer gave itself.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// The API version in which the fields are named.
    pub api_version: String,
    /// Set when the write went through a subresource, such as `scale` or `status`.
    pub subresource: Option<String>,
    /// When the writer last changed a field, as RFC 3339 text.
    pub time: Option<String>,
    /// The owned fields in the `FieldsV1` format.
    pub fields: Value,
}

/// Metadata of one live object.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveMetadata {
    /// The object's own identity.
    pub id: ObjectId,
    /// Changes when the object is deleted and created again. Empty if unknown.
    pub uid: String,
    /// Changes with every write. Empty if unknown.
    pub resource_version: String,
    /// Changes with every write of the spec; not every kind has one.
    pub generation: Option<i64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Who owns which field.
    pub managed_fields: Vec<ManagedFields>,
    /// The UIDs of the objects that own this one and take it along when they go.
    pub owners: Vec<String>,
    /// Has a deletion timestamp.
    pub deleting: bool,
}

impl LiveMetadata {
    /// Reads the `metadata` of an object, or of an answer to a metadata-only request.
    pub fn from_object(id: ObjectId, object: &Value) -> Self {
        let metadata = &object["metadata"];
        let text = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
        Self {
            id,
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            generation: metadata["generation"].as_i64(),
            labels: texts(&metadata["labels"]),
            annotations: texts(&metadata["annotations"]),
            managed_fields: metadata["managedFields"].as_array().into_iter().flatten().map(managed_fields).collect(),
            owners: metadata["ownerReferences"].as_array().into_iter().flatten().map(owner).collect(),
            deleting: metadata["deletionTimestamp"].as_str().is_some_and(|time| !time.is_empty()),
        }
    }

    /// No more than what a deletion names.
    pub fn identified(id: ObjectId, uid: &str, resource_version: &str) -> Self {
        let metadata = serde_json::json!({ "uid": uid, "resourceVersion": resource_version });
        Self::from_object(id, &serde_json::json!({ "metadata": metadata }))
    }

    /// Whether another object owns this one and takes it along when it goes.
    pub fn has_owner(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Whether somebody else holds fields outside of the status.
    pub fn has_other_writers(&self) -> bool {
        let is_status = |entry: &ManagedFields| entry.subresource.as_deref() == Some("status");
        self.managed_fields.iter().any(|entry| !is_own(entry) && !is_status(entry))
    }

    /// The entry of our own applies. An apply of ours through a subresource has an entry of its own,
    /// which stands first in the list and is not the one that counts.
    pub fn own_entry(&self) -> Option<&ManagedFields> {
        self.managed_fields.iter().find(|entry| is_own(entry))
    }
}

pub(crate) fn is_own(entry: &ManagedFields) -> bool {
    entry.manager == FIELD_MANAGER
        && entry.operation == "Apply"
        && entry.subresource.as_deref().unwrap_or("").is_empty()
}

fn owner(reference: &Value) -> String {
    reference["uid"].as_str().unwrap_or_default().to_owned()
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn managed_fields(entry: &Value) -> ManagedFields {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    ManagedFields {
        manager: text("manager").unwrap_or_default(),
        operation: text("operation").unwrap_or_default(),
        api_version: text("apiVersion").unwrap_or_default(),
        subresource: text("subresource").filter(|name| !name.is_empty()),
        time: text("time"),
        fields: entry["fieldsV1"].clone(),
    }
}
