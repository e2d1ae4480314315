//! What a person wrote about a place, in parts that are read already.

use std::ops;
use std::sync::Arc;

use jiff::SignedDuration;
use regex::Regex;

use crate::platform::Platform;
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
    /// What the image must run on: all of them.
    pub platforms: Vec<Platform>,
    /// Whether the image must be signed. Whose signature it must be is known to who looks it up.
    pub verify: bool,
    /// Lifts "never down": the newest tag under the policy is taken even if it is older than the current.
    pub allow_downgrade: bool,
}

impl Rule {
    /// The policy alone.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            tags: None,
            skip_tags: None,
            min_age: None,
            platforms: Vec::new(),
            verify: false,
            allow_downgrade: false,
        }
    }
}

/// A regular expression over tags, not anchored by itself.
#[derive(Clone, Debug)]
pub struct TagFilter {
    /// Shared by all copies, together with the room that it searches in.
    expression: Arc<Regex>,
    /// Which group is `key`.
    key: Option<usize>,
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
        let key = expression.capture_names().position(|name| name == Some("key"));
        Ok(Self { expression: Arc::new(expression), key })
    }

    /// A filter whose expression orders nothing, whatever its groups are called.
    pub(crate) fn of(expression: Arc<Regex>) -> Self {
        Self { expression, key: None }
    }

    /// Whether the tag matches.
    pub fn matches(&self, tag: &str) -> bool {
        self.expression.is_match(tag)
    }

    pub(crate) fn extract(&self, tag: &str) -> Extracted {
        let Some(key) = self.key else {
            return if self.matches(tag) { Extracted::Key(0..tag.len()) } else { Extracted::NoMatch };
        };
        match self.expression.captures(tag) {
            None => Extracted::NoMatch,
            Some(captures) => captures.get(key).map_or(Extracted::NoKey, |key| Extracted::Key(key.range())),
        }
    }

    pub(crate) fn into_regex(self) -> Arc<Regex> {
        self.expression
    }
}
