//! `Trigger` with `wait`: until a commit, or a later one, has come to an end, good or bad.

use std::sync::Arc;

use lockstep_api::v1::Outcome;
use lockstep_repository::CommitId;
use tonic::{Code, Status};

use super::SyncsService;
use super::refusal::{Reason, refusal, unreadable};
use crate::board::{SyncKey, SyncSnapshot};
use crate::nudge::Nudge;
use crate::ports::Branch;

/// Starts a turn and waits for the head of the branch, which must hold `commit` if one is given. `turns` is how many
/// turns had ended before. The caller bounds the time.
pub(super) async fn wait(
    service: &SyncsService,
    key: &SyncKey,
    commit: Option<CommitId>,
    turns: u64,
) -> Result<(Arc<SyncSnapshot>, Outcome), Status> {
    let mut board = service.inspector.board().subscribe();
    let mut looked_at = turns;
    let mut target = head(service, key, commit).await?;
    service.nudges.nudge(key, Nudge::Fetch);
    loop {
        let snapshot = board.borrow_and_update().get(key).cloned();
        let snapshot = snapshot
            .ok_or_else(|| refusal(Code::NotFound, Reason::SyncUnknown, format!("the Sync {key} was deleted")))?;
        if snapshot.spec.suspend {
            return Ok((snapshot, Outcome::Suspended));
        }
        if target.is_none() && snapshot.turns > looked_at {
            looked_at = snapshot.turns;
            target = head(service, key, commit).await?;
        }
        if target.is_some_and(|target| has_seen(&snapshot, target, turns))
            && let Some(outcome) = settled(&snapshot)
        {
            return Ok((snapshot, outcome));
        }
        board.changed().await.map_err(|_| super::stopping())?;
    }
}

/// The head of the branch, once `commit` is part of it.
async fn head(service: &SyncsService, key: &SyncKey, commit: Option<CommitId>) -> Result<Option<CommitId>, Status> {
    let source = service.known(key)?.spec.source.clone();
    let branch = Branch { namespace: key.namespace.clone(), source };
    let head = service.inspector.source().fetch(&branch).await.map_err(|error| unreadable(&error))?;
    Ok(match commit {
        // The clone holds what the branch held: then the head is that commit or a later one.
        Some(commit) if commit != head && service.inspector.source().tree(&branch, commit).await.is_err() => None,
        _ => Some(head),
    })
}

/// Whether a turn that knew this head has ended. The turn that was under way when we asked may not have known it; the one
/// after it did, or knew a later one.
fn has_seen(snapshot: &SyncSnapshot, head: CommitId, turns: u64) -> bool {
    let fetched = snapshot.status.fetched.as_ref().is_some_and(|fetched| fetched.commit == head.to_string());
    snapshot.turns > turns && (fetched || snapshot.turns > turns + 1)
}

/// How the last turn came out; `None` while that is still open.
pub(super) fn settled(snapshot: &SyncSnapshot) -> Option<Outcome> {
    let conditions = &snapshot.status.conditions;
    let reason = |kind: &str| {
        let holds = conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")?;
        Some(holds.reason.as_str())
    };
    if reason("Ready").is_some() {
        return Some(Outcome::Ready);
    }
    Some(match reason("Stalled")? {
        "PruneHeld" => Outcome::Held,
        "Unhealthy" => Outcome::Unhealthy,
        _ => Outcome::Failed,
    })
}
