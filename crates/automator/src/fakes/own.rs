//! Branches for change requests, in memory.

use lockstep_repository::{CommitId, PushOutcome};

use super::FakeBranch;
use crate::ports::OwnBranch;

impl FakeBranch {
    pub(super) fn own_branch(&self, branch: &str) -> Option<OwnBranch> {
        let state = self.lock();
        let tip = state.own.get(branch).map(|tip| state.info(*tip).clone())?;
        Some(OwnBranch { by_us: tip.trailer("Lockstep-Change").is_some(), tip })
    }

    pub(super) fn replace_own(&self, branch: &str, commit: CommitId, expected: Option<CommitId>) -> PushOutcome {
        assert!(branch.starts_with("lockstep/"), "{branch} is not ours");
        let mut state = self.lock();
        state.pushes += 1;
        if state.rejecting {
            return PushOutcome::Rejected { reason: "protected branch".to_owned() };
        }
        if state.own.get(branch).copied() != expected {
            return PushOutcome::Raced;
        }
        state.own.insert(branch.to_owned(), commit);
        PushOutcome::Pushed
    }

    /// A person adds a commit to one.
    pub(crate) fn human_adds(&self, branch: &str) {
        let mut state = self.lock();
        let tip = state.own[branch];
        let tree = state.tree(tip).clone();
        let commit = state.add(Some(tip), tree, "By hand", "2026-11-23T08:00:00Z".parse().unwrap());
        state.own.insert(branch.to_owned(), commit);
    }

    /// A person merges one without a merge commit.
    pub(crate) fn human_merges(&self, branch: &str) {
        let mut state = self.lock();
        let tip = state.own[branch];
        assert_eq!(state.info(tip).parent, Some(state.commits[state.head].0.id), "{branch} lies behind");
        state.head = state.commits.iter().position(|(info, _)| info.id == tip).unwrap();
    }

    /// What such a branch makes of a file.
    pub(crate) fn text_on(&self, branch: &str, path: &str) -> String {
        let state = self.lock();
        state.tree(state.own[branch])[path].clone()
    }

    pub(crate) fn pushes(&self) -> usize {
        self.lock().pushes
    }
}
