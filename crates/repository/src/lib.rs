//! Git: fetch, read a tree at a commit, commit, push.
//!
//! One bare clone per repository is kept on disk and never checked out: files are read from objects, edits become
//! objects, and a branch only moves on the server. Everything blocks; a daemon calls it from a blocking thread. No
//! configuration, hook or credential helper of the machine takes part, and credentials appear in no argument and no URL.
//!
//! ```text
//! RemoteUrl ─┐
//!            ├─► Repository ─remote_head, fetch─► CommitId ─files, blob─► bytes
//! folder ────┘                                      ├─first_parents, changes_of─► who changed what
//!                                                   └─commit─► CommitId ─push─► Pushed | Raced | Rejected
//! ```

mod branch;
mod clone;
mod commit;
mod credentials;
mod deadline;
mod error;
mod explain;
mod fetch;
mod history;
mod ids;
mod path;
mod private;
mod push;
mod reserved;
mod signers;
mod signing;
mod ssh;
mod steps;
mod tree;
mod url;

pub use branch::check_branch;
pub use clone::{Limits, Repository};
pub use commit::{NewCommit, Signature};
pub use credentials::{Authentication, Credentials, CredentialsError};
pub use error::RepositoryError;
pub use history::{CommitInfo, PathChange};
pub use ids::{BlobId, CommitId, TreeId};
pub use path::check_path;
pub use push::{OWN_BRANCHES, PushOutcome};
pub use signers::{AllowedSigners, AllowedSignersError};
pub use signing::{SigningKey, SigningKeyError};
pub use steps::{FileStep, Step};
pub use tree::{FileMode, TreeFile, is_lfs_pointer};
pub use url::{PlainHttp, RemoteUrl, UrlError};
