//! The decision: which tag a place gets, or why none.

use std::cmp::Ordering;

use crate::clock::Record;
use crate::eligible::{self, Current, Key, Keyed, Sight};
use crate::platform::Platform;
use crate::policy::Kind;
use crate::question::{Candidate, Judged, Outcome, Question, Selection, Verified, Want};
use crate::reason::Reason;
use crate::rule::Rule;

mod filters;
mod repin;
mod stand;
mod walk;

/// A listed tag on its way through the rules.
struct Entry<'a> {
    tag: &'a str,
    record: Record,
    digest: Option<&'a str>,
    platforms: Option<&'a [Platform]>,
    verified: Option<&'a Verified>,
    /// Boxed, because most tags of a large listing have none.
    keyed: Option<Box<Keyed<'a>>>,
    reason: Option<Reason<'a>>,
}

impl<'a> Entry<'a> {
    /// What is known about a tag; nothing is judged yet.
    fn of(candidate: &'a Candidate) -> Self {
        let Candidate { tag, digest, pushed, created, first_seen, platforms, verified } = candidate;
        Self {
            tag,
            record: Record { pushed: *pushed, first_seen: *first_seen, created: *created },
            digest: digest.as_deref(),
            platforms: platforms.as_deref(),
            verified: verified.as_ref(),
            keyed: None,
            reason: None,
        }
    }

    /// Both are about one tag. Which was listed first must not matter.
    fn merge(&mut self, other: &Self) {
        self.record.merge(&other.record);
        self.digest = self.digest.max(other.digest);
        self.platforms = self.platforms.max(other.platforms);
        self.verified = self.verified.max(other.verified);
    }
}

/// A place is left as it is: why, and what would help.
struct Halt {
    reason: String,
    wants: Vec<Want>,
}

impl From<String> for Halt {
    fn from(reason: String) -> Self {
        Self { reason, wants: Vec::new() }
    }
}

/// Decides which tag the place gets.
///
/// 1. Tags that the rule does not look at are dropped, then those that were undone and all that are not newer.
/// 2. What is left is put in the policy's order. Only what is greater than the current tag can be selected.
/// 3. From the newest down: the stray guard, `min-age`, `platforms` and `verify` drop a tag, and the next one is tried.
///    For the last two, five tags are looked up at most. A fact that nobody looked up yet holds the place and is wanted.
///
/// The order of the candidates never matters. Under a time policy the winner must be alone at its time, and no name
/// decides; elsewhere, of tags of equal value the one that is written like the current tag wins. Under `digest:` there is
/// one tag, and what moves is its digest.
pub fn select(rule: &Rule, question: &Question<'_>) -> Selection {
    let sight = Sight::new(rule, question);
    let current = Current::of(&sight, question.current);
    let mut entries = gather(&sight, question.candidates, &current);
    let standing = stand::stand(&sight, question, &current, &mut entries);
    let mut entries = in_order(entries, &current);
    let decided = match &standing {
        Err(halt) => Err(Halt { reason: halt.reason.clone(), wants: halt.wants.clone() }),
        Ok(key) => match &rule.policy.kind {
            Kind::Digest(_) => repin::repin(rule, question, &mut entries),
            _ => walk::walk(rule, question, &mut entries, key.as_ref(), &current),
        },
    };
    let (outcome, wants) = match decided {
        Ok(outcome) => (outcome, Vec::new()),
        Err(Halt { reason, wants }) => (Outcome::Held(reason), wants),
    };
    let standing = standing.ok().flatten();
    let candidates = entries.iter().map(|entry| Judged {
        tag: entry.tag.to_owned(),
        verdict: verdict(rule, entry, standing.as_ref(), &current, &outcome),
    });
    Selection { candidates: candidates.collect(), outcome, wants }
}

/// One entry for each tag, judged, ordered by name.
fn gather<'a>(sight: &'a Sight<'a>, candidates: &'a [Candidate], current: &Current<'a>) -> Vec<Entry<'a>> {
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    sorted.sort_unstable_by(|left, right| left.tag.cmp(&right.tag));
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(sorted.len());
    for candidate in sorted {
        let mut entry = Entry::of(candidate);
        if let Some(known) = entries.last_mut().filter(|known| known.tag == entry.tag) {
            known.merge(&entry);
            continue;
        }
        let (keyed, reason) = eligible::judge(sight, current, entry.tag);
        (entry.keyed, entry.reason) = (keyed.map(Box::new), reason);
        entries.push(entry);
    }
    entries
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
        .then_with(|| match &left.keyed {
            // Other tools take 1.10.0 for newer than 1.10.
            Some(keyed) if matches!(keyed.key, Key::Release(_)) => right.tag.len().cmp(&left.tag.len()),
            _ => left.tag.len().cmp(&right.tag.len()),
        })
        .then_with(|| left.tag.cmp(right.tag))
}

/// How much of the current tag's way of writing an entry keeps.
fn likeness(entry: &Entry<'_>, current: &Current<'_>) -> u8 {
    let (Some(keyed), Current::Known(tag, theirs)) = (&entry.keyed, current) else { return 0 };
    let around = u8::from(keyed.around == theirs.around) * 8;
    match (&keyed.key, &theirs.key) {
        (Key::Version(ours), Key::Version(model)) => around + ours.likeness(model),
        (Key::Dated(ours), Key::Dated(model)) => around + ours.likeness(model),
        (Key::Release(ours), Key::Release(model)) => around + ours.likeness(model),
        _ => around + u8::from(entry.tag.len() == tag.len()),
    }
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
