//! Formats of calendar versions, in the words of calver.org: which tags are of one, and their order.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::number;
use crate::tag::{Mismatch, Tail};

mod read;

/// A format such as `YYYY.0M.0D`, `YY.MM.MICRO`, `YYYYMMDD` or `MAJOR.YYYY.WW-MODIFIER`.
///
/// | token | is | written |
/// | --- | --- | --- |
/// | `YYYY`; `YY`; `0Y` | the year | 2024; 24, 6 or 106; 24, 06 or 106 |
/// | `MM`, `WW`, `DD` | month, week, day | 1 or 01; two digits where a digit stands beside it |
/// | `0M`, `0W`, `0D` | the same | always two digits |
/// | `MAJOR`, `MINOR`, `MICRO` | a number | any length |
/// | `MODIFIER` | at the end: prereleases are let in | `-rc1`, `.dev3`, or nothing |
///
/// Everything else stands for itself. Before and behind it a tag may have what a version may have: a prefix, a
/// prerelease, a variant, a revision.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    text: String,
    pieces: Vec<Piece>,
    /// How many numbers are compared before the date.
    before_date: usize,
    has_modifier: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    /// Tokens with nothing between them: one run of digits in a tag.
    Run(Vec<Token>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    FullYear,
    ShortYear(Padding),
    Month(Padding),
    Week(Padding),
    Day(Padding),
    Major,
    Minor,
    Micro,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    None,
    Zero,
}

/// Why a text is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the format cannot be read at column {column}: {problem}")]
pub struct FormatError {
    column: usize,
    problem: String,
}

/// Why a tag is not of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    Format,
    /// Such a month or day does not exist.
    Date,
}

/// A tag of a format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dated<'a> {
    text: &'a str,
    prefix: &'a str,
    parts: Parts<'a>,
    /// How many of the numbers are compared before the date.
    before_date: usize,
    tail: Tail<'a>,
}

/// What a format's tokens stand for in a tag.
#[derive(Clone, Copy, Debug, Default)]
struct Parts<'a> {
    date: Date,
    /// `MAJOR`, `MINOR` and `MICRO`, in the order of the format.
    numbers: [&'a str; 3],
    count: usize,
}

/// A date, or as much of it as a format has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Date {
    year: i16,
    month: Option<i8>,
    week: Option<i8>,
    day: Option<i8>,
}

impl Date {
    fn exists(self) -> bool {
        self.week.is_none_or(|week| (1..=53).contains(&week))
            && jiff::civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).is_ok()
    }
}

impl Format {
    /// Whether prereleases are let in.
    pub(crate) fn has_modifier(&self) -> bool {
        self.has_modifier
    }

    /// Reads a tag. The format begins where it first fits: what stands before is the prefix.
    pub(crate) fn read<'a>(&self, tag: &'a str) -> Result<Dated<'a>, Misfit> {
        let mut misfit = Misfit::Format;
        for start in (0..tag.len()).filter(|place| tag.is_char_boundary(*place)) {
            if ends_in_a_number(&tag[..start]) {
                continue;
            }
            match self.fit(tag, start) {
                Err(Misfit::Format) => {}
                Err(Misfit::Date) => misfit = Misfit::Date,
                found => return found,
            }
        }
        Err(misfit)
    }

    fn fit<'a>(&self, text: &'a str, start: usize) -> Result<Dated<'a>, Misfit> {
        let (prefix, mut rest) = text.split_at(start);
        let mut parts = Parts::default();
        for piece in &self.pieces {
            rest = match piece {
                Piece::Literal(literal) => rest.strip_prefix(literal.as_str()),
                Piece::Run(tokens) => {
                    let (digits, behind) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
                    parts.take(tokens, digits).map(|()| behind)
                }
            }
            .ok_or(Misfit::Format)?;
        }
        if rest.strip_prefix('.').unwrap_or(rest).starts_with(is_digit) {
            return Err(Misfit::Format);
        }
        if !parts.date.exists() {
            return Err(Misfit::Date);
        }
        Ok(Dated { text, prefix, parts, before_date: self.before_date, tail: Tail::of(rest) })
    }
}

