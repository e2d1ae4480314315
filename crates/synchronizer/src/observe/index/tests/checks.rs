//! Stories of kinds that are judged by the expressions of a Sync.

use lockstep_plan::HealthCheckText;

use super::*;

fn id(name: &str) -> ObjectId {
    format!("shop.example.org/Basket/shop/{name}").parse().unwrap()
}

fn sync(name: &str) -> SyncKey {
    SyncKey { namespace: "lockstep".into(), name: name.into() }
}

fn live(name: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "shop.example.org/v1", "kind": "Basket",
        "metadata": {"namespace": "shop", "name": name, "annotations": {APPLIED_ANNOTATION: "hash"}},
        "status": {"phase": phase},
    })
}

/// A turn of the Sync that has this one object ends, with or without an expression for its kind.
fn applied(index: &mut Index, name: &str, check: Option<&str>) {
    let value = json!({"apiVersion": "shop.example.org/v1", "kind": "Basket"});
    let body = Body::of(&value);
    let object =
        Object { id: id(name), api_version: "shop.example.org/v1".into(), value, file: Arc::from("a.yaml"), line: 1 };
    let texts = check.map(|current| HealthCheckText {
        api_version: "shop.example.org/v1".into(),
        kind: "Basket".into(),
        current: current.into(),
        in_progress: None,
        failed: Some("status.phase == 'Torn'".into()),
    });
    let resource = kube::core::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    let enforced = Enforced {
        commit: "commit".into(),
        at: at(0),
        timeout: Duration::from_secs(300),
        wanted: Arc::new(vec![Rendered { object, body, hash: "hash".into(), instructions: None }]),
        checks: HealthChecks::compile(&texts.into_iter().collect::<Vec<_>>()).0,
        kinds: [(GroupKind::of(&id(name)), Kind { resource, scope: Scope::Namespaced })].into(),
        changed: BTreeMap::new(),
        failed: BTreeMap::new(),
        found: BTreeSet::new(),
    };
    index.applied(&self::sync(name), &enforced, at(0));
}

fn listed(index: &mut Index, objects: &[(&str, &str)]) {
    let kind = GroupKind::of(&id("any"));
    index.kind_told(&kind, Told::Restarted, at(1));
    for (name, phase) in objects {
        index.kind_told(&kind, Told::Applied(id(name), live(name, phase)), at(1));
    }
    index.kind_told(&kind, Told::ListComplete, at(1));
}

fn health(index: &Index, name: &str) -> (Status, String) {
    let unhealthy = index.unhealthy(&self::sync(name));
    unhealthy.get(&id(name)).map_or((Status::Current, String::new()), |health| (health.status, health.reason.clone()))
}

#[test]
fn an_expression_decides_for_the_objects_of_its_own_sync() {
    let mut index = Index::default();
    applied(&mut index, "red", Some("status.phase == 'Full'"));
    applied(&mut index, "blue", None);
    assert_eq!(health(&index, "red"), (Status::InProgress, word(NOT_OBSERVED)));
    listed(&mut index, &[("red", "Empty"), ("blue", "Empty")]);
    assert_eq!(health(&index, "red"), (Status::InProgress, word("HealthCheck")));
    assert_eq!(health(&index, "blue").0, Status::Current, "another Sync has no expression for it");
    let kind = GroupKind::of(&id("red"));
    let told = |index: &mut Index, phase| index.kind_told(&kind, Told::Applied(id("red"), live("red", phase)), at(2));
    assert!(!told(&mut index, "Torn").is_empty());
    assert_eq!(health(&index, "red"), (Status::Failed, word("HealthCheck")));
    assert!(!told(&mut index, "Full").is_empty());
    assert_eq!(health(&index, "red").0, Status::Current);
}

#[test]
fn a_new_expression_lets_the_watch_begin_anew() {
    let mut index = Index::default();
    applied(&mut index, "red", None);
    listed(&mut index, &[("red", "Empty")]);
    assert_eq!(health(&index, "red").0, Status::Current);
    let before = index.kinds_to_watch();
    applied(&mut index, "red", Some("status.phase == 'Full'"));
    assert_ne!(index.kinds_to_watch(), before);
    assert_eq!(health(&index, "red"), (Status::InProgress, word(NOT_OBSERVED)), "only whole objects can be judged");
    listed(&mut index, &[("red", "Full")]);
    assert_eq!(health(&index, "red").0, Status::Current);

    applied(&mut index, "red", Some("status.phase == 'Empty'"));
    assert_eq!(health(&index, "red"), (Status::InProgress, word("HealthCheck")), "it is judged anew at once");
    applied(&mut index, "red", None);
    assert_eq!(health(&index, "red").0, Status::Current);
    assert_eq!(index.kinds_to_watch(), before);
}
