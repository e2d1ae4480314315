use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockstep_manifest::{Form, ImagePlace, ObjectId, images};
use lockstep_registry::Repository;

use crate::places::PlaceId;
use crate::policy::{self, Container, Expressions, Given, Setters, Subject};
use crate::ports::Sights;
use crate::undone::{PlaceHistory, Update};

use super::*;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A place with annotations as `key=value; …`.
fn place(annotations: &str, image: &str) -> Place {
    let object = ObjectId::new("apps", "Deployment", "shop", "web");
    let pairs = annotations.split("; ").filter_map(|pair| pair.split_once('='));
    let annotations: BTreeMap<String, String> =
        pairs.map(|(key, value)| (format!("lockstep.dev/{key}"), value.to_owned())).collect();
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
    Place {
        id: PlaceId { file: "web.yaml".to_owned(), object, container: "web".to_owned() },
        image: written(image),
        line: 1,
        text: image.to_owned(),
        repository,
        reference,
        policy: policies.into_iter().flatten().next().unwrap(),
        history: PlaceHistory::default(),
    }
}

fn written(image: &str) -> std::sync::Arc<ImagePlace> {
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {{containers: [{{name: web, image: '{image}'}}]}}}}"
    );
    images("web.yaml", &text).unwrap().remove(0).into()
}

fn known(stopped: &StoppedTags) -> Known<'_> {
    Known { stopped, now: now() }
}

/// Tags, all there from the first scan on, or first seen `@N` minutes ago.
fn facts(tags: &str) -> Facts {
    let seen = |text: &str| {
        let (tag, ago) = text.split_once('@').map_or((text, None), |(tag, ago)| (tag, Some(ago)));
        (tag.to_owned(), ago.map(|minutes| now() - SignedDuration::from_mins(minutes.parse().unwrap())))
    };
    let first_seen: BTreeMap<_, _> = tags.split_whitespace().map(seen).collect();
    let tags = Arc::new(first_seen.keys().collect());
    let first_scan = Some(now() - SignedDuration::from_hours(240));
    Facts::new(&tags, &Sights { first_scan, first_seen, ..Sights::default() }, None)
}

fn shown(decided: &Decided) -> String {
    let selected = decided.selected.as_deref().unwrap_or("-");
    match &decided.decision {
        Decision::Leave => format!("leave {selected}"),
        Decision::Held(reason) => format!("held {selected}: {reason}"),
        Decision::Move(tag) => format!("move {tag}"),
    }
}

#[test]
fn decisions() {
    for (annotations, image, tags, expected) in [
        ("automated=true", "a/web:1.0.0", "1.0.0 1.0.1", "move 1.0.1"),
        ("automated=true", "a/web:1.0.1", "1.0.0 1.0.1", "leave -"),
        ("policy=semver:~1.0", "a/web:1.0.0", "1.0.0 1.0.1", "leave 1.0.1"),
        ("automated=true; locked=audit", "a/web:1.0.0", "1.0.0 1.0.1", "held 1.0.1: locked: audit"),
        ("automated=true; locked=audit", "a/web:1.0.1", "1.0.0 1.0.1", "leave -"),
        ("automated=true; min-age=1h", "a/web:1.0.0", "1.0.0 1.0.1@90 1.0.2@30", "move 1.0.1"),
        ("automated=true", "a/web:latest", "1.0.0 latest", "move 1.0.0"),
        ("automated=true; policy=glob:m-*", "a/web:m-a", "m-a m-b@5 m-c@9", "move m-b"),
        ("automated=true; policy=glob:m-*", "a/web:m-a", "m-a m-b@5 m-c@5", "held -: 2 tags tie"),
        ("automated=true; policy=semver:>=3", "a/web:1.0.0", "1.0.0", "held -: nothing eligible"),
    ] {
        let decided = decide(
            &place(annotations, image),
            Ok(&facts(tags)),
            known(&StoppedTags::default()),
            &mut Choices::default(),
        );
        assert!(shown(&decided).starts_with(expected), "{annotations} {image} {tags}: {}", shown(&decided));
    }
}

#[test]
fn without_facts_nothing_is_decided() {
    let decided = decide(
        &place("automated=true", "a/web:1.0.0"),
        Err("no answer"),
        known(&StoppedTags::default()),
        &mut Choices::default(),
    );
    assert_eq!(shown(&decided), "held -: no answer");
}

#[test]
fn a_stopped_tag_stays_where_it_is_and_goes_nowhere_else() {
    let mut stopped = StoppedTags::default();
    let repository = Repository { host: "docker.io".to_owned(), name: "a/web".to_owned() };
    stopped.stop(repository, "1.0.2".to_owned(), "fails".to_owned());
    for (image, expected) in [("a/web:1.0.0", "move 1.0.1"), ("a/web:1.0.2", "leave -"), ("b/web:1.0.0", "move 1.0.2")]
    {
        let decided = decide(
            &place("automated=true", image),
            Ok(&facts("1.0.0 1.0.1 1.0.2")),
            known(&stopped),
            &mut Choices::default(),
        );
        assert_eq!(shown(&decided), expected, "{image}");
    }
}

#[test]
fn twelve_moves_an_hour_are_enough() {
    let mut place = place("automated=true", "a/web:1.0.0");
    let update = |minutes: i64| Update {
        commit: "1".repeat(40).parse().unwrap(),
        time: now() - SignedDuration::from_mins(minutes),
        from: String::new(),
        to: String::new(),
        continues: false,
    };
    for (minutes, expected) in [(59, "held 1.0.1: too often: moved 12"), (61, "move 1.0.1")] {
        place.history.updates = (0..11).map(|_| update(3)).chain([update(minutes)]).collect();
        let decided =
            decide(&place, Ok(&facts("1.0.0 1.0.1")), known(&StoppedTags::default()), &mut Choices::default());
        assert!(shown(&decided).starts_with(expected), "{minutes}: {}", shown(&decided));
    }
}

#[test]
fn build_times_are_asked_for_only_where_they_help() {
    for (annotations, tags, expected) in [
        ("policy=glob:m-*", "m-a m-b other", 2),
        ("policy=glob:m-*", "m-a m-b m-c@5", 0),
        ("policy=semver:*", "m-a m-b", 0),
    ] {
        let decided = decide(
            &place(annotations, "a/web:m-a"),
            Ok(&facts(tags)),
            known(&StoppedTags::default()),
            &mut Choices::default(),
        );
        assert_eq!(decided.wants.len(), expected, "{annotations} {:?}", decided.wants);
    }
}
