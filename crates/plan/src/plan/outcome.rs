//! From a plan that was carried out to the deletions it allows.

use std::collections::{BTreeSet, HashMap};

use lockstep_manifest::ObjectId;

use super::Plan;
use super::prune::Held;
use super::step::Action;
use crate::live::LiveMetadata;
use crate::order::{self, Item};

/// Leave to delete one object. Only [`Plan::prune_step`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    id: ObjectId,
    uid: String,
    resource_version: String,
}

impl Deletion {
    pub(super) fn of(live: &LiveMetadata) -> Self {
        Self { id: live.id.clone(), uid: live.uid.clone(), resource_version: live.resource_version.clone() }
    }

    /// The object.
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// To be sent as `preconditions.uid`: an object created again is another one.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// To be sent as `preconditions.resourceVersion`: an object relabelled since is perhaps no longer ours.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

/// Leave to take our marks off one object, which lives on. Only [`Plan::release_step`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    id: ObjectId,
    resource_version: String,
}

impl Release {
    pub(super) fn of(live: &LiveMetadata) -> Self {
        Self { id: live.id.clone(), resource_version: live.resource_version.clone() }
    }

    /// The object.
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// To be tested by the patch: an object relabelled since is perhaps no longer ours.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

/// What became of the objects that a plan applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplyOutcome {
    applied: BTreeSet<ObjectId>,
    uids: BTreeSet<String>,
    failed: BTreeSet<ObjectId>,
}

impl ApplyOutcome {
    /// Notes that the server took the object, and the UID in its answer.
    pub fn applied(&mut self, id: &ObjectId, uid: &str) {
        self.failed.remove(id);
        self.applied.insert(id.clone());
        self.uids.insert(uid.to_owned());
    }

    /// Notes that the server did not take the object, or that nobody knows.
    pub fn failed(&mut self, id: &ObjectId) {
        self.applied.remove(id);
        self.failed.insert(id.clone());
    }
}

/// Why nothing is deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// A person must acknowledge the commit.
    #[error("prune is held: {0}; acknowledge the commit to let it go on")]
    Held(Held),
    /// A wanted object could not even be tried.
    #[error("nothing is pruned while {count} wanted objects are blocked, {first} first")]
    Blocked {
        /// How many.
        count: usize,
        /// The first of them.
        first: ObjectId,
    },
    /// An apply failed.
    #[error("nothing is pruned while {count} objects cannot be applied, {first} first")]
    Failed {
        /// How many.
        count: usize,
        /// The first of them.
        first: ObjectId,
    },
    /// An apply was not reported.
    #[error("nothing is pruned before all objects are applied; {count} are missing, {first} first")]
    Unfinished {
        /// How many.
        count: usize,
        /// The first of them.
        first: ObjectId,
    },
}

impl Withheld {
    /// A word for metric labels and event reasons.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Held(_) => "held",
            Self::Blocked { .. } => "blocked",
            Self::Failed { .. } => "failed",
            Self::Unfinished { .. } => "unfinished",
        }
    }
}

impl Plan {
    /// The deletions, in waves, once every object was applied; a namespace comes after what was in it.
    ///
    /// # Errors
    ///
    /// Says why nothing may be deleted: an object was not applied, was blocked, or the commit is held.
    /// A plan that prunes nothing is never withheld.
    pub fn prune_step(&self, outcome: &ApplyOutcome) -> Result<Vec<Vec<Deletion>>, Withheld> {
        // An object under the name of another API group may be one that was just applied.
        let allowed = |deletion: &&Deletion| !outcome.uids.contains(&deletion.uid);
        let deletions: Vec<&Deletion> = self.deletions.iter().filter(allowed).collect();
        if !deletions.is_empty() {
            self.check_applied(outcome)?;
        }
        let mut stages = order::into_stages(&deletions, |deletion| Item { id: &deletion.id, instructions: None });
        stages.reverse();
        // They stand in the order of deleting already.
        let position: HashMap<&ObjectId, usize> =
            self.deletions.iter().enumerate().map(|(at, deletion)| (&deletion.id, at)).collect();
        stages.iter_mut().for_each(|stage| stage.sort_by_key(|deletion| position.get(&deletion.id)));
        Ok(stages.into_iter().map(|stage| stage.into_iter().cloned().collect()).collect())
    }

    /// The objects to let go, once every object was applied; none of them as long as deletions would be withheld.
    pub fn release_step(&self, outcome: &ApplyOutcome) -> &[Release] {
        match self.check_applied(outcome) {
            Ok(()) => &self.releases,
            Err(_) => &[],
        }
    }

    /// That the commit was applied without an error is the last proof.
    fn check_applied(&self, outcome: &ApplyOutcome) -> Result<(), Withheld> {
        let blocked = self.steps.iter().filter(|step| step.wanted && matches!(step.action, Action::Blocked(_)));
        if let Some((count, first)) = tally(blocked.map(|step| &step.id)) {
            return Err(Withheld::Blocked { count, first });
        }
        if let Some((count, first)) = tally(outcome.failed.iter()) {
            return Err(Withheld::Failed { count, first });
        }
        let missing = self.applies().map(|step| &step.id).filter(|id| !outcome.applied.contains(id));
        if let Some((count, first)) = tally(missing) {
            return Err(Withheld::Unfinished { count, first });
        }
        match &self.held {
            Some(held) => Err(Withheld::Held(held.clone())),
            None => Ok(()),
        }
    }
}

fn tally<'a>(mut ids: impl Iterator<Item = &'a ObjectId>) -> Option<(usize, ObjectId)> {
    let first = ids.next()?.clone();
    Some((ids.count() + 1, first))
}
