use std::sync::Arc;

use lockstep_manifest::objects;
use lockstep_plan::{Class, GroupKind, LiveMetadata, ManagedFields, Ownership, Rendered, Scope, place, render};
use serde_json::{Value, json};

use super::*;
use crate::ports::{ClusterError, News};

mod lists;

const SHOP: &str = "shop";

fn key() -> SyncKey {
    SyncKey { namespace: "lockstep".into(), name: SHOP.into() }
}

fn ownership() -> Ownership {
    Ownership { sync: SHOP.into(), sync_namespace: "lockstep".into() }
}

fn config_maps() -> GroupKind {
    GroupKind { group: String::new(), kind: "ConfigMap".into() }
}

fn id(name: &str) -> ObjectId {
    format!("/ConfigMap/a/{name}").parse().unwrap()
}

fn wanted(names: &[&str]) -> Arc<Vec<Rendered>> {
    let make = |name: &&str| {
        let text = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: a}}, data: {{v: x, w: y}}}}"
        );
        let object = objects("c.yaml", &text).unwrap().remove(0);
        render(place(object.clone(), Scope::Namespaced).object, &ownership()).unwrap()
    };
    Arc::new(names.iter().map(make).collect())
}

fn fields(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (format!("f:{name}"), fields(value))).collect(),
        _ => json!({}),
    }
}

/// The object as it stands right after our apply, at this version.
fn live(rendered: &Rendered, version: u64) -> LiveMetadata {
    let mut object = rendered.body.value();
    object["metadata"]["uid"] = json!("u");
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    let body = rendered.body.value();
    let owned = json!({
        "f:data": fields(&body["data"]),
        "f:metadata": {
            "f:labels": fields(&body["metadata"]["labels"]),
            "f:annotations": fields(&body["metadata"]["annotations"]),
        }
    });
    object["metadata"]["managedFields"] =
        json!([{"manager": "lockstep", "operation": "Apply", "apiVersion": "v1", "fieldsV1": owned}]);
    LiveMetadata::from_object(rendered.object.id.clone(), &object)
}

/// The same after `somebody` has taken `data.v`.
fn taken(rendered: &Rendered, version: u64) -> LiveMetadata {
    let mut live = live(rendered, version);
    live.managed_fields[0].fields["f:data"].as_object_mut().unwrap().remove("f:v");
    live.managed_fields.push(ManagedFields {
        manager: "somebody".into(),
        operation: "Update".into(),
        api_version: "v1".into(),
        fields: json!({"f:data": {"f:v": {}}}),
        ..ManagedFields::default()
    });
    live
}

/// An index that has listed `a`, `b` and `c` of the shop at versions 1, 2 and 3.
fn settled() -> (Index, Arc<Vec<Rendered>>) {
    let (mut index, wanted) = (Index::default(), wanted(&["a", "b", "c"]));
    index.introduce(&key(), &ownership());
    index.news(&config_maps(), News::Restarted);
    for (rendered, version) in wanted.iter().zip(1..) {
        index.news(&config_maps(), News::Applied(live(rendered, version)));
    }
    index.news(&config_maps(), News::ListComplete);
    assert_eq!(index.follow(&key(), &wanted, &BTreeSet::new()), BTreeSet::new());
    (index, wanted)
}

fn woken(ids: &[&str]) -> Woken {
    if ids.is_empty() { Woken::new() } else { Woken::from([(key(), ids.iter().map(|name| id(name)).collect())]) }
}

#[test]
fn a_taken_field_wakes_the_sync_once_and_says_who() {
    let (mut index, wanted) = settled();
    assert_eq!(index.news(&config_maps(), News::Applied(taken(&wanted[0], 10))), woken(&["a"]));
    assert_eq!(index.news(&config_maps(), News::Applied(taken(&wanted[0], 11))), woken(&[]));
    let drifted = &index.drifted(&key())[&id("a")];
    let fields = drifted.fields();
    assert_eq!((paths(&fields), manager(&fields)), (vec![".data.v"], "somebody".to_owned()));
    // Somebody else puts it right: also worth knowing.
    assert_eq!(index.news(&config_maps(), News::Applied(live(&wanted[0], 12))), woken(&["a"]));
    assert_eq!(index.drifted(&key()).len(), 0);
}

