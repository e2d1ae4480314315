//! What can happen to a Sync, and who is told.

use std::time::Duration;

use lockstep_plan::{FieldChange, FieldLoss, HoldReason};

use super::{SourceError, SyncRef};

/// Is told of what happens, and makes Events and metrics of it. Never blocks.
pub trait Witness: Send + Sync {
    /// Something happened to a Sync.
    fn happened(&self, sync: &SyncRef, happening: &Happening);
}

/// What can happen to a Sync.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A turn ended, well or not.
    TurnEnded {
        /// How long it took.
        took: Duration,
        /// How many objects were applied (sent to the server with success).
        applied: usize,
        /// How many applies failed.
        failed: usize,
    },
    /// The work on the Sync ended in a fault of the program, and begins anew.
    Faulted,
    /// A commit was applied without an error.
    Applied {
        /// The commit.
        commit: String,
        /// How many objects it made.
        created: usize,
        /// How many it changed.
        changed: usize,
    },
    /// An object of nobody became ours.
    Adopted {
        /// `Kind/namespace/name`.
        object: String,
    },
    /// An object was deleted and made anew, because a field of it cannot change.
    Replaced {
        /// `Kind/namespace/name`.
        object: String,
    },
    /// An object left Git and is never to be deleted: it lives on, and is nobody's.
    Released {
        /// `Kind/namespace/name`.
        object: String,
    },
    /// Somebody deleted the definition of a kind that the Sync once had objects of, and Git wants none any more.
    KindLost {
        /// `Kind.group`.
        kind: String,
    },
    /// Other Syncs want objects of this one.
    Claimed {
        /// Who wants which, as a sentence each.
        claims: Vec<String>,
    },
    /// Objects that left Git were deleted.
    Pruned {
        /// The commit.
        commit: String,
        /// `Kind/namespace/name` of each.
        objects: Vec<String>,
    },
    /// Deletions wait for a person.
    Held {
        /// The commit to acknowledge.
        commit: String,
        /// How many objects would be deleted.
        would_prune: usize,
        /// Why they wait.
        reason: HoldReason,
        /// The same as a sentence.
        message: String,
    },
    /// Somebody else changed or deleted an object.
    Drifted {
        /// `Kind/namespace/name`.
        object: String,
        /// The fields, who has them and what Git says; none when the object was deleted.
        fields: Vec<FieldLoss>,
        /// Whether it was changed back; otherwise it is only reported.
        repaired: bool,
    },
    /// Somebody else changes an object as often as it is changed back; repairs come more slowly now.
    Fighting {
        /// `Kind/namespace/name`.
        object: String,
        /// The fields, and who takes them.
        fields: Vec<FieldLoss>,
        /// Until the next repair.
        pause: Duration,
    },
    /// The server did not keep fields that we applied.
    NotKept {
        /// `Kind/namespace/name`.
        object: String,
        /// Paths of the fields.
        fields: Vec<String>,
    },
    /// Admission stores other values than Git says, at every apply.
    AdmissionRewrote {
        /// `Kind/namespace/name`, and its fields: the stored value before, Git's after.
        objects: Vec<(String, Vec<FieldChange>)>,
    },
    /// The repository could not be read.
    FetchFailed(SourceError),
    /// The branch was rewritten: the first commit was followed and is not in its history any more, the second is.
    Rewritten(String, String),
    /// The commit cannot be used: some of its files are wrong. Nothing of it was applied.
    Invalid {
        /// The commit.
        commit: String,
        /// What is wrong, with file and line.
        problems: Vec<String>,
    },
    /// Objects of the commit could not be applied.
    ApplyFailed {
        /// The commit.
        commit: String,
        /// What failed, with its cause.
        problems: Vec<String>,
    },
    /// Everything that the commit wants is healthy now.
    Healthy {
        /// The commit.
        commit: String,
    },
    /// An object failed, or was not healthy in time.
    Unhealthy {
        /// The commit.
        commit: String,
        /// Object and cause of each.
        problems: Vec<String>,
    },
    /// The Sync was deleted; its objects stay in the cluster.
    Orphaned {
        /// How many.
        objects: usize,
    },
    /// The Sync was deleted, and its objects with it.
    Dismantled {
        /// How many.
        objects: usize,
        /// What may not be deleted, and why.
        staying: Vec<String>,
    },
    /// The Sync was deleted, and its objects could not be.
    Abandoned {
        /// Why it was given up.
        reason: String,
        /// What stays, and why.
        left: Vec<String>,
    },
}
