//! What every candidate is measured against: the current tag, those that were undone, and the one clock.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Entry, Halt};
use crate::clock::{Clock, Horizon, Moment, Record};
use crate::eligible::{self, Current, Key, Keyed, Sight};
use crate::policy::Kind;
use crate::question::{Question, Want};
use crate::reason::Reason;

/// More build times are not looked up for one decision.
const MOST_BUILD_TIMES: usize = 200;

/// Finds what every candidate is measured against, gives time policies their keys, and marks what was undone.
/// The entries are still ordered by name.
pub(super) fn stand<'a>(
    sight: &'a Sight<'a>,
    question: &Question<'a>,
    current: &Current<'a>,
    entries: &mut [Entry<'a>],
) -> Result<Option<Key<'a>>, Halt> {
    let rule = sight.rule;
    let undone = || question.undone.iter().map(String::as_str).filter(|tag| Some(*tag) != question.current);
    let standing = match current {
        Current::Absent => None,
        Current::Known(_, keyed) => Some(keyed.key),
        Current::Incomparable(tag) => {
            return Err(format!("outside the policy: {} cannot compare the current tag {tag}", rule.policy).into());
        }
        Current::Unordered(_) => None,
    };
    // The tool that counts in decimals wants every tag to be a number, or chooses nothing.
    if let Some(entry) = entries.iter().find(|entry| matches!(entry.reason, Some(Reason::NotADecimal))) {
        return Err(format!("{} is not a number, and {} wants all tags to be numbers", entry.tag, rule.policy).into());
    }
    if let Kind::Digest(_) = &rule.policy.kind {
        return Ok(None);
    }
    let Kind::Time(expression) = &rule.policy.kind else {
        let prefix = standing.as_ref().and_then(Key::kept_prefix).unwrap_or_default();
        for tag in undone() {
            let key = eligible::key_of(sight, tag).map(|keyed| keyed.key);
            let key = key.filter(|key| key.kept_prefix().is_none_or(|ours| ours == prefix));
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
            .map(Entry::record)
    };
    let ours = match current {
        Current::Unordered(tag) => {
            let known = record_of(tag, entries).filter(|record| !record.is_empty());
            let record = known.or_else(|| question.current_time.map(Record::at));
            Some(record.ok_or_else(|| {
                let eligible = entries.iter().filter(|entry| entry.reason.is_none()).map(|entry| entry.tag);
                without_times(format!("no time is known for the current tag {tag}"), eligible, entries)
            })?)
        }
        _ => None,
    };
    let mut taken_back = Vec::new();
    for tag in undone() {
        if !expression.is_match(tag) || (tag.eq_ignore_ascii_case("latest") && !rule.policy.means_latest(tag)) {
            mark_undone(entries, tag, None);
            continue;
        }
        let record = record_of(tag, entries).ok_or_else(|| {
            format!("{tag} was undone here and is not listed any more, so nothing is known to be newer")
        })?;
        taken_back.push((tag, record));
    }
    let eligible = || entries.iter().filter(|entry| entry.reason.is_none());
    let records = eligible().map(Entry::record).chain(ours).chain(taken_back.iter().map(|(_, record)| *record));
    let Some(clock) = Clock::for_all(records, &horizon) else {
        let count = eligible().count();
        let reason = format!(
            "no clock (pushed, first seen, created) is known for each of the {count} eligible tags and the current one"
        );
        let tags = eligible().map(|entry| entry.tag).chain(current.tag()).chain(taken_back.iter().map(|(tag, _)| *tag));
        return Err(without_times(reason, tags, entries));
    };
    let key = |record: &Record| clock.read(record, &horizon).map(Key::Time);
    for entry in entries.iter_mut().filter(|entry| entry.reason.is_none()) {
        entry.keyed = key(&entry.record()).map(|key| Box::new(Keyed { key, around: ("", "") }));
    }
    let standing = ours.as_ref().and_then(key);
    for (tag, record) in taken_back {
        let key = key(&record);
        if !matches!(key, Some(Key::Time(Moment::Before(None)))) {
            mark_undone(entries, tag, key.as_ref());
            continue;
        }
        let open = || entries.iter().filter(|entry| entry.reason.is_none());
        let others = || open().filter(|entry| entry.tag != tag && Some(entry.tag) != question.current);
        let later = others().filter_map(|entry| entry.keyed.as_ref().map(|keyed| keyed.key)).chain(standing);
        if others().any(is_before) && !later.into_iter().any(|key| matches!(key, Key::Time(Moment::At(_)))) {
            let reason = format!(
                "{tag} was undone here and no believable created time is known of it, so nothing is known to be newer"
            );
            return Err(without_times(reason, [tag].into_iter(), entries));
        }
        // Of all that was there at the first scan, nothing is known to be newer; what came later is.
        mark_undone(entries, tag, Some(&Key::Time(Moment::Before(Some(Timestamp::MAX)))));
    }
    Ok(standing)
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

/// Whether the tag was there when the repository was first listed.
fn is_before(entry: &Entry<'_>) -> bool {
    matches!(entry.keyed.as_ref().map(|keyed| keyed.key), Some(Key::Time(Moment::Before(_))))
}

/// The place is held for this reason, unless build times help that nobody looked up yet. Very many are not asked for.
pub(super) fn without_times<'a>(
    mut reason: String,
    tags: impl Iterator<Item = &'a str>,
    entries: &[Entry<'_>],
) -> Halt {
    let unknown: BTreeSet<&str> =
        entries.iter().filter(|entry| entry.known.created.is_none()).map(|entry| entry.tag).collect();
    let wanted: BTreeSet<&str> = tags.filter(|tag| unknown.contains(tag)).collect();
    if wanted.len() > MOST_BUILD_TIMES {
        reason += &format!(
            "; the build times of {} tags are not known, and of more than {MOST_BUILD_TIMES} none is looked up: let the policy or tags match fewer",
            wanted.len()
        );
        return Halt::from(reason);
    }
    let wants = wanted.into_iter().map(|tag| Want::Created { tag: tag.to_owned() });
    Halt { reason, wants: wants.collect() }
}
