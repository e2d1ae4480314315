use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockstep_manifest::{Form, ObjectId, images};
use lockstep_registry::Repository;

use crate::choices::Choices;
use crate::places::PlaceId;
use crate::policy::{self, Container, Expressions, Given, Setters, Subject};
use crate::ports::Sights;
use crate::stopped::StoppedTags;
use crate::undone::PlaceHistory;

use super::*;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A place that is in the group `g` if its annotations do not say otherwise.
fn place(name: &str, image: &str, annotations: &str) -> Place {
    let object = ObjectId::new("apps", "Deployment", "shop", name);
    let mut all = BTreeMap::from([("lockstep.dev/group", "g"), ("lockstep.dev/automated", "true")]);
    all.extend(annotations.split("; ").filter_map(|pair| pair.split_once('=')));
    let annotations: BTreeMap<String, String> =
        all.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let reference: lockstep_image::Reference = image.parse().unwrap();
    let repository = Repository::from(&reference);
    let container = Container {
        name: "web",
        repository: Some(&repository),
        tag: reference.tag(),
        form: Form::Comment,
        comment: None,
        setter: None,
        takes_digest: true,
    };
    let subject = Subject {
        file: "web.yaml",
        object: &object,
        line: 1,
        annotations: &annotations,
        annotation_lines: &BTreeMap::new(),
        labels: &BTreeMap::new(),
    };
    let compat = BTreeSet::new();
    let given = Given {
        rules: &[],
        compat: &compat,
        setters: Setters::default(),
        reviewed: false,
        expressions: &Expressions::default(),
    };
    let policies = policy::read(&subject, &[container], &given).unwrap();
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {{containers: [{{name: web, image: '{image}'}}]}}}}"
    );
    Place {
        id: PlaceId { file: "web.yaml".to_owned(), object, container: "web".to_owned() },
        image: images("web.yaml", &pod).unwrap().remove(0).into(),
        line: 1,
        text: image.to_owned(),
        repository,
        reference,
        policy: policies.into_iter().flatten().next().unwrap(),
        history: PlaceHistory::default(),
    }
}

/// Tags that were there from the first scan on, or first seen `@N` minutes ago.
fn facts(tags: &str) -> Facts {
    let seen = |text: &str| {
        let (tag, ago) = text.split_once('@').map_or((text, None), |(tag, ago)| (tag, Some(ago)));
        (tag.to_owned(), ago.map(|minutes| now() - jiff::SignedDuration::from_mins(minutes.parse().unwrap())))
    };
    let first_seen: BTreeMap<_, _> = tags.split_whitespace().map(seen).collect();
    let tags = Arc::new(first_seen.keys().collect());
    let first_scan = Some(now() - jiff::SignedDuration::from_hours(240));
    Facts::new(&tags, &Sights { first_scan, first_seen, ..Sights::default() }, None)
}

/// What becomes of each of two places of one group.
fn agreed(one: &Place, tags: Result<&str, &str>, other: &Place, other_tags: &str) -> [String; 2] {
    let stopped = StoppedTags::default();
    let known = Known { stopped: &stopped, now: now() };
    let (first, second) = (tags.map(facts), facts(other_tags));
    let facts = [first.as_ref().map_err(|reason| (*reason).to_owned()), Ok(&second)];
    let places = [one.clone(), other.clone()];
    let mut decided: Vec<Decided> = places
        .iter()
        .zip(&facts)
        .map(|(place, facts)| {
            decide::decide(place, facts.as_ref().copied().map_err(String::as_str), known, &mut Choices::default())
        })
        .collect();
    agree(&places, &facts, known, &mut decided);
    let shown = |decided: &Decided| match &decided.decision {
        Decision::Leave => format!("leave {}", decided.selected.as_deref().unwrap_or("-")),
        Decision::Held(reason) => format!("held: {reason}"),
        Decision::Move(tag) => format!("move {tag}"),
    };
    [shown(&decided[0]), shown(&decided[1])]
}

