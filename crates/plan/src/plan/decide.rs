//! What happens to the objects that Git wants.

use std::collections::HashMap;

use lockstep_manifest::ObjectId;

use super::step::{Action, Block, Cause, Leaving, Step};
use super::{DriftMode, Fact, Input, waits};
use crate::cover::{Cover, cover};
use crate::instructions::ApplyMode;
use crate::live::LiveMetadata;
use crate::order::{Item, Order};
use crate::ownership::{APPLIED_ANNOTATION, ID_ANNOTATION, Owner, SYNC_LABEL};
use crate::render::Rendered;

pub(super) fn wanted_steps(input: &Input<'_>) -> Vec<Step> {
    let live: HashMap<&ObjectId, &LiveMetadata> = input.live.iter().map(|live| (&live.id, *live)).collect();
    let items: Vec<Item<'_>> = input.wanted.iter().map(Item::of).collect();
    let order = Order::of(&items);
    let mut actions: Vec<Action> =
        input.wanted.iter().map(|rendered| action(input, rendered, live.get(&rendered.object.id).copied())).collect();
    waits::hold_back(&items, &order, input.unready, &mut actions);
    let mut actions: Vec<Option<Action>> = actions.into_iter().map(Some).collect();
    let step = |at: &usize| {
        let id = input.wanted[*at].object.id.clone();
        Some(Step { id, wanted: true, action: actions[*at].take()? })
    };
    order.sequence.iter().filter_map(step).collect()
}

fn action(input: &Input<'_>, rendered: &Rendered, live: Option<&LiveMetadata>) -> Action {
    if rendered.apply_mode() == ApplyMode::Ignore {
        let hook = rendered.instructions.as_ref().and_then(|instructions| instructions.hook.clone());
        return Action::Leave(hook.map_or(Leaving::Ignored, Leaving::Hook));
    }
    match (live, input.facts.get(&rendered.object.id)) {
        (Some(live), _) => present(input, rendered, live),
        (None, Some(Fact::Present(live))) => present(input, rendered, live),
        (None, Some(Fact::Absent)) => Action::Create,
        (None, Some(Fact::Unknown(why))) => Action::Blocked(Block::Unknown(why.clone())),
        (None, None) => match input.settled.get(&rendered.object.id) {
            Some(_) if rendered.apply_mode() == ApplyMode::CreateOnly => Action::Leave(Leaving::CreateOnly),
            Some(settled) if *settled.hash == *rendered.hash => Action::Unchanged,
            Some(_) => Action::Update(Cause::Changed),
            None => Action::Blocked(Block::Unknown("it was not looked up".to_owned())),
        },
    }
}

fn present(input: &Input<'_>, rendered: &Rendered, live: &LiveMetadata) -> Action {
    if rendered.apply_mode() == ApplyMode::CreateOnly {
        let is_seen = live.labels.contains_key(SYNC_LABEL);
        let left = if is_seen { Leaving::CreateOnly } else { Leaving::Found };
        return if live.deleting { Action::Blocked(Block::Deleting) } else { Action::Leave(left) };
    }
    let has_our_id = live.annotations.get(ID_ANNOTATION).is_some_and(|id| *id == live.id.to_string());
    let applied_by_us = live.own_entry().is_some();
    match input.ownership.owner_of(live) {
        // Labels alone do not make it ours: copies carry them, and children inherit them.
        Owner::This if !has_our_id && !applied_by_us => adopt(live, None),
        Owner::This => ours(input, rendered, live, has_our_id),
        // Our own object whose labels somebody took away.
        Owner::Nobody if has_our_id && applied_by_us => {
            let action =
                if live.deleting { Action::Blocked(Block::Deleting) } else { Action::Update(Cause::MarksLost) };
            reported(input, rendered, live, action)
        }
        Owner::Nobody => adopt(live, None),
        other if other != Owner::Object && may_be_taken_over(rendered) => adopt(live, Some(other)),
        other => Action::Blocked(Block::OwnedBy(other)),
    }
}

fn may_be_taken_over(rendered: &Rendered) -> bool {
    rendered.instructions.as_ref().is_some_and(|instructions| instructions.adopt)
}

fn adopt(live: &LiveMetadata, from: Option<Owner>) -> Action {
    if live.has_owner() {
        return Action::Blocked(Block::OwnedBy(Owner::Object));
    }
    if live.deleting {
        return Action::Blocked(Block::Deleting);
    }
    Action::Adopt { from, uid: live.uid.clone(), resource_version: live.resource_version.clone() }
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
