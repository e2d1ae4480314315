//! What the actor says: on the Sync, on the board, and to the witness when health changes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lockstep_manifest::ObjectId;
use lockstep_plan::{Health, Status};
use tokio::time::Instant;

use super::{Actor, memory::Standing};
use crate::{
    board::SyncSnapshot,
    ports::{Happening, NOT_OBSERVED},
    status::{Picture, health_in_words, is_sick, status, told},
    turn::Done,
};

/// Between two writes of the status.
const PAUSE: Duration = Duration::from_millis(500);
/// After a write that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

impl Actor {
    /// From now on there is the Sync's timeout for everything to be healthy.
    pub(super) fn expect_health(&mut self) {
        self.memory.late = false;
        self.memory.audit.rest(Instant::now());
        self.times.healthy = Some(Instant::now() + Duration::from(self.setting.spec.timeout));
    }

    /// The same for what was changed now. What was unhealthy before has no more time than it had.
    pub(super) fn expect_health_of(&mut self, changed: &BTreeMap<ObjectId, jiff::Timestamp>) {
        let is_waited_for =
            |(id, health): (&ObjectId, &Health)| health.status != Status::Suspended && !changed.contains_key(id);
        if changed.is_empty() {
            return;
        }
        if self.memory.unhealthy.iter().any(is_waited_for) {
            self.memory.audit.rest(Instant::now());
        } else {
            self.expect_health();
        }
    }

    /// Tells the witness what a turn has done.
    pub(super) fn tell_turn(&mut self, done: &Done, commit: &str, started: Instant) {
        let (applied, failed) = (done.applies.applied.len(), done.applies.failed.len());
        self.tell(&Happening::TurnEnded { took: started.elapsed(), applied, failed });
        for id in &done.applies.adopted {
            self.tell(&Happening::Adopted { object: id.short() });
        }
        for kind in &done.lost {
            self.tell(&Happening::KindLost { kind: kind.to_string() });
        }
        for id in &done.deleted.released {
            self.tell(&Happening::Released { object: id.short() });
        }
        for id in &done.applies.replaced {
            self.tell(&Happening::Replaced { object: id.short() });
        }
        for (id, fields) in &done.applies.not_kept {
            self.tell(&Happening::NotKept { object: id.short(), fields: fields.clone() });
        }
        if !done.deleted.objects.is_empty() {
            let objects = done.deleted.objects.iter().map(ObjectId::short).collect();
            self.tell(&Happening::Pruned { commit: commit.to_owned(), objects });
        }
        let known = self.memory.held.as_ref().filter(|_| self.memory.commit.as_deref() == Some(commit));
        let known = known.map(|held| held.would_prune);
        if let Some(held) = done.held.as_ref().filter(|held| Some(held.would_prune) != known) {
            self.tell(&Happening::Held {
                commit: commit.to_owned(),
                would_prune: held.would_prune,
                reason: held.reason,
                message: held.to_string(),
            });
        }
        let problems: Vec<String> =
            done.applies.failed.iter().map(|(id, failure)| format!("{}: {}", id.short(), told(failure))).collect();
        if !problems.is_empty() && problems != self.memory.problems_told {
            self.tell(&Happening::ApplyFailed { commit: commit.to_owned(), problems: problems.clone() });
        }
        self.memory.problems_told = problems;
    }

    /// Brings the board and, if it differs, the Sync's status up to date.
    pub(super) async fn report(&mut self) {
        let now = Instant::now();
        let wanted = self.memory.wanted();
        self.memory.unhealthy = self.common.ports.observer.unhealthy(&self.key);
        if self.memory.unhealthy.values().all(|health| health.status == Status::Suspended) {
            self.memory.late = false;
            self.times.healthy = None;
        } else if self.times.healthy.is_some_and(|at| now >= at) {
            self.memory.late = true;
            self.times.healthy = None;
        } else if self.times.healthy.is_none() && !self.memory.late {
            // What became unhealthy by itself has as much time as after an apply.
            self.expect_health();
        }
        self.tell_health();
        self.tell_claims();
        let next = status(&self.picture(&wanted), &self.memory.status);
        if self.is_blind(&next) {
            self.times.report = Some(self.times.sight);
            return;
        }
        self.publish_with(next.clone());
        if next == self.memory.status && self.memory.status_at.is_some() {
            self.times.report = None;
            return;
        }
        let earliest = self.memory.status_at.map(|at| at + PAUSE).filter(|at| *at > now);
        if let Some(earliest) = earliest {
            self.times.report = Some(earliest);
            return;
        }
        self.memory.status_at = Some(now);
        match self.write(&next).await {
            Ok(()) => {
                self.memory.status = next;
                self.times.report = None;
            }
            Err(error) => {
                tracing::warn!(sync = %self.key, %error, "cannot write the status; will retry");
                self.times.report = Some(now + PAUSE_AFTER_FAILURE);
            }
        }
    }

    /// Right after a start the watches have not shown the health of what is there yet. What stands on the Sync for the
    /// same commit stays for that moment, so that a restart does not look like an outage.
    fn is_blind(&self, next: &crate::resource::SyncStatus) -> bool {
        let known = &self.memory.status;
        self.memory.fault.is_none()
            && self.memory.status_at.is_none()
            && self.memory.applying.is_none()
            && Instant::now() < self.times.sight
            && (&known.applied, &known.fetched) == (&next.applied, &next.fetched)
            && (self.memory.commit.is_none()
                || self.memory.unhealthy.values().any(|health| health.reason == NOT_OBSERVED))
    }

