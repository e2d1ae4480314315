use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lockstep_image::Reference;
use lockstep_manifest::{Form, ObjectId, images};
use lockstep_registry::Repository;

use crate::policy::{self, Container, Expressions, Given, Setters, Subject};
use crate::ports::Sights;
use crate::stopped::StoppedTags;
use crate::undone::PlaceHistory;

use super::*;

fn now() -> Timestamp {
    "2026-11-23T12:10:00Z".parse().unwrap()
}

fn place(policy: &str, image: &str) -> Place {
    let object = ObjectId::new("", "Pod", "shop", "web");
    let annotations: BTreeMap<String, String> = policy
        .split("; ")
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (format!("lockstep.dev/{key}"), value.to_owned()))
        .collect();
    let reference: Reference = image.parse().unwrap();
    let repository = Repository::from(&reference);
    let form = Form::Container { init: false };
    let container = Container {
        name: "web",
        repository: Some(&repository),
        tag: reference.tag(),
        form,
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

fn facts(revision: u64) -> Facts {
    let tags = Arc::new(["1.0.0", "1.0.1"].iter().collect());
    let sights = Sights { first_scan: Some(now() - SignedDuration::from_hours(1)), ..Sights::default() };
    Facts::new(&tags, &sights, None).with_revision(revision)
}

#[test]
fn a_choice_is_made_again_when_anything_changed_that_it_looks_at() {
    let base = || (place("policy=semver:~1", "a/web:1.0.0"), facts(1), StoppedTags::default(), now());
    let mut stopped = StoppedTags::default();
    stopped.stop(base().0.repository, "1.0.1".to_owned(), "fails".to_owned());
    let mut moved = place("policy=semver:~1", "a/web:1.0.0");
    moved.history.since = Some(("1".repeat(40).parse().unwrap(), now()));
    for (what, (place, facts, stopped, now), expected) in [
        ("nothing", base(), 1),
        ("minutes", (base().0, base().1, base().2, now() + SignedDuration::from_mins(49)), 1),
        ("an hour", (base().0, base().1, base().2, now() + SignedDuration::from_hours(1)), 2),
        ("the tag", (place("policy=semver:~1", "a/web:1.0.1"), base().1, base().2, now()), 2),
        ("the policy", (place("policy=semver:~2", "a/web:1.0.0"), base().1, base().2, now()), 2),
        ("a filter", (place("policy=semver:~1; tags=1", "a/web:1.0.0"), base().1, base().2, now()), 2),
        ("the history", (moved, base().1, base().2, now()), 2),
        ("the listing", (base().0, facts(2), base().2, now()), 2),
        ("what is stopped", (base().0, base().1, stopped, now()), 2),
        ("the minute counts", (place("policy=semver:~1; min-age=1d", "a/web:1.0.0"), base().1, base().2, now()), 2),
        (
            "facts count",
            (place("policy=semver:~1; platforms=linux/arm64", "a/web:1.0.0"), base().1, base().2, now()),
            2,
        ),
    ] {
        let mut choices = Choices::default();
        let mut made = 0;
        let (first, first_facts, first_stopped, first_now) = base();
        for (place, facts, stopped, now) in
            [(&first, &first_facts, &first_stopped, first_now), (&place, &facts, &stopped, now)]
        {
            let known = Known { stopped, now };
            let chosen = choices.of(place, facts, known, || {
                made += 1;
                crate::decide::choose(place, facts, |_| true, known)
            });
            let fresh = crate::decide::choose(place, facts, |_| true, known);
            assert_eq!(chosen.map(|chosen| chosen.outcome), fresh.map(|fresh| fresh.outcome), "{what}");
        }
        assert_eq!(made, expected, "{what}");
    }
}

#[test]
fn places_that_are_gone_are_forgotten() {
    let (mut choices, stopped) = (Choices::default(), StoppedTags::default());
    let known = Known { stopped: &stopped, now: now() };
    let (place, facts) = (place("policy=semver:~1", "a/web:1.0.0"), facts(1));
    choices.of(&place, &facts, known, || crate::decide::choose(&place, &facts, |_| true, known)).unwrap();
    choices.keep(std::slice::from_ref(&place));
    assert_eq!(choices.made.len(), 1);
    choices.keep(&[]);
    assert!(choices.made.is_empty());
}
