//! A listing of tags as a file: tags and JSON objects, one a line.

use jiff::Timestamp;
use lockstep_image::{Candidate, Platform, Verified};
use serde::Deserialize;

use crate::failure::Failure;
use crate::input::Input;

/// More errors than a person reads.
const SHOWN: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    tag: String,
    digest: Option<String>,
    pushed: Option<Timestamp>,
    created: Option<Timestamp>,
    first_seen: Option<Timestamp>,
    platforms: Option<Vec<String>>,
    signed: Option<bool>,
}

impl Line {
    fn candidate(self) -> Result<Candidate<'static>, String> {
        let platforms =
            self.platforms.map(|list| list.iter().map(|text| text.parse()).collect::<Result<Vec<Platform>, _>>());
        Ok(Candidate {
            digest: self.digest,
            pushed: self.pushed,
            created: self.created,
            first_seen: self.first_seen,
            platforms: platforms.transpose().map_err(|error| error.to_string())?,
            verified: self.signed.map(|signed| if signed { Verified::Signed } else { Verified::NotSigned }),
            ..Candidate::new(self.tag)
        })
    }
}

/// Every tag of the file. All lines that cannot be read are told at once.
pub(super) fn candidates(input: &Input) -> Result<Vec<Candidate<'static>>, Failure> {
    let text = input.text()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut candidates = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.starts_with('{') {
            if !line.is_empty() {
                candidates.push(Candidate::new(line.to_owned()));
            }
            continue;
        }
        let read: Result<Line, String> = serde_json::from_str(line).map_err(|error| sentence(&error));
        match read.and_then(Line::candidate) {
            Ok(candidate) => candidates.push(candidate),
            Err(problem) => problems.push(format!("{}:{}: {problem}", input.name, index + 1)),
        }
    }
    if problems.is_empty() {
        return Ok(candidates);
    }
    let more = problems.len().saturating_sub(SHOWN);
    problems.truncate(SHOWN);
    if more > 0 {
        problems.push(format!("{}: {more} more lines cannot be read", input.name));
    }
    let next = r#"Write a tag, or {"tag": "1.4.2", "pushed": "2026-01-31T12:00:00Z"} with any of digest, pushed, created, firstSeen, platforms, signed."#;
    Err(Failure::errors(problems).next(next))
}

/// What the parser says, with the column as the only place: the line is that of the file.
fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    format!("column {}: {problem}", error.column())
}
