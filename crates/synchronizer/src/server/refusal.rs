//! Refusals of the service: a sentence for people, and for programs an `ErrorInfo` of `google.rpc`.

use std::collections::HashMap;

use lockstep_plan::Class;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::inspect::InspectError;
use crate::ports::{ClusterError, SourceError};

/// Whose words the reasons are.
const DOMAIN: &str = "lockstep.dev";

/// Why a call is refused, as a word of a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    SyncUnknown,
    SyncInvalid,
    NameMissing,
    CommitMalformed,
    CommitNotOnBranch,
    CommitAmbiguous,
    NothingHeld,
    AnotherCommitHeld,
    RepositoryUnreadable,
    ClusterRefuses,
    Stopping,
    StandingBy,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::SyncUnknown => "SYNC_UNKNOWN",
            Self::SyncInvalid => "SYNC_INVALID",
            Self::NameMissing => "NAME_MISSING",
            Self::CommitMalformed => "COMMIT_MALFORMED",
            Self::CommitNotOnBranch => "COMMIT_NOT_ON_BRANCH",
            Self::CommitAmbiguous => "COMMIT_AMBIGUOUS",
            Self::NothingHeld => "NOTHING_HELD",
            Self::AnotherCommitHeld => "ANOTHER_COMMIT_HELD",
            Self::RepositoryUnreadable => "REPOSITORY_UNREADABLE",
            Self::ClusterRefuses => "CLUSTER_REFUSES",
            Self::Stopping => "STOPPING",
            Self::StandingBy => "STANDING_BY",
        }
    }
}

/// A refusal with its reason.
pub(crate) fn refusal(code: Code, reason: Reason, message: impl Into<String>) -> Status {
    with_facts(code, reason, message, HashMap::new())
}

/// Another daemon leads; its name is for programs to read, too.
pub(crate) fn standing_by(why: &str, leader: String) -> Status {
    let facts = HashMap::from([("leader".to_owned(), leader)]);
    with_facts(Code::Unavailable, Reason::StandingBy, format!("{why}; ask again"), facts)
}

fn with_facts(code: Code, reason: Reason, message: impl Into<String>, facts: HashMap<String, String>) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason.as_str(), DOMAIN, facts))
}

/// The branch could not be read.
pub(crate) fn unreadable(error: &SourceError) -> Status {
    let code = if error.transient { Code::Unavailable } else { Code::FailedPrecondition };
    refusal(code, Reason::RepositoryUnreadable, format!("the branch cannot be read: {error}"))
}

/// The API server did not do what was asked of it.
pub(crate) fn unchanged(error: &ClusterError) -> Status {
    let code = match error.class {
        Class::Transient | Class::Throttled | Class::Expired => Code::Unavailable,
        Class::Conflict => Code::Aborted,
        Class::NotFound => Code::NotFound,
        _ => Code::FailedPrecondition,
    };
    refusal(code, Reason::ClusterRefuses, error.to_string())
}

impl From<InspectError> for Status {
    fn from(error: InspectError) -> Self {
        let (code, reason) = match &error {
            InspectError::Unknown(_) => (Code::NotFound, Reason::SyncUnknown),
            InspectError::Unreadable(_) => (Code::FailedPrecondition, Reason::SyncInvalid),
            InspectError::Malformed(_) => (Code::InvalidArgument, Reason::CommitMalformed),
            InspectError::NotOnBranch { .. } => (Code::FailedPrecondition, Reason::CommitNotOnBranch),
            InspectError::Ambiguous(_) => (Code::InvalidArgument, Reason::CommitAmbiguous),
            InspectError::Source(error) => return unreadable(error),
            InspectError::Cluster(error) => return unchanged(error),
            InspectError::Stopping => (Code::Unavailable, Reason::Stopping),
        };
        refusal(code, reason, error.to_string())
    }
}
