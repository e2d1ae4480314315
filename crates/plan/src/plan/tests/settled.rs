//! Objects of which only the hash was kept: the plan is the one that is made from all of their metadata.

use super::*;

/// Keeps no more than the hash of these objects; what is looked up is what was there.
fn settle(world: &mut World, ids: &[&str]) {
    let wanted: BTreeSet<ObjectId> = world.wanted.iter().map(|rendered| rendered.object.id.clone()).collect();
    for id in ids.iter().map(|id| id.parse::<ObjectId>().unwrap()) {
        let at = world.live.iter().position(|live| live.id == id).unwrap();
        let live = world.live.remove(at);
        let hash = live.annotations[APPLIED_ANNOTATION].as_str().into();
        world.settled.insert(id.clone(), Settled { uid: live.uid.as_str().into(), hash });
        world.unlisted.remove(&GroupKind::of(&id));
        if !wanted.contains(&id) {
            world.facts.insert(id, Fact::Present(Box::new(live)));
        }
    }
}

#[test]
fn a_hash_is_enough_for_the_same_plan() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&["/ConfigMap/a/x", "/ConfigMap/a/y"], &["/ConfigMap/a/x", "/ConfigMap/a/y"]),
        (&["/ConfigMap/a/x"], &["/ConfigMap/a/x", "/ConfigMap/a/y"]),
        (&[], &["/ConfigMap/a/x"]),
        (&["/ConfigMap/a/x"], &["/Namespace//a", "/ConfigMap/a/x"]),
        (&["/ConfigMap/b/x"], &["/Namespace//a", "/ConfigMap/a/y", "/ConfigMap/b/x"]),
        (&["/ConfigMap/a/new"], &["/ConfigMap/a/x"]),
    ];
    for (wanted, live) in cases {
        let mut world = World::new(wanted, live);
        world.facts.extend(
            wanted.iter().filter(|id| !live.contains(id)).map(|id| (id.parse::<ObjectId>().unwrap(), Fact::Absent)),
        );
        world.listed_always = ["/ConfigMap/a/x", "/Namespace//a"].map(|id| GroupKind::of(&id.parse().unwrap())).into();
        let whole = world.plan();
        settle(&mut world, live);
        assert_eq!(world.plan(), whole, "{wanted:?} {live:?}");
    }
}

#[test]
fn another_hash_is_a_change() {
    let mut world = World::new(&["/ConfigMap/a/x"], &["/ConfigMap/a/x"]);
    settle(&mut world, &["/ConfigMap/a/x"]);
    world.wanted = vec![rendered_as("/ConfigMap/a/x", json!({"data": {"a": "other"}}), &shop())];
    assert_eq!(world.plan().steps()[0].action, Action::Update(Cause::Changed));
}

#[test]
fn what_left_git_is_not_deleted_by_its_hash_alone() {
    let mut world =
        World::new(&["/ConfigMap/a/x", "/ConfigMap/a/z"], &["/ConfigMap/a/x", "/ConfigMap/a/z", "/ConfigMap/a/y"]);
    settle(&mut world, &["/ConfigMap/a/x", "/ConfigMap/a/y", "/ConfigMap/a/z"]);
    let left: ObjectId = "/ConfigMap/a/y".parse().unwrap();
    assert_eq!(lookups(&world.wanted, &[], &world.settled), [&left]);
    assert_eq!(deleted(&world.plan()), [["/ConfigMap/a/y"]]);

    world.facts.insert(left.clone(), Fact::Unknown("the API server is away".into()));
    let plan = world.plan();
    assert_eq!(plan.steps()[2].action, Action::Blocked(Block::Unknown("the API server is away".into())));
    assert_eq!(deleted(&plan), [[""; 0]; 0]);
    world.facts.remove(&left);
    assert_eq!(deleted(&world.plan()), [[""; 0]; 0], "nobody looked");
    world.facts.insert(left, Fact::Absent);
    assert_eq!(world.plan().steps().len(), 2);
}

#[test]
fn a_namespace_stays_while_nobody_knows_what_is_in_it() {
    let mut world = World::new(&["/ConfigMap/b/x"], &["/Namespace//a", "/ConfigMap/a/y", "/ConfigMap/b/x"]);
    settle(&mut world, &["/Namespace//a", "/ConfigMap/a/y", "/ConfigMap/b/x"]);
    let inside: ObjectId = "/ConfigMap/a/y".parse().unwrap();
    world.facts.insert(inside.clone(), Fact::Unknown("forbidden".into()));
    let plan = world.plan();
    let namespace = plan.steps().iter().find(|step| step.id.kind == "Namespace").unwrap();
    assert_eq!(namespace.action, Action::Blocked(Block::StillUsed(inside)));
}

#[test]
fn objects_that_cannot_be_looked_up_do_not_split_a_prune_in_two_small_ones() {
    let names = |namespace: &str, count: usize| -> Vec<&'static str> {
        (0..count).map(|number| &*format!("/ConfigMap/{namespace}/{number}").leak()).collect()
    };
    let (kept, readable, hidden) = (names("kept", 42), names("a", 8), names("b", 50));
    let mut world = World::new(&kept, &[&*kept, &*readable, &*hidden].concat());
    settle(&mut world, &hidden);
    let look = |world: &mut World, fact: fn(&mut World, &'static str) -> Fact| {
        for id in &hidden {
            let fact = fact(world, id);
            world.facts.insert(id.parse().unwrap(), fact);
        }
        world.plan().held().map(|held| (held.would_prune, held.reason))
    };
    let wanted = Some((58, HoldReason::OverLimit { owned: 100 }));
    assert_eq!(look(&mut world, |_, id| Fact::Present(Box::new(applied(&rendered(id))))), wanted);
    assert_eq!(look(&mut world, |_, _| Fact::Unknown("forbidden".into())), wanted, "it stays held");
    assert_eq!(look(&mut world, |_, _| Fact::Absent), None);

    // Where nothing would be deleted now, nothing has to be held.
    look(&mut world, |_, _| Fact::Unknown("forbidden".into()));
    world.live.retain(|live| live.id.namespace != "a");
    assert_eq!(world.plan().held(), None);
}