#[test]
fn events_that_are_not_newer_than_our_own_write_are_not_heard() {
    let (mut index, wanted) = settled();
    assert!(index.applied(&key(), &wanted[0], live(&wanted[0], 20)).is_empty());
    for version in [4, 20] {
        assert_eq!(index.news(&config_maps(), News::Applied(taken(&wanted[0], version))), woken(&[]), "{version}");
    }
    assert_eq!(index.news(&config_maps(), News::Deleted(live(&wanted[0], 19))), woken(&[]));
    assert_eq!(index.news(&config_maps(), News::Applied(taken(&wanted[0], 21))), woken(&["a"]));
}

#[test]
fn an_event_that_overtakes_the_answer_to_our_write_stays() {
    let (mut index, wanted) = settled();
    index.news(&config_maps(), News::Applied(taken(&wanted[0], 30)));
    index.applied(&key(), &wanted[0], live(&wanted[0], 29));
    assert!(index.settle(&key(), &id("a"), true), "it drifted again in the meantime");
    assert_eq!(index.drifted(&key()).len(), 1);
}

#[test]
fn what_is_gone_is_seen_by_event_and_by_list() {
    let (mut index, wanted) = settled();
    assert_eq!(index.news(&config_maps(), News::Deleted(live(&wanted[1], 40))), woken(&["b"]));
    index.news(&config_maps(), News::Restarted);
    index.news(&config_maps(), News::Applied(live(&wanted[0], 1)));
    // Written by us while the list was on its way: it need not be in it.
    index.applied(&key(), &wanted[1], live(&wanted[1], 41));
    assert_eq!(index.news(&config_maps(), News::ListComplete), woken(&["c"]));
    assert!(index.version(&id("b")).is_some());
    assert_eq!(index.drifted(&key())[&id("c")], Drifted::Gone);
}

#[test]
fn fields_that_the_server_does_not_keep_are_no_drift_for_this_body() {
    let (mut index, wanted) = settled();
    let mut stored = live(&wanted[0], 50);
    stored.managed_fields[0].fields["f:data"].as_object_mut().unwrap().remove("f:w");
    assert_eq!(index.applied(&key(), &wanted[0], stored.clone()), [".data.w"]);
    assert!(!index.settle(&key(), &id("a"), true));
    stored.resource_version = "51".into();
    assert_eq!(index.applied(&key(), &wanted[0], stored.clone()), Vec::<String>::new(), "it is told once");
    assert_eq!(index.unkept(&key(), &wanted)[&id("a")], BTreeSet::from([".data.w".to_owned()]));

    let mut other = wanted.to_vec();
    other[0].hash = "another".into();
    index.follow(&key(), &Arc::new(other.clone()), &BTreeSet::new());
    assert!(index.unkept(&key(), &other).is_empty());
}

#[test]
fn only_settled_objects_drift_and_the_others_wait_for_their_end() {
    let (mut index, wanted) = settled();
    index.follow(&key(), &wanted, &BTreeSet::from([id("a")]));
    assert_eq!(index.news(&config_maps(), News::Applied(taken(&wanted[0], 60))), woken(&[]));
    assert_eq!(index.news(&config_maps(), News::Deleted(taken(&wanted[0], 61))), woken(&["a"]));
    assert_eq!(index.drifted(&key()).len(), 0);
}

#[test]
fn an_object_that_is_on_its_way_out_is_not_repaired() {
    let (mut index, wanted) = settled();
    let mut leaving = live(&wanted[0], 70);
    leaving.deleting = true;
    assert_eq!(index.news(&config_maps(), News::Applied(leaving.clone())), woken(&[]));
    assert_eq!(index.news(&config_maps(), News::Deleted(leaving)), woken(&["a"]));
}

#[test]
fn a_relabelled_object_is_no_longer_as_it_was_applied() {
    let (mut index, wanted) = settled();
    let mut stolen = live(&wanted[0], 80);
    stolen.labels.insert(lockstep_plan::SYNC_LABEL.into(), "other".into());
    assert_eq!(index.news(&config_maps(), News::Applied(stolen)), woken(&["a"]));
}

