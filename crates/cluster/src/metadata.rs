//! From the API server's metadata to the planner's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use lockstep_manifest::ObjectId;
use lockstep_plan::{LiveMetadata, ManagedFields};

/// kubectl keeps a whole copy of the object here, the values of Secrets included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(crate) type Partial = PartialObjectMeta<DynamicObject>;

/// The metadata of an object of `resource`. The copy of the object that kubectl leaves in an annotation is emptied.
pub(crate) fn live(resource: &ApiResource, meta: ObjectMeta) -> LiveMetadata {
    let mut annotations = meta.annotations.unwrap_or_default();
    if let Some(copy) = annotations.get_mut(LAST_APPLIED) {
        copy.clear();
    }
    LiveMetadata {
        id: ObjectId::new(
            resource.group.clone(),
            resource.kind.clone(),
            meta.namespace.unwrap_or_default(),
            meta.name.unwrap_or_default(),
        ),
        uid: meta.uid.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        generation: meta.generation,
        labels: meta.labels.unwrap_or_default(),
        annotations,
        managed_fields: meta.managed_fields.unwrap_or_default().into_iter().map(managed).collect(),
        owners: meta.owner_references.into_iter().flatten().map(|owner| owner.uid).collect(),
        deleting: meta.deletion_timestamp.is_some(),
    }
}

fn managed(entry: ManagedFieldsEntry) -> ManagedFields {
    ManagedFields {
        manager: entry.manager.unwrap_or_default(),
        operation: entry.operation.unwrap_or_default(),
        api_version: entry.api_version.unwrap_or_default(),
        subresource: entry.subresource.filter(|subresource| !subresource.is_empty()),
        time: entry.time.map(|time| time.0.to_string()),
        fields: entry.fields_v1.map(|fields| fields.0).unwrap_or_default(),
    }
}

/// Empties in a whole object what nobody here reads and what can be large or secret.
pub(crate) fn strip(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = meta.annotations.as_mut() {
        annotations.remove(LAST_APPLIED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_translated_and_kubectls_copy_emptied() {
        let resource = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "Secret".into(),
            plural: "secrets".into(),
        };
        let partial: Partial = serde_json::from_value(serde_json::json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {
                "name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                "annotations": {LAST_APPLIED: "{\"data\":{\"p\":\"hunter2\"}}", "note": "kept"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "o"}],
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{
                    "manager": "lockstep", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                    "time": "2026-01-02T03:04:05Z", "fieldsV1": {"f:data": {"f:p": {}}}
                }]
            }
        }))
        .unwrap();
        let live = live(&resource, partial.metadata);
        assert_eq!((live.id.kind.as_str(), live.id.name.as_str()), ("Secret", "a"));
        assert_eq!((live.annotations[LAST_APPLIED].as_str(), live.annotations["note"].as_str()), ("", "kept"));
        assert_eq!((live.owners.as_slice(), live.deleting), (["o".to_owned()].as_slice(), true));
        let entry = &live.managed_fields[0];
        assert_eq!(entry.time.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!((entry.subresource.as_deref(), &entry.fields), (None, &serde_json::json!({"f:data": {"f:p": {}}})));
    }
}
