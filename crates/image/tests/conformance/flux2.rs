//! Flux v2: ImagePolicies, their filters, and what is a version.

use lockstep_image::compat::Tool;
use serde_json::Value;

use super::{ask, cases, chosen, kept, list, rule, text, texts};

/// The words of an ImagePolicy.
fn words(case: &Value) -> Vec<(&'static str, &str)> {
    let policy = &case["policy"];
    let order = |kind: &str| policy.get(kind).map(|policy| policy["order"].as_str().unwrap_or(""));
    let filter = |key: &str| case.get("filterTags").and_then(|filter| filter[key].as_str());
    let words = [
        ("spec.policy.semver.range", policy["semver"]["range"].as_str()),
        ("spec.policy.alphabetical.order", order("alphabetical")),
        ("spec.policy.numerical.order", order("numerical")),
        ("spec.filterTags.pattern", filter("pattern")),
        ("spec.filterTags.extract", filter("extract")),
    ];
    words.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

#[test]
fn image_policies_choose_the_same() {
    let Some(file) = cases("flux2/image_policy_select.json") else { return };
    for case in list(&file["cases"]) {
        let name = text(&case["name"]);
        let mut words = words(case);
        let tags = texts(&case["tags"]);
        // A tag cannot begin with a dash; a filter hands the policy what stands behind a letter.
        let negative = tags.iter().any(|tag| tag.starts_with('-'));
        let tags: Vec<String> =
            tags.iter().map(|tag| if negative { format!("n{tag}") } else { (*tag).to_owned() }).collect();
        if negative {
            words.extend([("filterTags.pattern", "^n(.*)$"), ("filterTags.extract", "$1")]);
        }
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let tag = rule(Tool::Flux2, &words, None).ok().and_then(|rule| chosen(ask(&rule, None, &tags)));
        let tag = tag.as_deref().map(|tag| if negative { &tag[1..] } else { tag });
        assert_eq!(tag, case["want"].as_str(), "{name}");
        assert_eq!(tag.is_none(), case["want_error"].as_bool().unwrap_or(false), "{name}");
    }
}

#[test]
fn filters_keep_the_same() {
    let Some(file) = cases("flux2/tag_filter.json") else { return };
    for case in list(&file["cases"]) {
        let pattern = ("filterTags.pattern", text(&case["pattern"]));
        let extract = ("filterTags.extract", text(&case["extract"]));
        let rule = rule(Tool::Flux2, &[("alphabetical.order", "asc"), pattern, extract], None).unwrap();
        let selection = ask(&rule, None, &texts(&case["tags"]));
        let (kept, mut wanted) = (kept(&selection), texts(&case["want"]));
        wanted.sort_unstable_by(|left, right| right.cmp(left));
        // What is extracted shows in the order alone; a case's tags contain it, and two may have the same.
        let mut seen: Vec<&str> =
            kept.iter().filter_map(|tag| wanted.iter().copied().find(|text| tag.contains(text))).collect();
        assert_eq!(seen.len(), kept.len(), "{case}");
        seen.dedup();
        assert_eq!(seen, wanted, "{case}");
    }
}

#[test]
fn versions_are_read_and_sorted_the_same() {
    let Some(file) = cases("flux2/version_parse.json") else { return };
    let every = |range: &str| rule(Tool::Flux2, &[("semver.range", range)], None).unwrap();
    for case in list(&file["parse"]) {
        let version = text(&case["v"]);
        // Build metadata begins with a plus, which cannot be in a tag.
        if version.contains('+') {
            continue;
        }
        let selection = ask(&every("*-0"), None, &[version]);
        assert_eq!(kept(&selection).is_empty(), case["error"].as_bool().unwrap(), "{version}");
    }
    let sort = &file["sort"];
    let selection = ask(&every(text(&sort["range"])), None, &texts(&sort["tags"]));
    // Of equal versions any may come first, and a tag that is listed twice counts once.
    let values = |tags: Vec<&str>| -> Vec<String> {
        let mut values: Vec<String> = tags.iter().map(|tag| tag.trim_start_matches('v').to_owned()).collect();
        values.dedup();
        values
    };
    assert_eq!(values(kept(&selection)), values(texts(&sort["want_desc_stable"])));
}
