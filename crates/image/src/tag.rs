//! The shape of a tag: what about it must stay, and what may grow.

use std::cmp::Ordering;

use crate::number;
use crate::prerelease::Prerelease;

/// The words that may stand before the digits of a revision, longest first.
const REVISION_WORDS: [&str; 6] = ["build", "rev", "ls", "r", "b", "p"];

/// How many numbers are kept as integers, so that sorting thousands of tags seldom looks at text.
const QUICK: usize = 4;

/// A tag, split into prefix, dotted numbers, prerelease, variant and revision.
///
/// | tag | prefix | numbers | prerelease | variant | revision |
/// | --- | --- | --- | --- | --- | --- |
/// | `v1.2.3` | `v` | `1.2.3` | | | |
/// | `1.2.3-rc.1`, `1.2.3-rc1`, `1.2.3rc1` | | `1.2.3` | `rc` 1 | | |
/// | `1.2.3-rc1-alpine` | | `1.2.3` | `rc` 1 | `-alpine` | |
/// | `1.2.3-alpine3.19-r1` | | `1.2.3` | | `-alpine3.19` | `r` 1 |
/// | `1.2.3-debian-12-r5` | | `1.2.3` | | `-debian-12` | `r` 5 |
/// | `8.0.1-jdk17-slim` | | `8.0.1` | | `-jdk17-slim` | |
/// | `1.2.3-ls123`, `2024.01.02-build5`, `1.2.3-4` | | | | | `ls` 123, `build` 5, 4 |
/// | `7.9.1-1-ubi8` | | `7.9.1` | 1 | `-ubi8` | |
/// | `release-1.2.3`, `k8s-1.2.3` | `release-`, `k8s-` | `1.2.3` | | | |
///
/// How the text is split, in this order:
///
/// 1. **Numbers** begin at the first digit. If the text before it is neither empty nor `v` and the numbers there have no
///    dot, the first *dotted* numbers behind a `-`, `_` or `.` (with or without a `v`) are taken instead, if there are any.
/// 2. **Prerelease**: the text that directly follows the numbers, behind `-`, `.`, `_` or nothing, up to the next `-`, if its
///    letters are `alpha`, `beta`, `canary`, `cr`, `dev`, `milestone`, `next`, `nightly`, `pre`, `preview`, `rc` or `snapshot`
///    (any case), or `m` and a number, or attached `a`/`b` and a number; or, behind `-`, if it begins with a digit and is not
///    the revision. A word alone takes a number behind the next `-` (`-rc-1`).
/// 3. **Revision**: the last `-` part of what is left, if it is `(r|rev|ls|build|b|p)?` and digits.
/// 4. **Variant**: all that is still left, with its separators.
#[derive(Clone, Copy, Debug)]
pub struct Tag<'a> {
    text: &'a str,
    prefix: &'a str,
    numbers: Numbers<'a>,
    tail: Tail<'a>,
}

/// What stands behind the numbers: prerelease, variant and revision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail<'a> {
    prerelease: Option<Prerelease<'a>>,
    variant: &'a str,
    revision: Option<Revision<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Revision<'a> {
    word: &'a str,
    digits: &'a str,
}

#[derive(Clone, Copy, Debug)]
struct Numbers<'a> {
    text: &'a str,
    count: usize,
    /// The numbers, if all of them fit.
    quick: Option<[u64; QUICK]>,
}

/// In what a tag differs from the shape that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Prefix,
    Count,
    Variant,
    Revision,
}

/// Whether the text can be a tag at all: a word character, then at most 127 of word characters, `.` and `-`.
pub(crate) fn is_valid(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

impl<'a> Tag<'a> {
    /// Splits a tag; `None` if it has no number.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (start, end) = find_numbers(text)?;
        Some(Self {
            text,
            prefix: &text[..start],
            numbers: Numbers::of(&text[start..end]),
            tail: Tail::of(&text[end..]),
        })
    }

    /// The text before the numbers, as written.
    pub fn prefix(&self) -> &'a str {
        self.prefix
    }

    /// The dotted numbers, as written.
    pub fn numbers(&self) -> &'a str {
        self.numbers.text
    }

    /// The text after numbers and prerelease, with its first separator and without the revision.
    pub fn variant(&self) -> &'a str {
        self.tail.variant
    }

    /// Whether the tag is marked as not released yet.
    pub fn is_prerelease(&self) -> bool {
        self.tail.prerelease.is_some()
    }

    /// Orders by numbers, then prerelease (a release is later), then revision. Prefix and variant do not count, so
    /// this is an order of values: `v1.2.3`, `1.2.3` and `1.02.3` are equal.
    pub fn compare(&self, other: &Tag<'_>) -> Ordering {
        self.numbers.compare(&other.numbers).then_with(|| self.tail.compare(&other.tail))
    }

    pub(crate) fn prerelease(&self) -> Option<&Prerelease<'a>> {
        self.tail.prerelease.as_ref()
    }

    pub(crate) fn tail(&self) -> &Tail<'a> {
        &self.tail
    }

    /// The number at a place, `0` where there is none.
    pub(crate) fn number(&self, place: usize) -> &'a str {
        self.numbers.text.split('.').nth(place).unwrap_or("0")
    }

    /// The numbers, a missing one as 0, if all of them fit.
    pub(crate) fn quick(&self) -> Option<&[u64; QUICK]> {
        self.numbers.quick.as_ref()
    }

    /// The prefix that must be kept: `v` equals none.
    pub(crate) fn kept_prefix(&self) -> &'a str {
        if self.prefix == "v" { "" } else { self.prefix }
    }

    /// Whether this tag has the shape of the model; without a model three numbers and nothing behind them.
    pub(crate) fn mismatch(&self, model: Option<&Tag<'_>>) -> Option<Mismatch> {
        let (prefix, count) = model.map_or(("", 3), |model| (model.kept_prefix(), model.numbers.count));
        if self.kept_prefix() != prefix {
            Some(Mismatch::Prefix)
        } else if self.numbers.count != count {
            Some(Mismatch::Count)
        } else {
            self.tail.mismatch(model.map(|model| &model.tail))
        }
    }

    /// How much of the model's way of writing this tag keeps; only compared between tags of equal value.
    pub(crate) fn likeness(&self, model: &Tag<'_>) -> u8 {
        let padded = |digits: &str| digits.len() > 1 && digits.starts_with('0');
        let padding = (0..self.numbers.count).all(|place| {
            let (ours, theirs) = (self.number(place), model.number(place));
            if padded(theirs) {
                ours.len() >= theirs.len() && (ours.len() == theirs.len() || !padded(ours))
            } else {
                !padded(ours)
            }
        });
        let letters = |text: &'_ str| -> String { text.chars().filter(|letter| !letter.is_ascii_digit()).collect() };
        u8::from(self.prefix == model.prefix) * 4
            + u8::from(padding) * 2
            + u8::from(letters(self.text) == letters(model.text))
    }
}

