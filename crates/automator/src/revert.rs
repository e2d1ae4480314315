//! From a proven failure back to the value before: whose doing it was, and what follows.
//!
//! A cluster says *that* a reference does not run; *why* it is there is read from Git, on the head at which a commit would be
//! made. Only a value that an update of ours wrote, and that still stands, is ever taken back. After that the place holds the
//! old value and the tag counts as undone there, by the branch's history alone.
//!
//! ```text
//!  Failure ─► attribute ─► evidence ─► judge ─┬─► revert ─► publish
//!             pure         I/O         pure   └─► hold, ignore, a person
//! ```

mod attribute;
mod evidence;
mod judge;

use async_trait::async_trait;
use lockstep_image::Reference;
use lockstep_registry::Repository;
use lockstep_repository::CommitId;

use crate::board::Board;
use crate::change_requests::Rejected;
use crate::clusters::Failure;
use crate::memory::Memory;
use crate::message::one_line;
use crate::places::PlaceId;
use crate::policy::OnFailure;
use crate::ports::Ports;
use crate::publish::{Batch, ChangeKind, Move, Moved, Proposal, publish};
use crate::settings::PlaceSettings;
use crate::stopped::StoppedTags;
use crate::survey::{self, Place, Survey};
use crate::turn::{Target, TurnError};
use crate::undone::tag_names;
use crate::update::edit_files;

use attribute::NotOurs;
pub(crate) use judge::Judgement;

/// What was decided about one failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) failure: Failure,
    /// The place that is its cause, if it is our doing, and what it holds.
    pub(crate) place: Option<(PlaceId, String)>,
    pub(crate) judgement: Judgement,
}

impl Judged {
    /// Whether it says nothing new, though the cluster may have applied other commits since.
    pub(crate) fn repeats(&self, known: &Self) -> bool {
        let what = |judged: &Self| {
            let Failure { cluster, sync, workload, reference, .. } = &judged.failure;
            (cluster.clone(), sync.clone(), workload.clone(), reference.clone())
        };
        self.judgement == known.judgement && what(self) == what(known)
    }
}

/// What looking at the failures of a branch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// The revert, if one was pushed.
    pub(crate) pushed: Option<CommitId>,
    /// Each failure with its judgement, on the last head that was looked at.
    pub(crate) judged: Vec<Judged>,
    /// What may go to no further place; what reverts took away says the branch.
    pub(crate) stopped: StoppedTags,
}

/// Looks at the failures of the target's branch, and takes back what must be.
///
/// # Errors
/// As a turn; the next look begins anew.
pub(crate) async fn react(
    target: &Target,
    ports: &Ports<'_>,
    memory: &mut Memory,
    board: &Board,
    failures: Vec<Failure>,
) -> Result<Reaction, TurnError> {
    let head = ports.branch.head().await?;
    let mut reverts = Reverts {
        ports,
        places: &target.places,
        memory,
        failures,
        rejected: Vec::new(),
        reaction: Reaction::default(),
    };
    let published = publish(&mut reverts, head, target, ports).await?;
    board.announce(&target.branch, published.head);
    let mut reaction = reverts.reaction;
    reaction.pushed = published.commit.map(|(commit, _)| commit);
    if target.requests.is_some() {
        let requested = match published.problems.into_iter().next() {
            None => Judgement::Request,
            Some(problem) => Judgement::Wait(problem.message),
        };
        let reverts = reaction.judged.iter_mut().filter(|judged| matches!(judged.judgement, Judgement::Revert(_)));
        reverts.for_each(|judged| judged.judgement = requested.clone());
    }
    Ok(reaction)
}

/// The reverts that the failures ask for, on whatever head.
struct Reverts<'a> {
    ports: &'a Ports<'a>,
    places: &'a PlaceSettings,
    memory: &'a mut Memory,
    failures: Vec<Failure>,
    /// What people closed the requests for.
    rejected: Vec<Rejected>,
    reaction: Reaction,
}

