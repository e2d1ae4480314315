//! What the index knows beside drift: doubts, and what people added.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockstep_manifest::ObjectId;
use lockstep_plan::{Extra, HumanManagers};

use super::Index;
use crate::{board::SyncKey, drift::Stamp};

impl Index {
    /// Takes the objects that another hand wrote without touching what we hold.
    pub(crate) fn take_doubted(&mut self, sync: &SyncKey) -> BTreeSet<ObjectId> {
        self.syncs.get_mut(sync).map(|followed| std::mem::take(&mut followed.doubted)).unwrap_or_default()
    }

    /// What people added to the objects of a Sync.
    pub(crate) fn extras(&self, sync: &SyncKey) -> BTreeMap<ObjectId, Vec<Extra>> {
        self.syncs.get(sync).map(|followed| followed.extras.clone()).unwrap_or_default()
    }

    /// The last write of an object, as far as metadata shows it.
    pub(crate) fn stamp(&self, id: &ObjectId) -> Option<Stamp> {
        self.traces.get(id)
    }

    /// Who counts as a person, for Syncs that are introduced from now on.
    pub(crate) fn count_as_people(&mut self, human: Arc<HumanManagers>) {
        self.human = human;
    }

    /// Who counts as a person.
    pub(crate) fn people(&self) -> Arc<HumanManagers> {
        self.human.clone()
    }
}