#[test]
fn a_group_gets_one_tag_or_none() {
    let gone = "lockstep.dev/group=other";
    for (one, one_tags, other, other_tags, expected) in [
        // Both have it.
        ("1.0.0", "1.0.0 1.0.1", "1.0.0", "1.0.0 1.0.1", ["move 1.0.1", "move 1.0.1"]),
        // The newest is not everywhere yet.
        ("1.0.0", "1.0.0 1.0.1 1.0.2", "1.0.0", "1.0.0 1.0.1", ["move 1.0.1", "move 1.0.1"]),
        ("1.0.0", "1.0.0 1.0.1", "1.0.0", "1.0.0", ["leave -", "leave -"]),
        // One was ahead.
        ("1.0.0", "1.0.0 1.0.1", "1.0.1", "1.0.0 1.0.1", ["move 1.0.1", "leave -"]),
        // One's policy reaches less far.
        ("1.0.0", "1.0.0 1.0.1 1.1.0", "1.0.0;lockstep.dev/policy=semver:~1.0", "1.0.0 1.0.1 1.1.0", ["move 1.0.1"; 2]),
        // They went apart, and nothing brings them together.
        (
            "1.0.0;lockstep.dev/policy=semver:<=1.0.0",
            "1.0.0 1.0.1",
            "1.0.1",
            "1.0.0 1.0.1",
            ["held: group g: its places have 1.0.0 and 1.0.1, and no tag suits all of them"; 2],
        ),
        // What is too young for one is too young for all.
        (
            "1.0.0;lockstep.dev/min-age=1h",
            "1.0.0 1.0.1@90 1.0.2@30",
            "1.0.0",
            "1.0.0 1.0.1 1.0.2",
            ["move 1.0.1", "move 1.0.1"],
        ),
        // A lock on one holds all; so does a place that is not automated.
        (
            "1.0.0;lockstep.dev/locked=audit",
            "1.0.0 1.0.1",
            "1.0.0",
            "1.0.0 1.0.1",
            ["held: group g: web.yaml#Deployment/shop/one/web: locked: audit"; 2],
        ),
        (
            "1.0.0",
            "1.0.0 1.0.1",
            "1.0.0;lockstep.dev/automated=false",
            "1.0.0 1.0.1",
            ["held: group g: web.yaml#Deployment/shop/other/web: it is not automated"; 2],
        ),
        // A closed window of one holds all.
        (
            "1.0.0;lockstep.dev/window=Tue 09:00-10:00 UTC",
            "1.0.0 1.0.1",
            "1.0.0",
            "1.0.0 1.0.1",
            ["held: group g: web.yaml#Deployment/shop/one/web: window opens at Tue 2026-11-24 09:00 UTC"; 2],
        ),
        // Other groups are not asked.
        (&format!("1.0.0;{gone}"), "1.0.0 1.0.2", "1.0.0", "1.0.0 1.0.1", ["move 1.0.2", "move 1.0.1"]),
        // By time, the tags of both must agree.
        (
            "main-a;lockstep.dev/policy=glob:main-*",
            "main-a main-b@9 main-c@5",
            "main-a;lockstep.dev/policy=glob:main-*",
            "main-a main-b@3 main-c@7",
            ["held: group g: its policies choose both main-b and main-c"; 2],
        ),
    ] {
        let made = |name: &str, text: &str| {
            let (tag, annotations) = text.split_once(';').unwrap_or((text, ""));
            place(name, &format!("acme/{name}:{tag}"), annotations)
        };
        let shown = agreed(&made("one", one), Ok(one_tags), &made("other", other), other_tags);
        assert_eq!(shown, expected, "{one} [{one_tags}] {other} [{other_tags}]");
    }
}

#[test]
fn what_is_not_known_of_one_holds_all() {
    let (one, other) = (place("one", "acme/one:1.0.0", ""), place("other", "acme/other:1.0.0", ""));
    let shown = agreed(&one, Err("no answer"), &other, "1.0.0 1.0.1");
    assert_eq!(shown, ["held: group g: web.yaml#Deployment/shop/one/web: no answer"; 2]);
}
