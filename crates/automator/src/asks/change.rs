//! What a person asks for, as one commit in that person's name.

mod annotate;
mod release;

use async_trait::async_trait;
use lockstep_daemon::Identity;
use lockstep_repository::{CommitId, Signature};

use super::find::{self, Found};
use super::{ChangeQuestion, Changed, Refusal, Wish};
use crate::memory::Memory;
use crate::message::{self, Wanted};
use crate::ports::{FileChange, Ports};
use crate::publish::{Batch, ChangeKind, Move, Proposal, Requested, publish};
use crate::subject::Subject;
use crate::turn::{Target, TurnError};

/// Commits what is asked for. A lost race is decided again on what others pushed.
///
/// # Errors
/// Why nothing was committed.
pub(crate) async fn change(
    question: &ChangeQuestion,
    target: &Target,
    memory: &mut Memory,
    ports: &Ports<'_>,
) -> Result<Changed, Refusal> {
    let head = ports.branch.head().await?;
    let mut proposed =
        Proposed { question, target, memory, ports, summary: String::new(), is_needed: false, refusal: None };
    let published = publish(&mut proposed, head, target, ports).await?;
    if let Some(refusal) = proposed.refusal {
        return Err(refusal);
    }
    if let Some(problem) = published.problems.first() {
        return Err(Refusal::Unfit(problem.message.clone()));
    }
    let commit = published.commit.map(|(commit, _)| commit);
    let requested = commit.is_none() && proposed.is_needed;
    Ok(Changed { commit, requested, summary: proposed.summary })
}

/// The commit that is asked for, on whatever head.
struct Proposed<'a> {
    question: &'a ChangeQuestion,
    target: &'a Target,
    memory: &'a mut Memory,
    ports: &'a Ports<'a>,
    summary: String,
    /// Something is to be committed.
    is_needed: bool,
    refusal: Option<Refusal>,
}

/// What one wish comes to on one tree.
struct Fulfilled {
    summary: String,
    word: &'static str,
    files: Vec<FileChange>,
    moves: Vec<Move>,
    objects: Vec<String>,
}

#[async_trait]
impl Proposal for Proposed<'_> {
    fn kind(&self) -> ChangeKind {
        ChangeKind::Request
    }

    async fn at(&mut self, head: CommitId) -> Result<Option<Batch>, TurnError> {
        self.refusal = None;
        match self.fulfil(head).await {
            Ok(fulfilled) => {
                self.summary.clone_from(&fulfilled.summary);
                self.is_needed = !fulfilled.files.is_empty();
                Ok((!fulfilled.files.is_empty()).then(|| batch(fulfilled, &self.question.who)))
            }
            Err(refusal) => {
                self.refusal = Some(refusal);
                Ok(None)
            }
        }
    }
}

impl Proposed<'_> {
    async fn fulfil(&mut self, head: CommitId) -> Result<Fulfilled, Refusal> {
        let (subject, who) = (&self.question.subject, &self.question.who);
        let found = one(subject, who, find::find(self.ports.branch, head, subject, who).await?)?;
        match &self.question.wish {
            Wish::Release { tag, force } => {
                release::release(tag, *force, &found, subject, head, self.target, self.memory, self.ports).await
            }
            wish => annotate::annotate(wish, &found, subject),
        }
    }
}

/// The one object that is meant.
fn one(subject: &Subject, who: &Identity, (mut found, problems): (Vec<Found>, Vec<String>)) -> Result<Found, Refusal> {
    match (found.len(), found.pop()) {
        (1, Some(one)) => Ok(one),
        (0, _) if problems.is_empty() && who.paths.is_some() => Err(Refusal::Denied(format!(
            "there is nothing of that name in the folders that the token of {} lists",
            who.name
        ))),
        (0, _) if problems.is_empty() => {
            let container = subject.container().map(|container| format!(", or no container {container} in it"));
            let container = container.unwrap_or_default();
            Err(Refusal::NotFound(format!("there is nothing of that name below the configured paths{container}")))
        }
        (0, _) => Err(Refusal::Unfit(format!(
            "there is nothing of that name, and not all can be read: {}",
            problems.join("; ")
        ))),
        (_, last) => {
            let mut places: Vec<String> = found
                .iter()
                .chain(&last)
                .flat_map(|found| found.images.iter().map(|image| found.place(image).to_string()))
                .collect();
            places.sort();
            Err(Refusal::Unfit(format!("that name fits several; name one of {}", places.join(", "))))
        }
    }
}

/// `NAMESPACE/NAME`, or what stands for it where there is no object.
fn named(found: &Found) -> String {
    let id = &found.id;
    match (id.namespace.is_empty(), id.name.is_empty()) {
        (_, true) => found.file.clone(),
        (true, false) => id.name.clone(),
        (false, false) => format!("{}/{}", id.namespace, id.name),
    }
}

fn batch(fulfilled: Fulfilled, who: &Identity) -> Batch {
    let Fulfilled { summary, word, files, moves, objects } = fulfilled;
    let message = message::write_wanted(&Wanted {
        subject: summary,
        word,
        moves: &moves,
        objects: &objects,
        requested_by: &who.name,
    });
    // Git writes a name and an address between angle brackets on one line.
    let plain = |text: &str| text.chars().filter(|letter| !letter.is_control() && !"<>".contains(*letter)).collect();
    let by = Signature { name: plain(&who.name), email: plain(who.email.as_deref().unwrap_or_default()) };
    Batch { kind: ChangeKind::Request, moves, files, requested: Some(Requested { by, message }) }
}
