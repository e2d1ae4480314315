//! The world in memory, for tests: stricter than the real one where they differ.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher as _;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use lockstep_image::Platform;
use lockstep_registry::{Listed, Listing, Repository, Verification};
use lockstep_repository::{BlobId, CommitId, CommitInfo, FileMode, FileStep, PushOutcome, Signature, Step, TreeFile};

use crate::ports::{Branch, FileChange, OwnBranch, PortError, Sights, Tags};

mod clock;
mod own;

pub(crate) use clock::FakeClock;

type Tree = BTreeMap<String, String>;
type BeforePush = Box<dyn FnOnce(&FakeBranch) + Send>;

/// A branch whose commits are kept in memory.
#[derive(Default)]
pub(crate) struct FakeBranch {
    state: Mutex<State>,
    /// What others do before our next pushes.
    before_push: Mutex<VecDeque<BeforePush>>,
}

#[derive(Default)]
struct State {
    commits: Vec<(CommitInfo, Tree)>,
    head: usize,
    blobs: BTreeMap<BlobId, String>,
    rejecting: bool,
    pushes: usize,
    /// Branches for change requests.
    own: BTreeMap<String, CommitId>,
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

impl State {
    fn info(&self, commit: CommitId) -> &CommitInfo {
        &self.commits.iter().find(|(info, _)| info.id == commit).unwrap().0
    }

    fn tree(&self, commit: CommitId) -> &Tree {
        &self.commits.iter().find(|(info, _)| info.id == commit).unwrap().1
    }

    fn add(&mut self, parent: Option<CommitId>, tree: Tree, message: &str, time: Timestamp) -> CommitId {
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

    async fn replace(
        &self,
        branch: &str,
        commit: CommitId,
        expected: Option<CommitId>,
    ) -> Result<PushOutcome, PortError> {
        Ok(self.replace_own(branch, commit, expected))
    }
}

#[derive(Clone)]
struct FakeImage {
    digest: String,
    created: Option<Timestamp>,
    platforms: Vec<Platform>,
    verification: Verification,
}

/// Registries that have what was pushed to them.
#[derive(Default)]
pub(crate) struct FakeTags {
    images: Mutex<BTreeMap<Repository, BTreeMap<String, FakeImage>>>,
    sights: Mutex<BTreeMap<Repository, Sights>>,
    failing: Mutex<Option<PortError>>,
    failing_facts: Mutex<Option<PortError>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

pub(crate) fn repository(name: &str) -> Repository {
    Repository { host: "ghcr.io".to_owned(), name: name.to_owned() }
}

impl FakeTags {
    pub(crate) fn with(name: &str, tags: &[&str]) -> Self {
        let registry = Self::default();
        tags.iter().for_each(|tag| registry.push(name, tag, None));
        registry
    }

    pub(crate) fn push(&self, name: &str, tag: &str, created: Option<&str>) {
        let digest = format!("sha256:{:064x}", tag.bytes().fold(7_u128, |sum, byte| sum * 31 + u128::from(byte)));
        let image = FakeImage {
            digest,
            created: created.map(|time| time.parse().unwrap()),
            platforms: vec!["linux/amd64".parse().unwrap()],
            verification: Verification::NotSigned,
        };
        self.images.lock().unwrap().entry(repository(name)).or_default().insert(tag.to_owned(), image);
    }

    /// Changes what the image of a tag runs on, and who signed it.
    pub(crate) fn describe(&self, name: &str, tag: &str, platforms: &[&str], verification: Verification) {
        let mut images = self.images.lock().unwrap();
        let image = images.get_mut(&repository(name)).unwrap().get_mut(tag).unwrap();
        image.platforms = platforms.iter().map(|text| text.parse().unwrap()).collect();
        image.verification = verification;
    }

    pub(crate) fn delete(&self, name: &str, tag: &str) {
        self.images.lock().unwrap().get_mut(&repository(name)).unwrap().remove(tag);
    }

    pub(crate) fn fail(&self, message: Option<&str>) {
        *self.failing.lock().unwrap() =
            message.map(|message| PortError { category: "unreachable", message: message.to_owned() });
    }

    /// Fails what is asked of images, and not the listings.
    pub(crate) fn fail_facts(&self, message: Option<&str>) {
        *self.failing_facts.lock().unwrap() =
            message.map(|message| PortError { category: "unreachable", message: message.to_owned() });
    }

    /// Lets a tag point to an image with this digit as digest.
    pub(crate) fn point(&self, name: &str, tag: &str, digit: &str) {
        let mut images = self.images.lock().unwrap();
        let image = images.get_mut(&repository(name)).unwrap().get_mut(tag).unwrap();
        image.digest = format!("sha256:{}", digit.repeat(64));
    }

    /// As if the database were deleted.
    pub(crate) fn forget(&self) {
        self.sights.lock().unwrap().clear();
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn ask(&self, what: String) -> Result<(), PortError> {
        let listing = what.starts_with("list");
        self.asked.lock().unwrap().push(what);
        if let Some(error) = self.failing_facts.lock().unwrap().clone().filter(|_| !listing) {
            return Err(error);
        }
        self.failing.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Tags for FakeTags {
    async fn list(&self, repository: &Repository, _: Timestamp) -> Result<Listed, PortError> {
        self.ask(format!("list {repository}"))?;
        let images = self.images.lock().unwrap();
        let missing = || PortError { category: "not-found", message: format!("{repository} not found") };
        let tags = images.get(repository).ok_or_else(missing)?.keys().cloned().collect();
        // It knows no clock: the scan takes a time to come for now.
        Ok(Listed { began: Timestamp::MAX, listing: Arc::new(Listing { tags, pushed: BTreeMap::new() }) })
    }

    async fn record(&self, repository: &Repository, tags: &[String], now: Timestamp) -> Result<Sights, PortError> {
        let mut sights = self.sights.lock().unwrap();
        let before = sights.remove(repository);
        let seen = |tag: &String| match &before {
            None => None,
            Some(before) => before.first_seen.get(tag).copied().unwrap_or(Some(now)),
        };
        let first_seen = tags.iter().map(|tag| (tag.clone(), seen(tag))).collect();
        let first_scan = before.as_ref().map_or(Some(now), |before| before.first_scan);
        let after = Sights { first_scan, first_seen, ..Sights::default() };
        sights.insert(repository.clone(), after.clone());
        Ok(after)
    }

    async fn digest(&self, repository: &Repository, tag: &str) -> Result<Option<String>, PortError> {
        self.ask(format!("digest {tag}"))?;
        let images = self.images.lock().unwrap();
        Ok(images.get(repository).and_then(|tags| tags.get(tag)).map(|image| image.digest.clone()))
    }

    async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, PortError> {
        self.ask("created".to_owned())?;
        let images = self.images.lock().unwrap();
        Ok(images[repository].values().find(|image| image.digest == digest).unwrap().created)
    }

    async fn platforms(&self, repository: &Repository, digest: &str) -> Result<Vec<Platform>, PortError> {
        self.ask("platforms".to_owned())?;
        let images = self.images.lock().unwrap();
        Ok(images[repository].values().find(|image| image.digest == digest).unwrap().platforms.clone())
    }

    async fn verify(&self, repository: &Repository, digest: &str, key: &str) -> Result<Verification, PortError> {
        self.ask(format!("verify {key}"))?;
        let images = self.images.lock().unwrap();
        let image = images[repository].values().find(|image| image.digest == digest).unwrap();
        Ok(image.verification.clone())
    }
}
