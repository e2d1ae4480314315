//! One object's part in a plan.

use lockstep_manifest::ObjectId;

use crate::cover::FieldLoss;
use crate::ownership::Owner;

/// What happens to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The object.
    pub id: ObjectId,
    /// Whether Git wants it; otherwise it left Git.
    pub wanted: bool,
    /// What happens to it, and why.
    pub action: Action,
}

/// What happens to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Applied; it does not exist yet.
    Create,
    /// Applied; it is ours.
    Update(Cause),
    /// Applied and made ours. The apply must carry the UID and the resource version, so that it fails if another took it
    /// in the meantime.
    Adopt {
        /// The owner that it is taken from, as its annotation asks; without one, nobody claimed it.
        from: Option<Owner>,
        /// The UID seen.
        uid: String,
        /// The resource version seen.
        resource_version: String,
    },
    /// Nothing: it is as Git wants it.
    Unchanged,
    /// Nothing but a report, because the Sync's policy says so.
    Drifted(Cause),
    /// Nothing, because its annotations say so.
    Leave(Leaving),
    /// Let go: our marks are taken off, and it lives on. It left Git, and is never to be deleted.
    Release,
    /// Deleted, once all else was applied without an error.
    Prune,
    /// Left alone although it left Git.
    Skip(Keep),
    /// Cannot be done until something changes.
    Blocked(Block),
}

impl Action {
    /// Whether the object is to be applied.
    pub fn is_apply(&self) -> bool {
        matches!(self, Self::Create | Self::Update(_) | Self::Adopt { .. })
    }
}

/// Why an object that Git wants is not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaving {
    /// It is to be ignored.
    Ignored,
    /// It is there, and was only to be created.
    CreateOnly,
    /// The same without our label: no watch tells what becomes of it.
    Found,
    /// It is a hook of another tool, which is not run here; how it says so.
    Hook(String),
}

/// Why an object of ours is applied again.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// Git has changed.
    Changed,
    /// Somebody changed fields that we had applied.
    Drift(Vec<FieldLoss>),
    /// Empty maps or lists that nobody owns any more: the server must tell.
    Doubtful(Vec<FieldLoss>),
    /// Somebody took our labels or annotations away.
    MarksLost,
    /// Somebody cleared the managed fields.
    Cleared,
    /// It has our labels, and we have never applied it.
    NeverApplied,
    /// We applied it in this other API version.
    OtherVersion(String),
}

impl Cause {
    /// Another hand is the cause, and nothing of the commit is missing without it.
    pub(crate) fn is_drift(&self) -> bool {
        matches!(self, Self::Drift(_) | Self::Doubtful(_) | Self::MarksLost | Self::Cleared)
    }
}

/// Why an object that left Git is not deleted: the proof that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// The Sync does not prune.
    PruneDisabled,
    /// Its annotations say that it is none of our business.
    Ignored,
    /// Its annotations cannot be read, and may say that it stays.
    Unreadable(String),
    /// It is one of the namespaces that no cluster can do without.
    ProtectedNamespace,
    /// The daemon itself needs it.
    Protected,
    /// Its label for ApplySets names another owner.
    OtherOwner(Owner),
    /// Another object owns it.
    HasOwner,
    /// It has no annotation with its identity.
    IdMissing,
    /// The annotation names another object: it is a copy, or inherited its labels.
    IdOfAnother(String),
    /// We have never applied it.
    NeverApplied,
    /// Not all objects of its kind are known.
    ListIncomplete,
    /// The same object is wanted under the name of another API group.
    SameObjectWanted(ObjectId),
    /// It is on its way out already.
    Deleting,
    /// Its UID or resource version is unknown, so a deletion could hit something newer.
    VersionUnknown,
}

/// Why a step waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Whether the object exists is not known, and why.
    Unknown(String),
    /// Somebody else owns it.
    OwnedBy(Owner),
    /// It is being deleted; it is created again when it is gone.
    Deleting,
    /// A namespace or definition that left Git while this object in it stays.
    StillUsed(ObjectId),
    /// A namespace or definition that left Git while it holds objects of others.
    Occupied(String),
    /// It left Git while this object, which stays, depends on it.
    NeededBy(ObjectId),
    /// It comes after this object in an order that somebody wrote down.
    WaitsFor {
        /// The object that comes first.
        object: ObjectId,
        /// What it is not ready for yet.
        why: String,
    },
}
