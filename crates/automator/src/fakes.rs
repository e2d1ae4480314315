//! The world in memory, for tests: stricter than the real one where they differ.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use lockstep_repository::{BlobId, CommitId, CommitInfo, FileMode, FileStep, PushOutcome, Signature, Step, TreeFile};

use crate::ports::{Branch, FileChange, OwnBranch, PortError};

mod clock;
mod commits;
mod forge;
mod own;
mod tags;

pub(crate) use clock::FakeClock;
use commits::State;
pub(crate) use forge::{FakeForge, State as RequestState};
pub(crate) use tags::{FakeTags, repository};

type BeforePush = Box<dyn FnOnce(&FakeBranch) + Send>;

/// A branch whose commits are kept in memory.
#[derive(Default)]
pub(crate) struct FakeBranch {
    state: Mutex<State>,
    /// What others do before our next pushes.
    before_push: Mutex<VecDeque<BeforePush>>,
}

fn id<T: std::str::FromStr>(text: &impl std::hash::Hash) -> T {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:040x}", hasher.finish()).parse().ok().unwrap()
}

fn trailers(message: &str) -> Vec<(String, String)> {
    let last = message.trim_end().rsplit_once("\n\n").map_or("", |(_, last)| last);
    last.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

impl FakeBranch {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let branch = Self::default();
        branch.human("Begin", files);
        branch
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A person commits and pushes.
    pub(crate) fn human(&self, message: &str, files: &[(&str, &str)]) -> CommitId {
        let mut state = self.lock();
        let parent = state.commits.get(state.head).map(|(commit, _)| commit.id);
        let mut tree = parent.map(|parent| state.tree(parent).clone()).unwrap_or_default();
        for (path, text) in files {
            tree.insert((*path).to_owned(), (*text).to_owned());
        }
        let commit = state.add(parent, tree, message, "2026-11-23T08:00:00Z".parse().unwrap());
        state.head = state.commits.len() - 1;
        commit
    }

    /// A person takes the newest commit back.
    pub(crate) fn human_reverts(&self) -> CommitId {
        let before: Vec<(String, String)> = {
            let state = self.lock();
            let parent = state.commits[state.head].0.parent.unwrap();
            state.tree(parent).clone().into_iter().collect()
        };
        let files: Vec<(&str, &str)> = before.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.human("Revert it", &files)
    }

    /// Runs once, between our next commit and its push.
    pub(crate) fn before_push(&self, others: impl FnOnce(&FakeBranch) + Send + 'static) {
        self.before_push.lock().unwrap().push_back(Box::new(others));
    }

    pub(crate) fn reject(&self, rejecting: bool) {
        self.lock().rejecting = rejecting;
    }

    pub(crate) fn text(&self, path: &str) -> String {
        let state = self.lock();
        state.commits[state.head].1[path].clone()
    }

    pub(crate) fn message(&self) -> String {
        let state = self.lock();
        state.commits[state.head].0.message.clone()
    }

    /// How many commits the branch has.
    pub(crate) fn length(&self) -> usize {
        let state = self.lock();
        let mut next = Some(state.commits[state.head].0.id);
        std::iter::from_fn(|| {
            let commit = next.take()?;
            next = state.info(commit).parent;
            Some(())
        })
        .count()
    }
}

#[async_trait]
impl Branch for FakeBranch {
    async fn head(&self) -> Result<CommitId, PortError> {
        let state = self.lock();
        Ok(state.commits[state.head].0.id)
    }

    async fn files(&self, commit: CommitId) -> Result<Vec<TreeFile>, PortError> {
        let state = self.lock();
        let file = |(path, text): (&String, &String)| TreeFile {
            path: path.clone(),
            blob: id(text),
            mode: FileMode::Plain,
            linked: path.starts_with("linked/"),
        };
        Ok(state.tree(commit).iter().map(file).collect())
    }

    async fn blob(&self, blob: BlobId) -> Result<Vec<u8>, PortError> {
        Ok(self.lock().blobs[&blob].clone().into_bytes())
    }

    async fn steps(&self, from: CommitId, until: Option<CommitId>, limit: usize) -> Result<Vec<Step>, PortError> {
        let state = self.lock();
        let mut steps = Vec::new();
        let mut next = Some(from);
        while let Some(commit) = next.filter(|commit| Some(*commit) != until && steps.len() < limit) {
            let info = state.info(commit).clone();
            let after = state.tree(commit);
            let before = info.parent.map(|parent| state.tree(parent).clone()).unwrap_or_default();
            let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let changes = paths
                .into_iter()
                .filter(|path| before.get(*path) != after.get(*path))
                .map(|path| FileStep {
                    path: path.clone(),
                    before: before.get(path).map(id),
                    after: after.get(path).map(id),
                })
                .collect();
            next = info.parent;
            steps.push(Step { commit: info, changes });
        }
        Ok(steps)
    }

    async fn commit(
        &self,
        parent: CommitId,
        changes: Vec<FileChange>,
        message: String,
        author: Option<Signature>,
        time: Timestamp,
    ) -> Result<CommitId, PortError> {
        let mut state = self.lock();
        let mut tree = state.tree(parent).clone();
        for FileChange { path, bytes } in changes {
            let text = String::from_utf8(bytes).unwrap();
            assert_ne!(tree.insert(path.clone(), text.clone()), Some(text), "{path} is committed and not changed");
        }
        let commit = state.add(Some(parent), tree, &message, time);
        if let Some((info, _)) = state.commits.last_mut() {
            info.author = author.unwrap_or_else(|| Signature { name: "Lockstep".to_owned(), email: String::new() });
        }
        Ok(commit)
    }

    async fn push(&self, commit: CommitId) -> Result<PushOutcome, PortError> {
        let others = self.before_push.lock().unwrap().pop_front();
        if let Some(others) = others {
            others(self);
        }
        let mut state = self.lock();
        state.pushes += 1;
        if state.rejecting {
            return Ok(PushOutcome::Rejected { reason: "protected branch".to_owned() });
        }
        if state.info(commit).parent != Some(state.commits[state.head].0.id) {
            return Ok(PushOutcome::Raced);
        }
        state.head = state.commits.iter().position(|(info, _)| info.id == commit).unwrap();
        Ok(PushOutcome::Pushed)
    }

    async fn own(&self, branch: &str) -> Result<Option<OwnBranch>, PortError> {
        Ok(self.own_branch(branch))
    }

    async fn is_genuine(&self, commit: &CommitInfo, changes: Vec<FileChange>) -> Result<bool, PortError> {
        let state = self.lock();
        let mut tree = commit.parent.map(|parent| state.tree(parent).clone()).unwrap_or_default();
        tree.extend(changes.into_iter().map(|change| (change.path, String::from_utf8(change.bytes).unwrap())));
        Ok(*state.tree(commit.id) == tree)
    }

    async fn replace(
        &self,
        branch: &str,
        commit: CommitId,
        expected: Option<CommitId>,
    ) -> Result<PushOutcome, PortError> {
        Ok(self.replace_own(branch, commit, expected))
    }
}
