use serde_json::json;

use super::*;

fn object(id: &str, value: Value) -> Object {
    let id: ObjectId = id.parse().unwrap();
    Object {
        id,
        api_version: value["apiVersion"].as_str().unwrap_or("v1").to_owned(),
        value,
        file: "a.yaml".into(),
        line: 3,
    }
}

fn shop() -> Ownership {
    Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() }
}

/// What is left of `value` but for the marks of ownership.
fn rendered(id: &str, value: Value) -> Value {
    let mut body = render(object(id, value), &shop()).unwrap().body.value();
    let metadata = body["metadata"].as_object_mut().unwrap();
    for map in ["labels", "annotations"] {
        let kept = metadata[map].as_object_mut().unwrap();
        kept.retain(|name, _| !name.starts_with("lockstep.dev/") && !name.starts_with("applyset."));
        if kept.is_empty() {
            metadata.remove(map);
        }
    }
    body
}

#[test]
fn what_the_server_sets_is_taken_out() {
    let exported = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "status": {"x": 1}, "data": {"a": "b"},
        "metadata": {
            "name": "x", "namespace": "a", "uid": "1", "resourceVersion": "7", "generation": 3, "selfLink": "/x",
            "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{}], "labels": {"app": "x"},
            "annotations": {LAST_APPLIED: "{\"data\":{\"password\":\"hunter2\"}}", APPLIED_ANNOTATION: "old", "note": "y"},
        },
    });
    let expected = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
        "metadata": {"name": "x", "namespace": "a", "labels": {"app": "x"}, "annotations": {"note": "y"}},
    });
    assert_eq!(rendered("/ConfigMap/a/x", exported), expected);
}

#[test]
fn marks_of_ownership_are_put_on() {
    let rendered =
        render(object("/ConfigMap/a/x", json!({"metadata": {"name": "x", "labels": null}})), &shop()).unwrap();
    let metadata = &rendered.body.value()["metadata"];
    assert_eq!(metadata["labels"], json!(shop().labels()));
    assert_eq!(metadata["annotations"], json!({ID_ANNOTATION: "/ConfigMap/a/x", APPLIED_ANNOTATION: &*rendered.hash}));
    assert_eq!(rendered.hash.len(), 32);
}

