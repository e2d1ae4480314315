//! What is kept of one object with our label.

use std::sync::Arc;

use lockstep_manifest::ObjectId;
use lockstep_plan::{LiveMetadata, PackedMetadata, SYNC_LABEL, SYNC_NAMESPACE_LABEL, Settled};

use super::version::Version;
use crate::board::SyncKey;

/// One object as it was last seen or written.
pub(super) struct Known {
    pub(super) uid: Arc<str>,
    pub(super) version: Version,
    /// The Sync that its labels name, as they name it.
    pub(super) named: Option<Arc<SyncKey>>,
    pub(super) state: State,
}

/// How much of an object is kept.
pub(super) enum State {
    /// It is as the Sync that its labels name applied it with this hash, and nobody else holds anything but its status:
    /// there is nothing more to know for a plan, an apply or a report.
    Settled(Arc<str>),
    /// Anything else: all of its metadata.
    Whole(PackedMetadata),
}

impl Known {
    pub(super) fn settled(&self) -> Option<Settled> {
        match &self.state {
            State::Settled(hash) => Some(Settled { uid: self.uid.clone(), hash: hash.clone() }),
            State::Whole(_) => None,
        }
    }

    pub(super) fn whole(&self, id: &ObjectId) -> Option<LiveMetadata> {
        match &self.state {
            State::Settled(_) => None,
            State::Whole(packed) => Some(packed.open(id.clone())),
        }
    }
}

/// The Sync that an object's labels name.
pub(super) fn named_on(live: &LiveMetadata) -> Option<SyncKey> {
    let label = |name: &str| live.labels.get(name).cloned();
    Some(SyncKey { namespace: label(SYNC_NAMESPACE_LABEL)?, name: label(SYNC_LABEL)? })
}
