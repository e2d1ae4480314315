//! What people ask of a branch over the API. Its loop answers, so that nothing is decided or committed beside it.
//!
//! ```text
//! server ─Bell::ask─► loop ─┬─► explain   survey, choose
//!                           ├─► history   the branch's commits
//!                           └─► change    find, edit, publish
//! ```

mod change;
mod explain;
mod find;
mod history;

use jiff::Timestamp;
use lockstep_daemon::Identity;
use lockstep_image::Judged;
use lockstep_registry::Repository;
use lockstep_repository::CommitId;
use tokio::sync::oneshot;

use crate::board::PlaceState;
use crate::ports::PortError;
use crate::subject::Subject;
use crate::turn::TurnError;

pub(crate) use change::change;
pub(crate) use explain::explain;
pub(crate) use history::history;

/// A question, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Pending<Q, A> {
    pub(crate) question: Q,
    answer: oneshot::Sender<Result<A, Refusal>>,
}

impl<Q, A> Pending<Q, A> {
    pub(crate) fn new(question: Q) -> (Self, oneshot::Receiver<Result<A, Refusal>>) {
        let (answer, receiver) = oneshot::channel();
        (Self { question, answer }, receiver)
    }

    pub(crate) fn answer(self, answer: Result<A, Refusal>) {
        // Who hung up does not want to know.
        let _ = self.answer.send(answer);
    }
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Request {
    Explain(Pending<ExplainQuestion, Explained>),
    History(Pending<HistoryQuestion, HistoryPage>),
    Change(Pending<ChangeQuestion, Changed>),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done as things are.
    #[error("{0}")]
    Unfit(String),
    /// It cannot be meant.
    #[error("{0}")]
    Invalid(String),
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// Git or a registry did not answer; it may be asked again.
    #[error("{0}")]
    Unanswered(String),
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        Self::Unanswered(error.message)
    }
}

impl From<TurnError> for Refusal {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::Rejected { .. } => Self::Unfit(error.to_string()),
            _ => Self::Unanswered(error.to_string()),
        }
    }
}

/// Why the places of something are as they are.
#[derive(Debug)]
pub(crate) struct ExplainQuestion {
    pub(crate) subject: Subject,
    pub(crate) who: Identity,
    /// As many tags of each place are told.
    pub(crate) limit: usize,
}

/// The places, by file and line.
#[derive(Debug, Default)]
pub(crate) struct Explained {
    pub(crate) places: Vec<ExplainedPlace>,
    /// What is wrong in the files that hold the subject.
    pub(crate) problems: Vec<String>,
}

/// One place.
#[derive(Debug)]
pub(crate) struct ExplainedPlace {
    pub(crate) state: PlaceState,
    pub(crate) undone: Vec<String>,
    pub(crate) tags: Vec<ExplainedTag>,
    pub(crate) tags_total: usize,
}

/// One tag: what the rules make of it, and what is known of it.
#[derive(Debug)]
pub(crate) struct ExplainedTag {
    pub(crate) judged: Judged,
    pub(crate) pushed: Option<Timestamp>,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) created: Option<Timestamp>,
}

/// What happened.
#[derive(Debug)]
pub(crate) struct HistoryQuestion {
    pub(crate) subject: Subject,
    pub(crate) image: Option<Repository>,
    pub(crate) who: Identity,
    /// As many entries.
    pub(crate) limit: usize,
    /// Only what was before this commit.
    pub(crate) before: Option<CommitId>,
}

/// Entries, newest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HistoryPage {
    pub(crate) entries: Vec<HistoryEntry>,
    /// There are more.
    pub(crate) more: bool,
}

/// A commit that did something to images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryEntry {
    pub(crate) commit: CommitId,
    pub(crate) at: Timestamp,
    pub(crate) author: String,
    pub(crate) requested_by: Option<String>,
    /// What the commit says that it is, where its bytes agree, or `edit`.
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) changes: Vec<PlaceChange>,
}

/// What it did to one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlaceChange {
    pub(crate) place: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// What is to be committed.
#[derive(Debug)]
pub(crate) struct ChangeQuestion {
    pub(crate) subject: Subject,
    pub(crate) who: Identity,
    pub(crate) wish: Wish,
}

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The containers get this tag; with `force` where they are locked too.
    Release {
        tag: String,
        force: bool,
    },
    Lock {
        reason: String,
    },
    Unlock,
    Automate,
    Deautomate,
    Policy(String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// None if everything was so already, or is requested.
    pub(crate) commit: Option<CommitId>,
    /// A change request is open for it.
    pub(crate) requested: bool,
    /// The subject of the commit.
    pub(crate) summary: String,
}

#[cfg(test)]
mod tests;
