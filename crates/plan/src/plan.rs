//! What a commit means for a cluster: one step for each object, with its reason.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use lockstep_manifest::ObjectId;

use crate::instructions::ApplyMode;
use crate::live::LiveMetadata;
use crate::order::{self, Item};
use crate::ownership::{GroupKind, Ownership};
use crate::render::Rendered;

mod decide;
mod departing;
mod looked;
mod outcome;
mod print;
mod proofs;
mod prune;
mod step;
mod waits;

pub use outcome::{ApplyOutcome, Deletion, Release, Withheld};
pub use print::Counts;
pub use prune::{Held, HoldReason};
pub use step::{Action, Block, Cause, Keep, Leaving, Step};

/// Whether objects that left Git are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruning {
    /// Deleted, when every proof holds.
    Enabled,
    /// Left alone.
    Disabled,
}

/// What is done about a foreign change of a field that we applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftMode {
    /// Applied again.
    Repair,
    /// Told, not touched.
    Report,
    /// Applied again, and what people added is taken away.
    Strict,
}

/// The policy of a Sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncPolicy {
    /// Whether objects that left Git are deleted.
    pub prune: Pruning,
    /// A commit that prunes more objects than this, and more than `max_percent`, is held.
    pub max_objects: usize,
    /// The other half of the limit, in percent of the objects that the Sync owns.
    pub max_percent: usize,
    /// What is done about drift.
    pub drift: DriftMode,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self { prune: Pruning::Enabled, max_objects: 10, max_percent: 20, drift: DriftMode::Repair }
    }
}

/// What a look at one object, past the label filter, has shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// The API server said 404 for the object, not for its kind.
    Absent,
    /// It is there.
    Present(Box<LiveMetadata>),
    /// Nobody could tell, and why: no such kind, forbidden, a time-out.
    Unknown(String),
}

/// An object of which no more is kept than that it is as this Sync applied it: it carries our marks, and our entry of
/// managed fields covers all that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The object's UID.
    pub uid: Arc<str>,
    /// The hash of what was applied, as in the annotation `lockstep.dev/applied`.
    pub hash: Arc<str>,
}

/// All that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The Sync.
    pub ownership: &'a Ownership,
    /// Its policy.
    pub policy: &'a SyncPolicy,
    /// The commit that `wanted` comes from.
    pub commit: &'a str,
    /// The commit whose prune a person has acknowledged.
    pub acknowledged: Option<&'a str>,
    /// The commit that was held because it would prune every object. It stays held though its own are there by now.
    pub held_whole: Option<&'a str>,
    /// What Git wants, each object once.
    pub wanted: &'a [Rendered],
    /// All objects with the label `lockstep.dev/sync`, those of other Syncs included.
    pub live: &'a [&'a LiveMetadata],
    /// More objects of this Sync, known to be as it applied them. What Git no longer wants of them is deleted only with
    /// a fact.
    pub settled: &'a HashMap<ObjectId, Settled>,
    /// The kinds that were listed to the last page without an error.
    pub listed: &'a BTreeSet<GroupKind>,
    /// What was found for the objects that [`lookups`] names.
    pub facts: &'a BTreeMap<ObjectId, Fact>,
    /// Fields of which an earlier apply of the same body has shown that the server does not keep them.
    pub unkept: &'a BTreeMap<ObjectId, BTreeSet<String>>,
    /// Objects that are never deleted: what the daemon itself runs on.
    pub protected: &'a BTreeSet<ObjectId>,
    /// Objects of the Sync that are not healthy now, and why: what comes after them in an order that somebody wrote down
    /// waits.
    pub unready: &'a BTreeMap<ObjectId, String>,
    /// Namespaces and custom resource definitions that hold objects of others, and which.
    pub occupied: &'a BTreeMap<ObjectId, String>,
}

/// The objects to look up before a plan can be made: wanted, and not found by label; another owner's object of the same
/// name is among them, and must not be overwritten. And those that left Git of which too little is known to delete them.
pub fn lookups<'a>(
    wanted: &'a [Rendered],
    live: &[&LiveMetadata],
    settled: &'a HashMap<ObjectId, Settled>,
) -> Vec<&'a ObjectId> {
    let known: HashSet<&ObjectId> = live.iter().map(|live| &live.id).collect();
    let is_wanted: HashSet<&ObjectId> = wanted.iter().map(|rendered| &rendered.object.id).collect();
    let applied = wanted.iter().filter(|rendered| rendered.apply_mode() != ApplyMode::Ignore);
    let unseen = applied.map(|rendered| &rendered.object.id).filter(|id| !settled.contains_key(*id));
    let left = settled.keys().filter(|id| !is_wanted.contains(*id));
    unseen.chain(left).filter(|id| !known.contains(id)).collect()
}

/// What to do for one commit, object by object. Deletions cannot be read from it: they come out of
/// [`Plan::prune_step`] once everything was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    commit: String,
    steps: Vec<Step>,
    deletions: Vec<Deletion>,
    releases: Vec<Release>,
    held: Option<Held>,
}

/// Makes the plan. It depends on nothing but its input, and the same input gives the same plan.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut steps = decide::wanted_steps(input);
    let pruning = prune::prune_steps(input);
    steps.extend(pruning.steps);
    let (deletions, releases, held) = (pruning.deletions, pruning.releases, pruning.held);
    Plan { commit: input.commit.to_owned(), steps, deletions, releases, held }
}

impl Plan {
    /// The commit that the plan is for.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// All steps: what is wanted in the order of applying, then what left Git in the order of deleting.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Only reports what others changed of these objects, where the plan would change it back.
    pub fn report_only(&mut self, ids: &BTreeSet<ObjectId>) {
        for step in self.steps.iter_mut().filter(|step| ids.contains(&step.id)) {
            if let Action::Update(cause) = &step.action
                && cause.is_drift()
            {
                step.action = Action::Drifted(cause.clone());
            }
        }
    }

    /// Why nothing is pruned until a person acknowledges the commit.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The objects to apply, in waves; `wanted` is what the plan was made from.
    pub fn apply_waves<'a>(&'a self, wanted: &'a [Rendered]) -> Vec<Vec<(&'a Rendered, &'a Action)>> {
        let actions: BTreeMap<&ObjectId, &Action> = self.applies().map(|step| (&step.id, &step.action)).collect();
        let chosen = wanted.iter().filter_map(|rendered| Some((rendered, *actions.get(&rendered.object.id)?)));
        order::into_stages(&chosen.collect::<Vec<_>>(), |(rendered, _)| Item::of(rendered))
    }

    fn applies(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action.is_apply())
    }
}

#[cfg(test)]
mod tests;
