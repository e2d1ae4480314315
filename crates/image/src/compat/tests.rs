use super::{Tool, Words, rule};
use crate::{Candidate, Outcome, Question, select};

/// A tool, its words in short, and the same with their keys.
type Case = (Tool, &'static str, &'static [(&'static str, &'static str)]);

fn choose(tool: Tool, words: &str, current: Option<&str>, tags: &[&str]) -> Outcome {
    let rule = rule(tool, &Words::read(tool, words), current).unwrap().unwrap();
    let candidates: Vec<Candidate> = tags.iter().copied().map(Candidate::new).collect();
    select(&rule, &Question { current, candidates: &candidates, ..Question::default() }).outcome
}

#[test]
fn short_words_mean_what_long_ones_do() {
    let cases: [Case; 9] = [
        (Tool::Flux1, "semver:>=1 <2", &[("fluxcd.io/tag.app", "semver:>=1 <2")]),
        (Tool::Flux1, "flux.weave.works/tag.app: glob:main-*", &[("filter.fluxcd.io/app", "glob:main-*")]),
        (Tool::Flux2, "semver:^1.0", &[("spec.policy.semver.range", "^1.0"), ("metadata.name", "app")]),
        (Tool::Flux2, "^1.0 || 3.x", &[("semver.range", "^1.0 || 3.x")]),
        (
            Tool::Flux2,
            "numerical:asc filterTags.pattern=^(?P<n>.*)$ filterTags.extract=$n",
            &[("policy.numerical.order", "asc"), ("filterTags.pattern", "^(?P<n>.*)$"), ("filterTags.extract", "$n")],
        ),
        (Tool::Keel, "force match-tag=true", &[("keel.sh/policy", "force"), ("keel.sh/matchTag", "true")]),
        (Tool::ImageUpdater, "semver:~1.2", &[("a.update-strategy", "semver"), ("constraint", "~1.2")]),
        (
            Tool::ImageUpdater,
            "name allow-tags=regexp:^v ignore-tags=a*, b",
            &[
                ("argocd-image-updater.argoproj.io/app.update-strategy", "name"),
                ("argocd-image-updater.argoproj.io/app.allow-tags", "regexp:^v"),
                ("argocd-image-updater.argoproj.io/app.ignore-tags", "a*, b"),
            ],
        ),
        (
            Tool::ImageUpdater,
            "updateStrategy: digest\nimageName: app:stable",
            &[("update-strategy", "digest"), ("image", "app:stable")],
        ),
    ];
    for (tool, short, long) in cases {
        let short = rule(tool, &Words::read(tool, short), Some("1.0.0")).unwrap().unwrap();
        let long = rule(tool, &long.iter().copied().collect(), Some("1.0.0")).unwrap().unwrap();
        assert_eq!(format!("{short:?}"), format!("{long:?}"));
    }
}

#[test]
fn says_whose_words_cannot_be_read() {
    let cases = [
        (Tool::Flux1, "semver:invalid", "column 1"),
        (Tool::Flux1, "regexp:*", "regular expression"),
        (Tool::Flux2, "", "one of semver"),
        (Tool::Flux2, "semver.range=1 numerical.order=asc", "only one"),
        (Tool::Flux2, "alphabetical:up", "neither asc nor desc"),
        (Tool::Keel, "force", "matchTag"),
        (Tool::Keel, "newer", "no policy"),
        (Tool::ImageUpdater, "digest", "app:stable"),
        (Tool::ImageUpdater, "newest", "no strategy"),
        (Tool::ImageUpdater, "semver allow-tags=^v", "neither any nor regexp"),
        (Tool::ImageUpdater, "semver platforms=linux", "no platform"),
    ];
    for (tool, words, part) in cases {
        let error = rule(tool, &Words::read(tool, words), None).expect_err(words).to_string();
        assert!(error.starts_with(tool.name()) && error.contains(part), "{error}");
    }
    let error = rule(Tool::Keel, &[("keel.sh/polcy", "all")].into_iter().collect(), None).unwrap_err().to_string();
    assert!(error.contains("polcy") && error.contains("matchPreRelease"), "{error}");
    assert!("flux3".parse::<Tool>().unwrap_err().to_string().contains("argocd-image-updater"));
}

