//! The cases of other tools, read where they are; what Lockstep decides differently is listed with its reason.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot read its case must fail")]
#![allow(clippy::disallowed_methods, reason = "the cases are files in a folder that the environment may name")]

use lockstep_image::{Candidate, Outcome, Policy, Question, Range, Reference, Rule, Selection, Tag, TagFilter, select};
use serde_json::Value;

/// A file of cases, or nothing (and a line that says so) where they are not at hand.
fn cases(file: &str) -> Option<Value> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance");
    let folder = std::env::var("LOCKSTEP_CONFORMANCE").unwrap_or_else(|_| default.to_owned());
    match std::fs::read_to_string(format!("{folder}/{file}")) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(error) => {
            println!("ignored: {file} is not in {folder} ({error}); set LOCKSTEP_CONFORMANCE");
            None
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn ask(rule: &Rule, current: Option<&str>, tags: &[&str]) -> Selection {
    let candidates: Vec<Candidate> = tags.iter().copied().map(Candidate::new).collect();
    select(rule, &Question { current, candidates: &candidates, ..Question::default() })
}

fn kept(selection: &Selection) -> Vec<&str> {
    let kept = selection.candidates.iter().filter(|judged| !judged.verdict.starts_with("dropped"));
    kept.map(|judged| judged.tag.as_str()).collect()
}

/// Flux's pattern and extract template as one expression with the group `key`.
fn with_key(pattern: &str, extract: &str) -> String {
    match extract {
        "" => pattern.to_owned(),
        "$1" => pattern.replacen('(', "(?P<key>", 1),
        name => pattern.replacen(&format!("(?P<{}>", &name[1..]), "(?P<key>", 1),
    }
}

#[test]
fn flux_image_policies_choose_the_same() {
    let exceptions = [
        ("numerical: floats asc", "integers of any length, no fractions"),
        (
            "numerical: one non-number fails the whole policy",
            "a tag that is not a number is dropped, the others are not",
        ),
        ("policy with no choice set", "no policy means the default, semver:^CURRENT"),
    ];
    let Some(file) = cases("flux2/image_policy_select.json") else { return };
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        // The newest is wanted, never the oldest: there is no descending order.
        if exceptions.iter().any(|(known, _)| *known == name) || case.to_string().contains("DESC") {
            continue;
        }
        let policy = &case["policy"];
        let text = match policy["semver"]["range"].as_str() {
            Some(range) => format!("semver:{range}"),
            None if policy.get("numerical").is_some() => "numerical:.*".to_owned(),
            None => "alphabetical:.*".to_owned(),
        };
        let filter = case.get("filterTags").map(|filter| {
            TagFilter::parse(&with_key(filter["pattern"].as_str().unwrap(), filter["extract"].as_str().unwrap_or("")))
        });
        let chosen = match (Policy::parse(&text, None), filter.transpose()) {
            (Ok(policy), Ok(tags)) => {
                match ask(&Rule { tags, ..Rule::new(policy) }, None, &texts(&case["tags"])).outcome {
                    Outcome::Selected(tag) => Some(tag),
                    _ => None,
                }
            }
            _ => None,
        };
        assert_eq!(chosen.as_deref(), case["want"].as_str(), "{name}");
    }
}

#[test]
fn flux_tag_filters_keep_the_same() {
    let Some(file) = cases("flux2/tag_filter.json") else { return };
    for case in file["cases"].as_array().unwrap() {
        let (pattern, extract) = (case["pattern"].as_str().unwrap(), case["extract"].as_str().unwrap());
        let tags = Some(TagFilter::parse(&with_key(pattern, extract)).unwrap());
        let rule = Rule { tags, ..Rule::new(Policy::parse("alphabetical:.*", None).unwrap()) };
        let selection = ask(&rule, None, &texts(&case["tags"]));
        let (kept, want) = (kept(&selection), texts(&case["want"]));
        // Two tags may have one key.
        assert!(want.iter().all(|key| kept.iter().any(|tag| tag.contains(key))), "{case}");
        assert!(kept.iter().all(|tag| want.iter().any(|key| tag.contains(key))), "{case}");
    }
}

#[test]
fn flux_sorts_versions_the_same() {
    let Some(file) = cases("flux2/version_parse.json") else { return };
    let sort = &file["sort"];
    let range: Range = sort["range"].as_str().unwrap().parse().unwrap();
    let tags = texts(&sort["tags"]);
    let mut found: Vec<Tag<'_>> =
        tags.iter().filter_map(|text| Tag::parse(text)).filter(|tag| range.contains(tag)).collect();
    found.sort_by(|left, right| right.compare(left));
    let found: Vec<String> = found.iter().map(|tag| format!("{}{}", tag.prefix(), tag.numbers())).collect();
    assert_eq!(found, texts(&sort["want_desc_stable"]));
    for case in file["parse"].as_array().unwrap() {
        let text = case["v"].as_str().unwrap();
        // A plus cannot be in a tag; a word after the prerelease is a variant, which nothing asks for here.
        if text.contains('+') || text == "v1.2.3-rc1-with-hypen" {
            continue;
        }
        let selection = ask(&Rule::new(Policy::parse("semver:*-0", None).unwrap()), None, &[text]);
        assert_eq!(kept(&selection).is_empty(), case["error"].as_bool().unwrap(), "{text}");
    }
}

