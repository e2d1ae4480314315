//! What the story needs from the world: one branch of a config repository, the registries, the time.
//!
//! `wiring.rs` implements these for Git and registries; tests implement them in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use lockstep_image::Platform;
use lockstep_registry::{Listed, MovedTag, Repository, TagNames, Verification};
use lockstep_repository::{BlobId, CommitId, CommitInfo, PushOutcome, Signature, Step, TreeFile};

/// A call to the outside that failed; it is tried again in the next turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PortError {
    /// A word of a closed set, for metrics: that of the edge's own error.
    pub category: &'static str,
    /// What was being done, to what, and what to do about it. Never a secret.
    pub message: String,
}

/// A file and the bytes that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// From the root of the repository.
    pub path: String,
    /// All of its new content.
    pub bytes: Vec<u8>,
}

/// One branch of one config repository.
#[async_trait]
pub trait Branch: Send + Sync {
    /// Fetches, and says where the branch is now.
    async fn head(&self) -> Result<CommitId, PortError>;

    /// The files below the configured folders at a commit. A configured folder that is missing is an error.
    async fn files(&self, commit: CommitId) -> Result<Vec<TreeFile>, PortError>;

    /// The bytes of a file.
    async fn blob(&self, blob: BlobId) -> Result<Vec<u8>, PortError>;

    /// `from` and the commits before it along first parents, newest first, at most `limit`, and not `until` nor what
    /// lies before it.
    async fn steps(&self, from: CommitId, until: Option<CommitId>, limit: usize) -> Result<Vec<Step>, PortError>;

    /// Makes a commit on top of `parent`, in somebody's name if there is an `author`. Until it is pushed it exists for
    /// nobody else.
    async fn commit(
        &self,
        parent: CommitId,
        changes: Vec<FileChange>,
        message: String,
        author: Option<Signature>,
        time: Timestamp,
    ) -> Result<CommitId, PortError>;

    /// Moves the branch to a commit, never by force.
    async fn push(&self, commit: CommitId) -> Result<PushOutcome, PortError>;

    /// One of Lockstep's own branches, below `lockstep/`; none if there is no such branch.
    async fn own(&self, branch: &str) -> Result<Option<OwnBranch>, PortError>;

    /// Whether a commit makes of its parent just these files, and has our signature where commits are signed. What a commit
    /// says of itself, anybody can write.
    async fn is_genuine(&self, commit: &CommitInfo, changes: Vec<FileChange>) -> Result<bool, PortError>;

    /// Sets one of Lockstep's own branches to a commit, if it is still where it was seen.
    async fn replace(
        &self,
        branch: &str,
        commit: CommitId,
        expected: Option<CommitId>,
    ) -> Result<PushOutcome, PortError>;
}

/// A branch that Lockstep writes for a change request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnBranch {
    /// Its newest commit.
    pub tip: CommitInfo,
    /// Whether that commit was made by Lockstep, as far as it says.
    pub by_us: bool,
}

/// When the tags of an image repository were first listed to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sights {
    /// When the repository was first listed completely.
    pub first_scan: Option<Timestamp>,
    /// By tag; nothing, or `None`, where the tag was there already at the first scan.
    pub first_seen: BTreeMap<String, Option<Timestamp>>,
    /// When tags were pushed, as far as the registry tells it in its listing.
    pub pushed: BTreeMap<String, Timestamp>,
    /// Tags that were pushed again with other content since the last record.
    pub moved: Vec<MovedTag>,
}

/// The image registries.
#[async_trait]
pub trait Tags: Send + Sync {
    /// Every tag of a repository: a complete listing that began no sooner than `not_before`, or an error. It may have been
    /// made for another branch.
    fn list(&self, repository: &Repository, not_before: Timestamp) -> BoxFuture<'static, Result<Listed, PortError>>;

    /// How many tags the record has of a repository.
    async fn recorded(&self, repository: &Repository) -> Result<usize, PortError>;

    /// Records the tags of a complete listing, and says when each was first seen.
    async fn record(&self, repository: &Repository, tags: &Arc<TagNames>, now: Timestamp) -> Result<Sights, PortError>;

    /// How many moved tags the record knows. As long as it stays the same, recording the same tags says the same.
    fn moves(&self) -> u64;

    /// The digest that a tag has now, which is recorded, or a digest itself; none if there is no such tag or image.
    fn digest(&self, repository: &Repository, tag: &str) -> BoxFuture<'static, Result<Option<String>, PortError>>;

    /// When the record says that a tag was first seen, or was pushed again; none where it was there at the first scan.
    async fn first_seen(&self, repository: &Repository, tag: &str) -> Result<Option<Timestamp>, PortError>;

    /// When the image with this digest was built, as its publisher says.
    async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, PortError>;

    /// What the image with this digest runs on.
    async fn platforms(&self, repository: &Repository, digest: &str) -> Result<Vec<Platform>, PortError>;

    /// Whether the image with this digest is signed by the key of that name in the settings.
    async fn verify(&self, repository: &Repository, digest: &str, key: &str) -> Result<Verification, PortError>;
}

/// The time, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Waits that long.
    async fn pause(&self, time: Duration);
}

/// Everything that a turn reaches the world by.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The branch that the turn is about.
    pub branch: &'a dyn Branch,
    /// The image registries.
    pub tags: &'a dyn Tags,
    /// The time.
    pub clock: &'a dyn Clock,
}
