//! What can go wrong with a repository.

use std::path::PathBuf;
use std::time::Duration;

use crate::ids::{BlobId, CommitId};

/// Why a repository could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The server has no such branch; it may have been deleted or renamed.
    #[error("{url} has no branch {branch:?}; if it was renamed, follow the new name")]
    BranchMissing {
        /// The repository.
        url: String,
        /// The branch that was asked for.
        branch: String,
    },
    /// The text is not a name that a branch can have.
    #[error("{branch:?} is not the name of a branch")]
    BranchName {
        /// The refused name.
        branch: String,
    },
    /// The branch is not one of Lockstep's own.
    #[error("{branch:?} is not below lockstep/, and no other branch is ever replaced")]
    NotOwn {
        /// The branch.
        branch: String,
    },
    /// The server refused the credentials, or wants some.
    #[error("{url} refused access: {detail}; check the credentials given for this repository")]
    Authentication {
        /// The repository.
        url: String,
        /// What the server or transport said.
        detail: String,
    },
    /// The SSH server's host key is not the known one.
    #[error("the host key of {url} is not one of the known hosts given for it: {detail}; it is never accepted unseen")]
    HostKey {
        /// The repository.
        url: String,
        /// What ssh said.
        detail: String,
    },
    /// The server could not be reached or broke off.
    #[error("could not talk to {url}: {detail}")]
    Network {
        /// The repository.
        url: String,
        /// What the transport said.
        detail: String,
    },
    /// The server did not answer in time.
    #[error("{url} did not answer within {} s", after.as_secs())]
    Timeout {
        /// The repository.
        url: String,
        /// How long it had.
        after: Duration,
    },
    /// There is a server, but no repository at that place, or none that these credentials may see.
    #[error("there is no Git repository at {url}: {detail}")]
    NotARepository {
        /// The place.
        url: String,
        /// What the server said.
        detail: String,
    },
    /// The credentials do not fit the kind of URL.
    #[error("{url} cannot be used with these credentials: {detail}")]
    WrongCredentials {
        /// The repository.
        url: String,
        /// What does not fit.
        detail: String,
    },
    /// A commit, tree or blob is not in the clone or cannot be read.
    #[error("could not read {what} from the clone in {}: {detail}", folder.display())]
    Object {
        /// The object.
        what: String,
        /// The clone.
        folder: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The commit has nothing at that path.
    #[error("commit {commit} has nothing at {path:?}")]
    PathMissing {
        /// The commit.
        commit: CommitId,
        /// The path.
        path: String,
    },
    /// The path is not one that may be read or written.
    #[error("the path {path:?} is refused: {reason}")]
    PathRefused {
        /// The path as it was given.
        path: String,
        /// Why.
        reason: String,
    },
    /// A symbolic link in the repository leads nowhere, out of it, or in a circle.
    #[error("the symbolic link {path:?} is refused: {reason}")]
    Symlink {
        /// The link.
        path: String,
        /// Why.
        reason: String,
    },
    /// A submodule lies under the path that is read.
    #[error("{path:?} is a submodule; submodules are not supported, copy the files into the repository")]
    Submodule {
        /// Where.
        path: String,
    },
    /// A file is larger than allowed.
    #[error("blob {blob} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The file's content.
        blob: BlobId,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// More files lie under a path than allowed.
    #[error("there are more than {limit} files under {path:?}")]
    TooManyFiles {
        /// The path.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// The clone's folder could not be made, read or written.
    #[error("could not {doing} in {}: {detail}", folder.display())]
    Folder {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Nobody whose signature counts signed the commit.
    #[error(
        "commit {commit} is not trusted: {reason}; have it signed by one of the allowed signers, or name its signer there"
    )]
    Untrusted {
        /// The commit.
        commit: CommitId,
        /// Why.
        reason: String,
    },
    /// A program that is needed could not be run.
    #[error("could not run the program {program:?}: {detail}; it must be installed and on the PATH")]
    Program {
        /// The program.
        program: &'static str,
        /// Why not.
        detail: String,
    },
}

impl RepositoryError {
    /// One of a closed set of words, for metrics and event reasons.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::BranchMissing { .. } => "branch-missing",
            Self::BranchName { .. } | Self::NotOwn { .. } => "branch-name",
            Self::Authentication { .. } | Self::WrongCredentials { .. } => "authentication",
            Self::HostKey { .. } => "host-key",
            Self::Network { .. } => "network",
            Self::Timeout { .. } => "timeout",
            Self::NotARepository { .. } => "not-a-repository",
            Self::Object { .. } => "object",
            Self::PathMissing { .. } => "path-missing",
            Self::PathRefused { .. } | Self::Symlink { .. } | Self::Submodule { .. } => "path-refused",
            Self::TooLarge { .. } | Self::TooManyFiles { .. } => "too-large",
            Self::Folder { .. } => "folder",
            Self::Untrusted { .. } => "untrusted",
            Self::Program { .. } => "program",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Network { .. } | Self::Timeout { .. })
    }
}
