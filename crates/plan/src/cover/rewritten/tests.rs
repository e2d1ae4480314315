use serde_json::json;

use super::*;

/// What is told of an apply: the path, the stored value, and Git's.
fn told(git: Value, fields: Value, stored: Value) -> Vec<String> {
    let (mut git, mut stored) = (git, stored);
    for object in [&mut git, &mut stored] {
        object["apiVersion"] = json!("v1");
        object["kind"] = object.get("kind").cloned().unwrap_or(json!("Thing"));
    }
    let entries = json!([
        {"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:x": {}}},
        {"manager": "lockstep", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields},
    ]);
    stored["metadata"]["managedFields"] = entries;
    let live = LiveMetadata::from_object("/Thing/a/x".parse().unwrap(), &stored);
    let text = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
    let line = |change: FieldChange| format!("{} {} {}", change.path, text(change.before), text(change.after));
    rewritten(&git, &live, &stored).into_iter().map(line).collect()
}

#[test]
fn another_value_is_told_and_another_spelling_is_not() {
    let same = [
        (json!(1), json!("1")),
        (json!(1.0), json!(1)),
        (json!("1000m"), json!("1")),
        (json!(0.5), json!("500m")),
        (json!("1024Mi"), json!("1Gi")),
        (json!("0.1Gi"), json!("107374182400m")),
        (json!("2026-01-01T02:00:00+02:00"), json!("2026-01-01T00:00:00Z")),
        (json!("aGVsbG8g\nd29ybGQ="), json!("aGVsbG8gd29ybGQ=")),
        (json!(""), json!("the default")),
        (json!({"b": {}, "c": false}), json!({"d": 1})),
        (json!([]), json!(["added"])),
        (Value::Null, json!(1)),
    ];
    for (git, stored) in same {
        let found = told(json!({"spec": git}), json!({"f:spec": {}}), json!({"spec": stored}));
        assert!(found.is_empty(), "{found:?}");
    }
    let other = [
        (json!(1), json!("2")),
        (json!("1"), json!("1Ki")),
        (json!("500m"), json!("500M")),
        (json!(0), json!(1)),
        (json!(false), json!(true)),
        (json!("a"), json!("b")),
        (json!("inf"), json!("infinity")),
        (json!("2026-01-01T00:00:00Z"), json!("2026-01-01T00:00:01Z")),
    ];
    for (git, stored) in other {
        let found = told(json!({"spec": git}), json!({"f:spec": {}}), json!({"spec": stored}));
        assert_eq!(found, [format!(".spec {stored} {git}")]);
    }
}

#[test]
fn what_the_server_leaves_out_is_told_unless_it_is_nothing() {
    let fields = || json!({"f:spec": {"f:a": {}}});
    for nothing in [json!(0), json!(false), json!(""), json!({}), json!([]), json!({"b": {"c": 0}})] {
        assert!(told(json!({"spec": {"a": nothing}}), fields(), json!({"spec": {}})).is_empty(), "{nothing}");
    }
    assert_eq!(told(json!({"spec": {"a": 1}}), fields(), json!({"spec": {"z": 1}})), [".spec.a - 1"]);
    assert_eq!(told(json!({"spec": {"a": 1}}), fields(), json!({})), [".spec.a - 1"]);
}

#[test]
fn zeros_ask_for_defaults_where_the_kind_says_so() {
    for (name, is_told) in
        [("timeoutSeconds", false), ("nodePort", false), ("replicas", true), ("terminationGracePeriodSeconds", true)]
    {
        let found = told(json!({"spec": {name: 0}}), json!({"f:spec": {}}), json!({"spec": {name: 7}}));
        assert_eq!(!found.is_empty(), is_told, "{name}: {found:?}");
    }
}

#[test]
fn what_our_entry_does_not_hold_and_what_others_add_is_not_told() {
    let git = json!({"spec": {"replicas": 2, "b": 1}, "metadata": {"labels": {"x": "y"}}});
    let stored = json!({"spec": {"replicas": 7, "b": 1, "c": 2}, "metadata": {"labels": {"x": "y", "z": "1"}}});
    let fields = json!({"f:spec": {"f:b": {}}, "f:metadata": {"f:labels": {"f:x": {}}}});
    assert!(told(git.clone(), fields.clone(), stored.clone()).is_empty(), "an autoscaler has the replicas");
    let whole = json!({"metadata": {"managedFields": []}});
    let live = LiveMetadata::from_object("/Thing/a/x".parse().unwrap(), &whole);
    assert_eq!(rewritten(&git, &live, &stored), []);
}

#[test]
fn items_are_found_by_their_keys_members_by_their_values_and_the_rest_by_its_place() {
    let web = "k:{\"name\":\"web\"}";
    let tcp = "k:{\"containerPort\":53,\"protocol\":\"TCP\"}";
    let fields = json!({
        "f:metadata": {"f:finalizers": {"v:\"a.example/x\"": {}}},
        "f:spec": {
            "f:containers": {web: {".": {}, "f:name": {}, "f:image": {}, "f:args": {}, "f:ports": {tcp: {".": {}, "f:containerPort": {}, "f:hostPort": {}}}}},
            "f:ingress": {}, "f:tolerations": {},
        },
    });
    let git = json!({
        "metadata": {"finalizers": ["a.example/x"]},
        "spec": {
            "containers": [{"name": "web", "image": "web:1", "args": ["-v"], "ports": [{"containerPort": 53, "hostPort": 53}]}],
            "ingress": [{"ports": [{"port": 80}]}], "tolerations": [{"key": "a"}],
        },
    });
    let arrived = json!({
        "metadata": {"finalizers": ["b.example/y", "a.example/x"]},
        "spec": {
            "containers": [
                {"name": "injected", "image": "proxy:1"},
                {"name": "web", "image": "web:1", "args": ["-v"], "ports": [{"containerPort": 53, "protocol": "UDP", "hostPort": 54}, {"containerPort": 53, "protocol": "TCP", "hostPort": 53}]},
            ],
            "ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}], "tolerations": [{"key": "a"}, {"key": "by the server"}],
        },
    });
    assert!(told(git.clone(), fields.clone(), arrived.clone()).is_empty());
    let container = ".spec.containers[name=\"web\"]";
    let table = [
        ("/spec/containers/1/image", json!("mirror/web:1"), format!("{container}.image \"mirror/web:1\" \"web:1\"")),
        ("/spec/containers/1/args", json!(["-v", "-x"]), format!("{container}.args[1] \"-x\" -")),
        ("/spec/ingress/0/ports/0/port", json!(81), ".spec.ingress[0].ports[port=81].port 81 -".to_owned()),
        ("/metadata/finalizers", json!(["b.example/y"]), ".metadata.finalizers[1] - \"a.example/x\"".to_owned()),
        ("/spec/containers/1/name", json!("else"), format!("{container}.args[0] - \"-v\"")),
    ];
    for (pointer, value, expected) in table {
        let mut stored = arrived.clone();
        *stored.pointer_mut(pointer).unwrap() = value;
        let found = told(git.clone(), fields.clone(), stored);
        assert_eq!(found.first(), Some(&expected), "{found:?}");
    }
}

#[test]
fn no_value_of_a_secret_is_told() {
    let secret = |value: &str| json!({"kind": "Secret", "data": {"p": value, "q": "c2FtZQ=="}});
    let found = told(secret("Y2FuYXJ5"), json!({"f:data": {"f:p": {}, "f:q": {}}}), secret("a2FuYXJpZQ=="));
    assert_eq!(found, [".data.p \"*** (before)\" \"*** (after)\""]);
}
