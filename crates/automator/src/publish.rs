//! One commit per batch and branch, with the evidence in it. Where others pushed first, the proposal is made again.

use std::time::Duration;

use async_trait::async_trait;
use lockstep_manifest::ScalarEdit;
use lockstep_repository::{CommitId, PushOutcome, Signature};

use crate::board::Problem;
use crate::change_requests::{self, Rejected};
use crate::message;
use crate::places::PlaceId;
use crate::ports::{FileChange, PortError, Ports};
use crate::turn::{Target, TurnError};

/// As often a proposal is made again after a lost race.
const ATTEMPTS: u32 = 5;

/// What one commit changed at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// `FILE#KIND/NAMESPACE/NAME/CONTAINER`.
    pub place: String,
    /// The reference before.
    pub from: String,
    /// The reference after.
    pub to: String,
}

/// Why a commit of ours was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A newer tag.
    Update,
    /// Back to the value before an update of ours that does not run.
    Revert,
    /// What a person asked for.
    Request,
}

impl ChangeKind {
    /// Its word in commits, templates and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Revert => "revert",
            Self::Request => "request",
        }
    }
}

/// Who asked for a commit, and what it says instead of what it would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requested {
    /// The author.
    pub(crate) by: Signature,
    pub(crate) message: String,
}

/// One place's part of a commit, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) place: PlaceId,
    /// What changes in the file.
    pub(crate) edits: Vec<ScalarEdit>,
    pub(crate) line: usize,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) tag: String,
    /// What the registry says that the new tag is, if it was asked.
    pub(crate) digest: Option<String>,
    /// What it moves with.
    pub(crate) group: Option<String>,
    /// Sentences for the body of the commit.
    pub(crate) evidence: Vec<String>,
}

impl Move {
    pub(crate) fn moved(&self) -> Moved {
        Moved { place: self.place.to_string(), from: self.from.clone(), to: self.to.clone() }
    }
}

/// What a commit on top of one head would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) kind: ChangeKind,
    /// At least one, unless a person asked for something else than a tag.
    pub(crate) moves: Vec<Move>,
    /// The files as they become.
    pub(crate) files: Vec<FileChange>,
    pub(crate) requested: Option<Requested>,
}

/// What is proposed depends on the head, and is made anew on each.
#[async_trait]
pub(crate) trait Proposal: Send + Sync {
    /// Decides on the tree of `head`; none if there is nothing to commit.
    async fn at(&mut self, head: CommitId) -> Result<Option<Batch>, TurnError>;

    /// What its batches are.
    fn kind(&self) -> ChangeKind;

    /// Whether what keeps a place out of the last batch may pass by itself: then an open request for it stays.
    fn doubts(&self, _place: &str) -> bool {
        true
    }

    /// Is told what people rejected, before it decides.
    fn reject(&mut self, _rejected: &[Rejected]) {}
}

/// What publishing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// Where the branch is now.
    pub(crate) head: CommitId,
    /// The commit, if there was something to commit.
    pub(crate) commit: Option<(CommitId, Batch)>,
    /// What keeps change requests from being what they should be.
    pub(crate) problems: Vec<Problem>,
}

/// Commits what is proposed on `head` and pushes it. A lost race fetches, and asks the proposal again. Where the settings
/// want change requests, it opens these instead.
///
/// A crash between commit and push leaves nothing: the commit exists in the clone only.
pub(crate) async fn publish(
    proposal: &mut dyn Proposal,
    mut head: CommitId,
    target: &Target,
    ports: &Ports<'_>,
) -> Result<Published, TurnError> {
    if let Some(forge) = &target.requests {
        return change_requests::request(proposal, head, target, &**forge, ports).await;
    }
    let branch = &target.branch;
    for attempt in 1..=ATTEMPTS {
        let Some(batch) = proposal.at(head).await? else {
            return Ok(Published { head, commit: None, problems: Vec::new() });
        };
        let commit = commit(target, head, &batch, ports).await?;
        match ports.branch.push(commit).await? {
            PushOutcome::Pushed => {
                tracing::info!(%branch, %commit, places = batch.moves.len(), kind = ?batch.kind, "pushed");
                return Ok(Published { head: commit, commit: Some((commit, batch)), problems: Vec::new() });
            }
            PushOutcome::Rejected { reason } => return Err(TurnError::Rejected { branch: branch.clone(), reason }),
            PushOutcome::Raced => {
                tracing::info!(%branch, attempt, "others pushed first; deciding again on their tree");
                ports.clock.pause(backoff(attempt, ports)).await;
                head = ports.branch.head().await?;
            }
        }
    }
    Err(TurnError::Raced { branch: branch.clone(), attempts: ATTEMPTS })
}

/// Makes the commit of a batch; it is nobody's but the clone's until it is pushed.
pub(crate) async fn commit(
    target: &Target,
    parent: CommitId,
    batch: &Batch,
    ports: &Ports<'_>,
) -> Result<CommitId, PortError> {
    let (message, author) = match &batch.requested {
        Some(requested) => {
            (requested.message.clone() + &message::sign_off(&target.message), Some(requested.by.clone()))
        }
        None => (message::write(batch, &target.message), None),
    };
    ports.branch.commit(parent, batch.files.clone(), message, author, ports.clock.now()).await
}

/// Longer each time, and not the same for two automators that lost to each other.
fn backoff(attempt: u32, ports: &Ports<'_>) -> Duration {
    let jitter = ports.clock.now().subsec_nanosecond().unsigned_abs() % 100_000_000;
    Duration::from_millis(50) * attempt + Duration::from_nanos(jitter.into())
}

#[cfg(test)]
mod tests;