#[test]
fn a_refused_list_proves_nothing_and_a_broken_connection_changes_nothing() {
    let error = |class| ClusterError { class, code: None, message: "no".into(), retry_after: None };
    for (class, listed) in
        [(Class::Forbidden, false), (Class::NotFound, false), (Class::Transient, true), (Class::Expired, true)]
    {
        let (mut index, _) = settled();
        index.news(&config_maps(), News::Failed(error(class)));
        assert_eq!(index.listed().contains(&config_maps()), listed, "{class:?}");
        assert_eq!(index.unwatched(&config_maps()).is_none(), listed, "{class:?}");
        assert!(index.is_answered(&config_maps()) && index.version(&id("a")).is_some());
        index.news(&config_maps(), News::Restarted);
        index.news(&config_maps(), News::ListComplete);
        assert!(index.listed().contains(&config_maps()));
    }
}

/// What is settled and what is whole, for a plan of what the shop wants.
#[test]
fn what_an_older_watch_said_is_no_answer_for_the_next() {
    for before in [Some(Class::NotFound), None] {
        let (mut index, _) = settled();
        if let Some(class) = before {
            let error = ClusterError { class, code: None, message: "gone".into(), retry_after: None };
            index.news(&config_maps(), News::Failed(error));
        }
        index.expect_list(&config_maps());
        assert!(!index.is_answered(&config_maps()) && !index.listed().contains(&config_maps()));
        assert!(index.unwatched(&config_maps()).is_none() && index.version(&id("a")).is_some());
        index.news(&config_maps(), News::Restarted);
        index.news(&config_maps(), News::ListComplete);
        assert!(index.listed().contains(&config_maps()) && index.version(&id("a")).is_none());
    }
}

fn view(index: &Index, wanted: &[Rendered]) -> (Vec<String>, Vec<String>) {
    let view = index.view(&key(), wanted);
    let mut settled: Vec<String> = view.settled.keys().map(|id| id.name.clone()).collect();
    let mut whole: Vec<String> = view.live.iter().map(|live| live.id.name.clone()).collect();
    settled.sort();
    whole.sort();
    (settled, whole)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_is_as_it_was_applied_is_kept_by_its_hash() {
    let (mut index, wanted) = settled();
    assert_eq!(view(&index, &wanted), (names(&["a", "b", "c"]), names(&[])));
    let of_a = index.view(&key(), &wanted).settled.remove(&id("a")).unwrap();
    assert_eq!((&*of_a.uid, &of_a.hash), ("u", &wanted[0].hash));
    assert_eq!(index.metadata(&id("a")), None);

    let drifted = taken(&wanted[0], 10);
    index.news(&config_maps(), News::Applied(drifted.clone()));
    assert_eq!(view(&index, &wanted), (names(&["b", "c"]), names(&["a"])));
    assert_eq!(index.metadata(&id("a")), Some(drifted));
    index.applied(&key(), &wanted[0], live(&wanted[0], 11));
    assert_eq!(view(&index, &wanted), (names(&["a", "b", "c"]), names(&[])));
    // What left Git is still the Sync's.
    assert_eq!(view(&index, &wanted[..1]), (names(&["a", "b", "c"]), names(&[])));
    assert_eq!(index.named(&key()).len(), 3);
}

#[test]
fn all_is_known_of_an_object_that_others_write_to() {
    let other = |manager: &str, subresource: Option<&str>| ManagedFields {
        manager: manager.into(),
        operation: "Update".into(),
        api_version: "v1".into(),
        subresource: subresource.map(str::to_owned),
        fields: json!({"f:metadata": {"f:annotations": {"f:note": {}}}}),
        ..ManagedFields::default()
    };
    type Change = fn(&mut LiveMetadata);
    let changes: [(Change, bool); 5] = [
        (|live| live.labels.insert("lockstep.dev/sync".into(), "other".into()).map(drop).unwrap_or_default(), false),
        (|live| live.annotations.insert("lockstep.dev/id".into(), "/ConfigMap/b/a".into()).map(drop).unwrap(), false),
        (|live| live.annotations.insert("lockstep.dev/applied".into(), "0".into()).map(drop).unwrap(), false),
        (|live| live.owners = vec!["of another".into()], false),
        (|live| live.generation = Some(7), true),
    ];
    let (mut index, wanted) = settled();
    for (version, (change, is_settled)) in (10..).zip(changes) {
        let mut changed = live(&wanted[0], version);
        change(&mut changed);
        index.news(&config_maps(), News::Applied(changed));
        assert_eq!(index.metadata(&id("a")).is_none(), is_settled, "{version}");
    }
    for (entry, is_settled) in [
        (other("kubectl-edit", None), false),
        (other("some-controller", Some("status")), true),
        (other("kubectl", Some("scale")), false),
        (other("kubectl-client-side-apply", None), false),
    ] {
        let (mut index, wanted) = settled();
        let mut touched = live(&wanted[0], 30);
        touched.managed_fields.push(entry.clone());
        // Whoever wrote may have changed what we hold and left no trace of it.
        assert_eq!(index.news(&config_maps(), News::Applied(touched)), woken(&["a"]), "{entry:?}");
        assert_eq!(index.take_doubted(&key()), BTreeSet::from([id("a")]));
        assert!(index.take_doubted(&key()).is_empty() && index.drifted(&key()).is_empty());
        let is_persons = entry.manager.starts_with("kubectl") && entry.subresource.is_none();
        assert_eq!(index.extras(&key()).contains_key(&id("a")), is_persons, "{entry:?}");
        assert_eq!(index.metadata(&id("a")).is_none(), is_settled, "{entry:?}");
    }
}

#[test]
fn after_a_start_the_first_list_is_settled_as_it_comes() {
    let (mut index, wanted) = (Index::default(), wanted(&["a", "b"]));
    // Another Sync needed the kind first.
    index.news(&config_maps(), News::Restarted);
    index.news(&config_maps(), News::Applied(live(&wanted[0], 1)));
    index.introduce(&key(), &ownership());
    assert_eq!(view(&index, &wanted), (names(&[]), names(&["a"])));
    index.anticipate(&key(), &wanted);
    assert_eq!(index.news(&config_maps(), News::Applied(taken(&wanted[1], 2))), woken(&[]), "no turn has ended");
    assert_eq!(index.news(&config_maps(), News::Applied(live(&wanted[1], 3))), woken(&[]));
    assert_eq!(view(&index, &wanted), (names(&["b"]), names(&["a"])));
    index.news(&config_maps(), News::ListComplete);
    assert_eq!(index.follow(&key(), &wanted, &BTreeSet::new()), BTreeSet::new());
    assert_eq!(view(&index, &wanted), (names(&["a", "b"]), names(&[])));
}

#[test]
fn an_event_that_overtakes_the_answer_of_its_own_write_is_settled_by_it() {
    let (mut index, wanted) = settled();
    let mut changed = wanted.to_vec();
    let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: a}, data: {v: new, w: y}}";
    let object = objects("c.yaml", text).unwrap().remove(0);
    changed[0] = render(place(object.clone(), Scope::Namespaced).object, &ownership()).unwrap();
    let changed = Arc::new(changed);
    index.news(&config_maps(), News::Applied(live(&changed[0], 50)));
    assert!(index.metadata(&id("a")).is_some(), "nobody has said yet what was applied");
    index.applied(&key(), &changed[0], live(&changed[0], 50));
    assert!(index.metadata(&id("a")).is_none());
    assert_eq!(index.follow(&key(), &changed, &BTreeSet::new()), BTreeSet::new());
    // Back to the commit before: what is there now is not what that one wants.
    assert_eq!(index.follow(&key(), &wanted, &BTreeSet::new()), BTreeSet::from([id("a")]));
}

