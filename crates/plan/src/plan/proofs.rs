//! What must be proven before an object is deleted or let go, and what it would take along.

use std::collections::{BTreeSet, HashSet};

use lockstep_manifest::ObjectId;

use super::looked::Looked;
use super::step::{Block, Keep};
use super::{Input, Pruning};
use crate::instructions::{ApplyMode, Instructions, Problems};
use crate::live::LiveMetadata;
use crate::ownership::{GroupKind, ID_ANNOTATION, Owner};

const PROTECTED_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const SYNC_DEFINITION: &str = "syncs.lockstep.dev";

/// What becomes of an object that left Git, as far as it alone decides.
pub(super) enum Verdict {
    Goes,
    LetGo,
    Stays(Keep),
}

/// Every proof is asked for; then the object has its own say. What cannot be read may say that it stays.
pub(super) fn verdict(input: &Input<'_>, live: &LiveMetadata, said: &Result<Instructions, Problems>) -> Verdict {
    match (missing_proof(input, live), said) {
        (Some(keep), _) => Verdict::Stays(keep),
        (None, Err(problems)) => Verdict::Stays(Keep::Unreadable(problems.join("; "))),
        (None, Ok(said)) if said.apply == ApplyMode::Ignore => Verdict::Stays(Keep::Ignored),
        (None, Ok(said)) if said.prune_never => Verdict::LetGo,
        (None, Ok(_)) => Verdict::Goes,
    }
}

/// The first proof that a deletion lacks. That the commit was applied without an error is the last one,
/// and is asked for when the deletions are.
fn missing_proof(input: &Input<'_>, live: &LiveMetadata) -> Option<Keep> {
    let owner = input.ownership.owner_of(live);
    let identity = live.annotations.get(ID_ANNOTATION);
    let is_own_namespace = is_namespace(&live.id) && live.id.name == input.ownership.sync_namespace;
    let is_own_sync = (live.id.group.as_str(), live.id.kind.as_str()) == ("lockstep.dev", "Sync")
        && (&live.id.namespace, &live.id.name) == (&input.ownership.sync_namespace, &input.ownership.sync);
    let is_own_definition = is_definition(&live.id) && live.id.name == SYNC_DEFINITION;
    let checks = [
        (owner != Owner::This, Keep::OtherOwner(owner)),
        (live.has_owner(), Keep::HasOwner),
        (identity.is_none(), Keep::IdMissing),
        (
            identity.is_some_and(|id| *id != live.id.to_string()),
            Keep::IdOfAnother(identity.cloned().unwrap_or_default()),
        ),
        (live.own_entry().is_none(), Keep::NeverApplied),
        (is_namespace(&live.id) && PROTECTED_NAMESPACES.contains(&live.id.name.as_str()), Keep::ProtectedNamespace),
        (is_own_namespace || is_own_sync || is_own_definition || input.protected.contains(&live.id), Keep::Protected),
        (live.deleting, Keep::Deleting),
        (live.uid.is_empty() || live.resource_version.is_empty(), Keep::VersionUnknown),
        (input.policy.prune == Pruning::Disabled, Keep::PruneDisabled),
        // The last: all that lacks no other proof counts for the guard.
        (!input.listed.contains(&GroupKind::of(&live.id)), Keep::ListIncomplete),
    ];
    checks.into_iter().find(|(missing, _)| *missing).map(|(_, keep)| keep)
}

/// A namespace or a definition takes all that is in it along, so it stays while anything in it stays.
pub(super) fn still_used(
    input: &Input<'_>,
    looked: &Looked<'_>,
    id: &ObjectId,
    going: &HashSet<&ObjectId>,
) -> Option<Block> {
    let user = if is_namespace(id) {
        user(input, looked, going, |other| other.namespace == id.name)
    } else if is_definition(id) {
        let (_, group) = id.name.split_once('.')?;
        let defined_by_others = kinds_defined_by_wanted(input, group);
        user(input, looked, going, |other| other.group == group && !defined_by_others.contains(other.kind.as_str()))
    } else {
        return None;
    };
    user.map(Block::StillUsed).or_else(|| input.occupied.get(id).cloned().map(Block::Occupied))
}

fn user(
    input: &Input<'_>,
    looked: &Looked<'_>,
    going: &HashSet<&ObjectId>,
    is_inside: impl Fn(&ObjectId) -> bool,
) -> Option<ObjectId> {
    let wanted = input.wanted.iter().map(|rendered| &rendered.object.id);
    // Objects with an owner, and copies of labels, go with what they came from.
    let declared = |live: &&&LiveMetadata| {
        !live.has_owner() && live.annotations.get(ID_ANNOTATION).is_some_and(|id| *id == live.id.to_string())
    };
    let known = input.live.iter().chain(&looked.present);
    let staying = known.filter(declared).map(|live| &live.id).filter(|id| !going.contains(id));
    wanted.chain(staying).chain(looked.unknown.keys().copied()).find(|other| is_inside(other)).cloned()
}

/// The kinds of a group that some wanted definition still defines.
fn kinds_defined_by_wanted(input: &Input<'_>, group: &str) -> BTreeSet<String> {
    let definitions = input.wanted.iter().filter(|rendered| is_definition(&rendered.object.id));
    definitions
        .map(|rendered| rendered.body.value())
        .filter(|definition| definition["spec"]["group"] == group)
        .filter_map(|definition| definition["spec"]["names"]["kind"].as_str().map(str::to_owned))
        .collect()
}

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}

fn is_definition(id: &ObjectId) -> bool {
    id.group == "apiextensions.k8s.io" && id.kind == "CustomResourceDefinition"
}
