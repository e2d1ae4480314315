use lockstep_manifest::ObjectId;
use serde_json::json;

use super::*;

mod exact;

/// The entry as the API server writes it for an applied Deployment and Service in one.
fn applied() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "a", "labels": {"app": "web"}, "annotations": {"lockstep.dev/id": "x"}, "finalizers": ["example.com/x"]},
        "spec": {
            "replicas": 2, "paused": null,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {
                "containers": [
                    {"name": "web", "image": "nginx:1", "args": ["-v"], "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}], "resources": {"limits": {"cpu": 1}}},
                    {"name": "side", "image": "side:1"},
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }},
        },
    })
}

fn own() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}, "f:annotations": {"f:lockstep.dev/id": {}}, "f:finalizers": {"v:\"example.com/x\"": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {"f:spec": {
                "f:containers": {
                    "k:{\"name\":\"side\"}": {".": {}, "f:name": {}, "f:image": {}},
                    "k:{\"name\":\"web\"}": {
                        ".": {}, "f:name": {}, "f:image": {}, "f:args": {}, "f:resources": {"f:limits": {"f:cpu": {}}},
                        "f:ports": {
                            "k:{\"containerPort\":53,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}},
                            "k:{\"containerPort\":53,\"protocol\":\"UDP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}},
                        },
                    },
                },
                "f:volumes": {"k:{\"name\":\"tmp\"}": {".": {}, "f:emptyDir": {}, "f:name": {}}},
            }},
        },
    })
}

fn entry(manager: &str, operation: &str, subresource: &str, time: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "subresource": subresource, "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn ours(fields: Value) -> Value {
    entry("lockstep", "Apply", "", "2026-01-01T00:00:00Z", fields)
}

fn theirs(fields: Value) -> Value {
    entry("kubectl-edit", "Update", "", "2026-01-02T00:00:00Z", fields)
}

pub(super) fn live(entries: Vec<Value>) -> LiveMetadata {
    let id: ObjectId = "apps/Deployment/a/web".parse().unwrap();
    LiveMetadata::from_object(id, &json!({"metadata": {"managedFields": entries}}))
}

/// The entry without the node at a path of its own names, and without the parents that this leaves empty:
/// an empty node would be a leaf.
fn without(mut fields: Value, path: &[&str]) -> Value {
    fn remove(node: &mut Value, path: &[&str]) {
        let (first, rest) = path.split_first().unwrap();
        let map = node.as_object_mut().unwrap();
        assert!(map.contains_key(*first), "{first} is there to be removed");
        if !rest.is_empty() {
            remove(&mut map[*first], rest);
        }
        if rest.is_empty() || map[*first].as_object().unwrap().is_empty() {
            map.remove(*first);
        }
    }
    remove(&mut fields, path);
    fields
}

fn at(path: &[&str], leaf: Value) -> Value {
    path.iter().rev().fold(leaf, |inner, name| json!({*name: inner}))
}

const POD: [&str; 3] = ["f:spec", "f:template", "f:spec"];
const WEB: &str = "k:{\"name\":\"web\"}";

fn pod<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    POD.into_iter().chain(rest.iter().copied()).collect()
}

fn told(cover: Cover) -> Vec<String> {
    match cover {
        Cover::Drift { fields } => fields.iter().map(FieldLoss::to_string).collect(),
        Cover::Doubtful { fields } => fields.iter().map(|loss| format!("perhaps {loss}")).collect(),
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn what_is_ours_is_covered() {
    assert_eq!(cover(&applied(), &live(vec![ours(own())])), Cover::Covered);
    // What others add beside our fields is not drift.
    let added = at(&pod(&["f:containers", "k:{\"name\":\"debug\"}"]), json!({".": {}, "f:name": {}, "f:image": {}}));
    let restarted = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}});
    assert_eq!(cover(&applied(), &live(vec![ours(own()), theirs(added), theirs(restarted)])), Cover::Covered);
    // A second applier of the same value takes nothing away.
    assert_eq!(cover(&applied(), &live(vec![entry("helm", "Apply", "", "", own()), ours(own())])), Cover::Covered);
}

