//! What happens to the objects that Git wants.

use std::collections::HashMap;

use lockstep_manifest::ObjectId;

use super::step::{Action, Block, Cause, Step};
use super::{DriftMode, Fact, Input};
use crate::cover::{Cover, cover};
use crate::live::LiveMetadata;
use crate::order;
use crate::ownership::{APPLIED_ANNOTATION, ID_ANNOTATION, Owner};
use crate::render::Rendered;

pub(super) fn wanted_steps(input: &Input<'_>) -> Vec<Step> {
    let live: HashMap<&ObjectId, &LiveMetadata> = input.live.iter().map(|live| (&live.id, *live)).collect();
    let waves = order::into_waves(input.wanted, |rendered| &rendered.object.id);
    let step = |rendered: &Rendered| {
        let id = &rendered.object.id;
        let action = match (live.get(id), input.facts.get(id)) {
            (Some(live), _) => present(input, rendered, live),
            (None, Some(Fact::Present(live))) => present(input, rendered, live),
            (None, Some(Fact::Absent)) => Action::Create,
            (None, Some(Fact::Unknown(why))) => Action::Blocked(Block::Unknown(why.clone())),
            (None, None) => match input.settled.get(id) {
                Some(settled) if settled.hash == rendered.hash => Action::Unchanged,
                Some(_) => Action::Update(Cause::Changed),
                None => Action::Blocked(Block::Unknown("it was not looked up".to_owned())),
            },
        };
        Step { id: id.clone(), wanted: true, action }
    };
    waves.into_iter().flatten().map(step).collect()
}

fn present(input: &Input<'_>, rendered: &Rendered, live: &LiveMetadata) -> Action {
    let has_our_id = live.annotations.get(ID_ANNOTATION).is_some_and(|id| *id == live.id.to_string());
    let applied_by_us = live.own_entry().is_some();
    match input.ownership.owner_of(live) {
        // Labels alone do not make it ours: copies carry them, and children inherit them.
        Owner::This if !has_our_id && !applied_by_us => adopt(live),
        Owner::This => ours(input, rendered, live, has_our_id),
        // Our own object whose labels somebody took away.
        Owner::Nobody if has_our_id && applied_by_us => {
            let action =
                if live.deleting { Action::Blocked(Block::Deleting) } else { Action::Update(Cause::MarksLost) };
            reported(input, rendered, live, action)
        }
        Owner::Nobody => adopt(live),
        other => Action::Blocked(Block::OwnedBy(other)),
    }
}

fn adopt(live: &LiveMetadata) -> Action {
    if live.has_owner {
        return Action::Blocked(Block::OwnedBy(Owner::Object));
    }
    if live.deleting {
        return Action::Blocked(Block::Deleting);
    }
    Action::Adopt { uid: live.uid.clone(), resource_version: live.resource_version.clone() }
}

fn ours(input: &Input<'_>, rendered: &Rendered, live: &LiveMetadata, has_our_id: bool) -> Action {
    let cover = match input.unkept.get(&live.id) {
        Some(unkept) => cover(&rendered.body.value(), live).without(unkept),
        None => cover(&rendered.body.value(), live),
    };
    if cover == Cover::Deleting {
        return Action::Blocked(Block::Deleting);
    }
    if live.annotations.get(APPLIED_ANNOTATION).is_some_and(|hash| **hash != *rendered.hash) {
        return Action::Update(Cause::Changed);
    }
    let marked = has_our_id && live.annotations.contains_key(APPLIED_ANNOTATION);
    let cause = match cover {
        Cover::Covered | Cover::Doubtful { .. } if !marked => Cause::MarksLost,
        Cover::Covered | Cover::Deleting => return Action::Unchanged,
        Cover::Drift { fields } => Cause::Drift(fields),
        Cover::Doubtful { fields } => Cause::Doubtful(fields),
        Cover::OtherVersion { api_version } => Cause::OtherVersion(api_version),
        Cover::NotOurs => Cause::NeverApplied,
        Cover::Cleared => Cause::Cleared,
    };
    reported(input, rendered, live, Action::Update(cause))
}

/// Under the policy `report`, what only undoes another's change is told instead of done.
fn reported(input: &Input<'_>, rendered: &Rendered, live: &LiveMetadata, action: Action) -> Action {
    let same = live.annotations.get(APPLIED_ANNOTATION).is_some_and(|hash| **hash == *rendered.hash);
    match action {
        Action::Update(cause) if same && input.policy.drift == DriftMode::Report => Action::Drifted(cause),
        other => other,
    }
}
