//! Pull-request mode: what would be committed is proposed as change requests instead.
//!
//! Each group has a branch of ours with one commit on the base branch, and one request. Nothing is remembered: what is open
//! and what was closed is read from the forge, what a branch holds from Git. Done twice it changes nothing, so a crash
//! anywhere is made good by the next look.
//!
//! ```text
//!  closed requests ─► rejected ─► propose ─► one batch a group ─► branch ─► request
//!                                                                 └─► open requests without need ─► closed
//! ```

mod body;
mod branches;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use lockstep_forge::Request;
use lockstep_repository::{CommitId, PushOutcome};

use crate::board::Problem;
use crate::ports::{PortError, Ports};
use crate::publish::{Batch, ChangeKind, Move, Moved, Proposal, Published, commit};
use crate::turn::{Target, TurnError};
use crate::update::edit_files;

pub(crate) use body::Texts;

/// The change requests of one base branch, as the settings want them.
#[async_trait]
pub(crate) trait Requests: fmt::Debug + Send + Sync {
    /// The open ones from branches of ours.
    async fn open(&self) -> Result<Vec<Request>, PortError>;

    /// Those that were closed without being merged, as far back as the forge is asked.
    async fn closed(&self) -> Result<Vec<Request>, PortError>;

    /// Opens one.
    async fn create(&self, branch: &str, title: &str, body: &str) -> Result<Request, PortError>;

    /// Gives one another title and description.
    async fn rewrite(&self, request: &Request, title: &str, body: &str) -> Result<(), PortError>;

    /// Adds the labels, and enables auto-merge, as far as they are wanted and missing.
    async fn equip(&self, request: &Request, commit: CommitId) -> Result<(), PortError>;

    /// Closes one without merging it.
    async fn close(&self, request: &Request, body: &str) -> Result<(), PortError>;

    /// What the settings say of titles and descriptions.
    fn texts(&self) -> &Texts;
}

/// A reference that people did not want at a place: they closed its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// `FILE#KIND/NAMESPACE/NAME/CONTAINER`.
    pub(crate) place: String,
    /// The reference that it would have replaced.
    pub(crate) from: String,
    /// The whole reference.
    pub(crate) reference: String,
    /// When the request was closed.
    pub(crate) at: jiff::Timestamp,
}

/// Proposes on `head`, and makes branches and requests what they have to be for that.
pub(crate) async fn request(
    proposal: &mut dyn Proposal,
    head: CommitId,
    target: &Target,
    forge: &dyn Requests,
    ports: &Ports<'_>,
) -> Result<Published, TurnError> {
    let rejected: Vec<Rejected> = forge.closed().await?.iter().flat_map(body::rejected).collect();
    proposal.reject(&rejected);
    let batch = proposal.at(head).await?;
    let open = forge.open().await?;
    let mut desk = Desk { head, target, forge, ports, open, problems: Vec::new() };
    let wanted = desk.split(batch).await?;
    for (branch, batch) in &wanted {
        if let Err(error) = desk.propose(branch, batch, proposal).await {
            desk.problem(error.category, format!("{branch}: {}", error.message));
        }
    }
    desk.tidy(proposal, &wanted).await?;
    Ok(Published { head, commit: None, problems: desk.problems })
}

/// One look at the requests.
struct Desk<'a> {
    head: CommitId,
    target: &'a Target,
    forge: &'a dyn Requests,
    ports: &'a Ports<'a>,
    open: Vec<Request>,
    problems: Vec<Problem>,
}

