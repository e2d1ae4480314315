//! What a turn would do with a commit: planned as a turn plans it, tried by the API server's dry run, and not done.
//!
//! A look has a desk of its own. It reads the clone, the watches' index and the API server; it applies nothing, records
//! nothing on the Sync and tells the actor nothing.

use std::sync::Arc;

use async_trait::async_trait;
use lockstep_api::v1::{DiffResponse, PlanResponse};
use lockstep_cluster::Kind;
use lockstep_repository::CommitId;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    actor::{Common, Setting, desk},
    board::{Board, SyncKey},
    ports::{Branch, Cluster, ClusterError, Source, SourceError},
    render::RenderFailure,
    resource::{Failure, SyncObject},
    turn::{Desk, Prepared, Record, prepare},
};

use trial::Trials;

mod folder;
mod show;
mod trial;

pub use folder::{Folder, LookError};

/// A commit is named by so many digits at least.
pub(crate) const SHORTEST_COMMIT: usize = 7;
/// So many looks at once; each may hold a whole commit in memory and ask the API server about every object.
const LOOKS: usize = 2;
/// Questions of one look in flight; the turns of the Syncs come first.
const CONCURRENCY: usize = 8;

/// Looks at what turns would do.
#[derive(Clone)]
pub(crate) struct Inspector {
    common: Common,
    places: Arc<Semaphore>,
}

/// Why there is nothing to see.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum InspectError {
    /// Nobody knows the Sync.
    #[error("there is no Sync {0}, or it was made just now")]
    Unknown(SyncKey),
    /// Nobody can say what the Sync wants, nor as whom it is to be looked at.
    #[error("the Sync itself is wrong: {0}; correct it")]
    Unreadable(String),
    /// It is no name of a commit.
    #[error("commit: {0:?} is not {SHORTEST_COMMIT} to 40 hex digits")]
    Malformed(String),
    /// Another branch may have it.
    #[error("the commit {commit} is not on the branch {branch}; push it first")]
    NotOnBranch { commit: String, branch: String },
    /// More than one commit begins so.
    #[error("more than one commit of the branch begins with {0}; write more of its digits")]
    Ambiguous(String),
    /// The repository cannot be read.
    #[error("the branch cannot be read: {0}")]
    Source(#[source] SourceError),
    /// The API server could not be asked.
    #[error("the commit cannot be planned: {0}")]
    Cluster(#[source] ClusterError),
    /// The daemon stops.
    #[error("the synchronizer is stopping; ask again")]
    Stopping,
}

/// What is to be told of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Let the API server try every apply without making it.
    pub dry_run: bool,
    /// List the objects too that stay as they are.
    pub all: bool,
}

/// Whoever asks, as far as their own rights go.
#[async_trait]
pub(crate) trait Sight: Send + Sync {
    /// Whether they may read this object by themselves.
    async fn may_read(&self, kind: &Kind, namespace: &str, name: &str) -> bool;
}

/// A commit under a look.
struct Look<'a> {
    _place: SemaphorePermit<'a>,
    desk: Desk<'a>,
    commit: CommitId,
    /// The plan, or what is wrong with the commit.
    prepared: Result<Prepared, Vec<Failure>>,
}

impl Inspector {
    pub(crate) fn new(common: Common) -> Self {
        Self { common, places: Arc::new(Semaphore::new(LOOKS)) }
    }

    pub(crate) fn board(&self) -> &Board {
        &self.common.board
    }

    pub(crate) fn source(&self) -> &dyn Source {
        self.common.ports.source.as_ref()
    }

    pub(crate) fn cluster(&self) -> &dyn Cluster {
        self.common.ports.cluster.as_ref()
    }

    /// The Sync object as it stands.
    pub(crate) fn object(&self, key: &SyncKey) -> Result<Arc<SyncObject>, InspectError> {
        self.common.mailboxes.object(key).ok_or_else(|| InspectError::Unknown(key.clone()))
    }

