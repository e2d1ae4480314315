//! Places that choose and move as one: all get the same tag, in one commit, or none moves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lockstep_image::{Outcome, Want};

use crate::decide::{self, Decided, Decision, Known};
use crate::facts::Facts;
use crate::publish::Move;

use crate::survey::Place;

/// As many tags that do not suit all are put aside before a group is held.
const MOST_ROUNDS: usize = 20;

/// One place of a group, and what is known of its image repository.
struct Member<'a> {
    number: usize,
    place: &'a Place,
    facts: &'a Facts,
}

/// What a tag would do at each member, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Moves,
    HasIt,
}

/// Why a group is held, and which facts might change that, by member.
struct Hold {
    reason: String,
    wants: Vec<(usize, Want)>,
}

impl From<String> for Hold {
    fn from(reason: String) -> Self {
        Self { reason, wants: Vec::new() }
    }
}

/// What a group comes to.
enum Agreed {
    /// Every member has what it should have.
    Rest,
    /// This tag suits all of them.
    Tag(String, Vec<Fit>),
}

/// Puts the decisions of groups in place of those that were made for their members one by one.
pub(crate) fn agree(places: &[Place], facts: &[Result<&Facts, String>], known: Known<'_>, decided: &mut [Decided]) {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, place) in places.iter().enumerate() {
        if let Some(group) = &place.policy.group {
            groups.entry(group).or_default().push(number);
        }
    }
    for (group, numbers) in groups.into_iter().filter(|(_, numbers)| numbers.len() > 1) {
        match agree_one(places, facts, &numbers, known) {
            Ok((Agreed::Rest, _)) => {
                for number in numbers {
                    rest(&mut decided[number], Decision::Leave, None, None);
                }
            }
            Ok((Agreed::Tag(tag, fits), members)) => {
                let (decision, until) = may_move(&members, &fits, group, &tag, known.now);
                for (member, fit) in members.iter().zip(fits) {
                    match fit {
                        Fit::Moves => rest(&mut decided[member.number], decision.clone(), Some(tag.clone()), until),
                        Fit::HasIt => rest(&mut decided[member.number], Decision::Leave, None, until),
                    }
                }
            }
            Err(Hold { reason, wants }) => {
                for (number, want) in wants {
                    decided[number].wants.push(want);
                }
                for number in numbers {
                    let held = Decision::Held(format!("group {group}: {reason}"));
                    rest(&mut decided[number], held, None, None);
                }
            }
        }
    }
}

/// Takes back the moves of a group of which one could not be looked up, so that none of it moves.
pub(crate) fn all_or_none(places: &[Place], decided: &mut [Decided], moves: &mut Vec<Move>) {
    let mut broken: BTreeMap<&str, String> = BTreeMap::new();
    for (place, decided) in places.iter().zip(&*decided) {
        if let (Some(group), Decision::Held(reason), Some(_)) =
            (&place.policy.group, &decided.decision, &decided.selected)
        {
            broken.entry(group).or_insert_with(|| at(place, reason));
        }
    }
    for (place, decided) in places.iter().zip(decided) {
        let reason = place.policy.group.as_deref().and_then(|group| Some((group, broken.get(group)?)));
        if let (Decision::Move(_), Some((group, reason))) = (&decided.decision, reason) {
            decided.decision = Decision::Held(format!("group {group}: {reason}"));
            moves.retain(|change| change.place != place.id);
        }
    }
}

/// What is wanted to decide stays; so does the time at which a member may decide otherwise by itself.
fn rest(decided: &mut Decided, decision: Decision, selected: Option<String>, until: Option<Timestamp>) {
    decided.decision = decision;
    decided.selected = selected;
    decided.again_at = decided.again_at.into_iter().chain(until).min();
}

fn agree_one<'a>(
    places: &'a [Place],
    facts: &[Result<&'a Facts, String>],
    numbers: &[usize],
    known: Known<'_>,
) -> Result<(Agreed, Vec<Member<'a>>), Hold> {
    let mut members = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let place = &places[number];
        let facts = facts[number].as_ref().map_err(|reason| at(place, reason))?;
        members.push(Member { number, place, facts });
    }
    let agreed = find_tag(&members, known)?;
    Ok((agreed, members))
}

