//! What goes into a decision and what comes out.

use std::ops;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::policy::Policy;

/// Everything that a person wrote about a place.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which tags are eligible, and their order.
    pub policy: Policy,
    /// Only tags that match are looked at. A group `key` is the text that `semver`, `numerical` and `alphabetical`
    /// see in place of the tag.
    pub tags: Option<TagFilter>,
    /// Tags that match are not looked at.
    pub skip_tags: Option<TagFilter>,
    /// How long ago a tag must have been pushed, or else first seen.
    pub min_age: Option<SignedDuration>,
    /// Lifts "never down": the newest tag under the policy is taken even if it is older than the current.
    pub allow_downgrade: bool,
}

impl Rule {
    /// The policy alone.
    pub fn new(policy: Policy) -> Self {
        Self { policy, tags: None, skip_tags: None, min_age: None, allow_downgrade: false }
    }
}

/// A regular expression over tags, not anchored by itself.
#[derive(Clone, Debug)]
pub struct TagFilter {
    expression: Regex,
    has_key: bool,
}

/// An expression over tags cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the regular expression {expression:?} cannot be read: {problem}")]
pub struct FilterError {
    expression: String,
    problem: String,
}

/// What an expression makes of a tag.
pub(crate) enum Extracted {
    NoMatch,
    /// It matches, and its group `key` took no part.
    NoKey,
    /// The part of the tag that the policy sees.
    Key(ops::Range<usize>),
}

impl TagFilter {
    /// Reads an expression. Matching takes linear time, whatever the expression.
    ///
    /// # Errors
    /// If it is not a regular expression, or a very large one.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let expression = Regex::new(text).map_err(|error| {
            let problem = match &error {
                regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes"),
                // The last line says what is wrong; those before it draw the place.
                _ => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
            };
            FilterError { expression: text.to_owned(), problem }
        })?;
        let has_key = expression.capture_names().flatten().any(|name| name == "key");
        Ok(Self { expression, has_key })
    }

    /// Whether the tag matches.
    pub fn matches(&self, tag: &str) -> bool {
        self.expression.is_match(tag)
    }

    pub(crate) fn extract(&self, tag: &str) -> Extracted {
        if !self.has_key {
            return if self.matches(tag) { Extracted::Key(0..tag.len()) } else { Extracted::NoMatch };
        }
        match self.expression.captures(tag) {
            None => Extracted::NoMatch,
            Some(captures) => captures.name("key").map_or(Extracted::NoKey, |key| Extracted::Key(key.range())),
        }
    }

    pub(crate) fn into_regex(self) -> Regex {
        self.expression
    }
}

/// A tag that a registry listed, and what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The tag.
    pub tag: String,
    /// The digest of its manifest; selecting does not look at it.
    pub digest: Option<String>,
    /// When the registry says that it was pushed.
    pub pushed: Option<Timestamp>,
    /// When its publisher says that it was built.
    pub created: Option<Timestamp>,
    /// When it was first listed to us.
    pub first_seen: Option<Timestamp>,
}

impl Candidate {
    /// A tag of which nothing else is known.
    pub fn new(tag: impl Into<String>) -> Self {
        Self { tag: tag.into(), ..Self::default() }
    }
}

/// The place that wants a tag, and what it can have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// The tag that is written there.
    pub current: Option<&'a str>,
    /// A complete listing; the order does not matter, and a tag that is listed twice counts once.
    pub candidates: &'a [Candidate],
    /// Tags that were taken back at this place.
    pub undone: &'a [String],
    /// The time of the decision.
    pub now: Timestamp,
    /// The time of the current tag if it is not listed any more: that of the commit that wrote it.
    pub current_time: Option<Timestamp>,
    /// When the repository was first listed completely. What was first seen then was there before, so those tags
    /// are older than all later ones, and only `created` orders them.
    pub first_scan: Option<Timestamp>,
}

/// What was decided, and what became of every tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The decision.
    pub outcome: Outcome,
    /// Every listed tag once: those that the policy can order first, newest first, then the others by name.
    pub candidates: Vec<Judged>,
}

/// A decision about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The place gets this tag.
    Selected(String),
    /// The current tag, or one of equal value, is the newest that the rule allows.
    UpToDate,
    /// The place is left as it is, for this reason.
    Held(String),
}

/// A tag and which rule kept or dropped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The tag.
    pub tag: String,
    /// A sentence that begins with `selected`, `current`, `kept` or `dropped`.
    pub verdict: String,
}