#[test]
fn flux_one_patterns_match_the_same() {
    let Some(file) = cases("flux1/tag_patterns.json") else { return };
    for case in file["parse"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        // A policy names its kind, and has one name for each.
        let foreign = !text.contains(':') || text.starts_with("regex:");
        let valid = case["valid"].as_bool().unwrap_or(true) && !foreign;
        assert_eq!(Policy::parse(text, None).is_ok(), valid, "{text}");
    }
    for case in file["matches"].as_array().unwrap() {
        let pattern = case["pattern"].as_str().unwrap().replace("regex:", "regexp:");
        let pattern = if pattern.contains(':') { pattern } else { format!("glob:{pattern}") };
        for (list, wanted) in [("yes", true), ("no", false)] {
            // The empty text is no tag.
            for tag in texts(&case[list]).into_iter().filter(|tag| !tag.is_empty()) {
                let matches = match pattern.strip_prefix("semver:") {
                    // Shape decides which of these a place can get; the range itself agrees.
                    Some(range) => Tag::parse(tag).is_some_and(|tag| range.parse::<Range>().unwrap().contains(&tag)),
                    None => !kept(&ask(&Rule::new(Policy::parse(&pattern, None).unwrap()), None, &[tag])).is_empty(),
                };
                assert_eq!(matches, wanted, "{pattern} {tag}");
            }
        }
    }
    let rule = |text: &str| {
        let text = if text.contains(':') { text.to_owned() } else { format!("glob:{text}") };
        Rule::new(Policy::parse(&text, None).unwrap())
    };
    for (cases, list) in [(&file["latest_rule"]["cases"], "kept"), (&file["semver_filter_sort"], "result")] {
        for case in cases.as_array().unwrap() {
            let selection = ask(&rule(case["pattern"].as_str().unwrap()), None, &texts(&case["tags"]));
            assert_eq!(kept(&selection), texts(&case[list]), "{case}");
        }
    }
}

#[test]
fn flux_one_references_read_the_same() {
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

#[test]
fn image_updater_and_keel_references_read_the_same() {
    let Some(file) = cases("argo/image_parse.json") else { return };
    for case in file["parse"].as_array().unwrap() {
        let text = case["input"].as_str().unwrap();
        // An alias is that tool's own syntax, and five digits are no digest.
        if text.contains('=') || text.ends_with("sha256:abcde") {
            assert!(text.parse::<Reference>().is_err(), "{text}");
            continue;
        }
        let reference: Reference = text.parse().unwrap();
        let registry = case["registry"].as_str().unwrap();
        assert_eq!(reference.host(), if registry.is_empty() { "docker.io" } else { registry }, "{text}");
        assert!(reference.name().ends_with(case["name"].as_str().unwrap()), "{text}");
        assert_eq!(reference.tag().unwrap_or(""), case["tag"].as_str().unwrap_or(""), "{text}");
        assert_eq!(reference.digest().unwrap_or(""), case["digest"].as_str().unwrap_or(""), "{text}");
    }
    for case in file["keel_parse"]["cases"].as_array().unwrap() {
        let text = case["input"].as_str().unwrap();
        // A URL is no reference; a missing tag stays missing.
        if text.starts_with("https://") {
            assert!(text.parse::<Reference>().is_err(), "{text}");
            continue;
        }
        let reference: Reference = text.parse().unwrap();
        assert_eq!(
            reference.host(),
            case["registry"].as_str().unwrap().replace("index.docker.io", "docker.io"),
            "{text}"
        );
        assert_eq!(reference.repository(), case["short_name"].as_str().unwrap(), "{text}");
        assert_eq!(reference.tag().unwrap_or("latest"), case["tag"].as_str().unwrap(), "{text}");
    }
}

#[test]
fn keel_policies_update_the_same() {
    let exceptions = [
        ("patch release, policy patch", "the count of numbers stays"),
        ("minor and patch release, policy patch", "the count of numbers stays"),
        ("pre-release increase, policy All", "another variant is another image"),
        ("pre-release increase, policy Patch, do NOT match on pre-release", "another variant is another image"),
    ];
    let Some(file) = cases("argo/keel_policies.json") else { return };
    for case in file["should_update"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        let (current, new) = (text("current"), text("new"));
        let sign = match text("policy") {
            "all" | "major" => "*".to_owned(),
            "minor" => format!("^{}", Tag::parse(current).unwrap().numbers()),
            "patch" => format!("~{}", Tag::parse(current).unwrap().numbers()),
            // Globs are ordered by time here; force is not a policy.
            _ => continue,
        };
        if exceptions.iter().any(|(name, _)| *name == text("name")) {
            continue;
        }
        let rule = Rule::new(Policy::parse(&format!("semver:{sign}"), Some(current)).unwrap());
        let updates = matches!(ask(&rule, Some(current), &[current, new]).outcome, Outcome::Selected(_));
        assert_eq!(updates, case["want"].as_bool().unwrap(), "{}", text("name"));
    }
}
