//! What can wake the actor of a Sync. A nudge is a hint: it makes a turn happen sooner, never decides what it does.

use std::collections::BTreeSet;

use lockstep_manifest::ObjectId;

use crate::board::SyncKey;

/// Why a Sync should look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// The branch may have moved: an event of the automator, a webhook, or a person who asks.
    Fetch,
    /// These objects no longer cover what was applied, or are gone.
    Drift(BTreeSet<ObjectId>),
    /// The health of these objects changed.
    Health(BTreeSet<ObjectId>),
    /// A Sync that this one depends on stands otherwise than before.
    Dependency,
    /// The custom resource definition of this name came, changed or went.
    Definition(String),
    /// Another Sync wants objects of this one, or no longer does.
    Claim,
    /// The Sync object itself changed: spec, annotations or deletion.
    Object,
}

/// The way to the actors. Nudging a Sync that does not exist does nothing.
pub trait Nudges: Send + Sync {
    /// Wakes one Sync.
    fn nudge(&self, sync: &SyncKey, nudge: Nudge);

    /// Wakes every Sync that follows this branch, for a hint that names a repository and not a Sync.
    /// Returns how many there were.
    fn nudge_branch(&self, repository: &str, branch: &str) -> usize;
}