#[test]
fn only_what_nothing_newer_is_known_of_may_be_deleted() {
    let (mut index, wanted) = settled();
    assert!(index.is_still(&id("a"), "u", "1"));
    assert!(index.is_still(&id("a"), "u", "9"), "looked at after the watch told of it");
    assert!(!index.is_still(&id("a"), "another", "9") && !index.is_still(&id("x"), "u", "1"));
    index.news(&config_maps(), News::Applied(live(&wanted[0], 10)));
    assert!(!index.is_still(&id("a"), "u", "9"));
}

#[test]
fn objects_of_a_sync_with_a_long_name_are_its_own() {
    let name = "n".repeat(100);
    let ownership = Ownership { sync: name.clone(), sync_namespace: "lockstep".into() };
    let key = SyncKey { namespace: "lockstep".into(), name };
    let object = objects("c.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: a}}").unwrap();
    let wanted = Arc::new(vec![render(object[0].clone(), &ownership).unwrap()]);
    let mut index = Index::default();
    index.introduce(&key, &ownership);
    index.applied(&key, &wanted[0], live(&wanted[0], 1));
    index.follow(&key, &wanted, &BTreeSet::new());
    assert_eq!(index.view(&key, &wanted).settled.len(), 1);
    index.forget(&key);
    assert_eq!(index.view(&key, &wanted).settled.len(), 0);
}
