//! What annotations change about a plan: left alone, created only, taken over, waited for.

use super::*;

const ADOPT: &str = "lockstep.dev/adopt";

fn annotated(id: &str, annotations: &[(&str, &str)]) -> Rendered {
    let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
    rendered_as(id, json!({"data": {"a": "b"}, "metadata": {"annotations": annotations}}), &shop())
}

fn world_of(wanted: Vec<Rendered>) -> World {
    World { wanted, ..World::new(&[], &[]) }
}

fn absent(world: &mut World) {
    let ids = world.wanted.iter().map(|rendered| rendered.object.id.clone());
    world.facts = ids.map(|id| (id, Fact::Absent)).collect();
}

#[test]
fn what_is_to_be_ignored_is_neither_looked_up_nor_touched() {
    let table = [
        (("lockstep.dev/apply", "ignore"), "its annotations say to ignore it"),
        (("kustomize.toolkit.fluxcd.io/reconcile", "disabled"), "its annotations say to ignore it"),
        (("argocd.argoproj.io/hook", "PreSync"), "hooks are not run (argocd.argoproj.io/hook: PreSync)"),
        (("helm.sh/hook", "test"), "hooks are not run (helm.sh/hook: test)"),
    ];
    for (annotation, reason) in table {
        let mut world = world_of(vec![annotated("/ConfigMap/a/x", &[annotation])]);
        assert_eq!(lookups(&world.wanted, &[], &HashMap::new()), Vec::<&ObjectId>::new());
        let expected = lines(&[&format!("leave     /ConfigMap/a/x: {reason}")]);
        assert_eq!(world.text(), expected, "not there");
        // Ours from before the annotation came, and changed since; or somebody else's.
        let mut ours = applied(&rendered("/ConfigMap/a/x"));
        lose_data(&mut ours);
        for live in [ours, applied(&rendered_as("/ConfigMap/a/x", json!({}), &blog()))] {
            world.live = vec![live];
            assert_eq!(world.text(), expected, "there");
        }
        let plan = world.plan();
        assert_eq!(plan.counts(), Counts { leave: 1, ..Counts::default() });
        assert!(plan.apply_waves(&world.wanted).is_empty());
    }
}

#[test]
fn what_is_only_to_be_created_is_never_touched_again() {
    let mut world = world_of(vec![annotated("/ConfigMap/a/x", &[("lockstep.dev/apply", "create-only")])]);
    absent(&mut world);
    assert_eq!(world.text(), lines(&["create    /ConfigMap/a/x"]));
    world.facts = BTreeMap::from([("/ConfigMap/a/x".parse().unwrap(), Fact::Unknown("403".into()))]);
    assert_eq!(world.text(), lines(&["blocked   /ConfigMap/a/x: whether it exists is unknown: 403"]));
    let left = lines(&["leave     /ConfigMap/a/x: it exists, and was only to be created"]);
    for live in [applied(&world.wanted[0]), applied(&rendered_as("/ConfigMap/a/x", json!({}), &blog()))] {
        world.live = vec![live];
        world.live[0].annotations.insert(APPLIED_ANNOTATION.into(), "old".into());
        assert_eq!(world.text(), left);
    }
    // Made by hand, or freed from our label.
    let mut found = applied(&world.wanted[0]);
    found.labels.clear();
    (world.live, world.facts) = (vec![], BTreeMap::from([(found.id.clone(), Fact::Present(Box::new(found)))]));
    let left = lines(&["leave     /ConfigMap/a/x: it exists without our label, and was only to be created"]);
    assert_eq!(world.text(), left);
    world.live = vec![applied(&world.wanted[0])];
    world.live[0].deleting = true;
    let deleting = "blocked   /ConfigMap/a/x: it is being deleted; it is created again when it is gone";
    assert_eq!(world.text(), lines(&[deleting]));
}

