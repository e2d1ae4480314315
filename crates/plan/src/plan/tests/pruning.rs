//! What left Git: deleted only with every proof, and never on doubt.

use super::*;

/// Ten objects that stay, and the live state of `id`, which left Git.
fn left_git(id: &str) -> World {
    let kept: Vec<String> = (0..10).map(|number| format!("/ConfigMap/kept/{number}")).collect();
    let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    let mut world = World::new(&kept, &kept);
    world.live.push(applied(&rendered(id)));
    world
}

fn gone(world: &mut World) -> &mut LiveMetadata {
    world.live.last_mut().unwrap()
}

fn last_line(world: &World) -> String {
    world.text().lines().filter(|line| !line.starts_with("unchanged")).collect::<Vec<_>>().join("\n")
}

#[test]
fn with_every_proof_it_is_deleted() {
    let world = left_git("/ConfigMap/a/x");
    let plan = world.plan();
    assert_eq!(last_line(&world), "prune     /ConfigMap/a/x: it left Git");
    let deletion = &plan.prune_step(&all_applied(&plan)).unwrap()[0][0];
    assert_eq!((deletion.uid(), deletion.resource_version()), ("uid of /ConfigMap/a/x", "7"));
}

#[test]
fn without_any_one_proof_it_stays() {
    type Change = fn(&mut World);
    let table: [(&str, Change, &str); 20] = [
        ("/ConfigMap/a/x", |world| gone(world).labels.clear(), ""),
        ("/ConfigMap/a/x", |world| drop(gone(world).labels.insert("lockstep.dev/sync".into(), "blog".into())), ""),
        ("/ConfigMap/a/x", |world| drop(gone(world).labels.remove("lockstep.dev/sync-namespace")), ""),
        (
            "/ConfigMap/a/x",
            |world| drop(gone(world).labels.insert("applyset.kubernetes.io/part-of".into(), "other".into())),
            "skip      /ConfigMap/a/x: it belongs to the ApplySet other",
        ),
        (
            "/ConfigMap/a/x",
            |world| drop(gone(world).annotations.remove(ID_ANNOTATION)),
            "skip      /ConfigMap/a/x: it has no annotation lockstep.dev/id",
        ),
        (
            "/ConfigMap/a/x",
            |world| drop(gone(world).annotations.insert(ID_ANNOTATION.into(), "/ConfigMap/a/y".into())),
            "skip      /ConfigMap/a/x: its annotation lockstep.dev/id names /ConfigMap/a/y",
        ),
        (
            "/ConfigMap/a/x",
            |world| gone(world).managed_fields.clear(),
            "skip      /ConfigMap/a/x: it was never applied by us",
        ),
        (
            "/ConfigMap/a/x",
            |world| gone(world).managed_fields[0].operation = "Update".into(),
            "skip      /ConfigMap/a/x: it was never applied by us",
        ),
        (
            "/ConfigMap/a/x",
            |world| gone(world).managed_fields[0].subresource = Some("scale".into()),
            "skip      /ConfigMap/a/x: it was never applied by us",
        ),
        (
            "/ConfigMap/a/x",
            |world| gone(world).owners = vec!["of another".into()],
            "skip      /ConfigMap/a/x: it has an owner reference",
        ),
        (
            "/Secret/a/x",
            |world| world.unlisted.extend(GroupKind::parse_list("Secret")),
            "skip      /Secret/a/x: its kind could not be listed",
        ),
        ("/Namespace//default", |_| (), "skip      /Namespace//default: the cluster needs this namespace"),
        ("/Namespace//kube-system", |_| (), "skip      /Namespace//kube-system: the cluster needs this namespace"),
        ("/Namespace//lockstep", |_| (), "skip      /Namespace//lockstep: the synchronizer needs it"),
        (
            "apiextensions.k8s.io/CustomResourceDefinition//syncs.lockstep.dev",
            |_| (),
            "skip      apiextensions.k8s.io/CustomResourceDefinition//syncs.lockstep.dev: the synchronizer needs it",
        ),
        (
            "/ConfigMap/a/x",
            |world| world.protected.extend(["/ConfigMap/a/x".parse().unwrap()]),
            "skip      /ConfigMap/a/x: the synchronizer needs it",
        ),
        (
            "/ConfigMap/a/x",
            |world| gone(world).deleting = true,
            "skip      /ConfigMap/a/x: it is being deleted already",
        ),
        (
            "/ConfigMap/a/x",
            |world| gone(world).uid.clear(),
            "skip      /ConfigMap/a/x: its UID or resource version is unknown",
        ),
        (
            "/ConfigMap/a/x",
            |world| gone(world).resource_version.clear(),
            "skip      /ConfigMap/a/x: its UID or resource version is unknown",
        ),
        (
            "/ConfigMap/a/x",
            |world| world.policy.prune = Pruning::Disabled,
            "skip      /ConfigMap/a/x: the Sync does not prune",
        ),
    ];
    for (id, change, expected) in table {
        let mut world = left_git(id);
        change(&mut world);
        assert_eq!(last_line(&world), expected);
        assert_eq!(deleted(&world.plan()), Vec::<Vec<String>>::new(), "{expected}");
    }
}

