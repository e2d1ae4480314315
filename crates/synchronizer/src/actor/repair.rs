//! Changing back what others changed, one object at a time, without looking at Git.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, Cause, DriftMode, FieldLoss, Plan};
use tokio::time::Instant;

use super::{Actor, desk, memory::seen};
use crate::{
    drift::{Drifted, FightVerdict, Fights, manager, paths},
    ports::{Happening, ObjectFailure},
    turn::repair,
};

impl Actor {
    /// The objects that a turn would change back, though the fight over them has a pause.
    pub(super) fn resting(&mut self, plan: &Plan) -> BTreeSet<ObjectId> {
        let now = Instant::now();
        let mut resting = BTreeSet::new();
        for step in plan.steps() {
            let fields = match &step.action {
                Action::Update(Cause::Drift(fields)) => fields.clone(),
                Action::Update(Cause::MarksLost | Cause::Cleared) => Vec::new(),
                _ => continue,
            };
            if !self.may_repair(&step.id, &fields, now) {
                resting.insert(step.id.clone());
            }
        }
        resting
    }

    /// Asks the fight meter, and says it when a pause begins.
    pub(super) fn may_repair(&mut self, id: &ObjectId, fields: &[FieldLoss], now: Instant) -> bool {
        match self.memory.fights.ask(id, fields, now) {
            FightVerdict::Repair => true,
            FightVerdict::Wait => false,
            FightVerdict::Begin(pause) => {
                tracing::warn!(object = %id.short(), manager = manager(fields), fields = ?paths(fields), ?pause, "somebody changes this object again and again");
                self.note_drift(id, fields.to_vec(), false);
                self.tell(&Happening::Fighting { object: id.short(), fields: fields.to_vec(), pause });
                false
            }
        }
    }

    /// Repairs what has drifted, or reports it; `nudged` also names objects that waited for the end of another one.
    pub(super) async fn repair(&mut self, nudged: &BTreeSet<ObjectId>) {
        let Some(manifests) = self.memory.manifests.clone() else { return };
        let drifted = self.common.watches.index().drifted(&self.key);
        let now = Instant::now();
        let (hidden, extras) = (&self.memory.hidden, &self.memory.extras);
        let differs = |id: &ObjectId| drifted.contains_key(id) || hidden.contains_key(id) || extras.contains_key(id);
        self.memory.fights.rest_all_but(differs, now);
        if self.setting.policy.drift == DriftMode::Report {
            self.memory.fights = Fights::default();
            self.report_drift(&drifted);
            return;
        }
        self.memory.reported.clear();
        let is_open = |id: &&ObjectId| self.memory.waiting.contains_key(*id) || self.memory.found.contains(*id);
        let mut due: BTreeSet<ObjectId> = nudged.iter().filter(is_open).cloned().collect();
        if !due.is_empty() && manifests.is_ordered() {
            // Only a turn knows whose turn it is.
            due.clear();
            self.times.retry = Some(now);
        }
        for (id, how) in &drifted {
            if self.may_repair(id, &how.fields(), now) {
                due.insert(id.clone());
            }
        }
        let paused = drifted.iter().filter(|(id, _)| !due.contains(*id));
        self.memory.reported = paused.map(|(id, how)| (id.clone(), how.fields())).collect();
        if due.is_empty() {
            return;
        }
        let setting = self.setting.clone();
        let common = self.common.clone();
        let account = setting.spec.service_account_name.as_deref();
        let objects = match common.ports.cluster.objects(&self.key, account) {
            Ok(objects) => objects,
            Err(error) => {
                self.memory.cluster_error = Some(error);
                return;
            }
        };
        let desk = desk(&common, &setting, objects);
        let (mut applies, waiting) = repair(&desk, &manifests, &due).await;
        let failed = std::mem::take(&mut applies.failed);
        for id in &due {
            self.settle(id, &failed, &applies.found, waiting.contains(id));
        }
        let changed = std::mem::take(&mut applies.changed);
        self.note_rewriting(&changed, std::mem::take(&mut applies.rewritten));
        for (id, how) in drifted.iter().filter(|(id, _)| changed.contains_key(*id)) {
            self.note_drift(id, how.fields(), true);
        }
        for (id, fields) in applies.not_kept {
            self.tell(&Happening::NotKept { object: id.short(), fields });
        }
        self.expect_health_of(&changed);
        if !failed.is_empty() {
            // The next turn tries again, at the pace of failures.
            let pause = self.times.backoff.next();
            self.times.retry = Some(self.times.retry.map_or(now + pause, |at| at.min(now + pause)));
        }
        self.enforced(changed);
    }

    /// Notes what became of one object.
    fn settle(
        &mut self,
        id: &ObjectId,
        failed: &BTreeMap<ObjectId, ObjectFailure>,
        found: &BTreeSet<ObjectId>,
        waits: bool,
    ) {
        self.memory.failed.remove(id);
        self.memory.waiting.remove(id);
        self.memory.found.remove(id);
        self.memory.found.extend(found.get(id).cloned());
        if let Some(failure) = failed.get(id) {
            self.memory.failed.insert(id.clone(), failure.clone());
        } else if waits {
            self.memory.waiting.insert(id.clone(), "it is being deleted; it is made again when it is gone".to_owned());
        }
        let is_settled = !waits && !failed.contains_key(id) && !found.contains(id);
        let drifted_again = self.common.watches.index().settle(&self.key, id, is_settled);
        if drifted_again {
            self.mailbox.put(crate::nudge::Nudge::Drift(BTreeSet::from([id.clone()])));
        }
    }

    /// Tells of a change by another hand, and keeps it for the status.
    pub(super) fn note_drift(&mut self, id: &ObjectId, fields: Vec<FieldLoss>, repaired: bool) {
        tracing::info!(sync = %self.key, object = %id.short(), fields = ?paths(&fields), manager = manager(&fields), repaired, "drift");
        let now = self.common.ports.clock.now();
        self.memory.saw_drift(seen(id, &fields, now, repaired));
        self.tell(&Happening::Drifted { object: id.short(), fields, repaired });
    }

    /// Under the policy `report`: tells each change once.
    fn report_drift(&mut self, drifted: &BTreeMap<ObjectId, Drifted>) {
        let is_sure = |how: &Drifted| !matches!(how, Drifted::Doubtful(_));
        let present: BTreeMap<ObjectId, Vec<FieldLoss>> =
            drifted.iter().filter(|(_, how)| is_sure(how)).map(|(id, how)| (id.clone(), how.fields())).collect();
        for (id, fields) in &present {
            if self.memory.reported.get(id) != Some(fields) {
                self.note_drift(id, fields.clone(), false);
            }
        }
        self.memory.reported = present;
    }
}
