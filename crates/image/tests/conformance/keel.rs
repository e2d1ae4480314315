//! Keel: steps, globs and force.

use std::collections::BTreeMap;

use lockstep_image::compat::{self, Tool, Words};
use lockstep_image::{Candidate, Outcome, Question, Reference, select};

use super::{ask, cases, kept, list, rule, text, texts};

#[test]
fn policies_update_the_same() {
    let Some(file) = cases("argo/keel_policies.json") else { return };
    for case in list(&file["should_update"]) {
        let (name, policy) = (text(&case["name"]), text(&case["policy"]));
        let (current, new) = (text(&case["current"]), text(&case["new"]));
        let is = |key: &str, default: bool| if case[key].as_bool().unwrap_or(default) { "true" } else { "false" };
        let words = [
            ("keel.sh/policy", policy),
            ("keel.sh/matchTag", is("match_tag", false)),
            ("keel.sh/matchPreRelease", is("match_prerelease", true)),
        ];
        let Ok(rule) = rule(Tool::Keel, &words, Some(current)) else {
            // Whatever is pushed would be taken: not without a tag to keep to.
            assert!(policy == "force" && case["match_tag"] == false, "{name}");
            continue;
        };
        let digest =
            |tag: &str, digest: &str| Candidate { digest: Some(digest.to_owned()), ..Candidate::new(tag.to_owned()) };
        let candidates = [digest(new, "pushed again")];
        let question = Question {
            current: Some(current),
            current_digest: Some("running"),
            candidates: &candidates,
            ..Question::default()
        };
        let updates = matches!(select(&rule, &question).outcome, Outcome::Selected(_));
        assert_eq!(updates, case["want"].as_bool().unwrap(), "{name}");
    }
}

#[test]
fn versions_are_ordered_the_same() {
    let Some(file) = cases("argo/keel_policies.json") else { return };
    let all = rule(Tool::Keel, &[("policy", "all")], None).unwrap();
    for case in list(&file["filter"]) {
        let tags = texts(&case["tags"]);
        // The cases are about force, which also takes what is no version, in the registry's order: that is no order.
        let wanted: Vec<&str> = texts(&case["want_order"]).into_iter().filter(|tag| tag.contains('.')).collect();
        assert_eq!(kept(&ask(&all, None, &tags)), wanted, "{}", case["name"]);
    }
    for case in list(&file["version_parse"]).iter().filter(|case| case["input"].is_string()) {
        let image: Reference = text(&case["input"]).parse().unwrap();
        let tag = image.tag().unwrap_or("latest");
        let selection = ask(&all, None, &[tag]);
        assert_eq!(kept(&selection), case["want"].as_str().into_iter().collect::<Vec<_>>(), "{image}");
    }
}

#[test]
fn annotations_and_labels_make_the_same_policy() {
    let Some(file) = cases("argo/keel_policies.json") else { return };
    for case in list(&file["resolve"]) {
        // Which of both holds is decided where objects are read: annotations, whole.
        let written = case.get("annotations").or(case.get("labels")).unwrap().as_object().unwrap();
        let words: BTreeMap<&str, &str> = written.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
        let words: Words = words.into_iter().collect();
        let policy = compat::rule(Tool::Keel, &words, Some("1.0.0"));
        let wanted = text(&case["want"]);
        match policy {
            // An unknown word is said aloud.
            Err(_) => assert_eq!(wanted, "none (logged)"),
            Ok(None) => assert_eq!(wanted, "none"),
            Ok(Some(rule)) => {
                let policy = rule.policy.to_string().replace(" (keel)", "");
                assert!(wanted.starts_with(&policy) || wanted.starts_with(&format!("semver {policy}")), "{wanted}");
                let new = ask(&rule, Some("1.0.0"), &["1.0.0", "1.0.1-rc"]);
                let any_prerelease = wanted.ends_with("matchPreRelease=false") || policy == "all";
                assert_eq!(matches!(new.selection.outcome, Outcome::Selected(_)), any_prerelease, "{wanted}");
            }
        }
    }
}
