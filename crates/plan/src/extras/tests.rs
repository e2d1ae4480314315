use serde_json::json;

use super::*;

fn git() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "a", "labels": {"app": "web"}},
        "spec": {"template": {"spec": {
            "containers": [{"name": "web", "image": "nginx:1", "ports": [{"containerPort": 53}], "args": ["-v"]}],
            "nodeSelector": {},
        }}},
    })
}

fn own() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"web\"}": {
                ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                "f:ports": {"k:{\"containerPort\":53,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            },
        }}}},
    })
}

fn entry(manager: &str, operation: &str, subresource: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "subresource": subresource, "apiVersion": "apps/v1", "time": "2026-01-02T00:00:00Z", "fieldsV1": fields})
}

fn live(theirs: Value) -> LiveMetadata {
    let managed = [entry("lockstep", "Apply", "", own()), theirs];
    LiveMetadata::from_object(
        "apps/Deployment/a/web".parse().unwrap(),
        &json!({"metadata": {"managedFields": managed}}),
    )
}

fn pod(fields: Value) -> Value {
    json!({"f:spec": {"f:template": {"f:spec": fields}}})
}

fn paths(theirs: Value) -> Vec<String> {
    let found = found(&git(), &live(theirs), &HumanManagers::default(), &BTreeSet::new());
    found.into_iter().map(|extra| extra.path).collect()
}

fn by_kubectl(fields: Value) -> Value {
    entry("kubectl-edit", "Update", "", fields)
}

/// Fields of a person, what is told of them, and which of them become ours.
fn table() -> Vec<(Value, Vec<&'static str>, Value)> {
    let restarted = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}});
    let debug = pod(json!({"f:containers": {"k:{\"name\":\"debug\"}": {".": {}, "f:name": {}, "f:image": {}}}}));
    let udp = pod(
        json!({"f:containers": {"k:{\"name\":\"web\"}": {"f:ports": {"k:{\"containerPort\":53,\"protocol\":\"UDP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}}}}),
    );
    let mixed = json!({"f:metadata": {"f:labels": {"f:app": {}, "f:team": {}}, "f:finalizers": {".": {}, "v:\"example.com/x\"": {}}}});
    let selector = pod(json!({"f:nodeSelector": {"f:disk": {}}}));
    vec![
        (
            restarted.clone(),
            vec![".spec.template.metadata.annotations[\"kubectl.kubernetes.io/restartedAt\"]"],
            restarted,
        ),
        (debug.clone(), vec![".spec.template.spec.containers[name=\"debug\"]"], debug),
        (
            udp.clone(),
            vec![".spec.template.spec.containers[name=\"web\"].ports[containerPort=53,protocol=\"UDP\"]"],
            udp,
        ),
        (
            mixed,
            vec![".metadata.finalizers[=\"example.com/x\"]", ".metadata.labels.team"],
            json!({"f:metadata": {"f:labels": {"f:team": {}}, "f:finalizers": {".": {}, "v:\"example.com/x\"": {}}}}),
        ),
        (selector.clone(), vec![".spec.template.spec.nodeSelector.disk"], selector),
        // What Git has too is drift or agreement, and neither is an extra.
        (
            pod(
                json!({"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}, "f:args": {}}}}),
            ),
            vec![],
            Value::Null,
        ),
        (
            pod(
                json!({"f:containers": {"k:{\"name\":\"web\"}": {"f:ports": {"k:{\"containerPort\":53,\"protocol\":\"TCP\"}": {".": {}}}}}}),
            ),
            vec![],
            Value::Null,
        ),
    ]
}

#[test]
fn what_a_person_added_is_told_by_its_path() {
    for (fields, expected, _) in table() {
        assert_eq!(paths(by_kubectl(fields.clone())), expected, "{fields}");
    }
    let team = || json!({"f:metadata": {"f:labels": {"f:team": {}}}});
    assert_eq!(paths(entry("kubectl", "Apply", "", team())), [".metadata.labels.team"]);
    assert_eq!(paths(entry("some-controller", "Update", "", team())), [""; 0]);
    assert_eq!(paths(entry("kubectl", "Update", "scale", json!({"f:spec": {"f:replicas": {}}}))), [""; 0]);
}

#[test]
fn the_person_and_the_time_are_named_and_ignored_fields_are_not() {
    let fields = json!({"f:metadata": {"f:labels": {"f:a/b": {}, "f:team": {}}}, "f:spec": {"f:replicas": {}}});
    let ignored = BTreeSet::from(["/metadata/labels/a~1b".to_owned(), "/spec/replicas".to_owned()]);
    let live = live(entry("my-tool", "Update", "", fields));
    let human = HumanManagers::and(["My-*".to_owned()]);
    let expected = Extra {
        path: ".metadata.labels.team".into(),
        manager: "my-tool".into(),
        time: Some("2026-01-02T00:00:00Z".into()),
    };
    assert_eq!(found(&git(), &live, &human, &ignored), [expected]);
    assert_eq!(found(&git(), &live, &HumanManagers::default(), &ignored), []);
}

#[test]
fn an_item_that_we_lost_is_drift_and_no_extra() {
    let mut live = live(by_kubectl(pod(
        json!({"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}}}),
    )));
    live.managed_fields[0].fields = json!({"f:metadata": {"f:labels": {"f:app": {}}}});
    assert_eq!(found(&git(), &live, &HumanManagers::default(), &BTreeSet::new()), []);
}

#[test]
fn claimed_extras_are_ours_and_nothing_else_moves() {
    let human = HumanManagers::default();
    for (fields, _, moved) in table() {
        let live = live(by_kubectl(fields.clone()));
        let list = claimed(&git(), &live, &human, &BTreeSet::new());
        let Some(list) = list else {
            assert!(moved.is_null(), "{fields}");
            continue;
        };
        let mut ours = own();
        unite(&mut ours, &moved);
        assert_eq!(list[0].fields, ours, "{fields}");
        let rest = without(&fields, &moved);
        assert_eq!(list.get(1).map(|entry| entry.fields.clone()), rest, "{fields}");
        let after = LiveMetadata { managed_fields: list, ..live };
        assert_eq!(found(&git(), &after, &human, &BTreeSet::new()), []);
        assert_eq!(claimed(&git(), &after, &human, &BTreeSet::new()), None);
    }
}

#[test]
fn tools_for_people_are_known_by_their_beginnings() {
    let human = HumanManagers::default();
    for name in ["kubectl", "kubectl-rollout", "kubectl-client-side-apply", "k9s", "Lens", "OpenLens", "Mozilla"] {
        assert!(human.include(name), "{name}");
    }
    for name in ["kube-controller-manager", "k9", "occam", "lockstep", "before-first-apply", ""] {
        assert!(!human.include(name), "{name}");
    }
}
