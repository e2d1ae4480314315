//! The decision about one place, from what is known. Nothing here asks anybody.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use lockstep_image::{Candidate, Outcome, Question, select};

use crate::scan::Facts;
use crate::stopped::StoppedTags;
use crate::survey::Place;

/// More moves of one place within an hour are held.
const MOST_MOVES_AN_HOUR: usize = 12;
/// More look-ups of build times are not made for one decision.
const MOST_LOOKUPS: usize = 200;

/// What becomes of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: it has what it should have, or it is only previewed.
    Leave,
    /// Nothing, for this reason.
    Held(String),
    /// It gets this tag.
    Move(String),
}

/// A decision and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    /// The tag that the policy chooses, whether or not the place gets it.
    pub(crate) selected: Option<String>,
    /// Tags whose build time would help to decide.
    pub(crate) wants_created: Vec<String>,
}

impl Decided {
    fn held(reason: impl Into<String>) -> Self {
        Self { decision: Decision::Held(reason.into()), selected: None, wants_created: Vec::new() }
    }
}

/// Decides about a place.
pub(crate) fn decide(place: &Place, facts: Result<&Facts, &str>, stopped: &StoppedTags, now: Timestamp) -> Decided {
    let facts = match facts {
        Ok(facts) => facts,
        Err(reason) => return Decided::held(reason),
    };
    let current = place.reference.tag();
    if current.is_none() && place.reference.digest().is_some() {
        return Decided::held("the image is pinned by its digest alone; write its tag before the @ to have it updated");
    }
    let kept = |candidate: &&Candidate| {
        Some(candidate.tag.as_str()) == current || !stopped.contains(&place.repository, &candidate.tag)
    };
    let candidates: Cow<'_, [Candidate]> = if stopped.is_empty() {
        Cow::Borrowed(&facts.candidates)
    } else {
        facts.candidates.iter().filter(kept).cloned().collect()
    };
    let undone = place.history.undone(&place.repository);
    let question = Question {
        current,
        candidates: &candidates,
        undone: &undone,
        now,
        current_time: place.history.since.map(|(_, time)| time),
        first_scan: facts.first_scan,
    };
    let selection = select(&place.policy.rule, &question);
    let wants_created = match selection.outcome {
        Outcome::Held(_) => wants_created(place, facts, &question),
        _ => Vec::new(),
    };
    let (selected, held) = match selection.outcome {
        Outcome::Selected(tag) => (Some(tag), None),
        Outcome::UpToDate => (None, None),
        Outcome::Held(reason) => (None, Some(reason)),
    };
    let decision = match (&selected, held) {
        (None, None) => Decision::Leave,
        (None, Some(reason)) => Decision::Held(reason),
        (Some(tag), _) => match standing_in_the_way(place, now) {
            Some(reason) => Decision::Held(reason),
            None if !place.policy.automated => Decision::Leave,
            None => Decision::Move(tag.clone()),
        },
    };
    Decided { decision, selected, wants_created }
}

fn standing_in_the_way(place: &Place, now: Timestamp) -> Option<String> {
    if let Some(reason) = &place.policy.locked {
        return Some(format!("locked: {reason}"));
    }
    let an_hour_ago = now - SignedDuration::from_hours(1);
    let moves = place.history.updates.iter().filter(|update| update.time > an_hour_ago).count();
    (moves >= MOST_MOVES_AN_HOUR).then(|| format!("too often: moved {moves} times within the last hour"))
}

/// A policy by time that is held may lack the build times of the tags that were there from the first scan on.
fn wants_created(place: &Place, facts: &Facts, question: &Question<'_>) -> Vec<String> {
    let policy = place.policy.rule.policy.to_string();
    if !policy.starts_with("glob:") && !policy.starts_with("regexp:") {
        return Vec::new();
    }
    // Without a current tag nothing is dropped for being older than it.
    let selection = select(&place.policy.rule, &Question { current: None, ..*question });
    let eligible = selection.candidates.iter().filter(|judged| !judged.verdict.starts_with("dropped"));
    let wanted: BTreeSet<&str> = eligible
        .map(|judged| judged.tag.as_str())
        .chain(place.reference.tag())
        .filter(|tag| facts.from_before.contains(*tag) && !facts.asked_created.contains(*tag))
        .collect();
    if wanted.len() > MOST_LOOKUPS { Vec::new() } else { wanted.into_iter().map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests;