impl Desk<'_> {
    fn problem(&mut self, category: &'static str, message: String) {
        tracing::warn!(branch = %self.target.branch, category, message, "a change request is not what it should be");
        self.problems.push(Problem { category, message });
    }

    /// One batch for each branch of ours.
    async fn split(&self, batch: Option<Batch>) -> Result<BTreeMap<String, Batch>, TurnError> {
        let Some(batch) = batch else { return Ok(BTreeMap::new()) };
        if batch.kind == ChangeKind::Request {
            return Ok(BTreeMap::from([(branches::of_request(&batch), batch)]));
        }
        let mut groups: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for change in batch.moves {
            groups.entry(branches::name(batch.kind, change.group.as_deref())).or_default().push(change);
        }
        let mut batches = BTreeMap::new();
        for (branch, moves) in groups {
            let (files, moves, _) = edit_files(self.ports, self.head, moves).await?;
            if !moves.is_empty() {
                batches.insert(branch, Batch { kind: batch.kind, moves, files, requested: None });
            }
        }
        Ok(batches)
    }

    /// Makes a branch and its request what they have to be.
    async fn propose(&mut self, branch: &str, batch: &Batch, proposal: &dyn Proposal) -> Result<(), PortError> {
        let open = self.open.iter().find(|request| request.branch == branch).cloned();
        if let Some(request) = &open
            && self.is_doubted(request, batch, proposal).await?
        {
            return Ok(());
        }
        let Some((commit, pushed)) = self.write(branch, batch).await? else { return Ok(()) };
        let (title, body) = self.forge.texts().write(batch, commit);
        let request = match open {
            Some(request) if !pushed && request.title == title && body::same(&request.body, &body) => request,
            Some(request) => {
                self.forge.rewrite(&request, &title, &body).await?;
                tracing::info!(request = request.url, branch, "change request rewritten");
                request
            }
            None => {
                let made = self.forge.create(branch, &title, &body).await?;
                tracing::info!(request = made.url, branch, "change request opened");
                made
            }
        };
        self.forge.equip(&request, commit).await
    }

    /// The commit that the branch has to hold, and whether it was pushed for that. None if the branch is left alone.
    async fn write(&mut self, branch: &str, batch: &Batch) -> Result<Option<(CommitId, bool)>, PortError> {
        let own = self.ports.branch.own(branch).await?;
        if let Some(own) = &own {
            if !own.by_us {
                let message = format!(
                    "{branch} holds commit {}, which is not Lockstep's: it is left as it is; merge it, or delete the branch",
                    own.tip.id
                );
                self.problem("own-branch", message);
                return Ok(None);
            }
            if branches::is_current(&own.tip, batch, self.head, self.ports).await? {
                return Ok(Some((own.tip.id, false)));
            }
        }
        let made = commit(self.target, self.head, batch, self.ports).await?;
        match self.ports.branch.replace(branch, made, own.map(|own| own.tip.id)).await? {
            PushOutcome::Pushed => {
                tracing::info!(branch, commit = %made, places = batch.moves.len(), "pushed for a change request");
                Ok(Some((made, true)))
            }
            PushOutcome::Raced => {
                self.problem("raced", format!("{branch} was written by somebody else at the same moment"));
                Ok(None)
            }
            PushOutcome::Rejected { reason } => {
                let message = format!("{branch}: the push was rejected: {reason}; let this account push to lockstep/*");
                self.problem("rejected", message);
                Ok(None)
            }
        }
    }

    /// Whether a request should stay as it is: it proposes all of the batch, and more that only a doubt keeps out of it.
    async fn is_doubted(&self, request: &Request, batch: &Batch, proposal: &dyn Proposal) -> Result<bool, PortError> {
        let said = body::read(&request.body);
        let wanted: Vec<Moved> = batch.moves.iter().map(Move::moved).collect();
        let more: Vec<Moved> = said
            .moved
            .iter()
            .filter(|moved| wanted.iter().all(|wanted| wanted.place != moved.place))
            .cloned()
            .collect();
        let whole = said.kind == Some(batch.kind) && wanted.iter().all(|wanted| said.moved.contains(wanted));
        Ok(whole && !more.is_empty() && self.is_kept(&more, proposal).await?)
    }

    /// Whether one of the moves is left to make and may be wanted again.
    async fn is_kept(&self, moves: &[Moved], proposal: &dyn Proposal) -> Result<bool, PortError> {
        let standing = standing::standing(moves, self.head, self.ports).await?;
        Ok(standing.iter().any(|left| left.unreadable || proposal.doubts(&left.place)))
    }

    /// Whether the base has all that a person asked for.
    async fn is_done(&self, request: &Request, moves: &[Moved]) -> Result<bool, PortError> {
        if !moves.is_empty() {
            return standing::are_made(moves, self.head, self.ports).await;
        }
        let Some(own) = self.ports.branch.own(&request.branch).await? else { return Ok(false) };
        branches::is_merged(&own.tip, self.head, self.ports).await
    }

    /// Closes the open requests that nothing wants any more, or that would change nothing. Updates come by at every look, so
    /// they do it for reverts and for what people asked for too; whether those are wanted is not theirs to say.
    async fn tidy(&self, proposal: &dyn Proposal, wanted: &BTreeMap<String, Batch>) -> Result<(), PortError> {
        let elsewhere: BTreeSet<String> =
            wanted.values().flat_map(|batch| batch.moves.iter().map(|change| change.place.to_string())).collect();
        for request in self.open.iter().filter(|request| !wanted.contains_key(&request.branch)) {
            let said = body::read(&request.body);
            let (kind, is_empty) = (proposal.kind(), said.moved.is_empty());
            let kept = if branches::is_of_request(&request.branch) {
                if kind == ChangeKind::Update && self.is_done(request, &said.moved).await? {
                    self.forge.close(request, &body::superseded(&request.body)).await?;
                    tracing::info!(request = request.url, "change request closed: all that it asks for is there");
                }
                continue;
            } else if said.kind == Some(kind) {
                let left: Vec<Moved> =
                    said.moved.into_iter().filter(|moved| !elsewhere.contains(&moved.place)).collect();
                self.is_kept(&left, proposal).await?
            } else if (kind, said.kind) == (ChangeKind::Update, Some(ChangeKind::Revert)) {
                !standing::standing(&said.moved, self.head, self.ports).await?.is_empty()
            } else {
                continue;
            };
            if !kept && !is_empty {
                self.forge.close(request, &body::superseded(&request.body)).await?;
                tracing::info!(request = request.url, "change request closed: nothing of it is wanted any more");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
