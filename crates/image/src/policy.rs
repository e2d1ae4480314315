//! Which tags a place may get, and which of two is the newer one.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use crate::calver::{Format, FormatError};
use crate::foreign::{Foreign, Latest};
use crate::glob;
use crate::range::{Range, RangeError};
use crate::rule::{FilterError, TagFilter};
use crate::tag::{self, Tag};

/// A policy: `semver:RANGE`, `numerical:RE`, `alphabetical:RE`, `glob:PATTERN`, `regexp:RE`,
/// `calver:FORMAT` or `digest:TAG`.
///
/// | policy | eligible | order |
/// | --- | --- | --- |
/// | `semver` | the current tag's shape, first three numbers in the range | numbers, prerelease, revision |
/// | `calver` | the format, and the current tag's shape around it | the parts of the format, prerelease, revision |
/// | `numerical` | the expression matches; its group `key`, or the whole tag, is digits | as an integer |
/// | `alphabetical` | the expression matches | the group `key`, or the whole tag, by bytes |
/// | `glob` | the whole tag matches (`*`, `?`, `[a-z]`) | by time |
/// | `regexp` | the expression, not anchored by itself, matches | by time |
/// | `digest` | this tag | what the tag points to now |
#[derive(Clone, Debug)]
pub struct Policy {
    text: String,
    pub(crate) kind: Kind,
    /// The one tag that it names exactly, be it `latest`.
    named: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Semver(Range),
    Calver(Format),
    Numerical(TagFilter),
    Alphabetical(TagFilter),
    Time(Arc<Regex>),
    /// The tag that stays while its digest moves.
    Digest(String),
    /// As another tool chooses.
    Foreign(Foreign),
}

/// Why a policy cannot be used. Nothing is selected under it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The word before the colon is not a policy, or there is no colon.
    #[error(
        "{0:?} is not a policy: write semver:RANGE, calver:FORMAT, glob:PATTERN, regexp:RE, numerical:RE, alphabetical:RE or digest:TAG"
    )]
    Unknown(String),
    /// A range without the word before it.
    #[error("{0:?} is a range and not a policy: write semver:{0}")]
    Bare(String),
    /// The format after `calver:`.
    #[error("the policy {policy:?}: {source}")]
    Format {
        /// The policy as written.
        policy: String,
        /// What is wrong with it, and where.
        source: FormatError,
    },
    /// The tag after `digest:`.
    #[error("the policy {0:?}: what follows the colon cannot be a tag; write for example digest:stable")]
    Tag(String),
    /// The range after `semver:`.
    #[error("the policy {policy:?}: {source}")]
    Range {
        /// The policy as written.
        policy: String,
        /// What is wrong with it, and where.
        source: RangeError,
    },
    /// The pattern after `glob:`.
    #[error("the policy {policy:?}: the pattern cannot be read: {problem}")]
    Glob {
        /// The policy as written.
        policy: String,
        /// What is wrong with the pattern, and where.
        problem: String,
    },
    /// The expression after `regexp:`, `numerical:` or `alphabetical:`.
    #[error("the policy {policy:?}: {source}")]
    Expression {
        /// The policy as written.
        policy: String,
        /// What is wrong with the expression.
        source: FilterError,
    },
}

impl Policy {
    /// Reads a policy. An empty text is the default for the current tag: never a new first non-zero number,
    /// `semver:^CURRENT`; without a current tag that has numbers it is `semver:*`.
    ///
    /// # Errors
    /// If the word before the colon is not a policy, or what follows cannot be read.
    pub fn parse(text: &str, current: Option<&str>) -> Result<Self, PolicyError> {
        let text = text.trim();
        if text.is_empty() {
            let range = current.and_then(Tag::parse).map_or_else(Range::any, |tag| Range::caret(&tag));
            return Ok(Self { text: format!("semver:{range}"), kind: Kind::Semver(range), named: None });
        }
        let unknown = || match text.parse::<Range>() {
            Ok(_) => PolicyError::Bare(text.to_owned()),
            Err(_) => PolicyError::Unknown(text.to_owned()),
        };
        let (word, value) = text.split_once(':').ok_or_else(unknown)?;
        let expression =
            || TagFilter::parse(value).map_err(|source| PolicyError::Expression { policy: text.to_owned(), source });
        let kind = match word {
            "semver" => {
                Kind::Semver(value.parse().map_err(|source| PolicyError::Range { policy: text.to_owned(), source })?)
            }
            "numerical" => Kind::Numerical(expression()?),
            "alphabetical" => Kind::Alphabetical(expression()?),
            "glob" => Kind::Time(
                glob::compile(value).map_err(|problem| PolicyError::Glob { policy: text.to_owned(), problem })?,
            ),
            "regexp" => Kind::Time(expression()?.into_regex()),
            "digest" if tag::is_valid(value) => Kind::Digest(value.to_owned()),
            "digest" => return Err(PolicyError::Tag(text.to_owned())),
            "calver" => {
                Kind::Calver(value.parse().map_err(|source| PolicyError::Format { policy: text.to_owned(), source })?)
            }
            _ => return Err(unknown()),
        };
        let named = match word {
            "glob" | "digest" => Some(value),
            "semver" | "calver" => None,
            _ => value.strip_prefix('^').and_then(|value| value.strip_suffix('$')),
        };
        Ok(Self { text: text.to_owned(), kind, named: named.map(str::to_owned) })
    }

    /// A policy that was written in the words of another tool.
    pub(crate) fn of_words(text: String, kind: Kind, named: Option<String>) -> Self {
        Self { text, kind, named }
    }

    /// Whether what moves is the digest of one tag.
    #[must_use]
    pub fn moves_digests(&self) -> bool {
        matches!(self.kind, Kind::Digest(_))
    }

    /// Whether `latest`, spelled like this, is a candidate: the policy names exactly that, or is another tool's.
    pub(crate) fn means_latest(&self, tag: &str) -> bool {
        match &self.kind {
            Kind::Foreign(foreign) => matches!(foreign.latest, Latest::Tag | Latest::Text),
            _ => self.named.as_deref() == Some(tag),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
