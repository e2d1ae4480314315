//! How far the lists of the kinds can be trusted, and what is missing in them.

use std::collections::{BTreeSet, HashSet};

use lockstep_manifest::ObjectId;
use lockstep_plan::GroupKind;

use super::Index;
use crate::{
    drift::{Drifted, Woken},
    ports::ClusterError,
};

/// How far the list of a kind can be trusted.
#[derive(Default)]
pub(super) struct Listing {
    /// All objects are known.
    pub(super) complete: bool,
    /// The objects seen or written since a new list began.
    pub(super) running: Option<HashSet<ObjectId>>,
    pub(super) failure: Option<ClusterError>,
}

impl Index {
    pub(super) fn listing(&mut self, kind: &GroupKind) -> &mut Listing {
        self.kinds.entry(kind.clone()).or_default()
    }

    /// A kind is about to be listed, anew if it was before: what an older watch said of it is no answer.
    pub(crate) fn expect_list(&mut self, kind: &GroupKind) {
        *self.listing(kind) = Listing::default();
    }

    pub(super) fn complete(&mut self, kind: &GroupKind) -> Woken {
        let listing = self.listing(kind);
        let seen = listing.running.take();
        let was_complete = std::mem::replace(&mut listing.complete, true);
        listing.failure = None;
        let Some(seen) = seen else { return Woken::new() };
        let of_kind = |id: &&ObjectId| id.group == kind.group && id.kind == kind.kind;
        let missing: Vec<ObjectId> =
            self.objects.keys().filter(of_kind).filter(|id| !seen.contains(*id)).cloned().collect();
        let mut woken = Woken::new();
        for (key, ids) in missing.iter().flat_map(|id| self.gone(id)) {
            woken.entry(key).or_default().extend(ids);
        }
        if !was_complete {
            self.miss(kind, &mut woken);
        }
        woken
    }

    /// Until a kind is listed nobody knows what of it is gone: what no list has shown is judged when the first one is
    /// complete.
    fn miss(&mut self, kind: &GroupKind, woken: &mut Woken) {
        for (key, followed) in self.syncs.iter_mut().filter(|(_, followed)| followed.enforced) {
            let wanted = followed.wanted.clone();
            let of_kind = |id: &&ObjectId| id.group == kind.group && id.kind == kind.kind;
            let ids = wanted.iter().map(|rendered| &rendered.object.id).filter(of_kind);
            for id in ids.filter(|id| !self.objects.contains_key(*id)) {
                if followed.note(id, Some(Drifted::Gone), Vec::new()) {
                    woken.entry(key.clone()).or_default().insert(id.clone());
                }
            }
        }
    }

    /// The kinds of which every object is known.
    pub(crate) fn listed(&self) -> BTreeSet<GroupKind> {
        self.kinds.iter().filter(|(_, listing)| listing.complete).map(|(kind, _)| kind.clone()).collect()
    }

    /// Whether the first list of a kind has ended, one way or the other.
    pub(crate) fn is_answered(&self, kind: &GroupKind) -> bool {
        self.kinds.get(kind).is_some_and(|listing| listing.complete || listing.failure.is_some())
    }

    /// Why a kind is not watched.
    pub(crate) fn unwatched(&self, kind: &GroupKind) -> Option<ClusterError> {
        let listing = self.kinds.get(kind)?;
        if listing.complete { None } else { listing.failure.clone() }
    }
}
