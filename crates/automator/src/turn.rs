//! One turn of one branch: look at the registries, decide, edit, publish.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_registry::Repository;
use lockstep_repository::CommitId;

use crate::allow::AllowedRepositories;
use crate::board::{Board, BranchKey, Problem};
use crate::change_requests::Requests;
use crate::memory::Memory;
use crate::message::MessageTemplate;
use crate::ports::{PortError, Ports};
use crate::publish::{self, Move, Moved, Proposal as _};
use crate::rhythm::Pace;
use crate::settings::PlaceSettings;
use crate::update::{Seen, Updates};

/// So long after a change request could not be made as it should be, it is tried again.
const AFTER_PROBLEMS: SignedDuration = SignedDuration::from_secs(60);

/// Runs one turn: fetch the branch; list, decide and edit on its tree; push one commit. Where others push first, all but the
/// listing is done again on what they pushed.
///
/// # Errors
/// What keeps the whole branch from being read or written. What concerns one file, object, place or image repository is in
/// the outcome and on the board, and stops nothing else.
pub async fn turn(
    target: &Target,
    wake: Wake,
    memory: &mut Memory,
    ports: &Ports<'_>,
    board: &Board,
) -> Result<Outcome, TurnError> {
    let began = ports.clock.now();
    let head = ports.branch.head().await?;
    if wake == Wake::Git
        && let Some(same) = memory.still_settled(head, ports.clock.now())
    {
        return Ok(same);
    }
    memory.settled = None;
    memory.listings.begin_turn(began);
    let mut updates = Updates { target, memory, ports, board, wake, seen: Seen::default() };
    let published = match publish::publish(&mut updates, head, target, ports).await {
        Ok(published) => published,
        Err(error) => {
            updates.add_problems(vec![Problem { category: error.category(), message: error.to_string() }]);
            return Err(error);
        }
    };
    if !published.problems.is_empty() {
        let again = ports.clock.now() + AFTER_PROBLEMS;
        updates.seen.again_at = updates.seen.again_at.into_iter().chain([again]).min();
    }
    updates.add_problems(published.problems);
    if let Some((commit, _)) = &published.commit {
        updates.memory.last_update = Some(ports.clock.now());
        // The commit stands, whatever comes of looking at its tree for those who read the board.
        if let Err(error) = updates.at(*commit).await {
            tracing::warn!(%error, %commit, "pushed, and not looked at since");
        }
    }
    let Seen { places, held, listed, unanswered, problems, again_at, .. } = updates.seen;
    let (pushed, moved) = match published.commit {
        Some((commit, batch)) => (Some(commit), batch.moves.iter().map(Move::moved).collect()),
        None => (None, Vec::new()),
    };
    let outcome = Outcome { head: published.head, pushed, moved, places, held, listed, unanswered, problems, again_at };
    memory.settled = Some(outcome.clone());
    Ok(outcome)
}

/// The branch that turns are about, and what its settings say.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which branch.
    pub branch: BranchKey,
    /// The image repositories that may be contacted.
    pub allowed: AllowedRepositories,
    /// How long after a commit further changes are gathered for the next one.
    pub batch: Duration,
    /// How often image repositories are listed.
    pub pace: Pace,
    /// What the settings say of places.
    pub places: Arc<PlaceSettings>,
    /// What commits say.
    pub message: MessageTemplate,
    /// Where changes are proposed instead of being pushed.
    pub(crate) requests: Option<Arc<dyn Requests>>,
}

impl Target {
    /// A branch of which nothing particular is said.
    #[must_use]
    pub fn new(branch: BranchKey) -> Self {
        Self {
            branch,
            allowed: AllowedRepositories::new([], []),
            batch: Duration::ZERO,
            pace: Pace { shortest: Duration::from_secs(3600), longest: Duration::from_secs(3600) },
            places: Arc::default(),
            message: MessageTemplate::default(),
            requests: None,
        }
    }
}

/// What a turn has to look at. The branch is always fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The branch, and image repositories only where they are new or due.
    Git,
    /// Every image repository that a place names.
    Registries,
    /// These image repositories, where a place names them.
    Images(BTreeSet<Repository>),
}

/// What a turn came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Where the branch is after the turn.
    pub head: CommitId,
    /// The commit that was pushed.
    pub pushed: Option<CommitId>,
    /// What it moved.
    pub moved: Vec<Moved>,
    /// How many places are considered.
    pub places: usize,
    /// How many of them are held.
    pub held: usize,
    /// How many image repositories were asked for their tags.
    pub listed: usize,
    /// How many of those that somebody waits for have not answered yet.
    pub unanswered: usize,
    /// What could not be read or done; the board has the same.
    pub problems: Vec<Problem>,
    /// When a turn with [`Wake::Git`] should follow, whatever else happens: changes wait for the batch, or a listing is in doubt
    /// or under way.
    pub again_at: Option<Timestamp>,
}

impl Outcome {
    /// With what came of a turn before, when not all had answered.
    pub(crate) fn after(self, before: Option<Self>) -> Self {
        let Some(Self { pushed, mut moved, listed, .. }) = before else { return self };
        moved.extend(self.moved);
        Self { pushed: self.pushed.or(pushed), moved, listed: listed + self.listed, ..self }
    }
}

/// Why a turn ended early. Nothing was pushed; the next turn begins anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    /// The branch could not be read or written.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The server does not take our commits.
    #[error("{branch}: the push was rejected: {reason}; let this account push to the branch, or set pull-requests")]
    Rejected {
        /// Which branch.
        branch: BranchKey,
        /// What the server said.
        reason: String,
    },
    /// Others pushed first, each time.
    #[error("{branch}: {attempts} pushes in a row were overtaken by others; the next turn tries again")]
    Raced {
        /// Which branch.
        branch: BranchKey,
        /// How many.
        attempts: u32,
    },
}

impl TurnError {
    /// A word for metric labels; the set is closed.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Port(error) => error.category,
            Self::Rejected { .. } => "rejected",
            Self::Raced { .. } => "raced",
        }
    }
}

#[cfg(test)]
mod tests;
