//! Whether the cluster is what Git says, told from the objects themselves.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ListParams;
use serde_json::Value;

use super::stand::{Stand, api};

/// Objects by `Kind/namespace/name`.
pub(crate) type Declared = BTreeMap<String, Value>;

/// `Kind/namespace/name`.
pub(crate) fn place(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    format!("{}/{}/{}", text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
}

pub(crate) fn declared(objects: impl IntoIterator<Item = Value>) -> Declared {
    objects.into_iter().map(|object| (place(&object), object)).collect()
}

/// Everything in which the cluster differs from what is declared: fields, objects that are missing, and objects of this
/// Sync that nobody declared.
pub(crate) async fn differences(stand: &Stand, declared: &Declared, kinds: &BTreeSet<(String, String)>) -> Vec<String> {
    let mut all = stand.harmed().await;
    for (place, object) in declared {
        let name = object["metadata"]["name"].as_str().unwrap();
        match stand.of(object).get_opt(name).await {
            Ok(Some(live)) => compare(place, object, &serde_json::to_value(live).unwrap(), &mut all),
            Ok(None) => all.push(format!("{place} is missing")),
            Err(error) => all.push(format!("{place}: {error}")),
        }
    }
    let labels = format!("lockstep.dev/sync=shop,lockstep.dev/sync-namespace={}", stand.namespace);
    for (version, kind) in kinds {
        // A kind whose definition is gone has no objects.
        let Ok(found) = api(&stand.client, version, kind, None).list(&ListParams::default().labels(&labels)).await
        else {
            continue;
        };
        for object in found {
            let name = object.metadata.name.unwrap();
            let place = format!("{kind}/{}/{name}", object.metadata.namespace.unwrap_or_default());
            if !declared.contains_key(&place) && !stand.is_bystander(kind, &name) {
                all.push(format!("{place} is in nobody's Git and still there"));
            }
        }
    }
    all
}

/// Every field that is declared must be there; what else is there does not matter.
fn compare(path: &str, wanted: &Value, live: &Value, all: &mut Vec<String>) {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(_)) => {
            for (key, value) in wanted {
                compare(&format!("{path}.{key}"), value, &live[key], all);
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            for (at, value) in wanted.iter().enumerate() {
                let same_name = |item: &&Value| !value["name"].is_null() && item["name"] == value["name"];
                let item = found.iter().find(same_name).or(found.get(at)).unwrap_or(&Value::Null);
                compare(&format!("{path}[{at}]"), value, item, all);
            }
        }
        _ if wanted == live => {}
        _ => all.push(format!("{path}: Git says {wanted}, the cluster {live}")),
    }
}