#[test]
fn other_syncs_objects_are_no_part_of_the_plan() {
    let mut world = left_git("/ConfigMap/a/x");
    *gone(&mut world) = applied(&rendered_as("/ConfigMap/a/x", json!({}), &blog()));
    assert_eq!(last_line(&world), "");
}

#[test]
fn nothing_is_deleted_before_all_is_applied() {
    let mut world = left_git("/ConfigMap/a/x");
    for new in ["/ConfigMap/kept/new", "/ConfigMap/kept/newer"] {
        world.wanted.push(rendered(new));
        world.facts.insert(new.parse().unwrap(), Fact::Absent);
    }
    let plan = world.plan();
    let [new, newer]: [ObjectId; 2] = ["/ConfigMap/kept/new", "/ConfigMap/kept/newer"].map(|id| id.parse().unwrap());
    let mut outcome = ApplyOutcome::default();
    assert_eq!(plan.prune_step(&outcome), Err(Withheld::Unfinished { count: 2, first: new.clone() }));
    outcome.applied(&new, "1");
    assert_eq!(plan.prune_step(&outcome), Err(Withheld::Unfinished { count: 1, first: newer.clone() }));
    outcome.failed(&newer);
    let failed = Withheld::Failed { count: 1, first: newer.clone() };
    assert_eq!(failed.to_string(), "nothing is pruned while 1 objects cannot be applied, /ConfigMap/kept/newer first");
    assert_eq!(plan.prune_step(&outcome), Err(failed));
    outcome.applied(&newer, "2");
    assert_eq!(plan.prune_step(&outcome).map(|waves| waves.concat().len()), Ok(1), "a later success counts");

    world.facts.insert(newer.clone(), Fact::Unknown("403".into()));
    let plan = world.plan();
    let withheld = plan.prune_step(&all_applied(&plan)).unwrap_err();
    assert_eq!((withheld.category(), withheld), ("blocked", Withheld::Blocked { count: 1, first: newer }));
}

#[test]
fn an_object_listed_under_two_groups_is_not_deleted() {
    let mut world = left_git("extensions/Ingress/a/x");
    gone(&mut world).uid = "uid of /ConfigMap/kept/3".into();
    assert_eq!(last_line(&world), "skip      extensions/Ingress/a/x: it is the same object as /ConfigMap/kept/3");
    // It may also turn out by the answer to an apply.
    let mut world = left_git("extensions/Ingress/a/x");
    world.wanted.push(rendered("networking.k8s.io/Ingress/a/x"));
    let id: ObjectId = "networking.k8s.io/Ingress/a/x".parse().unwrap();
    world.facts.insert(id.clone(), Fact::Absent);
    let plan = world.plan();
    let mut outcome = ApplyOutcome::default();
    outcome.applied(&id, "uid of extensions/Ingress/a/x");
    assert_eq!(plan.prune_step(&outcome), Ok(Vec::new()));
}