#[test]
fn another_owners_object_is_taken_over_only_when_asked() {
    type Change = fn(&mut LiveMetadata);
    let nobodys = |live: &mut LiveMetadata| {
        live.labels.clear();
        live.annotations.clear();
        live.managed_fields[0].manager = "kubectl".into();
    };
    let table: [(Change, Option<&str>); 6] = [
        (|live| live.labels = blog().labels(), Some("the Sync lockstep/blog")),
        (|live| drop(live.labels.insert("applyset.kubernetes.io/part-of".into(), "x".into())), Some("the ApplySet x")),
        (
            |live| drop(live.labels.insert("kustomize.toolkit.fluxcd.io/name".into(), "apps".into())),
            Some("Flux (apps)"),
        ),
        (|live| drop(live.labels.insert("argocd.argoproj.io/instance".into(), "web".into())), Some("Argo CD (web)")),
        (
            |live| drop(live.annotations.insert("meta.helm.sh/release-name".into(), "web".into())),
            Some("the Helm release web"),
        ),
        (|live| live.owners = vec!["of another".into()], None),
    ];
    for (change, owner) in table {
        for (annotations, asked) in [(&[][..], false), (&[(ADOPT, "false")], false), (&[(ADOPT, "true")], true)] {
            let mut world = world_of(vec![annotated("/ConfigMap/a/x", annotations)]);
            let mut live = applied(&rendered("/ConfigMap/a/x"));
            nobodys(&mut live);
            change(&mut live);
            world.live = vec![live];
            let plan = world.plan();
            let step = &plan.steps()[0];
            assert_eq!(matches!(step.action, Action::Adopt { .. }), asked && owner.is_some(), "{step}");
            if let Some(owner) = owner.filter(|_| asked) {
                assert_eq!(step.reason(), format!("it is taken over from {owner}"));
            }
        }
    }
}

/// Three waves, all new.
fn waves() -> World {
    let mut world = world_of(vec![
        annotated("apps/Deployment/a/web", &[("lockstep.dev/wave", "2")]),
        annotated("/ConfigMap/a/x", &[]),
        annotated("batch/Job/a/migrate", &[("argocd.argoproj.io/sync-wave", "-1")]),
    ]);
    absent(&mut world);
    world
}

fn settle(world: &mut World, names: &[&str]) {
    let done = world.wanted.iter().filter(|rendered| names.contains(&rendered.object.id.name.as_str()));
    world.live.extend(done.map(applied));
}

#[test]
fn a_wave_begins_when_the_one_before_is_healthy() {
    let mut world = waves();
    let waits = |what: &str, on: &str, why: &str| format!("blocked   {what}: it waits for {on}: {why}");
    let (job, map, web) = ("batch/Job/a/migrate", "/ConfigMap/a/x", "apps/Deployment/a/web");
    let first = waits(map, job, "it is not applied yet");
    assert_eq!(
        world.text(),
        lines(&["create    batch/Job/a/migrate", &first, &waits(web, job, "it is not applied yet")])
    );
    assert_eq!(world.plan().prune_step(&all_applied(&world.plan())), Ok(Vec::new()));

    settle(&mut world, &["migrate"]);
    world.unready.insert(job.parse().unwrap(), "1 of 2 pods is ready".into());
    let unchanged = format!("unchanged {job}");
    let [first, second] = [map, web].map(|id| waits(id, job, "1 of 2 pods is ready"));
    assert_eq!(world.text(), lines(&[&unchanged, &first, &second]));

    world.unready.clear();
    let second = waits(web, map, "it is not applied yet");
    assert_eq!(world.text(), lines(&[&unchanged, "create    /ConfigMap/a/x", &second]));

    settle(&mut world, &["x"]);
    assert_eq!(world.text(), lines(&[&unchanged, "unchanged /ConfigMap/a/x", "create    apps/Deployment/a/web"]));

    // What is in place is repaired, whatever is not well before it.
    settle(&mut world, &["web"]);
    world.unready.insert(job.parse().unwrap(), "it failed".into());
    lose_data(&mut world.live[2]);
    let repair = "update    apps/Deployment/a/web: .data.a (owned by nobody)";
    assert_eq!(world.text(), lines(&[&unchanged, "unchanged /ConfigMap/a/x", repair]));
    // New content waits.
    world.live[2].annotations.insert(APPLIED_ANNOTATION.into(), "old".into());
    let blocked = waits(web, job, "it failed");
    assert_eq!(world.text(), lines(&[&unchanged, "unchanged /ConfigMap/a/x", &blocked]));
}

