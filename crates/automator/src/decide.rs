//! The decision about one place, from what is known. Nothing here asks anybody.

use jiff::{SignedDuration, Timestamp};
use lockstep_image::{Explanation, Outcome, Question, Rule, Selection, Want, select};
use lockstep_registry::Repository;

use crate::choices::Choices;
use crate::facts::Facts;
use crate::stopped::StoppedTags;
use crate::survey::Place;

/// More moves of one place within an hour are held.
const MOST_MOVES_AN_HOUR: usize = 12;

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
    /// Facts that would help to decide.
    pub(crate) wants: Vec<Want>,
    /// When time alone may decide otherwise.
    pub(crate) again_at: Option<Timestamp>,
}

impl Decided {
    pub(crate) fn held(reason: impl Into<String>) -> Self {
        Self { decision: Decision::Held(reason.into()), selected: None, wants: Vec::new(), again_at: None }
    }
}

/// What stands in the way of a move that the policy asks for.
pub(crate) struct Obstacle {
    pub(crate) reason: String,
    /// When it goes away by itself.
    pub(crate) until: Option<Timestamp>,
}

/// What is known when decisions are made, beside the facts of a repository.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) stopped: &'a StoppedTags,
    pub(crate) now: Timestamp,
}

/// Decides about a place.
pub(crate) fn decide(place: &Place, facts: Result<&Facts, &str>, known: Known<'_>, choices: &mut Choices) -> Decided {
    if place.policy.listed_only {
        return Decided { decision: Decision::Leave, ..Decided::held("") };
    }
    let facts = match facts {
        Ok(facts) => facts,
        Err(reason) => return Decided::held(reason),
    };
    let Selection { outcome, wants, .. } =
        match choices.of(place, facts, known, || choose(place, facts, |_| true, known)) {
            Ok(selection) => selection,
            Err(reason) => return Decided::held(reason),
        };
    let again_at = comes_of_age(place, facts, known.now);
    let selected = match outcome {
        Outcome::Selected(tag) => tag,
        Outcome::UpToDate => return Decided { decision: Decision::Leave, selected: None, wants, again_at },
        Outcome::Held(reason) => return Decided { wants, again_at, ..Decided::held(reason) },
    };
    let obstacle = obstacle(place, known.now);
    let until = obstacle.as_ref().and_then(|obstacle| obstacle.until);
    let decision = match obstacle {
        Some(obstacle) => Decision::Held(obstacle.reason),
        None if !place.policy.automated => Decision::Leave,
        None => Decision::Move(selected.clone()),
    };
    Decided { decision, selected: Some(selected), wants, again_at: until }
}

/// What the policy chooses among the tags that `allowed` lets through and the current one.
///
/// # Errors
/// Why nothing can be chosen for this place at all.
pub(crate) fn choose(
    place: &Place,
    facts: &Facts,
    allowed: impl Fn(&str) -> bool,
    known: Known<'_>,
) -> Result<Selection, String> {
    let mut selection = ask(place, facts, allowed, known, select)?;
    selection.wants.retain(|want| facts.lacks(want));
    // Whether it is pushed again while it comes of age, only the digest tells that it has now.
    let unknown = selection.young.as_ref().filter(|tag| !facts.was_looked_up(tag));
    selection.wants.extend(unknown.map(|tag| Want::Digest { tag: tag.clone() }));
    Ok(selection)
}

/// What the policy chooses, and what becomes of every tag.
///
/// # Errors
/// As [`choose`].
pub(crate) fn explain(place: &Place, facts: &Facts, known: Known<'_>) -> Result<Explanation, String> {
    ask(place, facts, |_| true, known, lockstep_image::explain)
}

fn ask<T>(
    place: &Place,
    facts: &Facts,
    allowed: impl Fn(&str) -> bool,
    known: Known<'_>,
    answer: impl FnOnce(&Rule, &Question<'_>) -> T,
) -> Result<T, String> {
    let current = place.reference.tag();
    let by_digest = place.policy.moves_digests();
    if current.is_none() && place.reference.digest().is_some() && !by_digest {
        return Err(
            "the image is pinned by its digest alone; write its tag beside the digest to have it updated".to_owned()
        );
    }
    let key = place.policy.verify.as_deref();
    let candidates = facts.known(key, |tag| Some(tag) == current || allowed(tag));
    let mut stopped: Vec<(&str, &str)> = known.stopped.of(&place.repository).collect();
    let mut undone = place.history.undone(&Repository::from(&place.reference));
    if by_digest {
        // What is stopped is no tag but what it pointed to.
        undone.extend(stopped.drain(..).map(|(name, _)| name.to_owned()));
    }
    undone.retain(|name| name.contains('@') == by_digest);
    let question = Question {
        current,
        current_digest: place.reference.digest(),
        candidates: &candidates,
        undone: &undone,
        stopped: &stopped,
        now: known.now,
        current_time: place.history.since.map(|(_, time)| time),
        first_scan: facts.first_scan,
    };
    Ok(answer(&place.policy.rule, &question))
}

/// Why a place may not move now, whatever is chosen.
pub(crate) fn obstacle(place: &Place, now: Timestamp) -> Option<Obstacle> {
    if let Some(reason) = &place.policy.locked {
        return Some(Obstacle { reason: format!("locked: {reason}"), until: None });
    }
    if let Some(approval) = place.policy.approval.as_ref().filter(|_| place.policy.automated) {
        return Some(Obstacle { reason: approval.clone(), until: None });
    }
    let an_hour = SignedDuration::from_hours(1);
    let recent = || place.history.updates.iter().filter(|update| update.time > now - an_hour);
    let moves = recent().count();
    if moves >= MOST_MOVES_AN_HOUR {
        let reason = format!("too often: moved {moves} times within the last hour");
        return Some(Obstacle { reason, until: recent().map(|update| update.time + an_hour).min() });
    }
    let window = place.policy.window.as_ref().filter(|_| place.policy.automated)?;
    let opens = window.opens(now)?;
    let reason = format!("window opens at {}", opens.strftime("%a %F %H:%M %Z"));
    Some(Obstacle { reason, until: Some(opens.timestamp()) })
}

/// When the next tag that is younger than `min-age` is old enough.
fn comes_of_age(place: &Place, facts: &Facts, now: Timestamp) -> Option<Timestamp> {
    let age = place.policy.rule.min_age?;
    let times = facts.candidates().filter_map(|candidate| candidate.pushed.or(candidate.first_seen));
    times.filter_map(|time| time.checked_add(age).ok()).filter(|time| *time > now).min()
}

#[cfg(test)]
mod tests;