#[test]
fn the_guard_holds_what_looks_like_a_mistake() {
    let names = |count: usize| (0..count).map(|number| format!("/ConfigMap/a/{number:03}")).collect::<Vec<String>>();
    let held = |wanted: usize, live: usize, acknowledged: Option<&'static str>| {
        let (wanted, live) = (names(wanted), names(live));
        let texts =
            |names: &[String]| -> Vec<&'static str> { names.iter().map(|name| &*name.clone().leak()).collect() };
        let mut world = World::new(&texts(&wanted), &texts(&live));
        world.acknowledged = acknowledged;
        let plan = world.plan();
        assert_eq!(plan.prune_step(&ApplyOutcome::default()).is_err(), plan.held().is_some());
        plan.held().map(Held::to_string)
    };
    let table = [
        (1, 1, None, None),
        (0, 0, None, None),
        (0, 1, None, Some("the commit declares no objects and would prune 1")),
        (0, 100, None, Some("the commit declares no objects and would prune 100")),
        (40, 100, None, Some("the commit would prune 60 of 100 objects, more than the Sync allows")),
        // Both limits must be passed.
        (5, 15, None, None),
        (4, 15, None, Some("the commit would prune 11 of 15 objects, more than the Sync allows")),
        (44, 55, None, None),
        (43, 54, None, Some("the commit would prune 11 of 54 objects, more than the Sync allows")),
        (89, 100, None, None),
        (0, 100, Some(COMMIT), None),
        (40, 100, Some(COMMIT), None),
        (40, 100, Some("another"), Some("the commit would prune 60 of 100 objects, more than the Sync allows")),
    ];
    for (wanted, live, acknowledged, expected) in table {
        assert_eq!(held(wanted, live, acknowledged).as_deref(), expected, "{wanted} of {live}");
    }
}

#[test]
fn a_commit_that_replaces_every_object_is_held() {
    let mut world = World::new(&["/ConfigMap/a/new"], &["/ConfigMap/a/old"]);
    world.facts.insert("/ConfigMap/a/new".parse().unwrap(), Fact::Absent);
    let plan = world.plan();
    assert_eq!(
        plan.held(),
        Some(&Held {
            would_prune: 1,
            objects: vec!["/ConfigMap/a/old".parse().unwrap()],
            reason: HoldReason::EveryObject
        })
    );
    assert_eq!(plan.prune_step(&all_applied(&plan)).unwrap_err().category(), "held");
    // The rest of the commit is applied all the same.
    assert_eq!(plan.counts(), Counts { create: 1, prune: 1, ..Counts::default() });
    assert!(plan.to_string().ends_with("held      the commit would prune every object of the Sync, 1 in all\n"));
    // Nor does it get through once its own object is there.
    let mut world = World::new(&["/ConfigMap/a/new"], &["/ConfigMap/a/new", "/ConfigMap/a/old"]);
    assert_eq!(world.plan().held(), None);
    world.held_whole = Some("another");
    assert_eq!(world.plan().held(), None);
    world.held_whole = Some(COMMIT);
    assert_eq!(world.plan().held().map(|held| held.reason), Some(HoldReason::EveryObject));
    world.acknowledged = Some(COMMIT);
    assert_eq!(world.plan().held(), None);
}

#[test]
fn a_kind_that_cannot_be_listed_does_not_split_a_prune_in_two_small_ones() {
    let mut world = World::new(&["/ConfigMap/a/kept"], &["/ConfigMap/a/kept"]);
    world.live.extend((0..8).map(|number| applied(&rendered(&format!("/ConfigMap/a/{number}")))));
    world.live.extend((0..20).map(|number| applied(&rendered(&format!("/Service/a/{number}")))));
    world.unlisted.extend(GroupKind::parse_list("Service"));
    let plan = world.plan();
    let held = plan.held().unwrap();
    assert_eq!((held.would_prune, held.reason), (28, HoldReason::OverLimit { owned: 29 }));
}

