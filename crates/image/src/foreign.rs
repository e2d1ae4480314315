//! How other tools choose: their versions, their numbers, their texts. Only `compat` makes these.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use regex::Regex;

use crate::eligible::Key;
use crate::range::Range;
use crate::reason::Reason;

mod constraint;
mod decimal;
mod release;

pub(crate) use decimal::Decimal;
pub(crate) use release::Release;

/// A choice as another tool makes it.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    /// Which tags it looks at, and what it sees of them.
    pub(crate) view: Option<View>,
    pub(crate) order: Order,
    /// What `latest` is to it.
    pub(crate) latest: Latest,
}

/// What decides which of two tags is the newer one.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Releases(Grammar, Limit),
    Texts(Direction),
    Decimals(Direction),
}

/// What the tag `latest` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latest {
    /// Never a candidate; a place that has it is moved.
    Floating,
    /// Never a candidate, and no version: a place that has it stays.
    Unreadable,
    /// A tag like any other where the tool looks at it, else a place that has it is moved.
    Tag,
    /// A text like any other.
    Text,
}

/// Where the newest is: at the end, or at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    pub(crate) fn of(self, order: Ordering) -> Ordering {
        match self {
            Self::Ascending => order,
            Self::Descending => order.reverse(),
        }
    }
}

/// What counts as a version among the candidates; a place may have any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// One to three numbers.
    Loose,
    /// Two or three numbers.
    Dotted,
    /// Three numbers.
    Full,
}

/// Which versions a place may get.
#[derive(Clone, Debug)]
pub(crate) enum Limit {
    Any,
    Range(Range),
    Step { kept: usize, same_prerelease: bool },
}

/// An expression that tags must match, and the text that is made of a match.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) pattern: Arc<Regex>,
    /// With `$1`, `$name` and `${name}`. Without one the whole tag is seen.
    pub(crate) template: Option<String>,
}

impl View {
    /// What is seen of a tag; `None` if it is not looked at.
    pub(crate) fn of<'a>(&self, tag: &'a str) -> Option<Cow<'a, str>> {
        let Some(template) = &self.template else {
            return self.pattern.is_match(tag).then_some(Cow::Borrowed(tag));
        };
        let mut text = String::new();
        self.pattern.captures(tag)?.expand(template, &mut text);
        Some(Cow::Owned(text))
    }
}

impl Foreign {
    /// What the tool orders a text by.
    pub(crate) fn key<'a>(&self, text: &'a str) -> Result<Key<'a>, Reason<'a>> {
        match &self.order {
            Order::Releases(..) => Release::parse(text).map(Key::Release).ok_or(Reason::NotARelease),
            Order::Texts(direction) => Ok(Key::Text(text, *direction)),
            Order::Decimals(direction) => {
                Decimal::parse(text).map(|decimal| Key::Decimal(decimal, *direction)).ok_or(Reason::NotADecimal)
            }
        }
    }

    /// Which rule of the tool drops a candidate. `current` is what is written at the place, if it is a version.
    pub(crate) fn drops<'a>(&'a self, key: &Key<'_>, current: Option<&Key<'_>>) -> Option<Reason<'a>> {
        let (Order::Releases(grammar, limit), Key::Release(release)) = (&self.order, key) else { return None };
        if !release.is(*grammar) {
            return Some(Reason::NotARelease);
        }
        match (limit, current) {
            (Limit::Range(range), _) => (!constraint::allows(range, release)).then_some(Reason::OutOfRange(range)),
            (Limit::Step { kept, same_prerelease }, Some(Key::Release(current))) => {
                if *same_prerelease && release.prerelease() != current.prerelease() {
                    Some(Reason::OtherPrerelease)
                } else {
                    (!release.keeps(*kept, current)).then_some(Reason::TooLargeAStep)
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
