//! The decision: which tag a place gets, or why none.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::clock::{Clock, Horizon, Moment, Record};
use crate::eligible::{self, Current, Key, Keyed};
use crate::number;
use crate::policy::Kind;
use crate::reason::{self, Reason};
use crate::rule::{Candidate, Judged, Outcome, Question, Rule, Selection};

/// A listed tag on its way through the rules.
struct Entry<'a> {
    tag: &'a str,
    record: Record,
    /// Boxed, because most tags of a large listing have none.
    keyed: Option<Box<Keyed<'a>>>,
    reason: Option<Reason<'a>>,
}

/// Decides which tag the place gets.
///
/// 1. Tags that the rule does not look at are dropped, then those that were undone and all that are not newer.
/// 2. What is left is put in the policy's order. Only what is greater than the current tag can be selected.
/// 3. From the newest down: the stray guard and `min-age` drop a tag, and the next one is tried. All facts are at hand
///    here, so there is no limit to how many are tried.
///
/// The order of the candidates never matters. Under a time policy the winner must be alone at its time, and no name
/// decides; elsewhere, of tags of equal value the one that is written like the current tag wins.
pub fn select(rule: &Rule, question: &Question<'_>) -> Selection {
    let current = Current::of(rule, question.current);
    let mut entries = gather(rule, question.candidates, &current);
    let standing = stand(rule, question, &current, &mut entries);
    let mut entries = in_order(entries, &current);
    let outcome = match &standing {
        Err(held) => Outcome::Held(held.clone()),
        Ok(key) => walk(rule, question, &mut entries, key.as_ref(), &current),
    };
    let standing = standing.ok().flatten();
    let candidates = entries.iter().map(|entry| Judged {
        tag: entry.tag.to_owned(),
        verdict: verdict(rule, entry, standing.as_ref(), &current, &outcome),
    });
    Selection { candidates: candidates.collect(), outcome }
}

/// One entry for each tag, judged, ordered by name.
fn gather<'a>(rule: &'a Rule, candidates: &'a [Candidate], current: &Current<'a>) -> Vec<Entry<'a>> {
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    sorted.sort_unstable_by(|left, right| left.tag.cmp(&right.tag));
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(sorted.len());
    for Candidate { tag, pushed, created, first_seen, .. } in sorted {
        let record = Record { pushed: *pushed, first_seen: *first_seen, created: *created };
        if let Some(known) = entries.last_mut().filter(|known| known.tag == tag) {
            known.record.merge(&record);
            continue;
        }
        let (keyed, reason) = eligible::judge(rule, current, tag);
        entries.push(Entry { tag, record, keyed: keyed.map(Box::new), reason });
    }
    entries
}

/// Finds what every candidate is measured against, gives time policies their keys, and marks what was undone.
/// The entries are still ordered by name.
fn stand<'a>(
    rule: &'a Rule,
    question: &Question<'a>,
    current: &Current<'a>,
    entries: &mut [Entry<'a>],
) -> Result<Option<Key<'a>>, String> {
    let undone = || question.undone.iter().map(String::as_str).filter(|tag| Some(*tag) != question.current);
    let standing = match current {
        Current::Absent => None,
        Current::Known(_, keyed) => Some(keyed.key),
        Current::Incomparable(tag) => {
            return Err(format!("outside the policy: {} cannot compare the current tag {tag}", rule.policy));
        }
        Current::Timed(_) => None,
    };
    let Kind::Time(expression) = &rule.policy.kind else {
        let prefix = current.model().map_or("", |model| model.kept_prefix());
        for tag in undone() {
            let key = eligible::key_of(rule, tag).map(|keyed| keyed.key).filter(|key| match key {
                Key::Version(version) => version.kept_prefix() == prefix,
                _ => true,
            });
            mark_undone(entries, tag, key.as_ref());
        }
        return Ok(standing);
    };

    let horizon = Horizon { now: question.now, first_scan: question.first_scan };
    let record_of = |tag: &str, entries: &[Entry<'_>]| {
        entries
            .binary_search_by(|entry| entry.tag.cmp(tag))
            .ok()
            .and_then(|place| entries.get(place))
            .map(|entry| entry.record)
    };
    let ours = match current {
        Current::Timed(tag) => {
            let known = record_of(tag, entries).filter(|record| !record.is_empty());
            let record = known.or_else(|| question.current_time.map(Record::at));
            Some(record.ok_or_else(|| format!("no time is known for the current tag {tag}"))?)
        }
        _ => None,
    };
    let mut taken_back = Vec::new();
    for tag in undone() {
        if !expression.is_match(tag) || (tag.eq_ignore_ascii_case("latest") && !rule.policy.names(tag)) {
            mark_undone(entries, tag, None);
            continue;
        }
        let record = record_of(tag, entries).ok_or_else(|| {
            format!("{tag} was undone here and is not listed any more, so nothing is known to be newer")
        })?;
        taken_back.push((tag, record));
    }
    let eligible = || entries.iter().filter(|entry| entry.reason.is_none());
    let records = eligible().map(|entry| &entry.record).chain(&ours).chain(taken_back.iter().map(|(_, record)| record));
    let clock = Clock::for_all(records, &horizon).ok_or_else(|| {
        format!(
            "no clock (pushed, first seen, created) is known for each of the {} eligible tags and the current one",
            eligible().count()
        )
    })?;
    let key = |record: &Record| clock.read(record, &horizon).map(Key::Time);
    for entry in entries.iter_mut().filter(|entry| entry.reason.is_none()) {
        entry.keyed = key(&entry.record).map(|key| Box::new(Keyed { key, around: ("", "") }));
    }
    for (tag, record) in taken_back {
        mark_undone(entries, tag, key(&record).as_ref());
    }
    Ok(ours.as_ref().and_then(key))
}

