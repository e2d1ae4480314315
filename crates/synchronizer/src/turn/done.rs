//! What a turn has done, and what it has left open.

use std::collections::BTreeMap;

use lockstep_cluster::Kind;
use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, Block, Cause, GroupKind, Held, Keep, Owner, Plan, Rendered, Withheld};

use super::{blocked, unwatched::passing};
use crate::{
    apply::{Applies, Deleted, Hands, target, what_holds},
    board::SyncKey,
    ports::ClusterError,
    render::Manifests,
};

/// Of so many objects that are being deleted it is read what holds them.
const NAMED: usize = 10;

/// What a turn has done.
pub(crate) struct Done {
    pub(crate) manifests: Manifests,
    pub(crate) kinds: BTreeMap<GroupKind, Kind>,
    pub(crate) applies: Applies,
    /// Wanted objects that are applied as soon as something else has happened.
    pub(crate) waiting: BTreeMap<ObjectId, String>,
    /// Some of them wait for the health of others.
    pub(crate) waits_for_others: bool,
    /// Wanted objects that belong to other Syncs, and to which.
    pub(crate) claims: BTreeMap<ObjectId, SyncKey>,
    /// The turn brought something of the commit into the cluster, so that what waits may be able to go on.
    pub(crate) progressed: bool,
    pub(crate) deleted: Deleted,
    /// Why deletions wait.
    pub(crate) withheld: Option<Withheld>,
    /// The deletions that wait for a person.
    pub(crate) held: Option<Held>,
    /// Kinds whose objects cannot be watched for drift, and why.
    pub(crate) unwatched: BTreeMap<GroupKind, ClusterError>,
    /// Kinds that somebody took away, with all their objects; Git wants none of them.
    pub(crate) lost: Vec<GroupKind>,
}

impl Done {
    /// Takes from the plan what could not be tried, or is only to be told.
    pub(super) fn read_plan(&mut self, plan: &Plan) {
        for step in plan.steps().iter().filter(|step| step.wanted) {
            match &step.action {
                Action::Blocked(block @ (Block::Deleting | Block::WaitsFor { .. })) => {
                    self.waits_for_others |= matches!(block, Block::WaitsFor { .. });
                    self.waiting.insert(step.id.clone(), block.to_string());
                }
                Action::Blocked(Block::Unknown(_)) if self.manifests.unserved.contains_key(&step.id) => {
                    let why = &self.manifests.unserved[&step.id];
                    self.waiting.insert(step.id.clone(), format!("{why}; it is applied when its definition comes"));
                }
                Action::Create | Action::Adopt { .. } | Action::Update(Cause::Changed) => {
                    self.progressed |= self.applies.applied.contains(&step.id);
                }
                Action::Blocked(block) => {
                    if let Block::OwnedBy(Owner::Sync(owner)) = block {
                        self.claims.extend(SyncKey::parse(owner).map(|owner| (step.id.clone(), owner)));
                    }
                    self.applies.failed.insert(step.id.clone(), blocked(block));
                }
                _ => {}
            }
        }
        for step in plan.steps().iter().filter(|step| step.action == Action::Skip(Keep::ListIncomplete)) {
            let why = || passing("it was not listed yet when the commit was planned".to_owned());
            self.unwatched.entry(GroupKind::of(&step.id)).or_insert_with(why);
        }
        // A namespace or definition that left Git and cannot go is somebody's work, not a failure of the commit.
        for step in plan.steps().iter().filter(|step| !step.wanted) {
            if let Action::Blocked(block) = &step.action {
                self.waiting.insert(step.id.clone(), format!("it left Git and stays: {block}"));
            }
        }
    }

    /// Says for the first objects that must be gone before they are made again what they wait for.
    pub(super) async fn name_what_holds(&mut self, hands: &Hands<'_>) {
        let going = Block::Deleting.to_string();
        let waiting: Vec<ObjectId> =
            self.waiting.iter().filter(|(_, why)| **why == going).map(|(id, _)| id.clone()).take(NAMED).collect();
        for id in waiting {
            let Some(kind) = self.kinds.get(&GroupKind::of(&id)) else { continue };
            let why = what_holds(hands, &target(kind, &id)).await;
            self.waiting.insert(id, why);
        }
    }

    /// The commit is in the cluster, whole, and nothing else is of this Sync.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_applied()
            && self.withheld.is_none()
            && self.deleted.failed.is_empty()
            && self.deleted.changed.is_empty()
            && self.unwatched.is_empty()
    }

    /// Every object of the commit was taken by the API server.
    pub(crate) fn is_applied(&self) -> bool {
        self.applies.failed.is_empty() && !self.applies.interrupted && !self.waits_for_wanted()
    }

    fn waits_for_wanted(&self) -> bool {
        let is_waiting = |rendered: &Rendered| self.waiting.contains_key(&rendered.object.id);
        !self.waiting.is_empty() && self.manifests.wanted.iter().any(is_waiting)
    }
}
