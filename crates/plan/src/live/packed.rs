//! Metadata that is kept but seldom looked at.

use lockstep_manifest::ObjectId;
use serde_json::{Value, json};

use super::{LiveMetadata, ManagedFields};

/// The metadata of one object as compact text, about a quarter of the size. Its identity is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedMetadata(Box<[u8]>);

impl PackedMetadata {
    /// Packs all but the identity.
    pub fn of(live: &LiveMetadata) -> Self {
        let entries: Vec<Value> = live.managed_fields.iter().map(entry).collect();
        let mut metadata = json!({
            "uid": live.uid,
            "resourceVersion": live.resource_version,
            "labels": live.labels,
            "annotations": live.annotations,
            "managedFields": entries,
        });
        if let Some(generation) = live.generation {
            metadata["generation"] = json!(generation);
        }
        if live.has_owner() {
            metadata["ownerReferences"] = live.owners.iter().map(|uid| json!({ "uid": uid })).collect();
        }
        if live.deleting {
            metadata["deletionTimestamp"] = json!("set");
        }
        Self(json!({ "metadata": metadata }).to_string().into_bytes().into())
    }

    /// The metadata again, of the object with this identity.
    pub fn open(&self, id: ObjectId) -> LiveMetadata {
        // It was written a few lines above, so it can be read.
        let object: Value = serde_json::from_slice(&self.0).unwrap_or_default();
        LiveMetadata::from_object(id, &object)
    }
}

fn entry(entry: &ManagedFields) -> Value {
    json!({
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
        "subresource": entry.subresource,
        "time": entry.time,
        "fieldsV1": entry.fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_there_again() {
        let plain = json!({"metadata": {"uid": "u", "resourceVersion": "7"}});
        let full = json!({"metadata": {
            "uid": "u", "resourceVersion": "7", "generation": 3, "labels": {"a": "b"}, "annotations": {"c": "\"d\""},
            "deletionTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [{"kind": "Pod", "uid": "o"}],
            "managedFields": [
                {"manager": "m", "operation": "Update", "apiVersion": "v1", "subresource": "status",
                 "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:status": {"k:{\"type\":\"Ready\"}": {".": {}}}}},
                {"manager": "lockstep", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {}}},
            ],
        }});
        for object in [plain, full] {
            let id: ObjectId = "/ConfigMap/a/x".parse().unwrap();
            let live = LiveMetadata::from_object(id.clone(), &object);
            assert_eq!(PackedMetadata::of(&live).open(id), live);
        }
    }
}
