//! What a branch in memory holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_repository::{BlobId, CommitId, CommitInfo, Signature};

use super::{id, trailers};

/// Files by path.
pub(super) type Tree = BTreeMap<String, String>;

#[derive(Default)]
pub(super) struct State {
    pub(super) commits: Vec<(CommitInfo, Tree)>,
    pub(super) head: usize,
    pub(super) blobs: BTreeMap<BlobId, String>,
    pub(super) rejecting: bool,
    pub(super) pushes: usize,
    /// Branches for change requests.
    pub(super) own: BTreeMap<String, CommitId>,
}

impl State {
    pub(super) fn info(&self, commit: CommitId) -> &CommitInfo {
        &self.commits.iter().find(|(info, _)| info.id == commit).unwrap().0
    }

    pub(super) fn tree(&self, commit: CommitId) -> &Tree {
        &self.commits.iter().find(|(info, _)| info.id == commit).unwrap().1
    }

    pub(super) fn add(&mut self, parent: Option<CommitId>, tree: Tree, message: &str, time: Timestamp) -> CommitId {
        let commit = id(&(parent, &tree, message, self.commits.len()));
        for text in tree.values() {
            self.blobs.insert(id(text), text.clone());
        }
        let info = CommitInfo {
            id: commit,
            parent,
            author: Signature { name: String::new(), email: String::new() },
            time,
            message: message.to_owned(),
            trailers: trailers(message),
        };
        self.commits.push((info, tree));
        commit
    }
}
