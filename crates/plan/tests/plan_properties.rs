//! What holds for every plan, whatever the commits and whatever the cluster: tried on a small model of the API server.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lockstep_manifest::{Object, ObjectId};
use lockstep_plan::{
    Action, ApplyOutcome, Fact, GroupKind, ID_ANNOTATION, Input, LiveMetadata, ManagedFields, Ownership, Plan,
    Rendered, SYNC_LABEL, SYNC_NAMESPACE_LABEL, SyncPolicy, check_order, lookups, plan, render,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const COMMIT: &str = "c0ffee";

fn shop() -> Ownership {
    Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() }
}

/// The entry for a body without lists.
fn fields_of(value: &Value) -> Value {
    match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(name, value)| (format!("f:{name}"), fields_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => json!({}),
    }
}

/// An API server that keeps metadata, and makes everything healthy as soon as it is applied.
#[derive(Default, Clone)]
struct Cluster {
    objects: BTreeMap<ObjectId, LiveMetadata>,
    writes: usize,
}

impl Cluster {
    fn apply(&mut self, rendered: &Rendered) -> String {
        self.writes += 1;
        let id = &rendered.object.id;
        let body = rendered.body.value();
        let mut live = LiveMetadata::from_object(id.clone(), &body);
        live.uid = self.objects.get(id).map_or_else(|| format!("{id} {}", self.writes), |known| known.uid.clone());
        live.resource_version = self.writes.to_string();
        live.managed_fields = vec![ManagedFields {
            manager: "lockstep".into(),
            operation: "Apply".into(),
            api_version: "v1".into(),
            fields: fields_of(&body),
            ..ManagedFields::default()
        }];
        let uid = live.uid.clone();
        self.objects.insert(id.clone(), live);
        uid
    }

    fn plan(&self, wanted: &[Rendered]) -> Plan {
        let seen: Vec<&LiveMetadata> =
            self.objects.values().filter(|live| live.labels.contains_key(SYNC_LABEL)).collect();
        let settled = HashMap::new();
        let facts: BTreeMap<ObjectId, Fact> = lookups(wanted, &seen, &settled)
            .into_iter()
            .map(|id| {
                let fact = self.objects.get(id).map_or(Fact::Absent, |live| Fact::Present(Box::new(live.clone())));
                (id.clone(), fact)
            })
            .collect();
        let listed: BTreeSet<GroupKind> = self.objects.keys().map(GroupKind::of).collect();
        plan(&Input {
            ownership: &shop(),
            policy: &SyncPolicy::default(),
            commit: COMMIT,
            acknowledged: Some(COMMIT),
            held_whole: None,
            wanted,
            live: &seen,
            settled: &settled,
            listed: &listed,
            facts: &facts,
            unkept: &BTreeMap::new(),
            protected: &BTreeSet::new(),
            unready: &BTreeMap::new(),
            occupied: &BTreeMap::new(),
        })
    }

    /// One turn. Says whether it wrote anything.
    fn turn(&mut self, wanted: &[Rendered]) -> bool {
        let before = self.writes;
        let plan = self.plan(wanted);
        let mut outcome = ApplyOutcome::default();
        for (rendered, _) in plan.apply_waves(wanted).concat() {
            let uid = self.apply(rendered);
            outcome.applied(&rendered.object.id, &uid);
        }
        for release in plan.release_step(&outcome) {
            self.writes += 1;
            let live = self.objects.get_mut(release.id()).unwrap();
            assert_eq!(live.resource_version, release.resource_version());
            (live.labels, live.annotations, live.managed_fields) = Default::default();
        }
        for deletion in plan.prune_step(&outcome).unwrap_or_default().concat() {
            self.writes += 1;
            let gone = self.objects.remove(deletion.id()).unwrap();
            assert_eq!(
                (gone.uid.as_str(), gone.resource_version.as_str()),
                (deletion.uid(), deletion.resource_version())
            );
        }
        self.writes > before
    }

    /// Turns until nothing is left to do.
    fn converge(&mut self, wanted: &[Rendered]) {
        let is_done = (0..30).any(|_| !self.turn(wanted));
        assert!(is_done, "no end of it:\n{}", self.plan(wanted));
    }

    /// What stands in it, without what differs from one write to the next.
    fn content(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        self.objects.iter().map(|(id, live)| (id.to_string(), live.annotations.clone())).collect()
    }
}

/// What one object of a commit asks for, by position in a list of objects.
#[derive(Debug, Clone)]
struct Wish {
    value: u8,
    apply: Option<&'static str>,
    never: bool,
    wave: Option<i32>,
    needs: Vec<usize>,
}

