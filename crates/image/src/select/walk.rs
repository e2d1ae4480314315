//! From the newest tag down: which one is taken.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::filters::Filters;
use super::stand::without_times;
use super::{Entry, Halt, in_order, likeness};
use crate::clock::Moment;
use crate::eligible::{Current, Key};
use crate::number;
use crate::question::{Outcome, Question};
use crate::reason::Reason;
use crate::rule::Rule;

/// From the newest down to the current; nothing if none of them is taken.
pub(super) fn walk<'a>(
    rule: &Rule,
    question: &Question<'_>,
    entries: &mut [Entry<'a>],
    standing: Option<&Key<'_>>,
    current: &Current<'a>,
) -> Result<Option<Outcome>, Halt> {
    let mut dropped = Vec::new();
    let found = newest(rule, question, entries, standing, current, &mut dropped);
    for (place, reason) in dropped {
        entries[place].reason = Some(reason);
    }
    found
}

/// The newest that nothing drops, if it is not older than the current; `dropped` gets what is dropped before.
fn newest<'a>(
    rule: &Rule,
    question: &Question<'_>,
    entries: &[Entry<'a>],
    standing: Option<&Key<'_>>,
    current: &Current<'a>,
    dropped: &mut Vec<(usize, Reason<'a>)>,
) -> Result<Option<Outcome>, Halt> {
    let unordered = unordered_before(entries, standing, current);
    let mut filters = Filters::new(rule, question.now);
    let mut left = open(entries, current);
    while let Some(Ranked { place, entry, key, .. }) = left.pop() {
        if !unordered.is_empty()
            && matches!(key, Key::Time(Moment::Before(_)))
            && !matches!(standing, Some(Key::Time(Moment::At(_))))
        {
            let count = unordered.len();
            let reason =
                format!("{count} tags were there at the first scan and no believable created time is known of them");
            return Err(without_times(reason, unordered.into_iter(), entries));
        }
        match standing.map(|standing| key.compare(standing)) {
            Some(Ordering::Less) if !rule.allow_downgrade => break,
            Some(Ordering::Equal) => return settle(entry, &left, key, current).map(Some),
            _ => {}
        }
        let stray = matches!((key, current.key()), (Key::Version(version), Some(Key::Version(model)))
            if number::is_over_tenfold(version.number(0), model.number(0)));
        if let Some(reason) = if stray { Some(Reason::Stray) } else { filters.drops(entry)? } {
            dropped.push((place, reason));
            continue;
        }
        let alike = |other: &&Ranked<'_, '_>| {
            other.key.compare(key).is_eq()
                && likeness(other.entry, current) == likeness(entry, current)
                && filters.is_old_enough(&other.entry.record()) == Some(true)
                && !is_same_version(entry, other.entry)
        };
        let ties = left.iter().filter(alike).count();
        if ties > 0 {
            return Err(format!("{} tags tie: {} does not tell which is newest", ties + 1, rule.policy).into());
        }
        return Ok(Some(Outcome::Selected(entry.tag.to_owned())));
    }
    Ok(None)
}

/// An entry that nothing dropped so far. The greatest is the newest.
struct Ranked<'e, 'a> {
    place: usize,
    entry: &'e Entry<'a>,
    key: &'e Key<'a>,
    current: &'e Current<'a>,
}

impl Ord for Ranked<'_, '_> {
    fn cmp(&self, other: &Self) -> Ordering {
        in_order(other.entry, self.entry, self.current)
    }
}

impl PartialOrd for Ranked<'_, '_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked<'_, '_> {}

/// What nothing dropped so far. Of ten thousand only the first few are taken out, so they are not sorted.
fn open<'e, 'a>(entries: &'e [Entry<'a>], current: &'e Current<'a>) -> BinaryHeap<Ranked<'e, 'a>> {
    let ranked = |(place, entry): (usize, &'e Entry<'a>)| {
        let key = &entry.keyed.as_ref().filter(|_| entry.reason.is_none())?.key;
        Some(Ranked { place, entry, key, current })
    };
    entries.iter().enumerate().filter_map(ranked).collect()
}

/// The newest that is left equals the current: under a time policy it must be the current itself.
fn settle(
    entry: &Entry<'_>,
    left: &BinaryHeap<Ranked<'_, '_>>,
    key: &Key<'_>,
    current: &Current<'_>,
) -> Result<Outcome, Halt> {
    if !matches!(key, Key::Time(_)) {
        return Ok(Outcome::UpToDate);
    }
    let equal = left.iter().filter(|other| other.key.compare(key).is_eq()).map(|other| other.entry);
    let others = equal.chain([entry]).filter(|entry| Some(entry.tag) != current.tag()).count();
    if others == 0 {
        Ok(Outcome::UpToDate)
    } else {
        Err(format!("{} tags tie: they have the current tag's time", others + 1).into())
    }
}

/// Two spellings of one version; no matter which is taken.
fn is_same_version(left: &Entry<'_>, right: &Entry<'_>) -> bool {
    match (&left.keyed, &right.keyed) {
        (Some(left), Some(right)) => {
            matches!(left.key, Key::Version(_) | Key::Dated(_) | Key::Release(_)) && left.around == right.around
        }
        _ => false,
    }
}

/// Which of several tags from before the first scan have no time to order them by.
fn unordered_before<'a>(entries: &[Entry<'a>], standing: Option<&Key<'_>>, current: &Current<'a>) -> Vec<&'a str> {
    let others = entries.iter().filter(|entry| entry.reason.is_none() && Some(entry.tag) != current.tag());
    let keys = others.filter_map(|entry| Some((entry.tag, entry.keyed.as_ref()?.key)));
    let ours = standing.zip(current.tag()).map(|(key, tag)| (tag, *key));
    let before: Vec<(&str, bool)> = keys
        .chain(ours)
        .filter_map(|(tag, key)| match key {
            Key::Time(Moment::Before(created)) => Some((tag, created.is_some())),
            _ => None,
        })
        .collect();
    if before.len() < 2 {
        return Vec::new();
    }
    before.into_iter().filter(|(_, ordered)| !ordered).map(|(tag, _)| tag).collect()
}
