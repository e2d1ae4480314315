//! The part of a version that says that it is not a release yet.

use std::cmp::Ordering;

use crate::number;

/// Words that mark what follows the numbers as a prerelease, in lower case. `m` counts only with a number behind it.
const WORDS: [&str; 13] =
    ["alpha", "beta", "canary", "cr", "dev", "m", "milestone", "next", "nightly", "pre", "preview", "rc", "snapshot"];

/// A prerelease: a word and what follows it. `rc.1`, `rc1` and `rc-1` have the same value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prerelease<'a> {
    /// The leading letters; empty if it begins with a digit.
    word: &'a str,
    tail: &'a str,
}

impl<'a> Prerelease<'a> {
    /// Splits any text into its leading letters and the rest.
    pub(crate) fn of(text: &'a str) -> Self {
        let end = text.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
        let (word, tail) = text.split_at(end);
        Self { word, tail }
    }

    /// Takes the prerelease off the front of what follows the numbers of a tag; the second value is what is left.
    pub(crate) fn take(rest: &'a str) -> (Option<Self>, &'a str) {
        let (separator, body) = match rest.as_bytes().first() {
            Some(b'-' | b'.' | b'_') => rest.split_at(1),
            Some(_) => ("", rest),
            None => return (None, rest),
        };
        let end = body.find('-').unwrap_or(body.len());
        let (part, after) = body.split_at(end);
        let found = Self::of(part);
        if found.word.is_empty() {
            let revision = after.is_empty() && number::is_digits(part);
            let leading_digit = separator == "-" && part.starts_with(|first: char| first.is_ascii_digit());
            return if leading_digit && !revision { (Some(found), after) } else { (None, rest) };
        }
        if !found.is_known(separator.is_empty()) {
            return (None, rest);
        }
        // `-rc-1`: a word alone takes the number that stands beside it.
        if found.tail.is_empty()
            && let Some(next) = after.strip_prefix('-')
        {
            let digits = next.find('-').unwrap_or(next.len());
            if number::is_digits(&next[..digits]) {
                let length = found.word.len() + 1 + digits;
                let (whole, after) = body.split_at(length);
                return (Some(Self { word: found.word, tail: &whole[found.word.len()..] }), after);
            }
        }
        (Some(found), after)
    }

    fn is_known(&self, attached: bool) -> bool {
        let numbered = self.tail.starts_with(|first: char| first.is_ascii_digit());
        let ends = self.tail.is_empty() || self.tail.starts_with(['.', '_']) || numbered;
        let listed = WORDS.iter().any(|word| word.eq_ignore_ascii_case(self.word));
        let single = self.word.eq_ignore_ascii_case("m");
        // Python spells `3.13.0a1` and `3.13.0b2`; behind a dash `b2` is a revision.
        let python = attached && numbered && matches!(self.word, "a" | "b");
        (listed && ends && (!single || numbered)) || python
    }

    /// Whether both have the same word, in any case.
    pub(crate) fn has_word_of(&self, other: &Prerelease<'_>) -> bool {
        self.word.eq_ignore_ascii_case(other.word)
    }

    /// Orders by the word, then piece by piece: numbers by value, numbers before text, what is shorter first.
    pub(crate) fn compare(&self, other: &Prerelease<'_>) -> Ordering {
        compare_text(self.word, other.word).then_with(|| {
            let (mut left, mut right) = (Pieces(self.tail), Pieces(other.tail));
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(left), Some(right)) => {
                        let order = match (number::is_digits(left), number::is_digits(right)) {
                            (true, true) => number::compare(left, right),
                            (true, false) => Ordering::Less,
                            (false, true) => Ordering::Greater,
                            (false, false) => compare_text(left, right),
                        };
                        if order.is_ne() {
                            return order;
                        }
                    }
                }
            }
        })
    }
}

fn compare_text(left: &str, right: &str) -> Ordering {
    left.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(right.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// Runs of digits and runs of other characters, without the separators between them.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start_matches(['.', '_', '-']);
        let first = rest.bytes().next()?;
        let end = rest
            .bytes()
            .position(|byte| byte.is_ascii_digit() != first.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
            .unwrap_or(rest.len());
        let (piece, rest) = rest.split_at(end);
        self.0 = rest;
        Some(piece)
    }
}