/// The newest tag that all repositories have and that each member's own policy would take it for.
fn find_tag(members: &[Member<'_>], known: Known<'_>) -> Result<Agreed, Hold> {
    let listed = |member: &Member<'_>| -> BTreeSet<String> { member.facts.tags().map(str::to_owned).collect() };
    let mut common = members.iter().map(listed).reduce(|left, right| &left & &right).unwrap_or_default();
    for _ in 0..MOST_ROUNDS {
        let mut chosen = BTreeSet::new();
        for member in members {
            match member.outcome(|tag| common.contains(tag), known)? {
                Outcome::Selected(tag) => drop(chosen.insert(tag)),
                Outcome::UpToDate => {}
                Outcome::Held(reason) => return Err(at(member.place, &reason).into()),
            }
        }
        if chosen.is_empty() {
            return rest_together(members);
        }
        let mut suits: Vec<(String, Vec<Fit>)> = Vec::new();
        for tag in &chosen {
            if let Some(fits) = fit_all(members, tag, known)? {
                suits.push((tag.clone(), fits));
            }
        }
        match suits.as_slice() {
            [] => common.retain(|tag| !chosen.contains(tag)),
            [(tag, fits)] => return Ok(Agreed::Tag(tag.clone(), fits.clone())),
            [(one, _), (other, _), ..] => return Err(format!("its policies choose both {one} and {other}").into()),
        }
    }
    Err(format!("the newest {MOST_ROUNDS} tags do not suit all of its places").into())
}

/// Nothing newer suits: it is well if all have the same.
fn rest_together(members: &[Member<'_>]) -> Result<Agreed, Hold> {
    let tags: BTreeSet<&str> = members.iter().filter_map(|member| member.place.reference.tag()).collect();
    match tags.into_iter().collect::<Vec<_>>().as_slice() {
        [] | [_] => Ok(Agreed::Rest),
        tags => Err(format!("its places have {}, and no tag suits all of them", tags.join(" and ")).into()),
    }
}

/// What the tag would do at each member; nothing if there is one that would not take it.
fn fit_all(members: &[Member<'_>], tag: &str, known: Known<'_>) -> Result<Option<Vec<Fit>>, Hold> {
    let mut fits = Vec::with_capacity(members.len());
    for member in members {
        fits.push(match member.outcome(|known| known == tag, known)? {
            Outcome::Selected(chosen) if chosen == tag => Fit::Moves,
            Outcome::UpToDate if member.place.reference.tag() == Some(tag) => Fit::HasIt,
            _ => return Ok(None),
        });
    }
    Ok(Some(fits))
}

/// Whether those that would move may.
fn may_move(
    members: &[Member<'_>],
    fits: &[Fit],
    group: &str,
    tag: &str,
    now: Timestamp,
) -> (Decision, Option<Timestamp>) {
    let moving = || members.iter().zip(fits).filter(|(_, fit)| **fit == Fit::Moves).map(|(member, _)| member.place);
    for place in moving() {
        if let Some(obstacle) = decide::obstacle(place, now) {
            return (Decision::Held(format!("group {group}: {}", at(place, &obstacle.reason))), obstacle.until);
        }
    }
    let idle = moving().find(|place| !place.policy.automated);
    let decision = match idle {
        None => Decision::Move(tag.to_owned()),
        Some(_) if moving().all(|place| !place.policy.automated) => Decision::Leave,
        Some(place) => Decision::Held(format!("group {group}: {}", at(place, "it is not automated"))),
    };
    (decision, None)
}

impl Member<'_> {
    /// What its own policy chooses. Where facts are lacking, the group waits for them.
    fn outcome(&self, allowed: impl Fn(&str) -> bool, known: Known<'_>) -> Result<Outcome, Hold> {
        let chosen = decide::choose(self.place, self.facts, allowed, known);
        let chosen = chosen.map_err(|reason| at(self.place, &reason))?;
        match chosen.outcome {
            Outcome::Held(reason) if !chosen.wants.is_empty() => {
                let wants = chosen.wants.into_iter().map(|want| (self.number, want)).collect();
                Err(Hold { reason: at(self.place, &reason), wants })
            }
            outcome => Ok(outcome),
        }
    }
}

fn at(place: &Place, reason: &str) -> String {
    format!("{}: {reason}", place.id)
}

#[cfg(test)]
mod tests;