#[test]
fn objects_that_cannot_go_do_not_make_a_prune_look_smaller() {
    let mut world = World::new(&["/ConfigMap/a/kept"], &["/ConfigMap/a/kept"]);
    world.live.extend((0..30).map(|number| {
        let mut child = applied(&rendered(&format!("/Endpoints/a/{number}")));
        child.annotations.remove(ID_ANNOTATION);
        child
    }));
    world.live.extend((0..11).map(|number| applied(&rendered(&format!("/ConfigMap/a/{number}")))));
    let plan = world.plan();
    let held = plan.held().unwrap();
    assert_eq!((held.would_prune, held.objects.len(), held.reason), (11, 11, HoldReason::OverLimit { owned: 12 }));
}

#[test]
fn a_namespace_stays_while_anything_declared_is_in_it() {
    let namespace = "/Namespace//a";
    let blocked = |id: &str| format!("blocked   /Namespace//a: it would take {id} along");
    let mut world = left_git(namespace);
    assert_eq!(last_line(&world), "prune     /Namespace//a: it left Git");
    world.live.push(applied(&rendered_as("/ConfigMap/a/x", json!({}), &blog())));
    assert_eq!(last_line(&world), blocked("/ConfigMap/a/x"), "another Sync's object");
    world.live.pop();
    world.wanted.push(rendered("/ConfigMap/a/y"));
    world.live.push(applied(&rendered("/ConfigMap/a/y")));
    assert_eq!(last_line(&world), blocked("/ConfigMap/a/y"), "a wanted object");
    world.wanted.pop();
    gone(&mut world).annotations.insert("lockstep.dev/prune".into(), "never".into());
    assert!(last_line(&world).contains(&blocked("/ConfigMap/a/y")), "an object that stays");
    world.live.pop();
    world.occupied.insert(namespace.parse().unwrap(), "3 Pods".into());
    assert_eq!(last_line(&world), "blocked   /Namespace//a: it holds objects of others: 3 Pods");
}

#[test]
fn a_definition_stays_while_its_objects_do() {
    let definition = "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com";
    let mut world = left_git(definition);
    world.live.push(applied(&rendered("example.com/Widget/a/x")));
    let expected =
        ["prune     example.com/Widget/a/x: it left Git".to_owned(), format!("prune     {definition}: it left Git")];
    assert_eq!(last_line(&world), expected.join("\n"), "both left Git");
    assert_eq!(deleted(&world.plan()), [vec!["example.com/Widget/a/x".to_owned()], vec![definition.to_owned()]]);

    world.wanted.push(rendered("example.com/Widget/a/x"));
    assert_eq!(last_line(&world), format!("blocked   {definition}: it would take example.com/Widget/a/x along"));

    // Unless a definition that stays is the one that the object needs.
    let gadgets = "apiextensions.k8s.io/CustomResourceDefinition//gadgets.example.com";
    let body = json!({"spec": {"group": "example.com", "names": {"kind": "Widget"}}});
    world.wanted.push(rendered_as(gadgets, body.clone(), &shop()));
    world.live.push(applied(&rendered_as(gadgets, body, &shop())));
    assert_eq!(last_line(&world), format!("prune     {definition}: it left Git"));
}

#[test]
fn deletions_go_from_the_leaves_to_the_roots() {
    let mut world = left_git("/Namespace//a");
    for id in [
        "/ServiceAccount/a/x",
        "apps/Deployment/a/x",
        "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com",
        "admissionregistration.k8s.io/MutatingWebhookConfiguration//x",
    ] {
        world.live.push(applied(&rendered(id)));
    }
    let expected = [
        vec!["admissionregistration.k8s.io/MutatingWebhookConfiguration//x"],
        vec!["apps/Deployment/a/x", "/ServiceAccount/a/x"],
        vec!["apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com"],
        vec!["/Namespace//a"],
    ];
    assert_eq!(deleted(&world.plan()), expected);
    assert_eq!(world.plan().counts().to_string(), "10 unchanged, 5 prune");
}

#[test]
fn owners_are_told_in_words() {
    assert_eq!(Keep::OtherOwner(Owner::Flux("apps".into())).to_string(), "it belongs to Flux (apps)");
}
