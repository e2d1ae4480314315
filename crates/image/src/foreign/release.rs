//! Versions as semver.org and the Go library Masterminds/semver read them.

use std::cmp::Ordering;

use super::Grammar;
use crate::number;

/// One to three numbers and a prerelease. Numbers may have any length, and zeros before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release<'a> {
    text: &'a str,
    numbers: [&'a str; 3],
    count: usize,
    prerelease: &'a str,
}

impl<'a> Release<'a> {
    /// Reads one to three numbers and what may stand behind them.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        // Nothing of build metadata counts.
        let (version, metadata) =
            text.split_once('+').map_or((text, None), |(version, metadata)| (version, Some(metadata)));
        let version = version.strip_prefix('v').unwrap_or(version);
        let (digits, prerelease) =
            version.split_once('-').map_or((version, None), |(digits, rest)| (digits, Some(rest)));
        let mut numbers = ["0"; 3];
        let mut count = 0;
        for part in digits.split('.') {
            *numbers.get_mut(count)? = Some(part).filter(|part| number::is_digits(part))?;
            count += 1;
        }
        let valid = prerelease.is_none_or(|prerelease| prerelease.split('.').all(is_identifier))
            && metadata.is_none_or(|metadata| metadata.split('.').all(is_word));
        valid.then_some(Self { text, numbers, count, prerelease: prerelease.unwrap_or_default() })
    }

    /// Whether it is written as the tool wants a candidate to be.
    pub(crate) fn is(&self, grammar: Grammar) -> bool {
        match grammar {
            Grammar::Loose => true,
            Grammar::Dotted => self.text.contains('.'),
            Grammar::Full => self.count == 3,
        }
    }

    pub(crate) fn prerelease(&self) -> &'a str {
        self.prerelease
    }

    pub(crate) fn number(&self, place: usize) -> &'a str {
        self.numbers.get(place).copied().unwrap_or("0")
    }

    /// Whether the first numbers are the other's.
    pub(crate) fn keeps(&self, count: usize, other: &Release<'_>) -> bool {
        (0..count).all(|place| number::compare(self.number(place), other.number(place)).is_eq())
    }

    /// Orders by numbers, then prerelease; a version without one is later.
    pub(crate) fn compare(&self, other: &Release<'_>) -> Ordering {
        (0..3)
            .map(|place| number::compare(self.number(place), other.number(place)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| compare_prereleases(self.prerelease, other.prerelease))
    }

    /// How much of the model's way of writing this one keeps.
    pub(crate) fn likeness(&self, model: &Release<'_>) -> u8 {
        u8::from(self.text.starts_with('v') == model.text.starts_with('v'))
    }
}

/// As semver.org orders them: a release last; identifiers one by one, numbers by value and before words.
pub(super) fn compare_prereleases(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (number::is_digits(left), number::is_digits(right)) {
                (true, true) => number::compare(left, right),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => left.cmp(right),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn is_identifier(text: &str) -> bool {
    is_word(text) && !(number::is_digits(text) && text.len() > 1 && text.starts_with('0'))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
