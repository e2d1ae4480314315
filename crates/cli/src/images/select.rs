//! `images select`: the automator's decision, without the automator.

use camino::Utf8PathBuf;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use lockstep_daemon::ExitCode;
use lockstep_image::{Outcome, Policy, Question, Rule, TagFilter, parse_duration, select};
use serde::Serialize;

use super::tags_file;
use crate::failure::Failure;
use crate::input::Input;
use crate::output::{self, Format};

const EXAMPLES: &str = "\
Examples:
  lockstep images select --policy 'semver:~1.4' --current 1.4.2 --tags-file tags.txt
  crane ls ghcr.io/acme/web | lockstep images select --current 1.4.2 --tags-file -
  lockstep images select --policy 'glob:main-*' --current main-7 --tags-file tags -o json

A line of the tags file is a tag, or JSON: {\"tag\", \"digest\", \"pushed\", \"created\", \"firstSeen\"}, times in RFC 3339.
Exit code 5: nothing is eligible, or the choice needs a person; standard error says why.";

/// `lockstep images select`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SelectArguments {
    /// semver:RANGE, glob:PATTERN, regexp:RE, numerical:RE or alphabetical:RE [default: semver:^CURRENT]
    #[arg(long, value_name = "POLICY", default_value = "", hide_default_value = true)]
    policy: String,
    /// The tag that is written now; empty if there is none
    #[arg(long, value_name = "TAG", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    current: String,
    /// All tags of the image repository, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    tags_file: Utf8PathBuf,
    /// Look only at tags that match; a group named key is what the policy orders
    #[arg(long, value_name = "RE", value_parser = TagFilter::parse, allow_hyphen_values = true)]
    tags: Option<TagFilter>,
    /// Do not look at tags that match
    #[arg(long, value_name = "RE", value_parser = TagFilter::parse, allow_hyphen_values = true)]
    skip_tags: Option<TagFilter>,
    /// How long ago a tag must have been pushed or first seen, such as 3d or 1d12h
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    min_age: Option<SignedDuration>,
    /// Take the newest tag under the policy even if it is older than the current one
    #[arg(long)]
    allow_downgrade: bool,
    /// A tag that was taken back here: it stays away until a newer one appears. Can be repeated
    #[arg(long, value_name = "TAG")]
    undone: Vec<String>,
    /// The time of the decision, in RFC 3339 [default: the time of day]
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// How to print the choice
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Serialize)]
struct Report {
    selected: Option<String>,
    held: Option<String>,
    candidates: Vec<Candidate>,
}

#[derive(Serialize)]
struct Candidate {
    tag: String,
    verdict: String,
}

impl SelectArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let policy = Policy::parse(&self.policy, Some(&self.current)).map_err(Failure::usage)?;
        let rule = Rule {
            tags: self.tags,
            skip_tags: self.skip_tags,
            min_age: self.min_age,
            allow_downgrade: self.allow_downgrade,
            ..Rule::new(policy)
        };
        let candidates = tags_file::candidates(&Input::read(&self.tags_file)?)?;
        let question = Question {
            current: Some(&self.current),
            candidates: &candidates,
            undone: &self.undone,
            now: self.now.unwrap_or_else(Timestamp::now),
            ..Question::default()
        };
        let selection = select(&rule, &question);
        let (selected, held) = match selection.outcome {
            Outcome::Selected(tag) => (Some(tag), None),
            Outcome::UpToDate => (Some(self.current), None),
            Outcome::Held(reason) => (None, Some(reason)),
        };
        let Some(structured) = self.output.structured() else {
            return match (selected, held) {
                (Some(tag), _) => output::line(&tag).map(|()| ExitCode::Done),
                (None, reason) => Err(Failure::held(reason.unwrap_or_default())),
            };
        };
        let code = if selected.is_some() { ExitCode::Done } else { ExitCode::Held };
        let candidates =
            selection.candidates.into_iter().map(|judged| Candidate { tag: judged.tag, verdict: judged.verdict });
        output::structured(structured, &Report { selected, held, candidates: candidates.collect() })?;
        Ok(code)
    }
}