impl<'a> Parts<'a> {
    /// Splits a run of digits among its tokens; `None` where they do not fit.
    fn take(&mut self, tokens: &[Token], mut digits: &'a str) -> Option<()> {
        let fixed: usize = tokens.iter().filter_map(Token::width).sum();
        let left_over = digits.len().checked_sub(fixed);
        for token in tokens {
            let width = match token.width() {
                _ if tokens.len() == 1 => digits.len(),
                Some(width) => width,
                None => left_over?,
            };
            let (part, behind) = digits.split_at_checked(width)?;
            digits = behind;
            let (least, most) = token.widths();
            if part.len() < least || part.len() > most {
                return None;
            }
            let small = || part.parse().ok();
            match token {
                Token::FullYear => self.date.year = part.parse().ok()?,
                Token::ShortYear(_) => self.date.year = part.parse::<i16>().ok()? + 2000,
                Token::Month(_) => self.date.month = small(),
                Token::Week(_) => self.date.week = small(),
                Token::Day(_) => self.date.day = small(),
                Token::Major | Token::Minor | Token::Micro => {
                    *self.numbers.get_mut(self.count)? = part;
                    self.count += 1;
                }
            }
        }
        digits.is_empty().then_some(())
    }
}

impl<'a> Dated<'a> {
    /// Orders by the numbers and the date, from left to right, then by what stands behind them. Wherever the year, the
    /// month and the day stand, they are one date.
    pub(crate) fn compare(&self, other: &Dated<'_>) -> Ordering {
        let numbers = |range: std::ops::Range<usize>| {
            range
                .map(|place| number::compare(self.parts.numbers[place], other.parts.numbers[place]))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        numbers(0..self.before_date)
            .then_with(|| self.parts.date.cmp(&other.parts.date))
            .then_with(|| numbers(self.before_date..3))
            .then_with(|| self.tail.compare(&other.tail))
    }

    /// The prefix that must be kept: `v` equals none.
    pub(crate) fn kept_prefix(&self) -> &'a str {
        if self.prefix == "v" { "" } else { self.prefix }
    }

    pub(crate) fn tail(&self) -> &Tail<'a> {
        &self.tail
    }

    /// Whether this tag has the shape of the model; without a model there is nothing around the format.
    pub(crate) fn mismatch(&self, model: Option<&Dated<'_>>) -> Option<Mismatch> {
        if self.kept_prefix() == model.map_or("", Dated::kept_prefix) {
            self.tail.mismatch(model.map(|model| &model.tail))
        } else {
            Some(Mismatch::Prefix)
        }
    }

    /// How much of the model's way of writing this tag keeps; only compared between tags of equal value.
    pub(crate) fn likeness(&self, model: &Dated<'_>) -> u8 {
        u8::from(self.prefix == model.prefix) * 2 + u8::from(self.text.len() == model.text.len())
    }
}

/// Whether the text ends within dotted numbers, so that no new ones can begin behind it.
fn ends_in_a_number(text: &str) -> bool {
    text.strip_suffix('.').unwrap_or(text).ends_with(is_digit)
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

impl Token {
    /// How many digits it has where digits stand beside it; `None` for a number of any length.
    fn width(&self) -> Option<usize> {
        match self {
            Self::FullYear => Some(4),
            Self::Major | Self::Minor | Self::Micro => None,
            _ => Some(2),
        }
    }

    /// How many digits it may have at least and at most.
    fn widths(self) -> (usize, usize) {
        match self {
            Self::FullYear => (4, 4),
            Self::ShortYear(Padding::None) => (1, 3),
            Self::ShortYear(Padding::Zero) => (2, 3),
            Self::Month(Padding::None) | Self::Week(Padding::None) | Self::Day(Padding::None) => (1, 2),
            Self::Month(Padding::Zero) | Self::Week(Padding::Zero) | Self::Day(Padding::Zero) => (2, 2),
            Self::Major | Self::Minor | Self::Micro => (1, usize::MAX),
        }
    }

    fn is_date(self) -> bool {
        !matches!(self, Self::Major | Self::Minor | Self::Micro)
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read::format(text).map_err(|(column, problem)| FormatError { column, problem })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
