//! A repository in memory.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher as _},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use lockstep_repository::{BlobId, CommitId, FileMode, TreeFile, TreeId};

use crate::ports::{Branch, Head, Source, SourceError};

type Files = BTreeMap<String, String>;

#[derive(Default)]
pub(super) struct Git {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Damage {
    #[default]
    None,
    Files,
    Everything,
}

#[derive(Default)]
struct State {
    commits: BTreeMap<CommitId, Files>,
    head: Option<CommitId>,
    blobs: BTreeMap<BlobId, String>,
    down: bool,
    /// What cannot be read from the clone.
    damage: Damage,
    /// Who reads this folder finds a fault of the program.
    fault: Option<String>,
    /// Questions that no answer of before would do for.
    asked_now: usize,
    fetches: usize,
    blobs_read: usize,
}

fn id(content: impl std::hash::Hash) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:040x}", hasher.finish())
}

impl Git {
    /// Makes a commit of these files the head.
    pub(super) fn commit(&self, files: &[(&str, &str)]) -> CommitId {
        let mut state = self.state.lock().unwrap();
        let files: Files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let commit: CommitId = id((&files, state.commits.len())).parse().unwrap();
        for text in files.values() {
            state.blobs.insert(id(text).parse().unwrap(), text.clone());
        }
        state.commits.insert(commit, files);
        state.head = Some(commit);
        commit
    }

    pub(super) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    pub(super) fn damage(&self, damage: Damage) {
        self.state.lock().unwrap().damage = damage;
    }

    pub(super) fn set_fault(&self, path: Option<&str>) {
        self.state.lock().unwrap().fault = path.map(str::to_owned);
    }

    pub(super) fn asked_now(&self) -> usize {
        self.state.lock().unwrap().asked_now
    }

    pub(super) fn fetches(&self) -> usize {
        self.state.lock().unwrap().fetches
    }

    pub(super) fn blobs_read(&self) -> usize {
        self.state.lock().unwrap().blobs_read
    }
}

fn damaged() -> SourceError {
    SourceError { category: "object", message: "the pack ends in the middle".to_owned(), transient: false }
}

fn under<'a>(branch: &Branch, files: &'a Files) -> Vec<(&'a String, &'a String)> {
    let path = branch.source.path.trim_matches(['.', '/']);
    files.iter().filter(|(name, _)| path.is_empty() || name.starts_with(&format!("{path}/"))).collect()
}

#[async_trait]
impl Source for Git {
    async fn head(&self, branch: &Branch, age: Duration) -> Result<Head, SourceError> {
        let mut state = self.state.lock().unwrap();
        state.fetches += 1;
        state.asked_now += usize::from(age.is_zero());
        let (category, message) = match (state.down, state.head) {
            (true, _) => ("network", "the server is down"),
            (false, Some(commit)) => return Ok(Head { commit, is_news: false }),
            (false, None) => ("branch-missing", branch.source.branch.as_str()),
        };
        Err(SourceError { category, message: message.to_owned(), transient: state.down })
    }

    async fn tree(&self, branch: &Branch, commit: CommitId) -> Result<Option<TreeId>, SourceError> {
        let fault = self.state.lock().unwrap().fault.clone();
        assert_ne!(fault.as_ref(), Some(&branch.source.path), "a fault of the program");
        let state = self.state.lock().unwrap();
        if state.damage == Damage::Everything {
            return Err(damaged());
        }
        let Some(files) = state.commits.get(&commit) else {
            let message = format!("commit {commit} is not in the clone");
            return Err(SourceError { category: "object", message, transient: false });
        };
        let files = under(branch, files);
        Ok((!files.is_empty()).then(|| id(files).parse().unwrap()))
    }

    async fn matching(&self, _: &Branch, head: CommitId, digits: &str) -> Result<Vec<CommitId>, SourceError> {
        let state = self.state.lock().unwrap();
        assert_eq!(state.head, Some(head));
        Ok(state.commits.keys().filter(|commit| commit.to_string().starts_with(digits)).copied().collect())
    }

    async fn files(&self, branch: &Branch, commit: CommitId) -> Result<Vec<TreeFile>, SourceError> {
        let state = self.state.lock().unwrap();
        let file = |(path, text): (&String, &String)| TreeFile {
            path: path.clone(),
            blob: id(text).parse().unwrap(),
            mode: FileMode::Plain,
            linked: false,
        };
        Ok(under(branch, &state.commits[&commit]).into_iter().map(file).collect())
    }

    async fn blobs(&self, _: &Branch, blobs: &[BlobId], _: u64) -> Vec<Result<Vec<u8>, SourceError>> {
        let mut state = self.state.lock().unwrap();
        state.blobs_read += blobs.len();
        if state.damage != Damage::None {
            return blobs.iter().map(|_| Err(damaged())).collect();
        }
        blobs.iter().map(|blob| Ok(state.blobs[blob].clone().into_bytes())).collect()
    }
}
