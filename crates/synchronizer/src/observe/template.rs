//! Which images the pods of a workload run, as its template says.

use std::collections::BTreeMap;

use lockstep_manifest::ObjectId;
use serde_json::Value;

/// The image reference of each container by its name, init containers included. Empty for what runs no pods.
pub(super) type References = BTreeMap<String, String>;

/// The references in the pod template of an object of that kind.
pub(super) fn references(id: &ObjectId, object: &Value) -> References {
    let pod = match (id.group.as_str(), id.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => "/spec/template/spec",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template/spec",
        ("", "Pod") => "/spec",
        _ => return References::new(),
    };
    object.pointer(pod).map(of_pod).unwrap_or_default()
}

/// The references in the specification of a pod.
pub(super) fn of_pod(spec: &Value) -> References {
    let lists = ["initContainers", "containers"].into_iter().filter_map(|list| spec.get(list)?.as_array());
    let named = lists.flatten().filter_map(|container| {
        let text = |field: &str| container.get(field)?.as_str().map(str::to_owned);
        Some((text("name")?, text("image")?))
    });
    named.collect()
}

/// A label selector in the form that a request takes; `None` when it selects nothing or everything.
pub(super) fn selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?;
    let mut terms = Vec::new();
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        terms.push(format!("{key}={}", value.as_str()?));
    }
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression.get("key")?.as_str()?;
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<&str> = values.filter_map(Value::as_str).collect();
        terms.push(match expression.get("operator")?.as_str()? {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!terms.is_empty()).then(|| terms.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_found_in_every_workload() {
        let pod =
            json!({"initContainers": [{"name": "i", "image": "a:1"}], "containers": [{"name": "c", "image": "b:2"}]});
        for (id, object) in [
            ("apps/Deployment/shop/web", json!({"spec": {"template": {"spec": pod}}})),
            ("batch/Job/shop/web", json!({"spec": {"template": {"spec": pod}}})),
            ("batch/CronJob/shop/web", json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}})),
            ("/Pod/shop/web", json!({"spec": pod})),
        ] {
            let wanted = References::from([("c".into(), "b:2".into()), ("i".into(), "a:1".into())]);
            assert_eq!(references(&id.parse().unwrap(), &object), wanted, "{id}");
        }
        let service = json!({"spec": {"template": {"spec": pod}}});
        assert!(references(&"/Service/shop/web".parse().unwrap(), &service).is_empty());
    }

    #[test]
    fn selectors_become_texts() {
        let object = json!({"spec": {"selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "old", "operator": "DoesNotExist"},
        ]}}});
        assert_eq!(selector(&object).unwrap(), "app=web,tier in (a,b),!old");
        for nothing in [json!({}), json!({"spec": {"selector": {}}})] {
            assert_eq!(selector(&nothing), None);
        }
    }
}
