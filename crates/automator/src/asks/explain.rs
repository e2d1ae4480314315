//! Why the places of an object are as they are.

use std::borrow::Cow;
use std::collections::HashMap;

use lockstep_image::Candidate;

use super::{ExplainQuestion, Explained, ExplainedPlace, ExplainedTag, Refusal};
use crate::board::{Board, PlaceState};
use crate::decide::{self, Known};
use crate::facts::Facts;
use crate::memory::Memory;
use crate::ports::Ports;
use crate::survey::{self, Place};
use crate::turn::Target;

/// Explains what is meant at the head of the branch. What is known of registries is what the last turn knew.
///
/// # Errors
/// If the branch cannot be read, or nothing of that name is governed on it.
pub(crate) async fn explain(
    question: &ExplainQuestion,
    target: &Target,
    memory: &mut Memory,
    ports: &Ports<'_>,
    board: &Board,
) -> Result<Explained, Refusal> {
    let head = ports.branch.head().await?;
    let Memory { files, history, listings, stopped, .. } = memory;
    let survey = survey::survey(ports.branch, head, files, history, &target.places).await?;
    let board = board.get(&target.branch);
    let stopped = stopped.with_reverted(&survey.places);
    let known = Known { stopped: &stopped, now: ports.clock.now() };
    let mut explained = Explained::default();
    for place in &survey.places {
        if !question.subject.means(&place.id) || !question.who.may_touch(&place.id.file) {
            continue;
        }
        let facts = listings.facts(&place.repository, &target.allowed);
        let (total, tags, chosen) = match &facts {
            Ok(facts) => tags(place, facts, known, question.limit),
            Err(reason) => (0, Vec::new(), Err((*reason).clone())),
        };
        let seen = board.iter().flat_map(|board| &board.places).find(|state| is_of(state, place)).cloned();
        let state = seen.unwrap_or_else(|| new_state(place, chosen));
        let undone = place.history.undone(&place.repository);
        explained.places.push(ExplainedPlace { state, undone, tags, tags_total: total });
    }
    let (found, unreadable) = super::find::find(ports.branch, head, &question.subject, &question.who).await?;
    let governed = |file: &str| explained.places.iter().any(|place| place.state.file == file);
    let mut problems = unreadable;
    for found in &found {
        let file = format!("{}:", found.file);
        problems.extend(
            survey.problems.iter().map(|problem| problem.message.clone()).filter(|text| text.starts_with(&file)),
        );
        if !governed(&found.file) && problems.is_empty() {
            let line = found.images.first().map_or(1, |image| image.object_line);
            problems.push(format!(
                "{}:{line}: nothing here or in the settings says that its images are automated",
                found.file
            ));
        }
    }
    problems.sort();
    problems.dedup();
    if explained.places.is_empty() && problems.is_empty() {
        return Err(Refusal::NotFound("there is nothing of that name below the configured paths".to_owned()));
    }
    explained.problems = problems;
    Ok(explained)
}

type Chosen = Result<Option<String>, String>;

fn tags(place: &Place, facts: &Facts, known: Known<'_>, limit: usize) -> (usize, Vec<ExplainedTag>, Chosen) {
    let explanation = match decide::explain(place, facts, known) {
        Ok(explanation) => explanation,
        Err(reason) => return (facts.len(), Vec::new(), Err(reason)),
    };
    let chosen = match explanation.selection.outcome {
        lockstep_image::Outcome::Selected(tag) => Ok(Some(tag)),
        lockstep_image::Outcome::UpToDate => Ok(None),
        lockstep_image::Outcome::Held(reason) => Err(reason),
    };
    let by_tag: HashMap<Cow<'_, str>, Candidate<'_>> =
        facts.candidates().map(|candidate| (candidate.tag.clone(), candidate)).collect();
    let explained = |judged: lockstep_image::Judged| {
        let candidate = by_tag.get(judged.tag.as_str());
        let time = |of: fn(&Candidate<'_>) -> Option<jiff::Timestamp>| candidate.and_then(of);
        ExplainedTag {
            pushed: time(|candidate| candidate.pushed),
            first_seen: time(|candidate| candidate.first_seen),
            created: time(|candidate| candidate.created),
            judged,
        }
    };
    let total = explanation.tags.len();
    (total, explanation.tags.into_iter().take(limit).map(explained).collect(), chosen)
}

/// Whether the board shows this very place as it is now.
fn is_of(state: &PlaceState, place: &Place) -> bool {
    state.file == place.id.file
        && state.line == place.line
        && state.container == place.id.container
        && state.current == place.text
        && state.policy == place.policy.rule.policy.to_string()
}

/// A place that no turn has looked at yet.
fn new_state(place: &Place, chosen: Chosen) -> PlaceState {
    let (selected, held) = match chosen {
        Ok(selected) => (selected, None),
        Err(reason) => (None, Some(reason)),
    };
    PlaceState::of(place, selected, held)
}
