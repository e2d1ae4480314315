//! From what is known of a Sync to what the automator is told of it.

use futures::{Stream, StreamExt};
use lockstep_api::v1::{ClusterEvent, Verdict, Workload};

use crate::board::{self, Board, SyncSnapshot, WorkloadState};
use crate::changes::{Change, changes};
use crate::server::{proto_time, shown_url};

/// Longer explanations are cut: a message may not be larger than the server takes.
const LONGEST_MESSAGE: usize = 500;

/// The state of every Sync, then that of each whose state changes. Never ends.
pub(super) fn events(board: &Board) -> impl Stream<Item = ClusterEvent> + Send + use<> {
    changes(board, |snapshot| Some(event(snapshot))).map(|change| {
        let event = match change {
            Change::Is(event) => event,
            // The last word is that nothing of it runs.
            Change::Gone(ClusterEvent { sync, repository, branch, path, .. }) => {
                ClusterEvent { sync, repository, branch, path, ..ClusterEvent::default() }
            }
        };
        ClusterEvent { observed_at: Some(proto_time(jiff::Timestamp::now())), ..event }
    })
}

fn event(snapshot: &SyncSnapshot) -> ClusterEvent {
    let source = &snapshot.spec.source;
    let applied = snapshot.status.applied.as_ref().map(|applied| applied.commit.clone());
    ClusterEvent {
        sync: snapshot.key.to_string(),
        repository: shown_url(&source.repository),
        branch: source.branch.clone(),
        path: source.path.clone(),
        applied_commit: applied.unwrap_or_default(),
        previous_commit: snapshot.previous_commit.clone().unwrap_or_default(),
        workloads: snapshot.workloads.iter().map(workload).collect(),
        observed_at: None,
    }
}

fn workload(state: &WorkloadState) -> Workload {
    let verdict = match state.verdict {
        board::Verdict::Live => Verdict::Live,
        board::Verdict::Failed => Verdict::Failed,
        board::Verdict::Inconclusive => Verdict::Inconclusive,
        board::Verdict::Progressing => Verdict::Progressing,
    };
    let end = state.message.floor_char_boundary(LONGEST_MESSAGE.min(state.message.len()));
    Workload {
        group: state.object.group.clone(),
        kind: state.object.kind.clone(),
        namespace: state.object.namespace.clone(),
        name: state.object.name.clone(),
        container: state.container.clone(),
        reference: state.reference.clone(),
        verdict: verdict.into(),
        since: Some(proto_time(state.since)),
        message: state.message[..end].to_owned(),
        last_live: state.last_live.clone().unwrap_or_default(),
    }
}
