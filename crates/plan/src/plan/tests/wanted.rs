//! What Git wants: created, updated, adopted, left alone, or blocked.

use proptest::prelude::*;

use super::*;

#[test]
fn what_was_applied_is_unchanged() {
    let world = World::new(&["/ConfigMap/a/x", "apps/Deployment/a/x"], &["/ConfigMap/a/x", "apps/Deployment/a/x"]);
    assert_eq!(world.text(), lines(&["unchanged /ConfigMap/a/x", "unchanged apps/Deployment/a/x"]));
    assert_eq!(world.plan().counts(), Counts { unchanged: 2, ..Counts::default() });
    assert!(world.plan().apply_waves(&world.wanted).is_empty());
}

#[test]
fn what_is_not_there_is_created_in_waves() {
    let mut world = World::new(
        &["/ConfigMap/a/x", "/Namespace//a", "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com"],
        &[],
    );
    let live: Vec<&LiveMetadata> = world.live.iter().collect();
    let looked_up = lookups(&world.wanted, &live, &world.settled);
    assert_eq!(looked_up.len(), 3);
    world.facts = looked_up.into_iter().map(|id| (id.clone(), Fact::Absent)).collect();
    let plan = world.plan();
    assert_eq!(plan.counts(), Counts { create: 3, ..Counts::default() });
    let waves = plan.apply_waves(&world.wanted);
    let kinds: Vec<Vec<&str>> =
        waves.iter().map(|wave| wave.iter().map(|(rendered, _)| rendered.object.id.kind.as_str()).collect()).collect();
    assert_eq!(kinds, [["Namespace"], ["CustomResourceDefinition"], ["ConfigMap"]]);
    assert_eq!(plan.prune_step(&ApplyOutcome::default()), Ok(Vec::new()), "a plan that prunes nothing is not withheld");
}

#[test]
fn what_was_not_looked_up_is_blocked() {
    let mut world = World::new(&["/ConfigMap/a/x", "/ConfigMap/a/y"], &[]);
    world.facts.insert("/ConfigMap/a/y".parse().unwrap(), Fact::Unknown("403 Forbidden".into()));
    assert_eq!(
        world.text(),
        lines(&[
            "blocked   /ConfigMap/a/x: whether it exists is unknown: it was not looked up",
            "blocked   /ConfigMap/a/y: whether it exists is unknown: 403 Forbidden",
        ])
    );
}

/// One wanted object, one change to its live state or to the world, and the line that it leads to.
fn check(change: impl Fn(&mut LiveMetadata, &mut SyncPolicy), expected: &str) {
    let mut world = World::new(&["/ConfigMap/a/x"], &["/ConfigMap/a/x"]);
    change(&mut world.live[0], &mut world.policy);
    assert_eq!(world.text(), lines(&[expected]));
}

#[test]
fn the_cause_of_an_update_is_told() {
    check(
        |live, _| drop(live.annotations.insert(APPLIED_ANNOTATION.into(), "old".into())),
        "update    /ConfigMap/a/x: Git has changed",
    );
    check(|live, _| lose_data(live), "update    /ConfigMap/a/x: .data.a (owned by nobody)");
    check(|live, _| live.managed_fields.clear(), "update    /ConfigMap/a/x: its managed fields were cleared");
    check(
        |live, _| live.managed_fields[0].manager = "helm".into(),
        "update    /ConfigMap/a/x: it was never applied by us",
    );
    check(|live, _| live.managed_fields[0].api_version = "v2".into(), "update    /ConfigMap/a/x: it was applied as v2");
    check(
        |live, _| drop(live.annotations.remove(ID_ANNOTATION)),
        "update    /ConfigMap/a/x: its marks of ownership were taken away",
    );
    check(
        |live, _| drop(live.annotations.remove(APPLIED_ANNOTATION)),
        "update    /ConfigMap/a/x: its marks of ownership were taken away",
    );
    check(|live, _| live.labels.clear(), "update    /ConfigMap/a/x: its marks of ownership were taken away");
    check(
        |live, _| live.deleting = true,
        "blocked   /ConfigMap/a/x: it is being deleted; it is created again when it is gone",
    );
}

#[test]
fn under_report_drift_is_told_and_git_is_still_applied() {
    let report = |policy: &mut SyncPolicy| policy.drift = DriftMode::Report;
    let foreign = |live: &mut LiveMetadata| {
        lose_data(live);
        live.managed_fields.push(ManagedFields {
            manager: "kubectl-edit".into(),
            operation: "Update".into(),
            fields: json!({"f:data": {"f:a": {}}}),
            ..ManagedFields::default()
        });
    };
    check(
        |live, policy| (report(policy), foreign(live)).0,
        "drifted   /ConfigMap/a/x: .data.a (taken by kubectl-edit)",
    );
    check(
        |live, policy| (report(policy), live.managed_fields.clear()).0,
        "drifted   /ConfigMap/a/x: its managed fields were cleared",
    );
    let changed = |live: &mut LiveMetadata| drop(live.annotations.insert(APPLIED_ANNOTATION.into(), "old".into()));
    check(|live, policy| (report(policy), foreign(live), changed(live)).0, "update    /ConfigMap/a/x: Git has changed");
}

