//! `images select`: the automator's decision, without the automator.

use camino::Utf8PathBuf;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use lockstep_daemon::ExitCode;
use lockstep_image::compat::{self, Tool};
use lockstep_image::{Explanation, Outcome, Platform, Policy, Question, Rule, TagFilter, explain, parse_duration};
use serde::Serialize;

use super::{foreign, tags_file};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::{self, Format};

const EXAMPLES: &str = "\
Examples:
  lockstep images select --policy 'semver:~1.4' --current 1.4.2 --tags-file tags.txt
  crane ls ghcr.io/acme/web | lockstep images select --current 1.4.2 --tags-file -
  lockstep images select --policy 'glob:main-*' --current main-7 --tags-file tags -o json
  lockstep images select --compat flux1 --policy 'semver:~1' --current 1.2 --tags-file tags
  lockstep images select --compat flux2 --policy \"$(cat imagepolicy.yaml)\" --tags-file tags
  lockstep images select --compat keel --policy 'force matchTag=true' --current edge --tags-file tags
  lockstep images select --compat argocd-image-updater --policy 'semver:~1.4 allow-tags=regexp:^v' --tags-file tags

A line of the tags file is a tag, or JSON: {\"tag\", \"digest\", \"pushed\", \"created\", \"firstSeen\", \"platforms\", \"signed\"}, \
times in RFC 3339.
Exit code 5: nothing is eligible, or the choice needs a person; standard error says why.";

/// `lockstep images select`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SelectArguments {
    /// semver:RANGE, calver:FORMAT, glob:PATTERN, regexp:RE, numerical:RE, alphabetical:RE or digest:TAG, or the words of
    /// another tool [default: semver:^CURRENT]
    #[arg(long, value_name = "POLICY", default_value = "", hide_default_value = true)]
    policy: String,
    /// Read the policy in the words of flux1, flux2, keel or argocd-image-updater, and choose as that tool would
    #[arg(long, value_name = "TOOL", conflicts_with_all = ["tags", "skip_tags"])]
    compat: Option<Tool>,
    /// The tag that is written now; empty if there is none
    #[arg(long, value_name = "TAG", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    current: String,
    /// The digest that is written now, for digest:TAG
    #[arg(long, value_name = "DIGEST")]
    current_digest: Option<String>,
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
    /// What the image must run on, all of them
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    platforms: Vec<Platform>,
    /// The image must be signed, as the tags file says
    #[arg(long)]
    verify: bool,
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
    /// The digest that goes with the selected tag, where the tags file tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    candidates: Vec<Candidate>,
}

#[derive(Serialize)]
struct Candidate {
    tag: String,
    verdict: String,
}

impl SelectArguments {
    /// What the arguments ask for; nothing if another tool would not act on them.
    fn rule(&self) -> Result<Option<Rule>, Failure> {
        let read = match self.compat {
            Some(tool) => {
                let words = foreign::words(tool, &self.policy);
                compat::rule(tool, &words, Some(&self.current)).map_err(Failure::usage)?
            }
            None => Some(Rule::new(Policy::parse(&self.policy, Some(&self.current)).map_err(Failure::usage)?)),
        };
        let Some(mut rule) = read else { return Ok(None) };
        rule.tags = rule.tags.or_else(|| self.tags.clone());
        rule.skip_tags = rule.skip_tags.or_else(|| self.skip_tags.clone());
        rule.min_age = self.min_age;
        rule.platforms.extend(self.platforms.iter().cloned());
        rule.verify = self.verify;
        rule.allow_downgrade = self.allow_downgrade;
        Ok(Some(rule))
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let rule = self.rule()?;
        let candidates = tags_file::candidates(&Input::read(&self.tags_file)?)?;
        let question = Question {
            current: Some(&self.current),
            current_digest: self.current_digest.as_deref(),
            candidates: &candidates,
            undone: &self.undone,
            now: self.now.unwrap_or_else(Timestamp::now),
            ..Question::default()
        };
        let (outcome, tags) = match &rule {
            Some(rule) => {
                let Explanation { selection, tags } = explain(rule, &question);
                (selection.outcome, tags)
            }
            None => (Outcome::Held("these words tell the tool to leave the place alone".to_owned()), Vec::new()),
        };
        let (selected, held) = match outcome {
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
        let is_selected = |candidate: &&lockstep_image::Candidate<'_>| Some(&*candidate.tag) == selected.as_deref();
        let digest = candidates.iter().find(is_selected).and_then(|candidate| candidate.digest.clone());
        let candidates = tags.into_iter().map(|judged| Candidate { tag: judged.tag, verdict: judged.verdict });
        output::structured(structured, &Report { selected, held, digest, candidates: candidates.collect() })?;
        Ok(code)
    }
}
