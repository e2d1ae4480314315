//! From the newest tag down: which one is taken.

use std::cmp::Ordering;

use super::filters::Filters;
use super::stand::build_times;
use super::{Entry, Halt, likeness};
use crate::clock::Moment;
use crate::eligible::{Current, Key};
use crate::number;
use crate::question::{Outcome, Question};
use crate::reason::{self, Reason};
use crate::rule::Rule;

/// From the newest down to the current.
pub(super) fn walk<'a>(
    rule: &Rule,
    question: &Question<'_>,
    entries: &mut [Entry<'a>],
    standing: Option<&Key<'_>>,
    current: &Current<'a>,
) -> Result<Outcome, Halt> {
    let unordered = unordered_before(entries, standing, current);
    let mut filters = Filters::new(rule, question.now);
    for place in 0..entries.len() {
        let Some((entry, key)) = open(entries, place) else { continue };
        if !unordered.is_empty()
            && matches!(key, Key::Time(Moment::Before(_)))
            && !matches!(standing, Some(Key::Time(Moment::At(_))))
        {
            let count = unordered.len();
            let reason = format!("{count} tags were there at the first scan and have no believable created time");
            return Err(Halt { reason, wants: build_times(unordered.into_iter(), entries) });
        }
        match standing.map(|standing| key.compare(standing)) {
            Some(Ordering::Less) if !rule.allow_downgrade => break,
            Some(Ordering::Equal) => return settle(entries, place, key, current),
            _ => {}
        }
        let stray = matches!((key, current.key()), (Key::Version(version), Some(Key::Version(model)))
            if number::is_over_tenfold(version.number(0), model.number(0)));
        let reason = if stray { Some(Reason::Stray) } else { filters.drops(entry)? };
        if reason.is_some() {
            entries[place].reason = reason;
            continue;
        }
        let alike = |other: &&Entry<'_>| {
            other.reason.is_none()
                && other.keyed.as_ref().is_some_and(|keyed| keyed.key.compare(&key).is_eq())
                && likeness(other, current) == likeness(entry, current)
                && filters.is_old_enough(&other.record) == Some(true)
                && !is_same_version(entry, other)
        };
        let ties = entries[place + 1..].iter().filter(alike).count();
        if ties > 0 {
            return Err(format!("{} tags tie: {} does not tell which is newest", ties + 1, rule.policy).into());
        }
        return Ok(Outcome::Selected(entry.tag.to_owned()));
    }
    let older = Reason::NotNewer("");
    let reasons = entries.iter().map(|entry| entry.reason.as_ref().unwrap_or(&older));
    Err(format!("nothing eligible: {}", reason::count(reasons)).into())
}

fn open<'e, 'a>(entries: &'e [Entry<'a>], place: usize) -> Option<(&'e Entry<'a>, Key<'a>)> {
    let entry = entries.get(place).filter(|entry| entry.reason.is_none())?;
    Some((entry, entry.keyed.as_ref()?.key))
}

/// The newest that is left equals the current: under a time policy it must be the current itself.
fn settle(entries: &[Entry<'_>], place: usize, key: Key<'_>, current: &Current<'_>) -> Result<Outcome, Halt> {
    if !matches!(key, Key::Time(_)) {
        return Ok(Outcome::UpToDate);
    }
    let others = entries[place..]
        .iter()
        .filter(|entry| entry.reason.is_none() && Some(entry.tag) != current.tag())
        .filter(|entry| entry.keyed.as_ref().is_some_and(|keyed| keyed.key.compare(&key).is_eq()))
        .count();
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
