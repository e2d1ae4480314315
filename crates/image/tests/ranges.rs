//! Ranges against the Go library that Flux and Argo CD Image Updater read them with: every range of
//! `tests/golden/ranges.json` with every version there. The answers in that file are the library's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its case must fail")]
#![allow(clippy::disallowed_methods, reason = "the cases are a file; only the library is pure")]

use lockstep_image::compat::{self, Tool, Words};
use lockstep_image::{Candidate, Question, Range, Tag, explain};
use serde_json::Value;

/// For each range what each version should be: in it or not; nothing where the library reads no version or no range.
fn table() -> (Vec<String>, Vec<(String, Option<String>)>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/ranges.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let versions = file["versions"].as_array().unwrap().iter().map(|version| text(version).unwrap()).collect();
    let rows = file["ranges"].as_array().unwrap().iter().map(|row| (text(&row[0]).unwrap(), text(&row[1]))).collect();
    (versions, rows)
}

fn differences(answer: impl Fn(&str, &[String]) -> Option<String>) -> Vec<String> {
    let (versions, rows) = table();
    let mut found = Vec::new();
    for (range, theirs) in rows {
        let ours = answer(&range, &versions);
        match (&ours, &theirs) {
            (Some(ours), Some(theirs)) => {
                for ((version, ours), theirs) in versions.iter().zip(ours.chars()).zip(theirs.chars()) {
                    if ours != theirs && theirs != '-' {
                        found.push(format!("{range} has {version}: {ours}"));
                    }
                }
            }
            (None, None) => {}
            (ours, _) => found.push(format!("{range} is read: {}", ours.is_some())),
        }
    }
    found
}

#[test]
fn in_other_tools_words_a_range_is_theirs() {
    let found = differences(|range, versions| {
        let tool = Tool::Flux1;
        let words = Words::from_iter([("tag", format!("semver:{range}"))]);
        let rule = compat::rule(tool, &words, None).ok()??;
        let mask = versions.iter().map(|version| {
            let candidates = [Candidate::new(version)];
            let question = Question { candidates: &candidates, ..Question::default() };
            if explain(&rule, &question).tags[0].verdict.starts_with("dropped") { '0' } else { '1' }
        });
        Some(mask.collect())
    });
    assert_eq!(unknown(&found, &[]), [""; 0]);
}

#[test]
fn our_own_ranges_differ_where_it_is_written_down() {
    let found = differences(|range, versions| {
        let range: Range = range.parse().ok()?;
        let mask = versions.iter().map(|version| {
            let tag = Tag::parse(version).unwrap();
            if range.contains(&tag) { '1' } else { '0' }
        });
        Some(mask.collect())
    });
    let known = [
        // In a tag, `1.2.3-0` is revision 0 of 1.2.3, and no prerelease.
        " has 1.2.3-0: ",
        // The end of a range does not let in the prereleases of what it ends before.
        ">=1.2-0 <2 has 2.0.0-rc.1: 0",
        // ~0.0.0 keeps 0.0, as ~1.0.0 keeps 1.0; the library takes it for everything.
        "~0.0.0 has ",
        // !=1.2-0 is anything but 1.2; the library lets all of it in but 1.2.0-0.
        "!=1.2-0 has ",
    ];
    assert_eq!(unknown(&found, &known), [""; 0]);
}

/// The differences that nobody wrote down.
fn unknown<'a>(found: &'a [String], known: &[&str]) -> Vec<&'a String> {
    let of_both = [
        // The library's documentation has them for everything; its code does not.
        "^* has ",
        "<=* has ",
        // Nothing can be meant by these.
        "<* is read: false",
        ">* is read: false",
        "!=* is read: false",
        "1.x.3 is read: false",
        "*.1 is read: false",
        // Build metadata cannot be in a tag.
        "1.2+meta is read: false",
        // Read, although the library does not.
        "==1.2 is read: true",
        "V1.2 is read: true",
    ];
    let known = |difference: &&String| known.iter().chain(&of_both).any(|part| difference.contains(part));
    found.iter().filter(|difference| !known(difference)).collect()
}