const NAMES: [&str; 8] = [
    "/Namespace//a",
    "/ConfigMap/a/x",
    "/ConfigMap/a/y",
    "/Secret/a/x",
    "apps/Deployment/a/x",
    "apps/Deployment/b/x",
    "rbac.authorization.k8s.io/ClusterRole//x",
    "example.com/Widget/a/x",
];

fn reference(id: &ObjectId) -> String {
    let namespace = if id.namespace.is_empty() { String::new() } else { format!("namespaces/{}/", id.namespace) };
    format!("{}/{namespace}{}/{}", id.group, id.kind, id.name)
}

fn wish() -> impl Strategy<Value = Wish> {
    let apply = prop::option::weighted(0.2, prop::sample::select(vec!["create-only", "ignore"]));
    let needs = prop::collection::vec(0..NAMES.len(), 0..3);
    let wave = prop::option::weighted(0.3, -1..3_i32);
    (0..3_u8, apply, prop::bool::weighted(0.1), wave, needs).prop_map(|(value, apply, never, wave, needs)| Wish {
        value,
        apply,
        never,
        wave,
        needs,
    })
}

/// Commits in which an order can be found: objects depend on earlier ones of the same commit, inside their wave.
fn commit() -> impl Strategy<Value = Vec<Rendered>> {
    prop::collection::vec(prop::option::weighted(0.6, wish()), NAMES.len()).prop_map(|wishes| {
        let ids: Vec<ObjectId> = NAMES.iter().map(|name| name.parse().unwrap()).collect();
        let is_wished: Vec<bool> = wishes.iter().map(Option::is_some).collect();
        let object = |(at, wish): (usize, Option<Wish>)| {
            let (id, wish) = (&ids[at], wish?);
            let earlier = wish.needs.iter().filter(|needed| **needed < at && is_wished[**needed]);
            let needs: Vec<String> = earlier.map(|needed| reference(&ids[*needed])).collect();
            let mut annotations = serde_json::Map::new();
            let mut say = |key: &str, value: Option<String>| {
                annotations.extend(value.map(|value| (format!("lockstep.dev/{key}"), Value::from(value))));
            };
            say("apply", wish.apply.map(str::to_owned));
            say("prune", wish.never.then(|| "never".to_owned()));
            say("wave", wish.wave.map(|wave| wave.to_string()));
            say("depends-on", (!needs.is_empty()).then(|| needs.join(",")));
            let value = json!({"metadata": {"name": id.name, "annotations": annotations}, "data": {"a": format!("eD{}=", wish.value)}});
            let object = Object { id: id.clone(), api_version: "v1".into(), value, file: "a.yaml".into(), line: 1 };
            Some(render(object.clone(), &shop()).unwrap())
        };
        wishes.into_iter().enumerate().filter_map(object).collect::<Vec<Rendered>>()
    })
}

fn can_be_ordered(objects: &[Rendered]) -> bool {
    check_order(objects).is_ok()
}

fn is_quiet(plan: &Plan) -> bool {
    plan.steps().iter().all(|step| matches!(step.action, Action::Unchanged | Action::Leave(_)))
}