#[test]
fn the_hash_depends_on_the_content_alone() {
    let hash =
        |text: &str| render(object("/ConfigMap/a/x", serde_json::from_str(text).unwrap()), &shop()).unwrap().hash;
    let one = hash(r#"{"metadata": {"name": "x", "namespace": "a"}, "data": {"a": "1", "b": "2"}}"#);
    assert_eq!(one, hash(r#"{"data": {"b": "2", "a": "1"}, "metadata": {"namespace": "a", "name": "x", "uid": "5"}}"#));
    assert_ne!(one, hash(r#"{"data": {"b": "2", "a": "2"}, "metadata": {"namespace": "a", "name": "x"}}"#));
    let again = render(object("/ConfigMap/a/x", json!({"metadata": {"name": "x"}})), &shop()).unwrap();
    assert_eq!(
        render(object("/ConfigMap/a/x", again.body.value()), &shop()).unwrap().hash,
        again.hash,
        "rendering is idempotent"
    );
    let blog = Ownership { sync: "blog".into(), sync_namespace: "lockstep".into() };
    assert_ne!(render(object("/ConfigMap/a/x", again.body.value()), &blog).unwrap().hash, again.hash);
}

#[test]
fn nulls_are_dropped_where_they_mean_nothing() {
    let deployment = json!({"metadata": {"name": "x", "creationTimestamp": null}, "spec": {"replicas": null, "template": {"metadata": {"creationTimestamp": null}}}});
    assert_eq!(
        rendered("apps/Deployment/a/x", deployment),
        json!({"metadata": {"name": "x"}, "spec": {"template": {"metadata": {}}}})
    );
    let release =
        json!({"metadata": {"name": "x", "annotations": {"a": null}}, "spec": {"values": {"resources": null}}});
    assert_eq!(
        rendered("helm.toolkit.fluxcd.io/HelmRelease/a/x", release),
        json!({"metadata": {"name": "x"}, "spec": {"values": {"resources": null}}})
    );
}

#[test]
fn string_data_becomes_data() {
    let table = [
        (json!({"stringData": {"a": "hunter2"}}), json!({"a": "aHVudGVyMg=="})),
        (json!({"stringData": {"a": "x"}, "data": {"a": "eQ==", "b": "eg=="}}), json!({"a": "eA==", "b": "eg=="})),
        (json!({"data": {"a": "aHVu\ndGVy\nMg=="}}), json!({"a": "aHVu\ndGVy\nMg=="})),
        (json!({"data": {"a": "eR=="}}), json!({"a": "eR=="})),
        (json!({"data": {}}), json!({})),
        (json!({}), json!(null)),
    ];
    for (mut secret, expected) in table {
        secret["metadata"] = json!({"name": "x"});
        let body = rendered("/Secret/a/x", secret);
        assert_eq!(body["data"], expected);
        assert_eq!(body.get("stringData"), None);
    }
}

#[test]
fn an_aggregated_role_leaves_its_rules_to_the_controller() {
    let role = json!({"metadata": {"name": "x"}, "aggregationRule": {"clusterRoleSelectors": []}, "rules": []});
    assert_eq!(rendered("rbac.authorization.k8s.io/ClusterRole//x", role).get("rules"), None);
    let role = json!({"metadata": {"name": "x"}, "rules": []});
    assert_eq!(rendered("rbac.authorization.k8s.io/ClusterRole//x", role)["rules"], json!([]));
}

#[test]
fn bad_objects_are_refused_by_field_and_never_by_value() {
    let table = [
        ("/Secret/a/x", json!({"metadata": {"name": "x"}, "data": {"a": 271828}}), ".data[\"a\"] must be base64 text"),
        (
            "/Secret/a/x",
            json!({"metadata": {"name": "x"}, "data": {"a": "271828"}}),
            ".data[\"a\"] must be base64; plain text belongs in stringData",
        ),
        (
            "/Secret/a/x",
            json!({"metadata": {"name": "x"}, "stringData": {"a": 271828}}),
            ".stringData[\"a\"] must be text; put it in quotes",
        ),
        ("/Secret/a/x", json!({"metadata": {"name": "x"}, "data": "271828"}), ".data must be a map"),
        (
            "/ConfigMap/a/x",
            json!({"metadata": {"name": "x", "labels": {"a": 271828}}}),
            ".metadata.labels[\"a\"] must be text; put it in quotes",
        ),
        (
            "/ConfigMap/a/x",
            json!({"metadata": {"name": "x", "annotations": "271828"}}),
            ".metadata.annotations must be a map",
        ),
        (
            "/ConfigMap/a/x",
            json!({"metadata": {"generateName": "x"}}),
            ".metadata.name must be a text that is not empty; generateName cannot be synced",
        ),
        ("/ConfigMap/a/x", json!({"kind": "ConfigMap"}), ".metadata must be a map with a name"),
        ("/ConfigMap/a/x", json!([271828]), ". must be a map"),
    ];
    for (id, value, expected) in table {
        let error = render(object(id, value), &shop()).unwrap_err();
        assert_eq!(error.to_string(), format!("a.yaml:3: {id}: {expected}"));
        assert!(!error.to_string().contains("271828") && !format!("{error:?}").contains("271828"));
        assert_eq!(error.category(), "field");
    }
}

#[test]
fn objects_get_the_namespace_that_kubectl_would_give_them() {
    let table = [
        ("/ConfigMap//x", Scope::Namespaced, "/ConfigMap/default/x", json!("default"), false),
        ("/ConfigMap/a/x", Scope::Namespaced, "/ConfigMap/a/x", json!("a"), false),
        ("/Namespace//x", Scope::Cluster, "/Namespace//x", json!(null), false),
        ("/Namespace/a/x", Scope::Cluster, "/Namespace//x", json!(null), true),
    ];
    for (id, scope, expected, namespace, warns) in table {
        let mut wanted = object(id, json!({"metadata": {"name": "x"}}));
        if !wanted.id.namespace.is_empty() {
            wanted.value["metadata"]["namespace"] = json!(wanted.id.namespace);
        }
        let placed = place(wanted.clone(), scope);
        assert_eq!(placed.object.id.to_string(), expected.parse::<ObjectId>().unwrap().to_string());
        assert_eq!(placed.object.value["metadata"]["namespace"], namespace);
        assert_eq!(placed.warning.is_some(), warns);
    }
}

#[test]
fn an_object_declared_twice_is_an_error_with_both_places() {
    let mut second = object("/ConfigMap/a/x", json!({}));
    (second.file, second.line) = ("b.yaml".into(), 9);
    let other = object("/ConfigMap/b/x", json!({}));
    let first = object("/ConfigMap/a/x", json!({}));
    assert_eq!(check_unique([&first, &other]), Ok(()));
    let errors = check_unique([&first, &other, &second]).unwrap_err();
    let texts: Vec<String> = errors.iter().map(RenderError::to_string).collect();
    assert_eq!(texts, ["b.yaml:9: /ConfigMap/a/x is declared a second time, first in a.yaml:3; keep one of them"]);
    assert_eq!(errors[0].category(), "duplicate");
}
