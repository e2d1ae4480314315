//! What left Git and has a say in it: kept, let go, or deleted after others.

use super::*;

/// Ten objects that stay, and these, which left Git.
fn left_git(left: Vec<Rendered>) -> World {
    let kept: Vec<String> = (0..10).map(|number| format!("/ConfigMap/kept/{number}")).collect();
    let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    let mut world = World::new(&kept, &kept);
    world.live.extend(left.iter().map(applied));
    world
}

fn annotated(id: &str, annotations: &[(&str, &str)]) -> Rendered {
    let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
    rendered_as(id, json!({"data": {"a": "b"}, "metadata": {"annotations": annotations}}), &shop())
}

fn text(world: &World) -> String {
    let text = world.text();
    let told = text.lines().filter(|line| !line.starts_with("unchanged"));
    told.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_word_of_a_live_object_is_heard() {
    let released = "release /ConfigMap/a/x: it left Git, and its annotations say never to delete it";
    let ignored = "skip /ConfigMap/a/x: its annotations say to leave it alone";
    let pruned = "prune /ConfigMap/a/x: it left Git";
    let table = [
        ("lockstep.dev/prune", "never", released),
        ("kustomize.toolkit.fluxcd.io/prune", "disabled", released),
        ("fluxcd.io/ignore", "sync_only", released),
        ("argocd.argoproj.io/sync-options", "ServerSideApply=true,Prune=false", released),
        ("argocd.argoproj.io/sync-options", "Delete=false", released),
        ("client.lifecycle.config.k8s.io/deletion", "detach", released),
        ("helm.sh/resource-policy", "keep", released),
        ("lockstep.dev/apply", "ignore", ignored),
        ("kustomize.toolkit.fluxcd.io/reconcile", "disabled", ignored),
        ("fluxcd.io/ignore", "true", ignored),
        ("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent", pruned),
        ("lockstep.dev/apply", "create-only", pruned),
        ("lockstep.dev/prune", "always", pruned),
        ("fluxcd.io/ignore", "false", pruned),
        ("example.com/prune", "never", pruned),
        (
            "lockstep.dev/prune",
            "nevr",
            "skip /ConfigMap/a/x: perhaps it is to stay: lockstep.dev/prune must be never or always",
        ),
        (
            "kustomize.toolkit.fluxcd.io/prune",
            "no",
            "skip /ConfigMap/a/x: perhaps it is to stay: kustomize.toolkit.fluxcd.io/prune must be enabled or disabled",
        ),
    ];
    for (key, value, expected) in table {
        let mut world = left_git(vec![rendered("/ConfigMap/a/x")]);
        world.live.last_mut().unwrap().annotations.insert(key.into(), value.into());
        assert_eq!(text(&world), expected, "{key}: {value}");
    }
    let mut world = left_git(vec![rendered("/ConfigMap/a/x")]);
    world.live.last_mut().unwrap().labels.insert("kustomize.toolkit.fluxcd.io/prune".into(), "Disabled".into());
    assert_eq!(text(&world), released, "by a label");
}

#[test]
fn to_be_let_go_an_object_needs_the_same_proofs() {
    let kept = annotated("/ConfigMap/a/x", &[("lockstep.dev/prune", "never")]);
    let mut world = left_git(vec![kept]);
    let plan = world.plan();
    let releases = plan.release_step(&all_applied(&plan));
    assert_eq!(
        releases.iter().map(|it| (it.id().to_string(), it.resource_version())).collect::<Vec<_>>(),
        [("/ConfigMap/a/x".to_owned(), "7")]
    );
    assert_eq!((plan.counts().release, plan.counts().prune, plan.held()), (1, 0, None));
    assert_eq!(plan.prune_step(&all_applied(&plan)), Ok(Vec::new()));

    let new: ObjectId = "/ConfigMap/kept/new".parse().unwrap();
    world.wanted.push(rendered("/ConfigMap/kept/new"));
    world.facts.insert(new, Fact::Absent);
    let plan = world.plan();
    assert_eq!(plan.release_step(&ApplyOutcome::default()), [], "before everything is applied");
    assert_eq!(plan.release_step(&all_applied(&plan)).len(), 1);

    type Change = fn(&mut World);
    let changes: [Change; 5] = [
        |world| drop(world.live.last_mut().unwrap().annotations.remove(ID_ANNOTATION)),
        |world| world.live.last_mut().unwrap().managed_fields.clear(),
        |world| world.live.last_mut().unwrap().owners = vec!["of another".into()],
        |world| world.policy.prune = Pruning::Disabled,
        |world| world.unlisted.extend(GroupKind::parse_list("ConfigMap")),
    ];
    for change in changes {
        let mut world = left_git(vec![annotated("/ConfigMap/a/x", &[("lockstep.dev/prune", "never")])]);
        change(&mut world);
        assert!(text(&world).starts_with("skip /ConfigMap/a/x: "), "{}", text(&world));
    }
    // An emptied folder is no reason to let anything go either.
    let mut world = left_git(vec![annotated("/ConfigMap/a/x", &[("lockstep.dev/prune", "never")])]);
    world.wanted.clear();
    let plan = world.plan();
    assert!(plan.held().is_some());
    assert_eq!(plan.release_step(&all_applied(&plan)), []);
}

#[test]
fn what_others_depend_on_outlives_them() {
    let on_x = [("lockstep.dev/depends-on", "/namespaces/a/ConfigMap/x")];
    let both = || vec![annotated("/ConfigMap/a/x", &[]), annotated("/ConfigMap/a/y", &on_x)];
    let mut world = left_git(both());
    let waits = "blocked /ConfigMap/a/x: it waits for /ConfigMap/a/y: it goes first";
    assert_eq!(text(&world), format!("prune /ConfigMap/a/y: it left Git\n{waits}"));
    assert_eq!(deleted(&world.plan()), [["/ConfigMap/a/y"]]);
    world.live.last_mut().unwrap().deleting = true;
    assert_eq!(text(&world), format!("skip /ConfigMap/a/y: it is being deleted already\n{waits}"));
    world.live.pop();
    assert_eq!(text(&world), "prune /ConfigMap/a/x: it left Git");

    // One that stays keeps it for good.
    let mut world = left_git(both());
    world.live.last_mut().unwrap().owners = vec!["of another".into()];
    let kept = "blocked /ConfigMap/a/x: /ConfigMap/a/y depends on it";
    assert_eq!(text(&world), format!("skip /ConfigMap/a/y: it has an owner reference\n{kept}"));
    // And so does one that Git wants, though a check before the plan refuses such a commit.
    let mut world = left_git(vec![annotated("/ConfigMap/a/x", &[])]);
    world.wanted.push(annotated("/ConfigMap/a/y", &on_x));
    world.live.push(applied(&annotated("/ConfigMap/a/y", &on_x)));
    assert_eq!(text(&world), kept);
    assert_eq!(world.plan().prune_step(&all_applied(&world.plan())), Ok(Vec::new()));
}

#[test]
fn the_last_wave_goes_first() {
    let wave = |id: &str, wave: &str| annotated(id, &[("argocd.argoproj.io/sync-wave", wave)]);
    let mut world = left_git(vec![
        wave("apps/Deployment/a/operator", "1"),
        wave("example.com/Widget/a/w", "2"),
        annotated("/ConfigMap/a/plain", &[]),
        annotated("/Namespace//a", &[]),
    ]);
    let waits = |id: &str, on: &str| format!("blocked {id}: it waits for {on}: it goes first");
    let expected = [
        "prune example.com/Widget/a/w: it left Git".to_owned(),
        waits("apps/Deployment/a/operator", "example.com/Widget/a/w"),
        waits("/ConfigMap/a/plain", "example.com/Widget/a/w"),
        waits("/Namespace//a", "apps/Deployment/a/operator"),
    ];
    assert_eq!(text(&world), expected.join("\n"));
    let gone = |world: &mut World, name: &str| world.live.retain(|live| live.id.name != name);
    gone(&mut world, "w");
    assert!(text(&world).starts_with("prune apps/Deployment/a/operator: it left Git\nblocked /ConfigMap/a/plain: "));
    gone(&mut world, "operator");
    assert_eq!(text(&world), "prune /ConfigMap/a/plain: it left Git\nprune /Namespace//a: it left Git");
    // What is on its way out holds its namespace up, and is no reason to keep it for good.
    let plain = world.live.iter_mut().find(|live| live.id.name == "plain").unwrap();
    plain.deleting = true;
    let deleting = "skip /ConfigMap/a/plain: it is being deleted already";
    assert_eq!(text(&world), format!("{deleting}\n{}", waits("/Namespace//a", "/ConfigMap/a/plain")));
}

#[test]
fn what_goes_later_counts_as_going() {
    let wave = |number: usize| ("lockstep.dev/wave".to_owned(), number.to_string());
    let many = (0..11).map(|number| {
        let (key, value) = wave(number);
        annotated(&format!("/ConfigMap/a/{number:02}"), &[(&key, &value)])
    });
    let world = left_git(many.collect());
    let plan = world.plan();
    let held = plan.held().unwrap();
    assert_eq!((held.would_prune, held.reason), (11, HoldReason::OverLimit { owned: 21 }));
    assert_eq!(held.objects.first().unwrap().name, "10", "in the order of going");
    let world = left_git((0..30).map(|number| rendered(&format!("/ConfigMap/a/{number:02}"))).collect());
    let plan = world.plan();
    let held = plan.held().unwrap();
    assert_eq!((held.would_prune, held.objects.len()), (30, Held::NAMED));
}
