//! Ranges of versions, as npm and Masterminds users write them, over numbers of any length.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::number;
use crate::prerelease::Prerelease;
use crate::tag::Tag;

mod read;

/// A range such as `~1.4`, `^0.2.3`, `>=1.2 <3 || 5.x`, `1.2 - 1.6` or `>=2.0-0`.
///
/// Only the first three numbers of a tag are looked at, a missing one counts as 0:
///
/// | written | means |
/// | --- | --- |
/// | `1.2.3`, `=1.2.3` | exactly that |
/// | `1.2`, `1.2.x`, `1.2.*` | 1.2.0 up to, not including, 1.3.0 |
/// | `*`, `x` | everything |
/// | `~1.2.3`, `~1.2`, `~1` | below 1.3.0, below 1.3.0, below 2.0.0 |
/// | `^1.2.3`, `^0.2.3`, `^0.0.3`, `^0` | below 2.0.0, below 0.3.0, below 0.0.4, below 1.0.0 |
/// | `>1.2`, `<=1.2` | 1.3.0 and above, below 1.3.0 |
/// | `!=1.2` | anything but 1.2.x |
/// | `1.2 - 1.4` | 1.2.0 up to, not including, 1.5.0 |
///
/// A space or a comma means "and", `||` means "or". Prereleases are in a range only where one of the joined parts has a
/// prerelease itself (`>=1.2.3-0`); that part then compares prereleases too, the others compare numbers alone, so
/// `>=1.2-0 <2` has 1.3.0-rc.1 and does not have 2.0.0-rc.1. `>=1.2.0-rc.1 <1.2.0` has the prereleases of 1.2.0.
#[derive(Clone, Debug)]
pub struct Range {
    text: String,
    /// One of them must hold.
    alternatives: Vec<Vec<Part>>,
}

/// Why a range cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the range {range:?} cannot be read at column {column}: {problem}")]
pub struct RangeError {
    range: String,
    column: usize,
    problem: String,
}

impl RangeError {
    /// The first character that does not fit, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Above,
    AtLeast,
    Below,
    AtMost,
    Tilde,
    Caret,
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) operator: Operator,
    /// None for `*`, else up to three.
    pub(crate) numbers: Vec<String>,
    /// The numbers, a missing one as 0, if all of them fit.
    quick: Option<[u64; 3]>,
    pub(crate) prerelease: Option<String>,
}

impl Range {
    /// The range that holds everything that is not a prerelease.
    pub(crate) fn any() -> Self {
        Self { text: "*".to_owned(), alternatives: vec![vec![Part::new(Operator::Equal, Vec::new(), None)]] }
    }

    /// `^` and the first three numbers of a tag.
    pub(crate) fn caret(tag: &Tag<'_>) -> Self {
        let numbers: Vec<String> = tag.numbers().split('.').take(3).map(str::to_owned).collect();
        let text = format!("^{}", numbers.join("."));
        Self { text, alternatives: vec![vec![Part::new(Operator::Caret, numbers, None)]] }
    }

    /// What the range says, for those that read it otherwise: one of these must hold, and each with all of its parts.
    pub(crate) fn alternatives(&self) -> &[Vec<Part>] {
        &self.alternatives
    }

    /// Whether the tag is in the range, and is no prerelease unless the range asks for them.
    pub fn contains(&self, tag: &Tag<'_>) -> bool {
        self.holds(tag, !tag.is_prerelease())
    }

    /// Whether the numbers of the tag are in the range, be it a prerelease or not.
    pub(crate) fn contains_numbers(&self, tag: &Tag<'_>) -> bool {
        self.holds(tag, true)
    }

    fn holds(&self, tag: &Tag<'_>, freely: bool) -> bool {
        self.alternatives.iter().any(|parts| {
            (freely || parts.iter().any(|part| part.prerelease.is_some()))
                && parts.iter().all(|part| part.holds(tag) || part.is_end_of_prereleases(parts, tag))
        })
    }
}

impl Part {
    /// A part of at most three numbers.
    pub(crate) fn new(operator: Operator, numbers: Vec<String>, prerelease: Option<String>) -> Self {
        let mut quick = Some([0; 3]);
        for (place, digits) in numbers.iter().enumerate() {
            quick = quick.and_then(|mut numbers: [u64; 3]| {
                *numbers.get_mut(place)? = digits.parse().ok()?;
                Some(numbers)
            });
        }
        Self { operator, numbers, quick, prerelease }
    }

    fn holds(&self, tag: &Tag<'_>) -> bool {
        let length = self.numbers.len();
        if length == 0 {
            return true;
        }
        let order = || match &self.prerelease {
            Some(prerelease) => self.numbers_against(tag, 3).then_with(|| match tag.prerelease() {
                Some(ours) => ours.compare(&Prerelease::of(prerelease)),
                None => Ordering::Greater,
            }),
            None => self.numbers_against(tag, length),
        };
        // A part with less than three numbers stands for all that begin with them.
        let broad = || if length < 3 { self.numbers_against(tag, length) } else { order() };
        match self.operator {
            Operator::Equal => broad().is_eq(),
            Operator::NotEqual => broad().is_ne(),
            Operator::Above => broad().is_gt(),
            Operator::AtLeast => order().is_ge(),
            Operator::Below => order().is_lt(),
            Operator::AtMost => broad().is_le(),
            Operator::Tilde => order().is_ge() && self.numbers_against(tag, length.min(2)).is_eq(),
            Operator::Caret => order().is_ge() && self.numbers_against(tag, self.kept_by_caret()).is_eq(),
        }
    }

    /// Whether this part is the `<1.2.0` of `>=1.2.0-rc.1 <1.2.0`, which asks for prereleases of 1.2.0 and of nothing later.
    fn is_end_of_prereleases(&self, parts: &[Part], tag: &Tag<'_>) -> bool {
        (self.operator, &self.prerelease) == (Operator::Below, &None)
            && tag.is_prerelease()
            && self.numbers_against(tag, 3).is_eq()
            && parts.iter().any(|part| part.prerelease.is_some() && part.numbers_against(tag, 3).is_eq())
    }

    /// Compares the first numbers of the tag with those of this part.
    fn numbers_against(&self, tag: &Tag<'_>, count: usize) -> Ordering {
        if let (Some(ours), Some(theirs)) = (&self.quick, tag.quick()) {
            return theirs[..count].cmp(&ours[..count]);
        }
        (0..count)
            .map(|place| number::compare(tag.number(place), self.numbers.get(place).map_or("0", String::as_str)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// How many numbers `^` keeps: up to the first that is not zero.
    fn kept_by_caret(&self) -> usize {
        let zero = |digits: &String| number::significant(digits).is_empty();
        self.numbers.iter().position(|digits| !zero(digits)).map_or(self.numbers.len(), |place| place + 1)
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match read::alternatives(text) {
            Ok(alternatives) => Ok(Self { text: text.trim().to_owned(), alternatives }),
            Err((place, problem)) => {
                let column = text.get(..place).map_or(place, |before| before.chars().count()) + 1;
                Err(RangeError { range: text.to_owned(), column, problem })
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
