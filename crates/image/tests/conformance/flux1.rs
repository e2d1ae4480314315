//! Flux v1: tag patterns, references, annotations and releases.

use jiff::{SignedDuration, Timestamp};
use lockstep_image::compat::{CompatError, Tool};
use lockstep_image::{Candidate, Outcome, Question, Reference, Rule, explain, select};

use super::{ask, cases, kept, list, text, texts};

fn pattern(text: &str) -> Result<Rule, CompatError> {
    super::rule(Tool::Flux1, &[("fluxcd.io/tag.app", text)], None)
}

#[test]
fn patterns_match_the_same() {
    let Some(file) = cases("flux1/tag_patterns.json") else { return };
    for case in list(&file["parse"]) {
        let written = text(&case["text"]);
        let shown = pattern(written).ok().map(|rule| rule.policy.to_string());
        let valid = case["valid"].as_bool().unwrap_or(true);
        let wanted = case["canonical"].as_str().filter(|_| valid).map(|canonical| format!("{canonical} (flux1)"));
        assert_eq!(shown, wanted, "{written}");
    }
    for case in list(&file["matches"]) {
        let rule = pattern(text(&case["pattern"])).unwrap();
        for (list, wanted) in [("yes", true), ("no", false)] {
            // The empty text is no tag.
            for tag in texts(&case[list]).into_iter().filter(|tag| !tag.is_empty()) {
                assert_eq!(!kept(&ask(&rule, None, &[tag])).is_empty(), wanted, "{} {tag}", rule.policy);
            }
        }
    }
    for (cases, list_name) in [(&file["latest_rule"]["cases"], "kept"), (&file["semver_filter_sort"], "result")] {
        for case in list(cases) {
            let selection = ask(&pattern(text(&case["pattern"])).unwrap(), None, &texts(&case["tags"]));
            assert_eq!(kept(&selection), texts(&case[list_name]), "{case}");
        }
    }
}

#[test]
fn tags_are_ordered_the_same() {
    let Some(file) = cases("flux1/tag_patterns.json") else { return };
    let order = |rule: &Rule, candidates: &[Candidate<'_>]| -> Vec<String> {
        let question =
            Question { candidates, now: Timestamp::from_second(2_000_000_000).unwrap(), ..Question::default() };
        explain(rule, &question).tags.into_iter().map(|judged| judged.tag).collect()
    };
    let versions = &file["order_semver"];
    let candidates: Vec<Candidate<'_>> = texts(&versions["input"]).into_iter().map(Candidate::new).collect();
    assert_eq!(order(&pattern("semver:*").unwrap(), &candidates), texts(&versions["expected"]));
    let created = &file["order_created"];
    // Without a time for each nothing is ordered; Flux v1 puts those last.
    let candidates: Vec<Candidate<'_>> = list(&created["input"])
        .iter()
        .filter_map(|tag| Some((text(&tag["tag"]), tag["t"].as_i64()?)))
        .map(|(tag, time)| Candidate {
            created: Timestamp::from_second(1_700_000_000 + time).ok(),
            ..Candidate::new(tag)
        })
        .collect();
    assert_eq!(order(&pattern("*").unwrap(), &candidates), texts(&created["expected"])[..candidates.len()]);
}

#[test]
fn annotations_are_valid_in_the_same_cases() {
    let Some(file) = cases("flux1/policy_annotations.json") else { return };
    let mut count = 0;
    for case in list(&file["cases"]) {
        for (key, value) in case["update"]["add"].as_object().unwrap() {
            if key.starts_with("tag") {
                let read = super::rule(Tool::Flux1, &[("fluxcd.io/tag.nginx", text(value))], None);
                assert_eq!(read.is_err(), case["error"].as_bool().unwrap(), "{}", case["name"]);
                count += 1;
            }
        }
    }
    assert!(count > 5, "{count}");
}

#[test]
fn releases_of_all_images_choose_the_same() {
    let Some(file) = cases("flux1/release.json") else { return };
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let listed = |name: &str| -> Vec<Candidate> {
        let listed = file["registry"].as_object().unwrap().iter().filter_map(|(image, time)| {
            let tag = image.strip_prefix(name)?.strip_prefix(':')?;
            let age = SignedDuration::from_mins(if text(time) == "T" { 0 } else { 1 });
            Some(Candidate { created: Some(now - age), ..Candidate::new(tag) })
        });
        listed.collect()
    };
    let mut count = 0;
    for case in list(&file["cases"]).iter().filter(|case| case["image"] == "<all latest>") {
        for (workload, result) in case["expect"].as_object().unwrap() {
            for (container, change) in result["updates"].as_object().into_iter().flatten() {
                let [old, new] = [0, 1].map(|place| text(&change[place]).parse::<Reference>().unwrap());
                let is_version = workload == "default:deployment/semver";
                let rule = pattern(if is_version { "semver:*" } else { "glob:*" }).unwrap();
                let candidates = listed(old.name());
                let question = Question {
                    current: old.tag(),
                    candidates: &candidates,
                    now,
                    current_time: Some(now - SignedDuration::from_hours(1)),
                    ..Question::default()
                };
                match select(&rule, &question).outcome {
                    // A branch's name is no version: nothing says that a version is newer than it.
                    Outcome::Held(reason) if is_version => assert!(reason.contains("outside the policy"), "{reason}"),
                    outcome => assert_eq!(
                        outcome,
                        Outcome::Selected(new.tag().unwrap().to_owned()),
                        "{}: {workload} {container}",
                        case["name"]
                    ),
                }
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn references_read_the_same() {
    let Some(file) = cases("flux1/image_refs.json") else { return };
    for case in file["parse_ok"].as_array().unwrap() {
        let text = case["ref"].as_str().unwrap();
        let reference: Reference = text.parse().unwrap();
        // docker.io is the name of that registry; index.docker.io is its old one.
        let host = case["registry"].as_str().unwrap().replace("index.docker.io", "docker.io");
        assert_eq!(reference.host(), host, "{text}");
        assert_eq!(reference.repository(), case["repository"].as_str().unwrap(), "{text}");
        assert_eq!(reference.to_string(), case["string_roundtrip"].as_str().unwrap());
    }
    for text in texts(&file["parse_err"]) {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
    for host in texts(&file["domains_ok"]) {
        assert_eq!(format!("{host}/a/b").parse::<Reference>().unwrap().host(), host);
    }
}