fn mark_undone<'a>(entries: &mut [Entry<'a>], tag: &'a str, key: Option<&Key<'_>>) {
    for entry in entries.iter_mut().filter(|entry| entry.reason.is_none()) {
        let not_after = match (&entry.keyed, key) {
            (Some(keyed), Some(key)) => keyed.key.compare(key).is_le(),
            _ => false,
        };
        if not_after || entry.tag == tag {
            entry.reason = Some(Reason::Undone(tag));
        }
    }
}

/// What the policy can order, newest first; of equal ones that which is written like the current, then the shorter, then
/// by name. The others follow as they are, by name.
fn in_order<'a>(entries: Vec<Entry<'a>>, current: &Current<'_>) -> Vec<Entry<'a>> {
    let (mut keyed, rest): (Vec<Entry<'a>>, Vec<Entry<'a>>) =
        entries.into_iter().partition(|entry| entry.keyed.is_some());
    keyed.sort_unstable_by(|left, right| newest_first(left, right, current));
    keyed.extend(rest);
    keyed
}

fn newest_first(left: &Entry<'_>, right: &Entry<'_>, current: &Current<'_>) -> Ordering {
    let value = match (&left.keyed, &right.keyed) {
        (Some(left), Some(right)) => right.key.compare(&left.key),
        _ => Ordering::Equal,
    };
    value
        .then_with(|| likeness(right, current).cmp(&likeness(left, current)))
        .then_with(|| left.tag.len().cmp(&right.tag.len()))
        .then_with(|| left.tag.cmp(right.tag))
}

/// How much of the current tag's way of writing an entry keeps.
fn likeness(entry: &Entry<'_>, current: &Current<'_>) -> u8 {
    let (Some(keyed), Current::Known(tag, theirs)) = (&entry.keyed, current) else { return 0 };
    let around = u8::from(keyed.around == theirs.around) * 8;
    match (&keyed.key, &theirs.key) {
        (Key::Version(ours), Key::Version(model)) => around + ours.likeness(model),
        _ => around + u8::from(entry.tag.len() == tag.len()),
    }
}

/// From the newest down to the current.
fn walk<'a>(
    rule: &Rule,
    question: &Question<'_>,
    entries: &mut [Entry<'a>],
    standing: Option<&Key<'_>>,
    current: &Current<'a>,
) -> Outcome {
    let unordered = unordered_before(entries, standing, current);
    for place in 0..entries.len() {
        let Some((entry, key)) = open(entries, place) else { continue };
        if unordered > 0
            && matches!(key, Key::Time(Moment::Before(_)))
            && !matches!(standing, Some(Key::Time(Moment::At(_))))
        {
            return Outcome::Held(format!(
                "{unordered} tags were there at the first scan and have no believable created time"
            ));
        }
        match standing.map(|standing| key.compare(standing)) {
            Some(Ordering::Less) if !rule.allow_downgrade => break,
            Some(Ordering::Equal) => return settle(entries, place, key, current),
            _ => {}
        }
        if let (Key::Version(version), Some(model)) = (key, current.model())
            && number::is_over_tenfold(version.number(0), model.number(0))
        {
            entries[place].reason = Some(Reason::Stray);
            continue;
        }
        match old_enough(rule, question.now, &entry.record) {
            Some(true) => {}
            Some(false) => {
                entries[place].reason = Some(Reason::Young);
                continue;
            }
            None => {
                return Outcome::Held(format!("min-age: neither push time nor first sight of {} is known", entry.tag));
            }
        }
        let alike = |other: &&Entry<'_>| {
            other.reason.is_none()
                && other.keyed.as_ref().is_some_and(|keyed| keyed.key.compare(&key).is_eq())
                && likeness(other, current) == likeness(entry, current)
                && old_enough(rule, question.now, &other.record) == Some(true)
                && !is_same_version(entry, other)
        };
        let ties = entries[place + 1..].iter().filter(alike).count();
        if ties > 0 {
            return tie(ties + 1, rule);
        }
        return Outcome::Selected(entry.tag.to_owned());
    }
    let older = Reason::NotNewer("");
    let reasons = entries.iter().map(|entry| entry.reason.as_ref().unwrap_or(&older));
    Outcome::Held(format!("nothing eligible: {}", reason::count(reasons)))
}