    async fn write(&self, next: &crate::resource::SyncStatus) -> Result<(), crate::ports::ClusterError> {
        if *next == self.memory.status {
            return Ok(()); // After a restart: it stands there already.
        }
        self.common.ports.cluster.write_status(&self.setting.sync, next).await
    }

    /// Puts the Sync up as it stands.
    pub(super) fn publish(&mut self) {
        self.publish_with(self.memory.status.clone());
    }

    fn publish_with(&mut self, status: crate::resource::SyncStatus) {
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        let standing = Standing {
            ready: ready.is_some_and(|ready| ready.status == "True"),
            generation: status.observed_generation,
            applied: status.applied.as_ref().map(|at| at.commit.clone()),
            looked: self.memory.turns > 0,
        };
        self.common.board.publish(SyncSnapshot {
            key: self.key.clone(),
            spec: self.setting.spec.clone(),
            status,
            previous_commit: self.memory.previous_commit.clone(),
            workloads: self.common.ports.observer.workloads(&self.key),
            turns: self.memory.turns,
        });
        if self.memory.standing.as_ref() != Some(&standing) {
            self.memory.standing = Some(standing);
            self.common.mailboxes.nudge_dependents(&self.key);
        }
    }

    fn picture<'a>(&'a self, wanted: &'a Arc<Vec<lockstep_plan::Rendered>>) -> Picture<'a> {
        let memory = &self.memory;
        let path = &self.setting.spec.source.path;
        let is_missing = memory.manifests.as_ref().is_some_and(|manifests| manifests.tree.is_none());
        let acknowledged = memory
            .answered
            .as_ref()
            .is_some_and(|answered| answered.acknowledged.as_deref() == Some(answered.commit.to_string().as_str()));
        let is_unreadable = self.setting.spec.unreadable.is_some();
        let unusable = self.setting.unusable.as_slice();
        Picture {
            key: &self.key,
            now: self.common.ports.clock.now(),
            generation: self.setting.generation,
            suspended: self.setting.spec.suspend && !is_unreadable,
            outdated: memory.spec.as_ref().is_some_and(|spec| *spec != self.setting.spec),
            fetched: memory.fetched.as_ref(),
            applied: memory.applied.as_ref(),
            commit: memory.commit.as_deref(),
            wanted,
            path_missing: (is_missing && !acknowledged).then_some(path.as_str()),
            applying: memory.applying.as_ref().map(|(commit, objects)| (commit.as_str(), *objects)),
            fault: memory.fault.as_deref(),
            leaving: memory.leaving.as_ref().map(|leaving| leaving.message.as_str()),
            obstacle: memory.obstacle.as_ref(),
            fetch_error: memory.fetch_error.as_ref(),
            cluster_error: memory.cluster_error.as_ref(),
            spec_invalid: is_unreadable || (memory.invalid.is_some() && !unusable.is_empty()),
            invalid: if is_unreadable {
                Some(("", unusable))
            } else {
                memory.invalid.as_ref().map(|(commit, failures)| (commit.as_str(), failures.as_slice()))
            },
            failed: &memory.failed,
            waiting: &memory.waiting,
            undeleted: &memory.undeleted,
            unwatched: &memory.unwatched,
            held: memory.held.as_ref(),
            withheld: memory.withheld.as_ref(),
            unhealthy: &memory.unhealthy,
            late: memory.late,
            drifted: memory.reported.len() + memory.hidden.len(),
            rewritten: &memory.rewritten,
            extras: &memory.extras,
            drift: &memory.drift,
            fights: memory.fights.ongoing(),
            claims: &memory.claims,
        }
    }

    /// Tells which objects of this Sync another one wants from now on.
    fn tell_claims(&mut self) {
        let claims = self.common.mailboxes.claims_on(&self.key);
        let new: Vec<String> = claims
            .difference(&self.memory.claims)
            .map(|claim| format!("{} wants {}", claim.by, claim.object.short()))
            .collect();
        if !new.is_empty() {
            self.tell(&Happening::Claimed { claims: new });
        }
        self.memory.claims = claims;
    }

    /// Tells when the enforced commit became healthy, or turned out not to be.
    fn tell_health(&mut self) {
        let Some(commit) = self.memory.applied.as_ref().map(|applied| applied.commit.clone()) else { return };
        if self.memory.commit.as_ref() != Some(&commit) || self.memory.applying.is_some() {
            return;
        }
        let wanted = self.memory.wanted();
        let picture = self.picture(&wanted);
        let sick: Vec<String> = picture
            .unhealthy
            .iter()
            .filter(|(_, health)| is_sick(&picture, health))
            .map(|(id, health)| format!("{}: {}", id.short(), health_in_words(health)))
            .collect();
        let recovering = picture.unhealthy.values().any(|health| health.status != Status::Suspended);
        let told = (commit.clone(), sick.is_empty());
        if self.memory.health_told.as_ref() == Some(&told) || (sick.is_empty() && recovering) {
            return;
        }
        self.memory.health_told = Some(told);
        self.tell(&if sick.is_empty() {
            Happening::Healthy { commit }
        } else {
            Happening::Unhealthy { commit, problems: sick }
        });
    }
}
