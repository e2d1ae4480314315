//! What admission makes of what is applied: told once for each content, and left.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_manifest::ObjectId;
use lockstep_plan::{ADMISSION, FieldChange};

use super::{Actor, memory::seen};
use crate::{
    drift::{Rewritten, paths},
    ports::Happening,
};

/// So much of a value is told.
const TOLD: usize = 150;

impl Actor {
    /// Takes in what became of applies: which objects the server stored anew, and which fields it rewrote.
    pub(super) fn note_rewriting(
        &mut self,
        changed: &BTreeMap<ObjectId, Timestamp>,
        rewritten: BTreeMap<ObjectId, Rewritten>,
    ) {
        for id in changed.keys().filter(|id| !rewritten.contains_key(*id)) {
            self.note_arrived(id);
        }
        let mut objects = Vec::new();
        for (id, mut now) in rewritten {
            now.fields = now.fields.into_iter().map(|field| field.shortened(TOLD)).collect();
            if self.is_new_rewriting(&id, &now) {
                objects.push((id.short(), now.fields));
            }
        }
        if !objects.is_empty() {
            self.tell(&Happening::AdmissionRewrote { objects });
        }
    }

    /// The same for one object.
    pub(super) fn note_rewritten(&mut self, id: &ObjectId, hash: std::sync::Arc<str>, fields: Vec<FieldChange>) {
        if fields.is_empty() {
            self.note_arrived(id);
        } else {
            self.note_rewriting(&BTreeMap::new(), BTreeMap::from([(id.clone(), Rewritten { hash, fields })]));
        }
    }

    fn is_new_rewriting(&mut self, id: &ObjectId, now: &Rewritten) -> bool {
        let before = self.memory.rewritten.insert(id.clone(), now.clone());
        if before.is_some_and(|before| before.is_as(now)) {
            return false;
        }
        let losses = now.losses();
        tracing::warn!(sync = %self.key, object = %id.short(), fields = ?paths(&losses), "admission rewrites these fields at every apply");
        self.take_off_status(id);
        self.memory.saw_drift(seen(id, &losses, self.common.ports.clock.now(), false));
        true
    }

    fn note_arrived(&mut self, id: &ObjectId) {
        self.memory.rewritten.remove(id);
        self.take_off_status(id);
    }

    /// Rewriting stands there as long as it lasts, and once.
    fn take_off_status(&mut self, id: &ObjectId) {
        self.memory.drift.retain(|seen| seen.manager != ADMISSION || seen.object != id.short());
    }
}
