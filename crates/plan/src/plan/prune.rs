//! What happens to the objects that left Git: deleted only when every proof holds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use lockstep_manifest::ObjectId;

use super::outcome::Deletion;
use super::step::{Action, Block, Keep, Step};
use super::{Fact, Input, Pruning};
use crate::instructions::{self, ApplyMode};
use crate::live::LiveMetadata;
use crate::order;
use crate::ownership::{GroupKind, ID_ANNOTATION, Owner};

const PROTECTED_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const SYNC_DEFINITION: &str = "syncs.lockstep.dev";

/// A prune that waits until a person acknowledges the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How many objects would be deleted.
    pub would_prune: usize,
    /// What makes it suspicious.
    pub reason: HoldReason,
}

/// What makes a prune suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// Git wants nothing at all: an empty folder, or a path that is not there.
    NothingWanted,
    /// Every object of the Sync would go.
    EveryObject,
    /// More objects would go than the policy allows, in number and in percent of those that the Sync owns.
    OverLimit {
        /// How many objects the Sync owns.
        owned: usize,
    },
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.would_prune;
        match self.reason {
            HoldReason::NothingWanted => write!(f, "the commit declares no objects and would prune {count}"),
            HoldReason::EveryObject => write!(f, "the commit would prune every object of the Sync, {count} in all"),
            HoldReason::OverLimit { owned } => {
                write!(f, "the commit would prune {count} of {owned} objects, more than the Sync allows")
            }
        }
    }
}

/// What left Git.
pub(super) struct PruneSteps {
    pub(super) steps: Vec<Step>,
    pub(super) deletions: Vec<Deletion>,
    pub(super) held: Option<Held>,
}

pub(super) fn prune_steps(input: &Input<'_>) -> PruneSteps {
    let wanted: HashSet<&ObjectId> = input.wanted.iter().map(|rendered| &rendered.object.id).collect();
    let looked_up = Looked::up(input, &wanted);
    let known = input.live.iter().copied().chain(looked_up.present.iter().copied());
    let candidates = known.filter(|live| !wanted.contains(&live.id) && input.ownership.is_named_on(live));
    // The same object can be listed under two API groups.
    let wanted_uids: HashMap<&str, &ObjectId> = input
        .live
        .iter()
        .filter(|live| wanted.contains(&live.id) && !live.uid.is_empty())
        .map(|live| (live.uid.as_str(), &live.id))
        .chain(input.settled.iter().filter(|(id, _)| wanted.contains(*id)).map(|(id, settled)| (&*settled.uid, id)))
        .collect();
    let verdicts: Vec<(&LiveMetadata, Option<Keep>)> = candidates
        .map(|live| {
            let same = wanted_uids.get(live.uid.as_str()).map(|id| Keep::SameObjectWanted((*id).clone()));
            (live, same.or_else(|| missing_proof(input, live)))
        })
        .collect();
    let going: HashSet<&ObjectId> =
        verdicts.iter().filter(|(_, keep)| keep.is_none()).map(|(live, _)| &live.id).collect();
    let mut deletions = Vec::new();
    let mut steps = Vec::new();
    for (live, keep) in order::into_deletion_waves(verdicts.iter(), |(live, _)| &live.id).into_iter().flatten() {
        let action = match (keep, still_used(input, &looked_up, &live.id, &going)) {
            (Some(keep), _) => Action::Skip(keep.clone()),
            (None, Some(block)) => Action::Blocked(block),
            (None, None) => {
                deletions.push(Deletion::of(live));
                Action::Prune
            }
        };
        steps.push(Step { id: live.id.clone(), wanted: false, action });
    }
    for (id, why) in &looked_up.unknown {
        let action = Action::Blocked(Block::Unknown((*why).to_owned()));
        steps.push(Step { id: (*id).clone(), wanted: false, action });
    }
    let held = guard(input, &looked_up, deletions.len());
    PruneSteps { steps, deletions, held }
}

/// What the look at the settled objects that left Git has shown.
struct Looked<'a> {
    present: Vec<&'a LiveMetadata>,
    /// Those of which nobody could tell, and why.
    unknown: BTreeMap<&'a ObjectId, &'a str>,
    /// The settled objects that need no look.
    wanted: usize,
}