proptest! {
    /// Right after an apply nothing is left to do, and whatever was there before, commits end in the same cluster.
    #[test]
    fn commits_converge_and_can_be_gone_back_to(first in commit().prop_filter("a circle", |it| can_be_ordered(it)), second in commit().prop_filter("a circle", |it| can_be_ordered(it))) {
        let mut fresh = Cluster::default();
        fresh.converge(&first);
        prop_assert!(is_quiet(&fresh.plan(&first)), "{}", fresh.plan(&first));

        let mut cluster = fresh.clone();
        cluster.converge(&second);
        let left = cluster.plan(&second);
        prop_assert!(left.steps().iter().filter(|step| step.wanted).all(|step| matches!(step.action, Action::Unchanged | Action::Leave(_))), "{left}");
        cluster.converge(&first);
        cluster.converge(&first);

        // What is created only, ignored or let go keeps its own history; all else is as if the second had never been.
        let plain = |rendered: &&Rendered| rendered.instructions.as_ref().is_none_or(|it| it.apply == lockstep_plan::ApplyMode::Always);
        let (now, then) = (cluster.content(), fresh.content());
        for id in first.iter().filter(plain).map(|rendered| rendered.object.id.to_string()) {
            prop_assert_eq!(now.get(&id), then.get(&id), "{}", id);
        }
        let may_stay = |id: &str| first.iter().chain(&second).any(|it| it.object.id.to_string() == id && it.instructions.is_some());
        for id in now.keys().filter(|id| !then.contains_key(*id)) {
            prop_assert!(may_stay(id) || id.starts_with("/Namespace/"), "{} was left behind:\n{}", id, cluster.plan(&first));
        }
    }

    /// No order of waves and dependencies is broken by what a turn applies.
    #[test]
    fn nothing_is_applied_before_what_it_waits_for(commit in commit().prop_filter("a circle", |it| can_be_ordered(it))) {
        let mut cluster = Cluster::default();
        let wave = |rendered: &Rendered| rendered.instructions.as_ref().and_then(|it| it.wave);
        let is_ignored = |rendered: &Rendered| rendered.apply_mode() == lockstep_plan::ApplyMode::Ignore;
        for _ in 0..30 {
            let there: BTreeSet<ObjectId> = cluster.objects.keys().cloned().collect();
            let applied: Vec<Rendered> = cluster.plan(&commit).apply_waves(&commit).concat().into_iter().map(|(it, _)| it.clone()).collect();
            for rendered in &applied {
                for needed in rendered.instructions.iter().flat_map(|it| &it.depends_on) {
                    let ignored = commit.iter().any(|it| it.object.id == *needed && is_ignored(it));
                    prop_assert!(there.contains(needed) || ignored, "{} before {}", rendered.object.id, needed);
                }
                let earlier = commit.iter().filter(|it| !is_ignored(it) && it.object.id.kind != "Namespace");
                for other in earlier.filter(|it| wave(it).is_some() && wave(it) < wave(rendered)) {
                    prop_assert!(rendered.object.id.kind == "Namespace" || there.contains(&other.object.id), "{} before {}", rendered.object.id, other.object.id);
                }
            }
            if !cluster.turn(&commit) {
                break;
            }
        }
    }

    /// Whatever marks objects carry, nothing goes that lacks one of the proofs.
    #[test]
    fn nothing_is_deleted_without_every_proof(marks in prop::collection::vec(any::<[bool; 12]>(), 1..12)) {
        let mut cluster = Cluster::default();
        let mut proven = BTreeSet::new();
        for (at, mark) in marks.iter().enumerate() {
            // Mostly true, so that some objects lack exactly one.
            let has = |number: usize| mark[number] || !(at + number).is_multiple_of(4);
            let namespaces = ["kube-system", "lockstep", "default"];
            let id: ObjectId = if has(11) { format!("/ConfigMap/a/{at}") } else { format!("/Namespace//{}", namespaces[at % 3]) }.parse().unwrap();
            let value = json!({"metadata": {"name": id.name}, "data": {"a": "b"}});
            let object = Object { id: id.clone(), api_version: "v1".into(), value, file: "a.yaml".into(), line: 1 };
            cluster.apply(&render(object.clone(), &shop()).unwrap());
            let live = cluster.objects.get_mut(&id).unwrap();
            let spoil: [&dyn Fn(&mut LiveMetadata); 11] = [
                &|live| drop(live.labels.insert(SYNC_LABEL.into(), "other".into())),
                &|live| drop(live.labels.remove(SYNC_NAMESPACE_LABEL)),
                &|live| drop(live.labels.insert("applyset.kubernetes.io/part-of".into(), "other".into())),
                &|live| drop(live.annotations.remove(ID_ANNOTATION)),
                &|live| drop(live.annotations.insert(ID_ANNOTATION.into(), "/ConfigMap/a/copy".into())),
                &|live| live.managed_fields.clear(),
                &|live| live.managed_fields[0].manager = "kubectl".into(),
                &|live| live.owners = vec!["of another".into()],
                &|live| live.deleting = true,
                &|live| drop(live.annotations.insert("argocd.argoproj.io/sync-options".into(), "Prune=false".into())),
                &|live| live.uid.clear(),
            ];
            for (number, spoil) in spoil.iter().enumerate().filter(|(number, _)| !has(*number)) {
                // An entry that is cleared cannot be renamed too.
                if number != 6 || !live.managed_fields.is_empty() {
                    spoil(live);
                }
            }
            if (0..12).all(has) {
                proven.insert(id);
            } else {
                proven.remove(&id);
            }
        }
        let plan = cluster.plan(&[]);
        let deleted: BTreeSet<ObjectId> = plan.prune_step(&ApplyOutcome::default()).unwrap().concat().iter().map(|deletion| deletion.id().clone()).collect();
        prop_assert_eq!(deleted, proven);
    }
}
