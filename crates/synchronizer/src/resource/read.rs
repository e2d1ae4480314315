//! From what the API server holds to a Sync that can be acted on, or at least be told about.

use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Source, SyncObject, SyncSpec, SyncStatus};

/// A Sync as it stands in the cluster. One whose specification cannot be read (made before its definition knew a rule, or
/// for another version) stands still and says why; a status that another version wrote is written anew. `None`: it is no
/// object at all.
pub(crate) fn read(mut object: Value) -> Option<SyncObject> {
    let part = |object: &mut Value, name: &str| object.get_mut(name).map(Value::take).unwrap_or_default();
    let metadata: ObjectMeta = serde_json::from_value(part(&mut object, "metadata")).ok()?;
    let status: Option<SyncStatus> = serde_json::from_value(part(&mut object, "status")).unwrap_or_default();
    let spec = part(&mut object, "spec");
    let spec = match serde_path_to_error::deserialize(&spec) {
        Ok(spec) => spec,
        Err(error) => {
            let path = error.path().to_string();
            let place = if path == "." { "spec".to_owned() } else { format!("spec.{path}") };
            standing_still(&spec, format!("{place}: {}", error.inner()))?
        }
    };
    Some(SyncObject { metadata, spec, status })
}

/// Nothing of an unreadable specification is acted on: the part that cannot be read may have been a limit.
fn standing_still(spec: &Value, unreadable: String) -> Option<SyncSpec> {
    let nowhere = json!({"repository": ""});
    let source = Source::deserialize(&spec["source"]).or_else(|_| Source::deserialize(&nowhere)).ok()?;
    let spec: SyncSpec = serde_json::from_value(json!({"source": source, "suspend": true})).ok()?;
    Some(SyncSpec { unreadable: Some(unreadable), ..spec })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(spec: Value) -> Value {
        json!({
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync",
            "metadata": {"name": "shop", "namespace": "lockstep", "uid": "u", "finalizers": ["lockstep.dev/sync"]},
            "spec": spec,
        })
    }

    #[test]
    fn a_specification_that_cannot_be_read_stands_still_and_says_why() {
        let source = json!({"repository": "https://git.example/c.git"});
        for (name, value, told) in [
            ("audit", json!("9999999999999999999h"), "spec.audit: \"9999999999999999999h\" is not a span of time"),
            ("interval", json!("3000000000000000h"), "spec.interval: \"3000000000000000h\" is not a span of time"),
            ("timeout", json!("5s-3s"), "spec.timeout: \"5s-3s\" is not a span of time"),
            ("drift", json!("later"), "spec.drift: unknown variant `later`"),
            ("prune", json!({"enabled": 1}), "spec.prune.enabled: invalid type"),
        ] {
            let sync = read(object(json!({"source": source, "serviceAccountName": "a", name: value}))).unwrap();
            assert!(sync.spec.suspend);
            assert!(sync.spec.unreadable.as_ref().is_some_and(|why| why.starts_with(told)), "{:?}", sync.spec);
            assert_eq!(sync.spec.source.repository, "https://git.example/c.git");
            assert_eq!(sync.metadata.finalizers.unwrap().len(), 1);
        }
        let sync = read(object(json!({"source": 1}))).unwrap();
        assert!(sync.spec.unreadable.is_some_and(|why| why.starts_with("spec.source: ")));
        assert!(read(object(json!(null))).unwrap().spec.unreadable.is_some());
        assert_eq!(read(json!("no object")), None);
    }

    #[test]
    fn a_status_of_another_version_is_no_reason_to_stand_still() {
        let mut sync = object(json!({"source": {"repository": "https://git.example/c.git"}}));
        sync["status"] = json!({"observedGeneration": "three"});
        let sync = read(sync).unwrap();
        assert_eq!((sync.spec.unreadable, sync.spec.suspend, sync.status), (None, false, None));
    }
}
