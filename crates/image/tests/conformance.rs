//! The cases of other tools, read where they are. Each runs in its tool's own words; what Lockstep decides differently is
//! listed beside the case with its reason, and in `docs/compat.md`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot read its case must fail")]
#![allow(clippy::disallowed_methods, reason = "the cases are files in a folder that the environment may name")]

use lockstep_image::compat::{self, CompatError, Tool, Words};
use lockstep_image::{Candidate, Explanation, Outcome, Question, Rule, explain};
use serde_json::Value;

#[path = "conformance/argo.rs"]
mod argo;
#[path = "conformance/flux1.rs"]
mod flux1;
#[path = "conformance/flux2.rs"]
mod flux2;
#[path = "conformance/keel.rs"]
mod keel;

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

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

/// The rule that a tool's words make for a place.
fn rule(tool: Tool, words: &[(&str, &str)], current: Option<&str>) -> Result<Rule, CompatError> {
    let words = words.iter().copied().collect::<Words>();
    Ok(compat::rule(tool, &words, current)?.unwrap())
}

fn ask(rule: &Rule, current: Option<&str>, tags: &[&str]) -> Explanation {
    let candidates: Vec<Candidate<'_>> = tags.iter().copied().map(Candidate::new).collect();
    explain(rule, &Question { current, candidates: &candidates, ..Question::default() })
}

fn chosen(explanation: Explanation) -> Option<String> {
    match explanation.selection.outcome {
        Outcome::Selected(tag) => Some(tag),
        _ => None,
    }
}

/// The tags that the rule looks at, in its order.
fn kept(explanation: &Explanation) -> Vec<&str> {
    let kept = explanation.tags.iter().filter(|judged| !judged.verdict.starts_with("dropped"));
    kept.map(|judged| judged.tag.as_str()).collect()
}
