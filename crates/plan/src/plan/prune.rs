//! What happens to the objects that left Git: deleted only when every proof holds.

use std::collections::HashSet;
use std::fmt;

use lockstep_manifest::ObjectId;

use super::Input;
use super::departing::Departing;
use super::looked::Looked;
use super::outcome::{Deletion, Release};
use super::proofs::{Verdict, still_used};
use super::step::{Action, Block, Keep, Step};
use crate::live::LiveMetadata;

/// A prune that waits until a person acknowledges the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How many objects would be deleted.
    pub would_prune: usize,
    /// The first of them.
    pub objects: Vec<ObjectId>,
    /// What makes it suspicious.
    pub reason: HoldReason,
}

impl Held {
    /// So many objects are named at most.
    pub const NAMED: usize = 20;
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

impl HoldReason {
    /// A word for machines.
    pub fn category(self) -> &'static str {
        match self {
            Self::NothingWanted => "NothingWanted",
            Self::EveryObject => "EveryObject",
            Self::OverLimit { .. } => "OverLimit",
        }
    }
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
#[derive(Default)]
pub(super) struct PruneSteps {
    pub(super) steps: Vec<Step>,
    pub(super) deletions: Vec<Deletion>,
    pub(super) releases: Vec<Release>,
    pub(super) held: Option<Held>,
}

pub(super) fn prune_steps(input: &Input<'_>) -> PruneSteps {
    let mut departing = Departing::of(input);
    let mut all = PruneSteps::default();
    let mut going: HashSet<&ObjectId> = HashSet::new();
    // Those too that are on their way out, or go later.
    let mut leaving: HashSet<&ObjectId> = HashSet::new();
    let mut would_go: Vec<&ObjectId> = Vec::new();
    let sequence = departing.order.sequence.clone();
    for at in sequence.into_iter().rev() {
        let live = departing.candidates[at];
        let action = match &departing.verdicts[at] {
            Verdict::Stays(keep) => Action::Skip(keep.clone()),
            Verdict::LetGo => Action::Release,
            Verdict::Goes => {
                let still_used = |gone| still_used(input, &departing.looked, &live.id, gone);
                let block =
                    departing.blocked(at).or_else(|| still_used(&leaving)).or_else(|| still_used(&going).map(later));
                block.map_or(Action::Prune, Action::Blocked)
            }
        };
        departing.note(at, &action);
        if departing.is_on_its_way(at) {
            leaving.insert(&live.id);
        }
        match action {
            // It goes as soon as its kind can be listed: the guard judges the commit, not the turn.
            Action::Skip(Keep::ListIncomplete) => would_go.push(&live.id),
            Action::Prune => {
                going.insert(&live.id);
                would_go.push(&live.id);
                all.deletions.push(Deletion::of(live));
            }
            // It goes later by the same commit.
            Action::Blocked(Block::WaitsFor { .. }) => would_go.push(&live.id),
            Action::Release => all.releases.push(Release::of(live)),
            _ => {}
        }
        all.steps.push(Step { id: live.id.clone(), wanted: false, action });
    }
    for (id, why) in &departing.looked.unknown {
        let action = Action::Blocked(Block::Unknown((*why).to_owned()));
        all.steps.push(Step { id: (*id).clone(), wanted: false, action });
    }
    all.held = guard(input, &departing.looked, &would_go);
    all
}

/// What would be taken along goes by itself.
fn later(block: Block) -> Block {
    match block {
        Block::StillUsed(object) => Block::WaitsFor { object, why: "it goes first".to_owned() },
        other => other,
    }
}

fn guard(input: &Input<'_>, looked: &Looked<'_>, would_go: &[&ObjectId]) -> Option<Held> {
    // Of what nobody can look at now it may turn out later that it goes: the guard judges the commit, not the turn.
    let would_prune = would_go.len() + looked.unknown.len();
    if would_go.is_empty() || (!input.commit.is_empty() && input.acknowledged == Some(input.commit)) {
        return None;
    }
    let is_ours = |live: &&&LiveMetadata| input.ownership.is_proven_on(live);
    let seen = input.live.iter().chain(&looked.present).filter(is_ours).count();
    let owned = seen + looked.unknown.len() + looked.wanted;
    let over_percent = would_prune.saturating_mul(100) > input.policy.max_percent.saturating_mul(owned);
    let reason = if input.wanted.is_empty() {
        HoldReason::NothingWanted
    } else if would_prune >= owned || (!input.commit.is_empty() && input.held_whole == Some(input.commit)) {
        HoldReason::EveryObject
    } else if would_prune > input.policy.max_objects && over_percent {
        HoldReason::OverLimit { owned }
    } else {
        return None;
    };
    let objects = would_go.iter().chain(looked.unknown.keys()).take(Held::NAMED).map(|id| (*id).clone()).collect();
    Some(Held { would_prune, objects, reason })
}
