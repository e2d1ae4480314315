//! A plan as it is sent: bounded, with the number of what did not fit.

use std::collections::{BTreeMap, HashMap};

use lockstep_api::v1::{Held, PlanResponse, PlanStep, Problem};
use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, Plan, Rendered, Step};
use prost::Message;

use crate::{render::line, resource::Failure, server::problem, turn::Prepared};

/// An answer may be so large; a client takes 4 MiB.
const ROOM: usize = 3 << 20;
/// So many problems are sent.
const PROBLEMS: usize = 1000;
/// So long is a reason.
const LONGEST_REASON: usize = 1000;

/// What is left of the room for an answer.
pub(super) struct Room(usize);

impl Room {
    pub(super) fn new() -> Self {
        Self(ROOM)
    }

    /// Whether this fits too. Once something does not, nothing does, so that what is sent is the beginning.
    pub(super) fn takes(&mut self, message: &impl Message) -> bool {
        // A few bytes for the field's own key and length.
        let size = message.encoded_len() + 8;
        self.0 = self.0.saturating_sub(size);
        self.0 > 0
    }
}

pub(super) fn plan(prepared: &Prepared, all: bool, refusals: &BTreeMap<ObjectId, String>) -> PlanResponse {
    let Prepared { plan, manifests, .. } = prepared;
    let places: HashMap<&ObjectId, &Rendered> =
        manifests.wanted.iter().map(|rendered| (&rendered.object.id, rendered)).collect();
    let mut response = PlanResponse { commit: plan.commit().to_owned(), held: held(plan), ..PlanResponse::default() };
    let mut room = Room::new();
    for step in plan.steps() {
        *response.counts.entry(step.verb().to_owned()).or_default() += 1;
        if step.action == Action::Unchanged && !all {
            continue;
        }
        let sent = told(step, places.get(&step.id).copied(), refusals.get(&step.id));
        if room.takes(&sent) {
            response.steps.push(sent);
        } else {
            response.left_out += 1;
        }
    }
    response
}

fn told(step: &Step, place: Option<&Rendered>, refusal: Option<&String>) -> PlanStep {
    PlanStep {
        object: step.id.short(),
        group: step.id.group.clone(),
        verb: step.verb().to_owned(),
        reason: cut(step.reason()),
        file: place.map(|rendered| rendered.object.file.to_string()).unwrap_or_default(),
        line: place.map_or(0, |rendered| line(rendered.object.line)),
        refusal: refusal.cloned().unwrap_or_default(),
    }
}

pub(super) fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_REASON) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The deletions that would wait for a person.
pub(super) fn held(plan: &Plan) -> Option<Held> {
    let held = plan.held()?;
    Some(Held {
        commit: plan.commit().to_owned(),
        would_prune: u32::try_from(held.would_prune).unwrap_or(u32::MAX),
        reason: held.to_string(),
        objects: held.objects.iter().map(ObjectId::short).collect(),
    })
}

pub(super) fn problems(failures: &[Failure]) -> Vec<Problem> {
    failures.iter().take(PROBLEMS).map(problem).collect()
}