#[test]
fn each_lost_field_is_named_with_its_new_owner() {
    let image = pod(&["f:containers", WEB, "f:image"]);
    let cpu = pod(&["f:containers", WEB, "f:resources", "f:limits", "f:cpu"]);
    let args = pod(&["f:containers", WEB, "f:args"]);
    let table: Vec<(Vec<&str>, Option<Value>, &str)> = vec![
        (vec!["f:spec", "f:replicas"], Some(json!({})), ".spec.replicas (taken by kubectl-edit)"),
        (vec!["f:spec", "f:replicas"], None, ".spec.replicas (owned by nobody)"),
        (image, Some(json!({})), ".spec.template.spec.containers[name=\"web\"].image (taken by kubectl-edit)"),
        (
            cpu,
            Some(json!({})),
            ".spec.template.spec.containers[name=\"web\"].resources.limits.cpu (taken by kubectl-edit)",
        ),
        (args, Some(json!({})), ".spec.template.spec.containers[name=\"web\"].args (taken by kubectl-edit)"),
        (
            pod(&["f:containers", "k:{\"name\":\"side\"}"]),
            None,
            ".spec.template.spec.containers[name=\"side\"] (owned by nobody)",
        ),
        (vec!["f:spec", "f:selector"], None, ".spec.selector.matchLabels.app (owned by nobody)"),
        (vec!["f:spec", "f:selector"], Some(json!({})), ".spec.selector (taken by kubectl-edit)"),
        (pod(&["f:containers"]), None, ".spec.template.spec.containers (owned by nobody)"),
        (vec!["f:metadata", "f:finalizers", "v:\"example.com/x\""], None, ".metadata.finalizers (owned by nobody)"),
        (
            vec!["f:metadata", "f:annotations", "f:lockstep.dev/id"],
            Some(json!({})),
            ".metadata.annotations[\"lockstep.dev/id\"] (taken by kubectl-edit)",
        ),
    ];
    for (path, foreign, expected) in table {
        let mut entries = vec![ours(without(own(), &path))];
        entries.extend(foreign.map(|leaf| theirs(at(&path, leaf))));
        let found = told(cover(&applied(), &live(entries)));
        assert_eq!(found, [expected]);
    }
}

#[test]
fn the_newest_holder_is_named_and_its_subresource() {
    let fields = || json!({"f:spec": {"f:replicas": {}}});
    let entries = vec![
        entry("old", "Update", "", "2026-01-02T00:00:00Z", fields()),
        ours(without(own(), &["f:spec", "f:replicas"])),
        entry("kubectl", "Update", "scale", "2026-01-03T00:00:00Z", fields()),
    ];
    let Cover::Drift { fields } = cover(&applied(), &live(entries)) else { panic!("drift") };
    let expected = FieldLoss {
        path: ".spec.replicas".into(),
        manager: Some("kubectl".into()),
        subresource: Some("scale".into()),
        time: Some("2026-01-03T00:00:00Z".into()),
        git: "2".into(),
    };
    assert_eq!(fields, [expected]);
    assert_eq!(fields[0].to_string(), ".spec.replicas (taken by kubectl through scale)");
}

#[test]
fn an_empty_node_is_judged_by_who_has_it() {
    // A1: an atomic empty map or list that somebody filled stands in their entry as a leaf.
    let path = pod(&["f:volumes", "k:{\"name\":\"tmp\"}", "f:emptyDir"]);
    let gone = ours(without(own(), &path));
    let name = ".spec.template.spec.volumes[name=\"tmp\"].emptyDir";
    let as_leaf = theirs(at(&path, json!({})));
    let as_parent = theirs(at(&path, json!({"f:medium": {}})));
    let atomic_above = theirs(at(&path[..path.len() - 1], json!({})));
    assert_eq!(
        told(cover(&applied(), &live(vec![gone.clone(), as_leaf.clone()]))),
        [format!("{name} (taken by kubectl-edit)")]
    );
    assert_eq!(
        told(cover(&applied(), &live(vec![gone.clone(), atomic_above]))),
        [format!("{name} (taken by kubectl-edit)")]
    );
    assert_eq!(cover(&applied(), &live(vec![gone.clone(), as_parent.clone()])), Cover::Covered);
    assert_eq!(
        told(cover(&applied(), &live(vec![gone.clone(), as_parent, as_leaf]))),
        [format!("{name} (taken by kubectl-edit)")]
    );
    assert_eq!(told(cover(&applied(), &live(vec![gone.clone()]))), [format!("perhaps {name} (owned by nobody)")]);
    // Real drift elsewhere makes the doubt moot: the apply settles both.
    let both = without(gone["fieldsV1"].clone(), &["f:spec", "f:replicas"]);
    assert_eq!(told(cover(&applied(), &live(vec![ours(both)]))), [".spec.replicas (owned by nobody)"]);
}

