use jiff::Timestamp;

use super::{explain, select};
use crate::{Candidate, Outcome, Policy, Question, Rule};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn pushed(tag: &str, second: i64) -> Candidate<'_> {
    Candidate { pushed: Some(at(second)), ..Candidate::new(tag) }
}

fn seen(tag: &str, second: i64, created: Option<i64>) -> Candidate<'_> {
    Candidate { first_seen: Some(at(second)), created: created.map(at), ..Candidate::new(tag) }
}

fn ask(policy: &str, question: &Question<'_>) -> Outcome {
    select(&Rule::new(Policy::parse(policy, question.current).unwrap()), question).outcome
}

fn held(outcome: Outcome) -> String {
    match outcome {
        Outcome::Held(reason) => reason,
        other => panic!("not held: {other:?}"),
    }
}

#[test]
fn tags_of_the_first_scan_are_older_than_later_ones_and_ordered_by_created() {
    let tags = [seen("m-1", 0, Some(-20)), seen("m-2", 0, Some(-10)), seen("m-3", 0, Some(-30))];
    let question = Question {
        current: Some("m-1"),
        candidates: &tags,
        now: at(100),
        first_scan: Some(at(0)),
        ..Question::default()
    };
    assert_eq!(ask("glob:m-*", &question), Outcome::Selected("m-2".to_owned()));
    let mut later = tags.to_vec();
    later.push(seen("m-0", 5, Some(-99)));
    let question = Question { candidates: &later, ..question };
    assert_eq!(ask("glob:m-*", &question), Outcome::Selected("m-0".to_owned()));
}

#[test]
fn tags_of_the_first_scan_without_a_believable_build_time_hold_the_place() {
    for created in [None, Some(-1_700_000_000), Some(1_000_000)] {
        let tags = [seen("m-1", 0, Some(-20)), seen("m-2", 0, created)];
        let question = Question {
            current: Some("m-1"),
            candidates: &tags,
            now: at(100),
            first_scan: Some(at(0)),
            ..Question::default()
        };
        assert!(held(ask("glob:m-*", &question)).contains("first scan"));
    }
}

#[test]
fn of_more_than_two_hundred_build_times_none_is_wanted_and_that_is_said() {
    for (count, wants) in [(200, 200), (201, 0)] {
        let names: Vec<String> = (0..count).map(|number| format!("m-{number}")).collect();
        let tags: Vec<Candidate<'_>> = names.iter().map(|name| seen(name, 0, None)).collect();
        let question = Question {
            current: Some("m-1"),
            candidates: &tags,
            now: at(100),
            first_scan: Some(at(0)),
            ..Question::default()
        };
        let selection = select(&Rule::new(Policy::parse("glob:m-*", None).unwrap()), &question);
        assert_eq!(selection.wants.len(), wants);
        let says = held(selection.outcome).contains("of more than 200 none is looked up");
        assert_eq!(says, wants == 0, "{count}");
    }
}

#[test]
fn one_tag_of_the_first_scan_needs_no_order() {
    let tags = [seen("m-1", 0, None)];
    let question = Question {
        current: Some("m-1"),
        candidates: &tags,
        now: at(9),
        first_scan: Some(at(0)),
        ..Question::default()
    };
    assert_eq!(ask("glob:m-*", &question), Outcome::UpToDate);
}

#[test]
fn a_current_tag_that_is_not_listed_takes_the_time_of_its_commit() {
    let tags = [pushed("m-1", 10), pushed("m-2", 30)];
    let question = Question { current: Some("m-0"), candidates: &tags, now: at(100), ..Question::default() };
    assert!(held(ask("glob:m-*", &question)).contains("m-0"));
    let question = Question { current_time: Some(at(20)), ..question };
    assert_eq!(ask("glob:m-*", &question), Outcome::Selected("m-2".to_owned()));
    let question = Question { current_time: Some(at(40)), ..question };
    assert!(held(ask("glob:m-*", &question)).contains("not newer"));
}

#[test]
fn an_undone_tag_that_is_gone_holds_a_time_policy_that_would_have_chosen_it() {
    let tags = [pushed("m-1", 10), pushed("m-3", 30)];
    let gone = ["m-2".to_owned()];
    let question =
        Question { current: Some("m-1"), candidates: &tags, undone: &gone, now: at(100), ..Question::default() };
    assert!(held(ask("glob:m-*", &question)).contains("m-2"));
    let foreign = ["1.2.3".to_owned(), "latest".to_owned()];
    let question = Question { undone: &foreign, ..question };
    assert_eq!(ask("glob:m-*", &question), Outcome::Selected("m-3".to_owned()));
}