#[test]
fn who_depends_waits_and_nobody_else() {
    let on_database = [("config.kubernetes.io/depends-on", "apps/namespaces/a/StatefulSet/db")];
    let on_web = [("lockstep.dev/depends-on", "apps/namespaces/a/Deployment/web")];
    let mut world = world_of(vec![
        annotated("apps/Deployment/a/web", &on_database),
        annotated("/ConfigMap/a/later", &on_web),
        annotated("apps/StatefulSet/a/db", &[]),
        annotated("/ConfigMap/a/x", &[]),
    ]);
    absent(&mut world);
    world.facts.insert("apps/StatefulSet/a/db".parse().unwrap(), Fact::Unknown("403".into()));
    let db = "blocked   apps/StatefulSet/a/db: whether it exists is unknown: 403";
    let web = "it waits for apps/StatefulSet/a/db: whether it exists is unknown: 403";
    let expected = [
        "create    /ConfigMap/a/x",
        db,
        &format!("blocked   apps/Deployment/a/web: {web}"),
        &format!("blocked   /ConfigMap/a/later: it waits for apps/Deployment/a/web: {web}"),
    ];
    assert_eq!(world.text(), lines(&expected));
    assert_eq!(world.plan().counts(), Counts { create: 1, blocked: 3, ..Counts::default() });
    settle(&mut world, &["db"]);
    let text = world.text();
    assert!(text.contains("create    apps/Deployment/a/web\n"), "{text}");
    assert!(text.contains("/ConfigMap/a/later: it waits for apps/Deployment/a/web: it is not applied yet\n"), "{text}");
    // A fight over the database is no reason to hold the web back.
    lose_data(world.live.last_mut().unwrap());
    assert!(world.text().contains("create    apps/Deployment/a/web\n"));
}

#[test]
fn nothing_waits_without_being_told_to() {
    let mut world = world_of(vec![annotated("/Namespace//a", &[]), annotated("/ConfigMap/a/x", &[])]);
    absent(&mut world);
    world.unready.insert("/Namespace//a".parse().unwrap(), "terminating".into());
    assert_eq!(world.text(), lines(&["create    /Namespace//a", "create    /ConfigMap/a/x"]));
    // What is ignored is not asked about, and nobody waits for it.
    let on_hook = [("lockstep.dev/depends-on", "batch/namespaces/a/Job/hook")];
    let hook = [("helm.sh/hook", "pre-install")];
    world.wanted = vec![annotated("batch/Job/a/hook", &hook), annotated("/ConfigMap/a/x", &on_hook)];
    assert!(world.text().ends_with("create    /ConfigMap/a/x\n"));
    // A namespace that waits holds up what is in it.
    let mut world = world_of(vec![
        annotated("/Namespace//a", &[("lockstep.dev/depends-on", "/namespaces/b/ConfigMap/first")]),
        annotated("/ConfigMap/a/x", &[]),
        annotated("/ConfigMap/b/first", &[]),
    ]);
    absent(&mut world);
    let namespace = "it waits for /ConfigMap/b/first: it is not applied yet";
    let expected = [
        "create    /ConfigMap/b/first",
        &format!("blocked   /Namespace//a: {namespace}"),
        &format!("blocked   /ConfigMap/a/x: it waits for /Namespace//a: {namespace}"),
    ];
    assert_eq!(world.text(), lines(&expected));
}
