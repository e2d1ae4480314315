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

    /// Somebody puts a commit with other files there that says of itself what ours does.
    pub(crate) fn others_forge(&self, branch: &str, files: &[(&str, &str)]) -> CommitId {
        let mut state = self.lock();
        let tip = state.info(state.own[branch]).clone();
        let mut tree = state.tree(tip.id).clone();
        tree.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
        let commit = state.add(tip.parent, tree, &tip.message, tip.time);
        state.own.insert(branch.to_owned(), commit);
        commit
    }

    /// A person merges one without a merge commit.
    pub(crate) fn human_merges(&self, branch: &str) {
        let mut state = self.lock();
        let tip = state.own[branch];
        assert_eq!(state.info(tip).parent, Some(state.commits[state.head].0.id), "{branch} lies behind");
        state.head = state.commits.iter().position(|(info, _)| info.id == tip).unwrap();
    }

    pub(crate) fn tip_of(&self, branch: &str) -> CommitId {
        self.lock().own[branch]
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
