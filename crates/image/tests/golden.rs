//! Decisions in our own words: every file in `tests/golden/select` at the root of the repository is one question.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot read its case must fail")]
#![allow(clippy::disallowed_methods, reason = "the cases are files; only the library is pure")]

use jiff::Timestamp;
use lockstep_image::{
    Candidate, Outcome, Policy, Question, Rule, TagFilter, Verified, explain, parse_duration, select,
};
use serde_json::Value;

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

fn texts(list: &[Value]) -> impl Iterator<Item = &str> {
    list.iter().map(|value| value.as_str().unwrap())
}

fn candidate(value: &Value) -> Candidate<'_> {
    match value {
        Value::String(tag) => Candidate::new(tag),
        _ => Candidate {
            pushed: time(&value["pushed"]),
            created: time(&value["created"]),
            first_seen: time(&value["firstSeen"]),
            digest: value["digest"].as_str().map(str::to_owned),
            platforms: value["platforms"]
                .as_array()
                .map(|list| texts(list).map(|text| text.parse().unwrap()).collect()),
            verified: value["verified"].as_str().map(|text| match text {
                "signed" => Verified::Signed,
                "not signed" => Verified::NotSigned,
                other => Verified::Wrong(other.to_owned()),
            }),
            ..Candidate::new(value["tag"].as_str().unwrap())
        },
    }
}

fn check(name: &str, case: &Value) {
    let text = |key: &str| case[key].as_str();
    let filter = |key: &str| text(key).map(|text| TagFilter::parse(text).unwrap());
    let rule = Rule {
        tags: filter("tags"),
        skip_tags: filter("skip-tags"),
        platforms: text("platforms")
            .into_iter()
            .flat_map(|list| list.split(','))
            .map(|text| text.parse().unwrap())
            .collect(),
        verify: case["verify"].as_bool().unwrap_or(false),
        min_age: text("min-age").map(|text| parse_duration(text).unwrap()),
        allow_downgrade: case["allow-downgrade"].as_bool().unwrap_or(false),
        ..Rule::new(Policy::parse(text("policy").unwrap_or(""), text("current")).unwrap())
    };
    let mut candidates: Vec<Candidate<'_>> = case["candidates"].as_array().unwrap().iter().map(candidate).collect();
    let undone: Vec<String> =
        case["undone"].as_array().map(|list| texts(list).map(str::to_owned).collect()).unwrap_or_default();
    let stopped: Vec<(&str, &str)> = case["stopped"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(tag, why)| (tag.as_str(), why.as_str().unwrap()))
        .collect();
    let mut first = None;
    for _ in 0..candidates.len().max(1) {
        let question = Question {
            current: text("current"),
            current_digest: text("current-digest"),
            candidates: &candidates,
            undone: &undone,
            stopped: &stopped,
            now: time(&case["now"]).unwrap_or_default(),
            current_time: time(&case["current-time"]),
            first_scan: time(&case["first-scan"]),
        };
        let explanation = explain(&rule, &question);
        let selection = &explanation.selection;
        assert_eq!(selection, &select(&rule, &question), "{name}");
        match (&selection.outcome, &case["selected"], &case["held"]) {
            (Outcome::Selected(tag), Value::String(wanted), _) => assert_eq!(tag, wanted, "{name}"),
            (Outcome::UpToDate, Value::String(wanted), _) => {
                assert_eq!(text("current"), Some(wanted.as_str()), "{name}")
            }
            (Outcome::Held(reason), Value::Null, Value::String(part)) => {
                assert!(reason.contains(part), "{name}: {reason}")
            }
            (outcome, ..) => panic!("{name}: {outcome:?}"),
        }
        assert_eq!(first.get_or_insert_with(|| explanation.clone()), &explanation, "{name}: the input order matters");
        let turn = usize::from(!candidates.is_empty());
        candidates.rotate_left(turn);
    }
    let explanation = first.unwrap();
    let wants: Vec<String> = explanation.selection.wants.iter().map(|want| format!("{want:?}")).collect();
    let wanted: Vec<&str> = case["wants"].as_array().map(|list| texts(list).collect()).unwrap_or_default();
    let lines: Vec<String> = wanted
        .iter()
        .map(|text| text.split_once(' ').unwrap())
        .map(|(word, tag)| format!("{word} {{ tag: {tag:?} }}"))
        .collect();
    assert_eq!(wants, lines, "{name}");
    for (tag, part) in case["verdicts"].as_object().into_iter().flatten() {
        let judged = explanation.tags.iter().find(|judged| judged.tag == *tag).unwrap();
        assert!(judged.verdict.contains(part.as_str().unwrap()), "{name}: {tag}: {}", judged.verdict);
    }
}

#[test]
fn every_golden_question_gets_its_answer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/select");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        check(&path.display().to_string(), &case);
        count += 1;
    }
    assert!(count >= 30, "{count} cases");
}
