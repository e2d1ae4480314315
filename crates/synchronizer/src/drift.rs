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
//!
//! Another hand can change a value and leave our entry as it was. [`traces`] tells by generation or version that somebody
//! wrote at all, which raises a doubt; [`doubts`] says when a doubt, and when the audit, earns a dry run.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_manifest::ObjectId;

use crate::board::SyncKey;

mod doubts;
mod drifted;
mod fights;
mod followed;
mod index;
mod known;
mod rewritten;
mod traces;
mod version;
mod watches;

pub(crate) use doubts::{Audit, Doubts};
pub(crate) use drifted::{Drifted, manager, paths};
pub(crate) use fights::{Fights, Verdict as FightVerdict};
pub(crate) use index::{Index, View};
pub(crate) use rewritten::Rewritten;
pub(crate) use traces::Stamp;
pub(crate) use version::Version;
pub(crate) use watches::Watches;

/// Which objects of which Syncs changed their state.
pub(crate) type Woken = BTreeMap<SyncKey, BTreeSet<ObjectId>>;

#[cfg(test)]
mod tests;