#[test]
fn a_tag_that_was_undone_and_is_written_again_is_not_undone() {
    let tags = ["1.0.0", "1.1.0"].map(Candidate::new);
    let undone = ["1.1.0".to_owned()];
    let question = Question { current: Some("1.1.0"), candidates: &tags, undone: &undone, ..Question::default() };
    assert_eq!(ask("semver:*", &question), Outcome::UpToDate);
}

#[test]
fn a_tag_listed_twice_counts_once_with_what_both_know() {
    let tags = [pushed("m-1", 10), Candidate::new("m-2"), pushed("m-2", 20), pushed("m-2", 15)];
    let question = Question { current: Some("m-1"), candidates: &tags, now: at(100), ..Question::default() };
    let explanation = explain(&Rule::new(Policy::parse("glob:*", None).unwrap()), &question);
    assert_eq!(explanation.selection.outcome, Outcome::Selected("m-2".to_owned()));
    assert_eq!(explanation.tags.len(), 2);
}

#[test]
fn candidates_come_in_the_policys_order_with_a_sentence_each() {
    let tags = ["main", "1.4.2", "2.0.0", "1.4.10", "1.4.3-rc.1", "latest", "1.4.1"].map(Candidate::new);
    let question = Question { current: Some("1.4.2"), candidates: &tags, ..Question::default() };
    let explanation = explain(&Rule::new(Policy::parse("semver:~1.4", None).unwrap()), &question);
    let lines: Vec<String> =
        explanation.tags.iter().map(|judged| format!("{} {}", judged.tag, judged.verdict)).collect();
    let starts = [
        "2.0.0 dropped: outside the range ~1.4",
        "1.4.10 selected: the newest under semver:~1.4",
        "1.4.3-rc.1 dropped: a prerelease",
        "1.4.2 current",
        "1.4.1 dropped: not newer than the current 1.4.2",
        "latest dropped: latest",
        "main dropped: it has no number",
    ];
    assert_eq!(lines.len(), starts.len());
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn a_stopped_tag_is_dropped_alone_with_its_reason() {
    let tags = ["1.4.2", "1.4.3", "1.4.4", "1.4.5"].map(Candidate::new);
    let stopped = [("1.4.5", "eu says that it does not run"), ("1.4.2", "so it does not"), ("1.9.0", "gone")];
    let question = Question { current: Some("1.4.2"), candidates: &tags, stopped: &stopped, ..Question::default() };
    let explanation = explain(&Rule::new(Policy::parse("semver:~1.4", None).unwrap()), &question);
    assert_eq!(explanation.selection.outcome, Outcome::Selected("1.4.4".to_owned()));
    let verdict = |tag: &str| explanation.tags.iter().find(|judged| judged.tag == tag).unwrap().verdict.as_str();
    assert_eq!(verdict("1.4.5"), "dropped: stopped: eu says that it does not run");
    assert_eq!(verdict("1.4.2"), "current: eligible itself");
}

#[test]
fn under_a_time_policy_a_stopped_tag_that_was_undone_still_tells_what_is_newer() {
    let tags = [pushed("m-1", 10), pushed("m-2", 20), pushed("m-3", 30)];
    let (stopped, undone) = ([("m-2", "eu says that it does not run")], ["m-2".to_owned()]);
    let question = Question {
        current: Some("m-1"),
        candidates: &tags,
        undone: &undone,
        stopped: &stopped,
        now: at(100),
        ..Question::default()
    };
    assert_eq!(ask("glob:m-*", &question), Outcome::Selected("m-3".to_owned()));
    assert!(held(ask("glob:m-*", &Question { candidates: &tags[..2], ..question })).contains("1 stopped"));
}

#[test]
fn where_all_of_the_greatest_are_dropped_the_others_are_looked_at() {
    let names: Vec<String> = (0..500).map(|number| format!("1.0.{number}")).collect();
    let tags: Vec<Candidate<'_>> = names.iter().map(|name| Candidate::new(name.as_str())).collect();
    for (stopped, expected) in [(0, "1.0.499"), (300, "1.0.199"), (499, "")] {
        let stopped: Vec<(&str, &str)> = names.iter().rev().take(stopped).map(|name| (name.as_str(), "bad")).collect();
        let question = Question { current: Some("1.0.0"), candidates: &tags, stopped: &stopped, ..Question::default() };
        let rule = Rule::new(Policy::parse("semver:*", None).unwrap());
        let selection = select(&rule, &question);
        assert_eq!(selection, explain(&rule, &question).selection);
        let chosen = if expected.is_empty() { Outcome::UpToDate } else { Outcome::Selected(expected.to_owned()) };
        assert_eq!(selection.outcome, chosen);
    }
}