    /// What a turn would do with a commit of the Sync's branch, object by object.
    pub(crate) async fn plan(
        &self,
        key: &SyncKey,
        object: &SyncObject,
        commit: &str,
        options: PlanOptions,
    ) -> Result<PlanResponse, InspectError> {
        let setting = Setting::of(key, object);
        let look = self.look(&setting, object, commit).await?;
        let suspended = object.spec.suspend;
        Ok(match &look.prepared {
            Err(problems) => PlanResponse {
                commit: look.commit.to_string(),
                problems: show::problems(problems),
                suspended,
                ..PlanResponse::default()
            },
            Ok(prepared) => {
                let refusals =
                    if options.dry_run { Trials::of(&look.desk, prepared).refusals().await } else { [].into() };
                PlanResponse { suspended, ..show::plan(prepared, options.all, &refusals) }
            }
        })
    }

    /// What a turn would change, field by field.
    pub(crate) async fn diff(
        &self,
        key: &SyncKey,
        object: &SyncObject,
        commit: &str,
        sight: &dyn Sight,
    ) -> Result<DiffResponse, InspectError> {
        let setting = Setting::of(key, object);
        let look = self.look(&setting, object, commit).await?;
        let commit = look.commit.to_string();
        Ok(match &look.prepared {
            Err(problems) => DiffResponse { commit, problems: show::problems(problems), ..DiffResponse::default() },
            Ok(prepared) => {
                let (objects, left_out) = Trials::of(&look.desk, prepared).differences(sight).await;
                DiffResponse { commit, objects, left_out, held: show::held(&prepared.plan), problems: Vec::new() }
            }
        })
    }

    async fn look<'a>(
        &'a self,
        setting: &'a Setting,
        object: &SyncObject,
        commit: &str,
    ) -> Result<Look<'a>, InspectError> {
        if let Some(why) = &object.spec.unreadable {
            return Err(InspectError::Unreadable(why.clone()));
        }
        let place = self.places.acquire().await.map_err(|_| InspectError::Stopping)?;
        let commit = self.commit(&setting.branch, commit).await?;
        let account = setting.spec.service_account_name.as_deref();
        let objects = self.cluster().objects(&setting.sync.key, account).map_err(InspectError::Cluster)?;
        let desk = desk(&self.common, setting, objects);
        let prepared = match prepare(&desk, commit, None, &Record::of(object)).await {
            Ok(prepared) => Ok(prepared),
            Err(RenderFailure::Invalid(problems)) => Err(problems),
            Err(RenderFailure::Source(error)) => return Err(InspectError::Source(error)),
            Err(RenderFailure::Cluster(error)) => return Err(InspectError::Cluster(error)),
        };
        Ok(Look { _place: place, desk, commit, prepared })
    }

    /// The commit of the branch that the digits name; the head if there are none.
    async fn commit(&self, branch: &Branch, digits: &str) -> Result<CommitId, InspectError> {
        if !digits.is_empty() && !names_a_commit(digits) {
            return Err(InspectError::Malformed(digits.to_owned()));
        }
        let head = self.source().fetch(branch).await.map_err(InspectError::Source)?;
        if digits.is_empty() {
            return Ok(head);
        }
        match self.source().matching(branch, head, digits).await.map_err(InspectError::Source)?[..] {
            [] => {
                let (commit, branch) = (digits.to_owned(), branch.source.branch.clone());
                Err(InspectError::NotOnBranch { commit, branch })
            }
            [commit] => Ok(commit),
            _ => Err(InspectError::Ambiguous(digits.to_owned())),
        }
    }
}

/// Whether these can be the first digits of a commit's id, and enough of them.
pub(crate) fn names_a_commit(digits: &str) -> bool {
    (SHORTEST_COMMIT..=40).contains(&digits.len()) && digits.chars().all(|digit| digit.is_ascii_hexdigit())
}