impl<'a> Looked<'a> {
    fn up(input: &Input<'a>, wanted: &HashSet<&ObjectId>) -> Self {
        let mut looked = Self { present: Vec::new(), unknown: BTreeMap::new(), wanted: 0 };
        for id in input.settled.keys() {
            match input.facts.get(id) {
                _ if wanted.contains(id) => looked.wanted += 1,
                Some(Fact::Present(live)) => looked.present.push(live),
                Some(Fact::Absent) => {}
                Some(Fact::Unknown(why)) => drop(looked.unknown.insert(id, why)),
                None => drop(looked.unknown.insert(id, "it was not looked up")),
            }
        }
        looked
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
        (live.has_owner, Keep::HasOwner),
        (identity.is_none(), Keep::IdMissing),
        (
            identity.is_some_and(|id| *id != live.id.to_string()),
            Keep::IdOfAnother(identity.cloned().unwrap_or_default()),
        ),
        (live.own_entry().is_none(), Keep::NeverApplied),
        (!input.listed.contains(&GroupKind::of(&live.id)), Keep::ListIncomplete),
        (is_namespace(&live.id) && PROTECTED_NAMESPACES.contains(&live.id.name.as_str()), Keep::ProtectedNamespace),
        (is_own_namespace || is_own_sync || is_own_definition || input.protected.contains(&live.id), Keep::Protected),
        (live.deleting, Keep::Deleting),
        (live.uid.is_empty() || live.resource_version.is_empty(), Keep::VersionUnknown),
        (input.policy.prune == Pruning::Disabled, Keep::PruneDisabled),
    ];
    checks.into_iter().find(|(missing, _)| *missing).map(|(_, keep)| keep).or_else(|| said_otherwise(live))
}

/// What its own annotations say against its deletion; one that cannot be read may say so too.
fn said_otherwise(live: &LiveMetadata) -> Option<Keep> {
    match instructions::of_live(live) {
        Ok(said) if said.prune_never => Some(Keep::PruneNever),
        Ok(said) if said.apply == ApplyMode::Ignore => Some(Keep::Ignored),
        Ok(_) => None,
        Err(problems) => Some(Keep::Unreadable(problems.join("; "))),
    }
}

/// A namespace or a definition takes all that is in it along, so it stays while anything in it stays.
fn still_used(input: &Input<'_>, looked_up: &Looked<'_>, id: &ObjectId, going: &HashSet<&ObjectId>) -> Option<Block> {
    let user = if is_namespace(id) {
        user(input, looked_up, going, |other| other.namespace == id.name)
    } else if is_definition(id) {
        let (_, group) = id.name.split_once('.')?;
        let defined_by_others = kinds_defined_by_wanted(input, group);
        user(input, looked_up, going, |other| other.group == group && !defined_by_others.contains(other.kind.as_str()))
    } else {
        return None;
    };
    user.map(Block::StillUsed).or_else(|| input.occupied.get(id).cloned().map(Block::Occupied))
}

fn user(
    input: &Input<'_>,
    looked_up: &Looked<'_>,
    going: &HashSet<&ObjectId>,
    is_inside: impl Fn(&ObjectId) -> bool,
) -> Option<ObjectId> {
    let wanted = input.wanted.iter().map(|rendered| &rendered.object.id);
    // Objects with an owner, and copies of labels, go with what they came from.
    let declared = |live: &&&LiveMetadata| {
        !live.has_owner && live.annotations.get(ID_ANNOTATION).is_some_and(|id| *id == live.id.to_string())
    };
    let known = input.live.iter().chain(&looked_up.present);
    let staying = known.filter(declared).map(|live| &live.id).filter(|id| !going.contains(id));
    wanted.chain(staying).chain(looked_up.unknown.keys().copied()).find(|other| is_inside(other)).cloned()
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

fn guard(input: &Input<'_>, looked_up: &Looked<'_>, would_prune: usize) -> Option<Held> {
    if would_prune == 0 || (!input.commit.is_empty() && input.acknowledged == Some(input.commit)) {
        return None;
    }
    let is_ours = |live: &&&LiveMetadata| {
        input.ownership.owner_of(live) == Owner::This
            && !live.has_owner
            && live.annotations.get(ID_ANNOTATION).is_some_and(|id| *id == live.id.to_string())
    };
    let seen = input.live.iter().chain(&looked_up.present).filter(is_ours).count();
    let owned = seen + looked_up.unknown.len() + looked_up.wanted;
    let over_percent = would_prune.saturating_mul(100) > input.policy.max_percent.saturating_mul(owned);
    let reason = if input.wanted.is_empty() {
        HoldReason::NothingWanted
    } else if would_prune >= owned {
        HoldReason::EveryObject
    } else if would_prune > input.policy.max_objects && over_percent {
        HoldReason::OverLimit { owned }
    } else {
        return None;
    };
    Some(Held { would_prune, reason })
}

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}

fn is_definition(id: &ObjectId) -> bool {
    id.group == "apiextensions.k8s.io" && id.kind == "CustomResourceDefinition"
}
