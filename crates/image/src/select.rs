//! The decision: which tag a place gets, or why none.

use std::cmp::Ordering;
use std::ops::Deref;

use crate::clock::Record;
use crate::eligible::{self, Current, Key, Keyed, Sight};
use crate::policy::Kind;
use crate::question::{Candidate, Explanation, Judged, Outcome, Question, Selection, Want};
use crate::reason::{self, Reason};
use crate::rule::Rule;

use leaders::Leaders;

mod filters;
mod leaders;
mod repin;
mod stand;
mod walk;

/// A listed tag on its way through the rules.
struct Entry<'a> {
    tag: &'a str,
    known: Known<'a>,
    /// What the policy orders it by, if no rule drops it before. Boxed, because most tags of a large listing have none.
    keyed: Option<Box<Keyed<'a>>>,
    reason: Option<Reason<'a>>,
}

/// What is known of a tag.
enum Known<'a> {
    Once(&'a Candidate<'a>),
    /// It was listed several times.
    Merged(Box<Candidate<'a>>),
}

impl<'a> Deref for Known<'a> {
    type Target = Candidate<'a>;

    fn deref(&self) -> &Candidate<'a> {
        match self {
            Self::Once(candidate) => candidate,
            Self::Merged(candidate) => candidate,
        }
    }
}

impl Entry<'_> {
    /// Both are about one tag. Which was listed first must not matter.
    fn merge(&mut self, other: &Candidate<'_>) {
        let mut record = self.record();
        record.merge(&Record::of(other));
        self.known = Known::Merged(Box::new(Candidate {
            tag: self.known.tag.clone(),
            digest: self.known.digest.clone().max(other.digest.clone()),
            pushed: record.pushed,
            created: record.created,
            first_seen: record.first_seen,
            platforms: self.known.platforms.clone().max(other.platforms.clone()),
            verified: self.known.verified.clone().max(other.verified.clone()),
        }));
    }

    fn record(&self) -> Record {
        Record::of(&self.known)
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
/// 1. Tags that the rule does not look at are dropped, then those that were stopped or undone and all that are not newer.
/// 2. What is left is put in the policy's order. Only what is greater than the current tag can be selected.
/// 3. From the newest down: the stray guard, `min-age`, `platforms` and `verify` drop a tag, and the next one is tried.
///    For the last two, five tags are looked up at most. A fact that nobody looked up yet holds the place and is wanted.
///
/// The order of the candidates never matters. Under a time policy the winner must be alone at its time, and no name
/// decides; elsewhere, of tags of equal value the one that is written like the current tag wins. Under `digest:` there is
/// one tag, and what moves is its digest.
pub fn select(rule: &Rule, question: &Question<'_>) -> Selection {
    Decided::of(&Sight::new(rule, question), question, Leaders::few()).selection
}

/// Decides as [`select`] does, and says of every tag why it has not won.
pub fn explain(rule: &Rule, question: &Question<'_>) -> Explanation {
    let sight = Sight::new(rule, question);
    let Decided { mut entries, current, standing, selection } = Decided::of(&sight, question, Leaders::all());
    for entry in entries.iter_mut().filter(|entry| entry.keyed.is_none()) {
        entry.keyed = eligible::judge(&sight, &current, entry.tag).0.map(Box::new);
    }
    entries.sort_unstable_by(|left, right| in_order(left, right, &current));
    let judged = entries.iter().map(|entry| Judged {
        tag: entry.tag.to_owned(),
        verdict: verdict(rule, entry, standing.as_ref(), &current, &selection.outcome),
    });
    let tags = judged.collect();
    Explanation { selection, tags }
}

/// A decision and what it was made from.
struct Decided<'a> {
    /// One for each tag, ordered by name.
    entries: Vec<Entry<'a>>,
    current: Current<'a>,
    /// What a candidate must be greater than.
    standing: Option<Key<'a>>,
    selection: Selection,
}

impl<'a> Decided<'a> {
    fn of(sight: &'a Sight<'a>, question: &Question<'a>, mut leaders: Leaders<'a>) -> Self {
        let rule = sight.rule;
        let current = Current::of(sight, question.current);
        let mut entries = gather(sight, question, &current, &mut leaders);
        let mut standing = None;
        let decided = stand::stand(sight, question, &current, &mut entries).and_then(|key| {
            standing = key;
            match &rule.policy.kind {
                Kind::Digest(_) => repin::repin(rule, question, &mut entries).map(Some),
                _ => walk::walk(rule, question, &mut entries, key.as_ref(), &current),
            }
        });
        let (outcome, wants) = match decided {
            Ok(Some(outcome)) => (outcome, Vec::new()),
            Ok(None) if leaders.outranked => return Self::of(sight, question, Leaders::all()),
            Ok(None) => (Outcome::Held(nothing_eligible(&entries)), Vec::new()),
            Err(Halt { reason, wants }) => (Outcome::Held(reason), wants),
        };
        let young = entries.iter().filter(|entry| matches!(entry.reason, Some(Reason::Young)));
        let young = young.min_by(|left, right| in_order(left, right, &current)).map(|entry| entry.tag.to_owned());
        Self { entries, current, standing, selection: Selection { outcome, wants, young } }
    }
}

/// One entry for each tag, judged, ordered by name.
fn gather<'a>(
    sight: &'a Sight<'a>,
    question: &Question<'a>,
    current: &Current<'a>,
    leaders: &mut Leaders<'a>,
) -> Vec<Entry<'a>> {
    let mut sorted: Vec<&'a Candidate<'a>> = question.candidates.iter().collect();
    // The newest often has the last name: then the others are outranked as they come.
    sorted.sort_unstable_by(|left, right| right.tag.cmp(&left.tag));
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(sorted.len());
    for candidate in sorted {
        if let Some(known) = entries.last_mut().filter(|known| known.tag == candidate.tag) {
            known.merge(candidate);
            continue;
        }
        let (keyed, reason) = eligible::judge(sight, current, &candidate.tag);
        let keyed = keyed.filter(|_| reason.is_none()).map(Box::new);
        leaders.add(Entry { tag: &candidate.tag, known: Known::Once(candidate), keyed, reason }, &mut entries);
    }
    leaders.close(&mut entries);
    entries.reverse();
    for (tag, why) in question.stopped.iter().filter(|(tag, _)| Some(*tag) != question.current) {
        if let Ok(place) = entries.binary_search_by(|entry| entry.tag.cmp(tag)) {
            entries[place].reason = Some(Reason::Stopped(why));
        }
    }
    entries
}

fn nothing_eligible(entries: &[Entry<'_>]) -> String {
    let older = Reason::NotNewer("");
    let reasons = entries.iter().map(|entry| entry.reason.as_ref().unwrap_or(&older));
    format!("nothing eligible: {}", reason::count(reasons))
}

/// What the policy can order, newest first; of equal ones that which is written like the current, then the shorter, then
/// by name. The others follow, by name.
fn in_order(left: &Entry<'_>, right: &Entry<'_>, current: &Current<'_>) -> Ordering {
    let (Some(ours), Some(theirs)) = (&left.keyed, &right.keyed) else {
        return right.keyed.is_some().cmp(&left.keyed.is_some()).then_with(|| left.tag.cmp(right.tag));
    };
    theirs
        .key
        .compare(&ours.key)
        .then_with(|| likeness(right, current).cmp(&likeness(left, current)))
        .then_with(|| match &ours.key {
            // Other tools take 1.10.0 for newer than 1.10.
            Key::Release(_) => right.tag.len().cmp(&left.tag.len()),
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
