//! Before a new commit is applied: the account must exist, and the Syncs that this one depends on come first.

use std::sync::Arc;

use lockstep_plan::Class;
use lockstep_repository::CommitId;

use super::{Actor, memory::Memory};
use crate::{
    dependencies::{Leave, Obstacle, Why, leave},
    mailbox::ACKNOWLEDGE,
    nudge::{Nudge, Nudges as _},
    ports::ObjectFailure,
};

impl Actor {
    /// The commit to be in the cluster when the head of the branch is this one; `None`: nothing may be applied yet.
    pub(super) async fn admitted(&mut self, head: CommitId) -> Option<CommitId> {
        self.memory.obstacle = self.missing_account().await;
        if self.memory.obstacle.is_some() {
            return None;
        }
        if self.setting.spec.depends_on.is_empty() || self.was_admitted(head) {
            return Some(head);
        }
        let common = self.common.clone();
        let object = self.mailbox.object();
        let Leave { commit, wait, behind } = leave(&self.key, &object, head, &common.mailboxes, &common.board);
        if self.memory.urged != Some(head) {
            self.memory.urged = Some(head);
            for key in &behind {
                common.mailboxes.nudge(key, Nudge::Fetch);
            }
        }
        self.memory.obstacle = wait;
        commit.or_else(|| self.memory.last_good().filter(|good| self.was_admitted(*good)))
    }

    /// Kubernetes lets anybody act as an account that does not exist, with whatever its name is bound to; a name that is
    /// mistyped is to be told. Looked up once, and again after a refusal.
    async fn missing_account(&mut self) -> Option<Obstacle> {
        let account = self.setting.spec.service_account_name.clone()?;
        let is_refused = |failure: &ObjectFailure| matches!(failure, ObjectFailure::Refused(error) if error.class == Class::Forbidden);
        if self.memory.account.as_ref() == Some(&account) && !self.memory.failed.values().any(is_refused) {
            return None;
        }
        let namespace = self.key.namespace.clone();
        match self.find("ServiceAccount", &namespace, &account).await {
            Ok(None) => {
                self.memory.account = None;
                let message = format!(
                    "the service account {namespace}/{account} does not exist; create it, or correct serviceAccountName"
                );
                Some(Obstacle { why: Why::NoAccount, message })
            }
            // Who may not look it up goes on: what the account may do is decided at each call.
            Ok(Some(_)) | Err(_) => {
                self.memory.account = Some(account);
                None
            }
        }
    }

    /// A person's leave for one commit ends with that commit: when another one is applied, it is taken off the Sync.
    pub(super) async fn forget_acknowledgement(&mut self) {
        let Some(spent) = self.memory.previous_commit.clone() else { return };
        if self.setting.acknowledged.as_ref() != Some(&spent) {
            return;
        }
        match self.common.ports.cluster.drop_annotation(&self.setting.sync, ACKNOWLEDGE, &spent).await {
            Ok(()) => {
                Arc::make_mut(&mut self.setting).acknowledged = None;
                if let Some(answered) = &mut self.memory.answered {
                    answered.acknowledged = None;
                }
            }
            // A person has acknowledged another commit meanwhile; the watch brings it.
            Err(error) if error.class == Class::Conflict => {}
            Err(error) => {
                tracing::warn!(sync = %self.key, %error, "cannot take the acknowledgement of an earlier commit away");
            }
        }
    }

    /// What was applied already under this spec is kept up whatever becomes of the dependencies.
    fn was_admitted(&self, commit: CommitId) -> bool {
        if let Some(answered) = &self.memory.answered {
            return answered.commit == commit && answered.spec == self.setting.spec;
        }
        // Since the start no turn was made: what stands on the Sync tells.
        let Memory { applied, status, .. } = &self.memory;
        let waited = status.conditions.iter().any(|condition| condition.reason.starts_with("Dependency"));
        applied.as_ref().is_some_and(|at| at.commit == commit.to_string())
            && status.observed_generation == self.setting.generation
            && !waited
    }
}
