use serde_json::json;

use super::*;

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields})
}

fn live(entries: &[Value]) -> LiveMetadata {
    LiveMetadata::from_object("/ConfigMap/a/x".parse().unwrap(), &json!({"metadata": {"managedFields": entries}}))
}

/// Manager, operation and fields of each entry.
fn told(entries: Option<Vec<ManagedFields>>) -> Value {
    entries.map_or(Value::Null, |entries| {
        entries.iter().map(|entry| json!([entry.manager, entry.operation, entry.fields])).collect()
    })
}

fn data(names: &[&str]) -> Value {
    let map: serde_json::Map<_, _> = names.iter().map(|name| (format!("f:{name}"), json!({}))).collect();
    json!({"f:data": map})
}

#[test]
fn what_client_side_applies_own_becomes_ours() {
    let annotated = json!({"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}, "f:data": {"f:b": {}}});
    let table = [
        (
            vec![entry("kubectl-client-side-apply", "Update", data(&["a"]))],
            json!([["lockstep", "Apply", data(&["a"])]]),
        ),
        (
            vec![
                entry("kubectl-client-side-apply", "Update", data(&["a"])),
                entry("lockstep", "Apply", data(&["b"])),
                entry("x", "Update", data(&["c"])),
            ],
            json!([["lockstep", "Apply", data(&["b", "a"])], ["x", "Update", data(&["c"])]]),
        ),
        (vec![entry("terraform", "Update", annotated.clone())], json!([["lockstep", "Apply", annotated]])),
        (vec![entry("kubectl-edit", "Update", data(&["a"])), entry("lockstep", "Apply", data(&["b"]))], Value::Null),
        (vec![], Value::Null),
    ];
    for (entries, expected) in table {
        assert_eq!(told(migrate(&live(&entries))), expected, "{entries:?}");
    }
}

#[test]
fn leftovers_go_once_we_have_applied() {
    let own = || entry("lockstep", "Apply", data(&["a"]));
    let table = [
        (
            vec![entry("before-first-apply", "Update", data(&["a", "b"])), own()],
            json!([["lockstep", "Apply", data(&["a"])]]),
        ),
        (
            vec![entry("velero-server", "Update", data(&["a", "b"])), own()],
            json!([["lockstep", "Apply", data(&["a"])]]),
        ),
        // Before our apply the list would be left empty, and the server would fill it with a leftover again.
        (vec![entry("before-first-apply", "Update", data(&["a"]))], Value::Null),
        (
            vec![entry("kubectl-create", "Update", data(&["a", "b"])), own()],
            json!([["kubectl-create", "Update", data(&["b"])], ["lockstep", "Apply", data(&["a"])]]),
        ),
        (
            vec![entry("kustomize-controller", "Apply", data(&["a"])), own()],
            json!([["lockstep", "Apply", data(&["a"])]]),
        ),
        (vec![entry("other-controller", "Apply", data(&["a"])), own()], Value::Null),
    ];
    for (entries, expected) in table {
        let list = migrate(&live(&entries));
        assert_eq!(told(list.clone()), expected, "{entries:?}");
        let again = list.map(|list| migrate(&LiveMetadata { managed_fields: list, ..live(&[]) }));
        assert_eq!(again.flatten(), None, "it is done at once");
    }
}

#[test]
fn an_ignored_field_is_let_go_of() {
    let git = json!({
        "metadata": {"annotations": {"a/b": "x"}},
        "spec": {"replicas": 4, "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}], "set": ["p", "q"]},
    });
    let own = json!({
        "f:metadata": {"f:annotations": {"f:a/b": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:containers": {
                "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}},
                "k:{\"name\":\"b\"}": {".": {}, "f:name": {}, "f:image": {}},
            },
            "f:set": {"v:\"p\"": {}, "v:\"q\"": {}},
        },
    });
    let table: [(&str, Option<&str>); 7] = [
        ("/spec/replicas", Some("/f:spec/f:replicas")),
        ("/metadata/annotations/a~1b", Some("/f:metadata/f:annotations/f:a~1b")),
        ("/spec/containers/1/image", Some("/f:spec/f:containers/k:{\"name\":\"b\"}/f:image")),
        ("/spec/set/0", Some("/f:spec/f:set/v:\"p\"")),
        ("/spec/paused", None),
        ("/spec/containers/7/image", None),
        ("spec", None),
    ];
    for (pointer, gone) in table {
        let list = without_fields(&live(&[entry("lockstep", "Apply", own.clone())]), &git, [pointer]);
        assert_eq!(list.is_some(), gone.is_some(), "{pointer}");
        let (Some(list), Some(gone)) = (list, gone) else { continue };
        assert!(
            own.pointer(gone).is_some() && list[0].fields.pointer(gone).is_none(),
            "{pointer}: {:?}",
            list[0].fields
        );
        assert!(list[0].fields.pointer("/f:spec/f:containers/k:{\"name\":\"b\"}/f:name").is_some());
    }
    // The value may have left Git together with the field.
    assert!(without_fields(&live(&[entry("lockstep", "Apply", own)]), &json!({}), ["/spec/replicas"]).is_some());
    assert_eq!(without_fields(&live(&[]), &git, ["/spec/replicas"]), None);
}
