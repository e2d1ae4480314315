//! Which commit is to be in the cluster: the head of the branch, or the last good one while the head cannot be had.

use std::time::Duration;

use lockstep_repository::CommitId;

use crate::ports::{Branch, Head, Source, SourceError};

/// What a look at the branch has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The commit to be in the cluster; `None` when no commit was ever had.
    pub(crate) commit: Option<CommitId>,
    /// Nobody has seen this commit at the head before.
    pub(crate) is_news: bool,
    /// Why the branch could not be read; the commit is then the last good one.
    pub(crate) error: Option<SourceError>,
}

/// Looks where the branch is, or was at most `age` ago, and gets its commit.
pub(crate) async fn fetch(source: &dyn Source, branch: &Branch, age: Duration, last_good: Option<CommitId>) -> Fetched {
    match source.head(branch, age).await {
        Ok(Head { commit, is_news }) => Fetched { commit: Some(commit), is_news, error: None },
        Err(error) => {
            let (repository, branch) = (&branch.source.repository, &branch.source.branch);
            tracing::warn!(repository, branch, %error, "cannot fetch; will retry");
            Fetched { commit: last_good, is_news: false, error: Some(error) }
        }
    }
}