#[test]
fn a_tool_that_leaves_a_place_alone_makes_no_rule() {
    for words in ["never", ""] {
        assert!(rule(Tool::Keel, &Words::read(Tool::Keel, words), None).unwrap().is_none());
    }
}

#[test]
fn never_down_holds_in_every_tongue() {
    let cases = [
        (Tool::Flux2, "semver:1.x", "2.0.0", vec!["1.0.0", "1.9.0"]),
        (Tool::Flux2, "alphabetical:asc", "m-9", vec!["m-1", "m-2"]),
        (Tool::Flux2, "alphabetical:desc", "m-1", vec!["m-2", "m-9"]),
        (Tool::Flux2, "numerical:asc", "9.5", vec!["9.25", "1"]),
        (Tool::Keel, "regexp:^m-", "m-9", vec!["m-1"]),
        (Tool::ImageUpdater, "semver", "2.0.0", vec!["1.0.0"]),
    ];
    for (tool, words, current, tags) in cases {
        let outcome = choose(tool, words, Some(current), &tags);
        assert!(matches!(outcome, Outcome::Held(_)), "{tool} {words}: {outcome:?}");
    }
}

#[test]
fn orders_are_the_tools_own() {
    let cases = [
        (Tool::Flux2, "alphabetical:desc", Some("m-5"), vec!["m-1", "m-9"], "m-1"),
        (Tool::Flux2, "numerical:desc", Some("5"), vec!["1", "4.5", "9"], "1"),
        (Tool::Flux2, "semver:*", Some("latest"), vec!["1.0.0", "latest"], "1.0.0"),
        (
            Tool::Flux2,
            "semver:* filterTags.pattern=^(.*)-(.*)-x$ filterTags.extract=$2.$1",
            None,
            vec!["3-1.2-x", "9-1.1-x"],
            "3-1.2-x",
        ),
        (Tool::Flux2, "alphabetical:asc filterTags.pattern=^m-", Some("latest"), vec!["latest", "m-1"], "m-1"),
        (Tool::Keel, "glob:build-*", Some("build-10"), vec!["build-10", "build-9"], "build-9"),
        (Tool::Keel, "regexp:^(?P<compare>[a-z]+)-", Some("a-9"), vec!["b-1", "a-9"], "b-1"),
        (Tool::Flux2, "semver:*", Some("1.2"), vec!["1.3", "1.2.9", "1.2.0"], "1.2.9"),
        (Tool::Keel, "all", Some("42"), vec!["43", "42.1"], "42.1"),
        (Tool::Keel, "minor", Some("latest"), vec!["1.0.0", "2.0.0-rc"], "2.0.0-rc"),
        (Tool::ImageUpdater, "semver", Some("1.0.0"), vec!["1.0.0", "2.0.0-rc1"], "2.0.0-rc1"),
    ];
    for (tool, words, current, tags, wanted) in cases {
        assert_eq!(choose(tool, words, current, &tags), Outcome::Selected(wanted.to_owned()), "{tool} {words}");
    }
}

#[test]
fn equal_texts_of_different_tags_tie() {
    let words = "semver:* filterTags.pattern=^[a-z]+-(.*)$ filterTags.extract=$1";
    let outcome = choose(Tool::Flux2, words, None, &["a-1.0.0", "b-1.0.0"]);
    assert!(matches!(&outcome, Outcome::Held(reason) if reason.contains("2 tags tie")), "{outcome:?}");
}

#[test]
fn one_tag_that_is_no_number_stops_all() {
    let outcome = choose(Tool::Flux2, "numerical:asc", Some("1"), &["1", "2", "main"]);
    assert!(matches!(&outcome, Outcome::Held(reason) if reason.contains("main is not a number")), "{outcome:?}");
}