impl<'a> Tail<'a> {
    /// Splits the text behind the numbers.
    pub(crate) fn of(text: &'a str) -> Self {
        let (prerelease, rest) = Prerelease::take(text);
        let (variant, revision) = match split_revision(rest) {
            Some((variant, revision)) => (variant, Some(revision)),
            None => (rest, None),
        };
        Self { prerelease, variant, revision }
    }

    pub(crate) fn is_prerelease(&self) -> bool {
        self.prerelease.is_some()
    }

    /// Whether both are prereleases with the same word.
    pub(crate) fn has_word_of(&self, other: &Tail<'_>) -> bool {
        self.prerelease.as_ref().zip(other.prerelease.as_ref()).is_some_and(|(ours, theirs)| ours.has_word_of(theirs))
    }

    /// Orders by prerelease (a release is later), then revision. The variant does not count.
    pub(crate) fn compare(&self, other: &Tail<'_>) -> Ordering {
        let prerelease = match (&self.prerelease, &other.prerelease) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(left), Some(right)) => left.compare(right),
        };
        prerelease.then_with(|| match (&self.revision, &other.revision) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => number::compare(left.digits, right.digits),
        })
    }

    /// Whether variant and kind of revision are the model's; without a model there is neither.
    pub(crate) fn mismatch(&self, model: Option<&Tail<'_>>) -> Option<Mismatch> {
        let word = |tail: &Tail<'a>| tail.revision.map(|revision| revision.word);
        if self.variant != model.map_or("", |model| model.variant) {
            Some(Mismatch::Variant)
        } else if word(self) != model.and_then(|model| model.revision.map(|revision| revision.word)) {
            Some(Mismatch::Revision)
        } else {
            None
        }
    }
}

impl<'a> Numbers<'a> {
    fn of(text: &'a str) -> Self {
        let mut quick = Some([0; QUICK]);
        let mut count = 0;
        for digits in text.split('.') {
            quick = quick.and_then(|mut numbers: [u64; QUICK]| {
                *numbers.get_mut(count)? = digits.parse().ok()?;
                Some(numbers)
            });
            count += 1;
        }
        Self { text, count, quick }
    }

    fn compare(&self, other: &Numbers<'_>) -> Ordering {
        if let (Some(left), Some(right)) = (&self.quick, &other.quick) {
            return left.cmp(right);
        }
        let (mut left, mut right) = (self.text.split('.'), other.text.split('.'));
        loop {
            let order = match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (left, right) => number::compare(left.unwrap_or("0"), right.unwrap_or("0")),
            };
            if order.is_ne() {
                return order;
            }
        }
    }
}

/// Where the numbers of a tag begin and end.
fn find_numbers(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let first = run_from(bytes, 0)?;
    let prefix = &text[..first.0];
    let dotted = |run: (usize, usize)| text[run.0..run.1].contains('.');
    if prefix.is_empty() || prefix == "v" || dotted(first) {
        return Some(first);
    }
    let mut run = first;
    while let Some(next) = run_from(bytes, run.1) {
        let before = text[..next.0].strip_suffix('v').unwrap_or(&text[..next.0]);
        if dotted(next) && before.ends_with(['-', '_', '.']) {
            return Some(next);
        }
        run = next;
    }
    Some(first)
}

/// The first run of dotted numbers at or after a place.
fn run_from(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    let start = (from..bytes.len()).find(|place| digit(*place))?;
    let mut end = start;
    while digit(end) || (bytes.get(end) == Some(&b'.') && digit(end + 1)) {
        end += 1;
    }
    Some((start, end))
}

fn split_revision(rest: &str) -> Option<(&str, Revision<'_>)> {
    let (variant, part) = rest.rsplit_once('-')?;
    let word = REVISION_WORDS.into_iter().find(|word| part.starts_with(word)).unwrap_or("");
    let (word, digits) = part.split_at(word.len());
    number::is_digits(digits).then_some((variant, Revision { word, digits }))
}

#[cfg(test)]
mod tests;