fn open<'e, 'a>(entries: &'e [Entry<'a>], place: usize) -> Option<(&'e Entry<'a>, Key<'a>)> {
    let entry = entries.get(place).filter(|entry| entry.reason.is_none())?;
    Some((entry, entry.keyed.as_ref()?.key))
}

/// The newest that is left equals the current: under a time policy it must be the current itself.
fn settle(entries: &[Entry<'_>], place: usize, key: Key<'_>, current: &Current<'_>) -> Outcome {
    if !matches!(key, Key::Time(_)) {
        return Outcome::UpToDate;
    }
    let others = entries[place..]
        .iter()
        .filter(|entry| entry.reason.is_none() && Some(entry.tag) != current.tag())
        .filter(|entry| entry.keyed.as_ref().is_some_and(|keyed| keyed.key.compare(&key).is_eq()))
        .count();
    if others == 0 {
        Outcome::UpToDate
    } else {
        Outcome::Held(format!("{} tags tie: they have the current tag's time", others + 1))
    }
}

fn tie(count: usize, rule: &Rule) -> Outcome {
    Outcome::Held(format!("{count} tags tie: {} does not tell which is newest", rule.policy))
}

/// Two spellings of one version; no matter which is taken.
fn is_same_version(left: &Entry<'_>, right: &Entry<'_>) -> bool {
    match (&left.keyed, &right.keyed) {
        (Some(left), Some(right)) => matches!(left.key, Key::Version(_)) && left.around == right.around,
        _ => false,
    }
}

/// How many of several tags from before the first scan have no time to order them by.
fn unordered_before(entries: &[Entry<'_>], standing: Option<&Key<'_>>, current: &Current<'_>) -> usize {
    let others = entries.iter().filter(|entry| entry.reason.is_none() && Some(entry.tag) != current.tag());
    let keys = others.filter_map(|entry| Some(entry.keyed.as_ref()?.key)).chain(standing.copied());
    let before = keys.filter_map(|key| match key {
        Key::Time(Moment::Before(created)) => Some(created),
        _ => None,
    });
    if before.clone().count() < 2 { 0 } else { before.filter(Option::is_none).count() }
}

/// Whether the tag is as old as `min-age` asks; `None` if its age is not known.
fn old_enough(rule: &Rule, now: Timestamp, record: &Record) -> Option<bool> {
    let Some(least) = rule.min_age else { return Some(true) };
    record.pushed.or(record.first_seen).map(|time| now.duration_since(time) >= least)
}

fn verdict(
    rule: &Rule,
    entry: &Entry<'_>,
    standing: Option<&Key<'_>>,
    current: &Current<'_>,
    outcome: &Outcome,
) -> String {
    if let Some(reason) = &entry.reason {
        return reason.sentence();
    }
    if matches!(outcome, Outcome::Selected(tag) if tag == entry.tag) {
        return format!("selected: the newest under {}", rule.policy);
    }
    if let Some(tag) = current.tag() {
        if tag == entry.tag {
            return "current: eligible itself".to_owned();
        }
        let newer = match (&entry.keyed, standing) {
            (Some(keyed), Some(standing)) => keyed.key.compare(standing).is_gt(),
            _ => true,
        };
        if !newer && !rule.allow_downgrade {
            return Reason::NotNewer(tag).sentence();
        }
    }
    match outcome {
        Outcome::Selected(tag) => format!("kept: eligible, but {tag} comes first"),
        Outcome::UpToDate => "kept: eligible, but the current tag comes first".to_owned(),
        Outcome::Held(_) => "kept: eligible, but the place is held".to_owned(),
    }
}

#[cfg(test)]
mod tests;
