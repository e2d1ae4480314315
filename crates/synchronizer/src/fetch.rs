//! Which commit is to be in the cluster: the head of the branch, or the last good one while the head cannot be had.

use lockstep_repository::CommitId;

use crate::ports::{Branch, Source, SourceError};

/// What a look at the branch has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The commit to be in the cluster; `None` when no commit was ever had.
    pub(crate) commit: Option<CommitId>,
    /// Why the branch could not be read; the commit is then the last good one.
    pub(crate) error: Option<SourceError>,
}

/// Looks where the branch is and gets its commit.
pub(crate) async fn fetch(source: &dyn Source, branch: &Branch, last_good: Option<CommitId>) -> Fetched {
    match source.fetch(branch).await {
        Ok(commit) => Fetched { commit: Some(commit), error: None },
        Err(error) => {
            let (repository, branch) = (&branch.source.repository, &branch.source.branch);
            tracing::warn!(repository, branch, %error, "cannot fetch; will retry");
            Fetched { commit: last_good, error: Some(error) }
        }
    }
}