#[test]
fn an_empty_list_is_a_leaf_as_an_empty_map_is() {
    let role = json!({"apiVersion": "apps/v1", "metadata": {"name": "x"}, "rules": [], "spec": {"podSelector": {}, "egress": [null]}});
    let full = json!({"f:rules": {}, "f:spec": {"f:podSelector": {}, "f:egress": {}}});
    assert_eq!(cover(&role, &live(vec![ours(full.clone())])), Cover::Covered);
    let taken = live(vec![ours(without(full, &["f:rules"])), theirs(json!({"f:rules": {}}))]);
    assert_eq!(told(cover(&role, &taken)), [".rules (taken by kubectl-edit)"]);
}

#[test]
fn items_that_differ_in_a_default_are_matched_one_to_one() {
    // A2: 53 means 53/TCP; if one of the two goes, the other must not stand for both.
    let ports = |kept: Value| at(&["f:spec", "f:ports"], kept);
    let tcp = json!({"k:{\"port\":53,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}});
    let udp = json!({"k:{\"port\":53,\"protocol\":\"UDP\"}": {".": {}, "f:port": {}, "f:protocol": {}}});
    for items in
        [json!([{"port": 53}, {"port": 53, "protocol": "UDP"}]), json!([{"port": 53, "protocol": "UDP"}, {"port": 53}])]
    {
        let service = json!({"apiVersion": "apps/v1", "spec": {"ports": items}});
        let without_tcp = cover(&service, &live(vec![ours(ports(udp.clone()))]));
        assert_eq!(told(without_tcp), [".spec.ports[port=53] (owned by nobody)"]);
        let without_udp = cover(&service, &live(vec![ours(ports(tcp.clone()))]));
        assert_eq!(told(without_udp), [".spec.ports[port=53,protocol=\"UDP\"] (owned by nobody)"]);
    }
}

#[test]
fn keys_and_set_members_are_compared_as_numbers() {
    let widget = json!({"apiVersion": "apps/v1", "spec": {"levels": [1.0, 1e2], "items": [{"id": 1.0, "x": "y"}]}});
    let fields = json!({"f:spec": {"f:levels": {"v:1": {}, "v:100": {}}, "f:items": {"k:{\"id\":1}": {".": {}, "f:id": {}, "f:x": {}}}}});
    assert_eq!(cover(&widget, &live(vec![ours(fields)])), Cover::Covered);
    let text = json!({"f:spec": {"f:levels": {"v:\"1\"": {}, "v:100": {}}, "f:items": {"k:{\"id\":1}": {".": {}, "f:id": {}, "f:x": {}}}}});
    assert_eq!(told(cover(&widget, &live(vec![ours(text)]))), [".spec.levels[=1.0] (owned by nobody)"]);
    let by_index = json!({"f:spec": {"f:levels": {"i:0": {}, "i:1": {}}, "f:items": {}}});
    assert_eq!(cover(&widget, &live(vec![ours(by_index)])), Cover::Covered);
}

#[test]
fn a_leaf_of_ours_with_foreign_parts_below_is_lost() {
    // A7: the list was one value when we applied it, and has keys now.
    let widget = json!({"apiVersion": "apps/v1", "spec": {"items": [{"name": "a"}]}});
    let whole = json!({"f:spec": {"f:items": {}}});
    let parts = theirs(json!({"f:spec": {"f:items": {"k:{\"name\":\"b\"}": {".": {}, "f:name": {}}}}}));
    assert_eq!(told(cover(&widget, &live(vec![ours(whole.clone()), parts]))), [".spec.items (taken by kubectl-edit)"]);
    let same = theirs(whole.clone());
    assert_eq!(cover(&widget, &live(vec![ours(whole), same])), Cover::Covered);
}

#[test]
fn states_of_their_own() {
    let mut deleting = live(vec![ours(own())]);
    deleting.deleting = true;
    assert_eq!(cover(&applied(), &deleting), Cover::Deleting);
    assert_eq!(cover(&applied(), &live(vec![])), Cover::Cleared);
    assert_eq!(cover(&applied(), &live(vec![theirs(own())])), Cover::NotOurs);
    assert_eq!(cover(&applied(), &live(vec![entry("lockstep", "Update", "", "", own())])), Cover::NotOurs);
    let mut other = applied();
    other["apiVersion"] = json!("apps/v2");
    assert_eq!(cover(&other, &live(vec![ours(own())])), Cover::OtherVersion { api_version: "apps/v1".into() });
    // Our applies through a subresource have an entry of their own, which stands first.
    let scaled = entry("lockstep", "Apply", "scale", "", json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(cover(&applied(), &live(vec![scaled.clone(), ours(own())])), Cover::Covered);
    assert_eq!(cover(&applied(), &live(vec![scaled])), Cover::NotOurs);
    // An entry of no fields at all owns nothing, while an empty node inside owns all below it.
    assert!(matches!(cover(&applied(), &live(vec![ours(json!({}))])), Cover::Drift { fields } if fields.len() > 5));
}

#[test]
fn fields_that_the_server_does_not_keep_can_be_left_out() {
    let drift = cover(&applied(), &live(vec![ours(without(own(), &["f:spec", "f:replicas"]))]));
    assert_eq!(drift.clone().without(&BTreeSet::from([".spec.replicas".to_owned()])), Cover::Covered);
    assert_eq!(drift.clone().without(&BTreeSet::from([".spec.paused".to_owned()])), drift);
}

#[test]
fn the_hash_of_our_entry_changes_with_it_alone() {
    let hash = entry_hash(&live(vec![ours(own())]));
    assert_eq!(hash, entry_hash(&live(vec![theirs(json!({})), ours(own())])));
    assert_ne!(hash, entry_hash(&live(vec![ours(without(own(), &["f:spec", "f:replicas"]))])));
    assert_eq!(entry_hash(&live(vec![theirs(own())])), None);
}

#[test]
fn what_git_says_is_told_shortly_and_without_secrets() {
    let git = |cover: Cover| match cover {
        Cover::Drift { fields } => fields.into_iter().map(|loss| loss.git).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let side = pod(&["f:containers", "k:{\"name\":\"side\"}"]);
    let lost = live(vec![ours(without(without(own(), &side), &["f:metadata", "f:labels"]))]);
    assert_eq!(git(cover(&applied(), &lost)), ["\"web\"", "{\"image\":\"side:1\",\"name\":\"side\"}"]);

    let long = json!({"apiVersion": "apps/v1", "data": {"v": "ä".repeat(300)}, "w": 1});
    let told = git(cover(&long, &live(vec![ours(json!({"f:w": {}}))]))).remove(0);
    assert!(told.len() <= 200 && told.ends_with("ä…"), "{told}");

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": {"a": "b"}}, "data": {"p": "aHVudGVyMg=="}, "stringData": {}});
    let mut lost = live(vec![ours(json!({"f:type": {}}))]);
    lost.managed_fields[0].api_version = "v1".into();
    assert_eq!(git(cover(&secret, &lost)), ["***", "\"b\""]);
}

#[test]
fn replicas_that_an_autoscaler_took_are_its_own() {
    let lost = || ours(without(own(), &["f:spec", "f:replicas"]));
    let scale =
        |manager| entry(manager, "Update", "scale", "2026-01-03T00:00:00Z", json!({"f:spec": {"f:replicas": {}}}));
    let scaled = live(vec![lost(), scale("kube-controller-manager")]);
    assert_eq!(cover(&applied(), &scaled), Cover::Covered);
    assert!(is_autoscaled(&scaled));
    assert_eq!(without_replicas(&applied())["spec"].get("replicas"), None);
    // A person's `kubectl scale` is drift, and so is a controller that writes the object itself.
    let by_hand = live(vec![lost(), scale("kubectl")]);
    assert_eq!(told(cover(&applied(), &by_hand)), [".spec.replicas (taken by kubectl through scale)"]);
    assert!(!is_autoscaled(&by_hand));
    let whole = entry("kube-controller-manager", "Update", "", "", json!({"f:spec": {"f:replicas": {}}}));
    assert!(matches!(cover(&applied(), &live(vec![lost(), whole])), Cover::Drift { .. }));
    // As long as the values agree both own it, and nothing has been taken.
    assert!(!is_autoscaled(&live(vec![ours(own()), scale("kube-controller-manager")])));
}
