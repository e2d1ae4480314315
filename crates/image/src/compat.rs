//! Rules in the words of other tools.
//!
//! A place that another tool governed keeps its words: [`rule`] reads them, and `select` then chooses as that tool
//! would. Two things are ours everywhere: a place never goes down, and what was undone stays undone.
//!
//! ```
//! use lockstep_image::compat::{self, Tool, Words};
//! use lockstep_image::{Candidate, Outcome, Question, select};
//!
//! let tool: Tool = "flux1".parse()?;
//! let words = Words::read(tool, "semver:~1.4");
//! let rule = compat::rule(tool, &words, Some("1.4.0"))?.ok_or("left alone")?;
//! let tags = ["1.4.0", "1.4.2", "1.5.0"].map(Candidate::new);
//! let question = Question { current: Some("1.4.0"), candidates: &tags, ..Question::default() };
//! assert_eq!(select(&rule, &question).outcome, Outcome::Selected("1.4.2".to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use regex::Regex;

use crate::foreign::{Foreign, Latest, Order};
use crate::policy::{Kind, Policy};
use crate::rule::{Rule, TagFilter};

mod flux1;
mod flux2;
mod image_updater;
mod keel;
mod words;

pub use words::Words;

/// A tool whose words are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Flux v1: `fluxcd.io/tag.CONTAINER` and its older spellings.
    Flux1,
    /// Flux v2: an ImagePolicy.
    Flux2,
    /// Keel: `keel.sh/policy`.
    Keel,
    /// Argo CD Image Updater: `argocd-image-updater.argoproj.io/ALIAS.update-strategy`.
    ImageUpdater,
}

/// Why the words of a tool make no rule. Nothing is selected under them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompatError {
    /// No such tool.
    #[error("{0:?} is no tool that is understood: flux1, flux2, keel and argocd-image-updater are")]
    UnknownTool(String),
    /// A key that the tool does not have, or that says nothing about which tag to choose.
    #[error("{tool} has no {key:?} that says which tag to choose; known are {known}")]
    UnknownKey {
        /// Whose words these are.
        tool: Tool,
        /// The key as written.
        key: String,
        /// The keys that it has.
        known: String,
    },
    /// A value that cannot be read, is missing, or cannot be honoured.
    #[error("{tool}, {key}: {problem}")]
    Value {
        /// Whose words these are.
        tool: Tool,
        /// The key that it is about.
        key: &'static str,
        /// What is wrong, and what to write.
        problem: String,
    },
}

/// The rule that these words make for a place with this tag; none where the tool would leave the place alone.
///
/// The words are those of one place. A tool's own defaults hold for what is not written.
///
/// # Errors
/// If anything in the words is not known, cannot be read, or cannot be honoured.
pub fn rule(tool: Tool, words: &Words, current: Option<&str>) -> Result<Option<Rule>, CompatError> {
    let words = words.of(tool)?;
    match tool {
        Tool::Flux1 => flux1::rule(&words).map(Some),
        Tool::Flux2 => flux2::rule(&words).map(Some),
        Tool::Keel => keel::rule(&words, current),
        Tool::ImageUpdater => image_updater::rule(&words).map(Some),
    }
}

impl Tool {
    /// Its name in settings and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flux1 => "flux1",
            Self::Flux2 => "flux2",
            Self::Keel => "keel",
            Self::ImageUpdater => "argocd-image-updater",
        }
    }

    fn wrong(self, key: &'static str, problem: impl ToString) -> CompatError {
        CompatError::Value { tool: self, key, problem: problem.to_string() }
    }

    /// Reads an expression of the tool.
    fn expression(self, key: &'static str, text: &str) -> Result<Arc<Regex>, CompatError> {
        TagFilter::parse(text).map(TagFilter::into_regex).map_err(|error| self.wrong(key, error))
    }

    /// A rule of one policy, which is shown as it was written.
    fn policy(self, written: &str, kind: Kind) -> Rule {
        Rule::new(Policy::of_words(format!("{written} ({self})"), kind, None))
    }

    fn foreign(self, written: &str, order: Order, latest: Latest) -> Rule {
        self.policy(written, Kind::Foreign(Foreign { view: None, order, latest }))
    }
}

impl FromStr for Tool {
    type Err = CompatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tools = [Self::Flux1, Self::Flux2, Self::Keel, Self::ImageUpdater];
        tools.into_iter().find(|tool| tool.name() == text).ok_or_else(|| CompatError::UnknownTool(text.to_owned()))
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