#[async_trait]
impl Proposal for Reverts<'_> {
    async fn at(&mut self, head: CommitId) -> Result<Option<Batch>, TurnError> {
        let Memory { files, history, .. } = &mut *self.memory;
        let survey = survey::survey(self.ports.branch, head, files, history, self.places).await?;
        self.reaction = Reaction::default();
        let mut moves: Vec<Move> = Vec::new();
        for failure in self.failures.clone() {
            let (mut judgement, place, mut wanted) = self.judge(&failure, &survey, head).await?;
            if wanted.iter().any(|change| self.is_rejected(change)) {
                let reason = "the request to take it back was closed; revert it by hand, or choose another tag";
                judgement = Judgement::Person(reason.to_owned());
                wanted.clear();
            }
            for change in wanted {
                if !moves.iter().any(|known| known.place == change.place) {
                    moves.push(change);
                }
            }
            self.reaction.judged.push(Judged { failure, place, judgement });
        }
        let (files, made, refused) = edit_files(self.ports, head, moves).await?;
        for (change, problem) in refused {
            for judged in self.reaction.judged.iter_mut().filter(|judged| judged.judgement.reverts(&change.place)) {
                judged.judgement = Judgement::Person(problem.message.clone());
            }
        }
        for change in &made {
            let Some(place) = survey.places.iter().find(|place| place.id == change.place) else { continue };
            for tag in tags_above(place, &change.to) {
                let reason = format!("it is taken back at {}", place.id);
                self.reaction.stopped.stop(place.repository.clone(), tag, reason);
            }
        }
        Ok((!made.is_empty()).then_some(Batch { kind: ChangeKind::Revert, moves: made, files, requested: None }))
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Revert
    }

    fn reject(&mut self, rejected: &[Rejected]) {
        self.rejected = rejected.to_vec();
    }
}

impl Reverts<'_> {
    /// Whether people closed the request for this very move. One from another value is another matter.
    fn is_rejected(&self, change: &Move) -> bool {
        let Moved { place, from, to } = change.moved();
        self.rejected
            .iter()
            .any(|rejected| rejected.place == place && rejected.from == from && rejected.reference == to)
    }

    async fn judge(
        &mut self,
        failure: &Failure,
        survey: &Survey,
        head: CommitId,
    ) -> Result<(Judgement, Option<(PlaceId, String)>, Vec<Move>), TurnError> {
        let history = &self.memory.history;
        // Where it is not known what was applied before, the update that wrote the reference still must be applied.
        let within = |commit| history.is_within(commit, failure.before, failure.applied);
        let ours = match attribute::attribute(failure, &survey.places, within) {
            Ok(ours) => ours,
            Err(NotOurs { reason, overtaken }) => {
                let stops = overtaken.filter(|place| place.policy.on_failure != OnFailure::Ignore);
                if let (Some(place), Ok(reference)) = (stops, failure.reference.parse::<Reference>()) {
                    for tag in tag_names(&reference) {
                        let reason = format!("{} said of {} that it does not run", failure.cluster, place.id);
                        self.reaction.stopped.stop(Repository::from(&reference), tag, reason);
                    }
                }
                return Ok((Judgement::Nothing(reason), None, Vec::new()));
            }
        };
        let hit = Some((ours.hit.id.clone(), ours.hit.text.clone()));
        let evidence = evidence::gather(&ours, self.ports, head).await?;
        let judgement = judge::judge(failure, &ours, &evidence);
        if let Some(reason) = judgement.stops() {
            for tag in tag_names(&ours.hit.reference) {
                let reason = format!("{} says that it does not run: {reason}", failure.cluster);
                self.reaction.stopped.stop(ours.hit.repository.clone(), tag, reason);
            }
        }
        if !matches!(judgement, Judgement::Revert(_)) {
            return Ok((judgement, hit, Vec::new()));
        }
        let moves: Result<Vec<Move>, String> =
            ours.together.iter().map(|(place, from)| a_move(place, from, failure, &ours)).collect();
        Ok(match moves {
            Ok(moves) => (judgement, hit, moves),
            Err(reason) => (Judgement::Person(reason), hit, Vec::new()),
        })
    }
}

/// The tags that our standing updates wrote at the place since it held `text`.
fn tags_above(place: &Place, text: &str) -> Vec<String> {
    let run = place.history.standing();
    let first = run.iter().rposition(|update| update.from == text).unwrap_or(run.len());
    let written = run.iter().skip(first).filter_map(|update| update.to.parse().ok());
    written.flat_map(|reference: Reference| tag_names(&reference)).collect()
}

fn takes_back(commits: &[CommitId]) -> String {
    match commits {
        [commit] => format!("takes back what commit {commit} wrote"),
        _ => {
            let commits: Vec<String> = commits.iter().map(ToString::to_string).collect();
            format!("takes back what these commits wrote, none of which is known to have run: {}", commits.join(" "))
        }
    }
}

fn a_move(place: &Place, from: &str, failure: &Failure, ours: &attribute::Ours<'_>) -> Result<Move, String> {
    let Failure { cluster, sync, workload, message, .. } = failure;
    let old: Reference = from.parse().map_err(|error: lockstep_image::ReferenceError| error.to_string())?;
    Ok(Move {
        place: place.id.clone(),
        edits: place.image.write(&old)?,
        line: place.line,
        from: place.text.clone(),
        to: from.to_owned(),
        tag: old.tag().unwrap_or(from).to_owned(),
        digest: None,
        group: place.policy.group.clone(),
        evidence: vec![
            takes_back(&ours.commits),
            one_line(&format!("failed in {cluster}, Sync {sync}: {workload}: {message}")),
        ],
    })
}

#[cfg(test)]
mod tests;
