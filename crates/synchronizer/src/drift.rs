//! What the watches have seen, and which objects no longer are as they were applied.
//!
//! [`Index`] is a reducer: the news of the watches and the answers to our own applies go in, the Syncs to wake come out.
//! It reads no clock and makes no call.
//!
//! ```text
//! News ──────────────► look at it with the body that its Sync wants ─┬─► verdict changed: the Sync wakes
//! answer of an apply ─► (`Followed::compare`)                         ├─► settled: uid, version, hash are kept
//!                                                                     └─► otherwise: all metadata, packed
//! ```
//!
//! An object is settled when it carries the marks of the body that its Sync wants, our entry covers all of that body, and
//! nobody else holds anything but its status. Everything that needs more than the hash (who took a field, what a person
//! added, what a client-side apply left behind, whose replicas an autoscaler sets) is true only of objects that are not
//! settled, so [`Index::metadata`] has all there is to know for it. Before a settled object is deleted it is looked up.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_manifest::ObjectId;
use lockstep_plan::FieldLoss;

use crate::board::SyncKey;

mod fights;
mod followed;
mod index;
mod known;
mod version;
mod watches;

pub(crate) use fights::{Fights, Verdict as FightVerdict};
pub(crate) use index::{Index, View};
pub(crate) use version::Version;
pub(crate) use watches::Watches;

/// Which objects of which Syncs changed their state.
pub(crate) type Woken = BTreeMap<SyncKey, BTreeSet<ObjectId>>;

/// How an object differs from what was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drifted {
    /// It is gone, or its label is.
    Gone,
    /// Others have these fields now; or, without any, all of it.
    Fields(Vec<FieldLoss>),
    /// Only the API server can tell whether these empty fields were changed.
    Doubtful(Vec<FieldLoss>),
}

impl Drifted {
    /// The fields, and who has them.
    pub(crate) fn fields(&self) -> Vec<FieldLoss> {
        match self {
            Self::Gone => Vec::new(),
            Self::Fields(fields) | Self::Doubtful(fields) => fields.clone(),
        }
    }
}

/// Where the fields are.
pub(crate) fn paths(fields: &[FieldLoss]) -> Vec<&str> {
    fields.iter().map(|loss| loss.path.as_str()).collect()
}

/// Who has the first of the fields of which that is known; empty when unknown.
pub(crate) fn manager(fields: &[FieldLoss]) -> String {
    fields.iter().find_map(|loss| loss.manager.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
