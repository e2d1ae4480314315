//! Before a new commit is applied: the Syncs that this one depends on come first.

use lockstep_repository::CommitId;

use super::{Actor, memory::Memory};
use crate::{
    dependencies::{Leave, leave},
    nudge::{Nudge, Nudges as _},
};

impl Actor {
    /// The commit to be in the cluster when the head of the branch is this one; `None`: nothing may be applied yet.
    pub(super) fn admitted(&mut self, head: CommitId) -> Option<CommitId> {
        self.memory.dependency = None;
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
        self.memory.dependency = wait;
        commit.or_else(|| self.memory.last_good().filter(|good| self.was_admitted(*good)))
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