#[test]
fn fields_that_the_server_does_not_keep_are_no_drift() {
    let mut world = World::new(&["/ConfigMap/a/x"], &["/ConfigMap/a/x"]);
    lose_data(&mut world.live[0]);
    let Action::Update(Cause::Drift(fields)) = &world.plan().steps()[0].action.clone() else { panic!("drift") };
    assert_eq!(fields.iter().map(|loss: &FieldLoss| loss.path.as_str()).collect::<Vec<_>>(), [".data.a"]);
    world.unkept.insert(world.live[0].id.clone(), BTreeSet::from([".data.a".to_owned()]));
    assert_eq!(world.text(), lines(&["unchanged /ConfigMap/a/x"]));
}

#[test]
fn a_foreign_object_is_adopted_or_refused() {
    let id = "/ConfigMap/a/x";
    let adopt = "adopt     /ConfigMap/a/x: it exists, and nobody claims it";
    let unmarked = || {
        let mut live = applied(&rendered(id));
        live.labels.clear();
        live.annotations.clear();
        live.managed_fields[0].manager = "kubectl".into();
        live
    };
    let with = |change: &dyn Fn(&mut LiveMetadata)| {
        let mut live = unmarked();
        change(&mut live);
        live
    };
    let table = [
        (unmarked(), adopt),
        // A copy of an object of ours: its labels are ours, its identity is not, and we never applied it.
        (
            with(&|live| {
                live.labels = shop().labels();
                live.annotations.insert(ID_ANNOTATION.into(), "/ConfigMap/a/other".into());
            }),
            adopt,
        ),
        (
            applied(&rendered_as(id, json!({}), &blog())),
            "blocked   /ConfigMap/a/x: it belongs to the Sync lockstep/blog; remove it there or here, or set lockstep.dev/adopt: \"true\"",
        ),
        (
            with(&|live| drop(live.annotations.insert("meta.helm.sh/release-name".into(), "web".into()))),
            "blocked   /ConfigMap/a/x: it belongs to the Helm release web; remove it there or here, or set lockstep.dev/adopt: \"true\"",
        ),
        (
            with(&|live| live.owners = vec!["of another".into()]),
            "blocked   /ConfigMap/a/x: it belongs to another object, by an owner reference; remove it there or here",
        ),
        (
            with(&|live| (live.labels = shop().labels(), live.owners = vec!["of another".into()]).1),
            "blocked   /ConfigMap/a/x: it belongs to another object, by an owner reference; remove it there or here",
        ),
        (
            with(&|live| live.deleting = true),
            "blocked   /ConfigMap/a/x: it is being deleted; it is created again when it is gone",
        ),
        // Ours, and somebody took the labels away.
        (
            with(&|live| *live = LiveMetadata { labels: BTreeMap::new(), ..applied(&rendered(id)) }),
            "update    /ConfigMap/a/x: its marks of ownership were taken away",
        ),
    ];
    for (live, expected) in table {
        let mut world = World::new(&[id], &[]);
        world.facts.insert(live.id.clone(), Fact::Present(Box::new(live.clone())));
        assert_eq!(world.text(), lines(&[expected]), "by a look-up");
        world.facts.clear();
        world.live = vec![live];
        assert_eq!(world.text(), lines(&[expected]), "by the list");
    }
}

#[test]
fn an_adoption_carries_the_version_that_was_seen() {
    let mut world = World::new(&["/ConfigMap/a/x"], &["/ConfigMap/a/x"]);
    let live = &mut world.live[0];
    live.labels.clear();
    live.annotations.clear();
    let expected = Action::Adopt { from: None, uid: live.uid.clone(), resource_version: "7".into() };
    assert_eq!(world.plan().steps()[0].action, expected);
}

proptest! {
    /// Planning what was just applied never finds anything to do, whatever it is and in whatever order it was read.
    #[test]
    fn a_plan_after_an_apply_is_empty(data in prop::collection::btree_map("[a-z]{1,4}", ".{0,6}", 0..5), names in prop::collection::btree_set("[a-z]{1,8}", 1..20)) {
        let mut world = World::new(&[], &[]);
        world.wanted = names.iter().map(|name| rendered_as(&format!("/ConfigMap/a/{name}"), json!({"data": data}), &shop())).collect();
        world.live = world.wanted.iter().rev().map(applied).collect();
        let plan = world.plan();
        prop_assert_eq!(plan.counts(), Counts { unchanged: names.len(), ..Counts::default() });
        prop_assert_eq!(plan.held(), None);
    }
}
