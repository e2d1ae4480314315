//! Git, as the actors need it.

use std::time::Duration;

use async_trait::async_trait;
use lockstep_repository::{BlobId, CommitId, RepositoryError, TreeFile, TreeId};

use crate::resource;

/// The branch of a Sync, and where its credentials are.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The namespace that holds the Secret.
    pub namespace: String,
    /// Repository, branch, path, Secret.
    pub source: resource::Source,
}

/// Git repositories. One clone serves all branches of one URL, and one fetch is in flight for it. A Secret that no longer
/// works is read again before a fetch fails. A clone that proves damaged is rebuilt, so that the next fetch fills it.
#[async_trait]
pub trait Source: Send + Sync {
    /// Asks the server which commit the branch is at, and gets the commit unless the clone has it. Who asks while an
    /// answer is waited for shares the next one; an answer that is no older than `age` is taken as it is.
    async fn head(&self, branch: &Branch, age: Duration) -> Result<Head, SourceError>;

    /// The same, asked for now.
    async fn fetch(&self, branch: &Branch) -> Result<CommitId, SourceError> {
        Ok(self.head(branch, Duration::ZERO).await?.commit)
    }

    /// The id of the folder at the Sync's path; `None` when the commit has nothing there.
    async fn tree(&self, branch: &Branch, commit: CommitId) -> Result<Option<TreeId>, SourceError>;

    /// The commits at `head` and before it whose ids begin with these hex digits; two are enough to say "ambiguous".
    async fn matching(&self, branch: &Branch, head: CommitId, digits: &str) -> Result<Vec<CommitId>, SourceError>;

    /// All files under the Sync's path.
    async fn files(&self, branch: &Branch, commit: CommitId) -> Result<Vec<TreeFile>, SourceError>;

    /// The bytes of these files, in their order; each at most `limit` bytes or an error.
    async fn blobs(&self, branch: &Branch, blobs: &[BlobId], limit: u64) -> Vec<Result<Vec<u8>, SourceError>>;
}

/// Where a branch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub commit: CommitId,
    /// This answer was the first to name it, and another one had been known: whoever follows the branch is to hear of it.
    pub is_news: bool,
}

/// Why a repository could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// One of a closed set of words: those of the repository crate, `credentials` and `url`.
    pub category: &'static str,
    /// What was being done, to what, and what to do about it; never a credential.
    pub message: String,
    /// Whether trying again can help without anybody changing anything.
    pub transient: bool,
}

impl From<&RepositoryError> for SourceError {
    fn from(error: &RepositoryError) -> Self {
        Self { category: error.category(), message: error.to_string(), transient: error.is_transient() }
    }
}
