//! From what is known of a Sync to what the automator is told of it.

use futures::{Stream, StreamExt};
use lockstep_api::v1::{ClusterEvent, Verdict, Workload};
use lockstep_daemon::MESSAGE_LIMIT;
use prost::Message as _;

use crate::board::{self, Board, SyncSnapshot, WorkloadState};
use crate::changes::{Change, changes};
use crate::server::{proto_time, shown_url};

/// Longer explanations are cut.
const LONGEST_MESSAGE: usize = 500;
/// Where there are very many, they are cut to this.
const SHORT_MESSAGE: usize = 80;
/// The server takes no more; the time is added later.
const LARGEST_EVENT: usize = MESSAGE_LIMIT - 1024;

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
    let event = ClusterEvent {
        sync: snapshot.key.to_string(),
        repository: shown_url(&source.repository),
        branch: source.branch.clone(),
        path: source.path.clone(),
        applied_commit: applied.unwrap_or_default(),
        previous_commit: snapshot.previous_commit.clone().unwrap_or_default(),
        workloads: snapshot.workloads.iter().map(workload).collect(),
        observed_at: None,
    };
    fitting(event)
}

/// The event as large as the server takes it: with shorter explanations, and then without the workloads that prove least.
/// One that is too large would end the stream, and so silence the whole cluster.
fn fitting(mut event: ClusterEvent) -> ClusterEvent {
    if event.encoded_len() <= LARGEST_EVENT {
        return event;
    }
    for workload in &mut event.workloads {
        shorten(&mut workload.message, SHORT_MESSAGE);
    }
    let proves = |workload: &Workload| match workload.verdict() {
        Verdict::Failed => 0,
        Verdict::Live => 1,
        Verdict::Progressing => 2,
        Verdict::Inconclusive | Verdict::Unspecified => 3,
    };
    event.workloads.sort_by_key(proves);
    let all = event.workloads.len();
    let mut size = event.encoded_len();
    while size > LARGEST_EVENT
        && let Some(last) = event.workloads.pop()
    {
        // The bytes of a workload, and at least two in front of it.
        size -= last.encoded_len() + 2;
    }
    let left_out = all - event.workloads.len();
    tracing::warn!(sync = event.sync, left_out, of = all, "more workloads than the automator takes in one report");
    event
}

fn shorten(text: &mut String, longest: usize) {
    text.truncate(text.floor_char_boundary(longest.min(text.len())));
}

fn workload(state: &WorkloadState) -> Workload {
    let verdict = match state.verdict {
        board::Verdict::Live => Verdict::Live,
        board::Verdict::Failed => Verdict::Failed,
        board::Verdict::Inconclusive => Verdict::Inconclusive,
        board::Verdict::Progressing => Verdict::Progressing,
    };
    let mut message = state.message.clone();
    shorten(&mut message, LONGEST_MESSAGE);
    Workload {
        group: state.object.group.clone(),
        kind: state.object.kind.clone(),
        namespace: state.object.namespace.clone(),
        name: state.object.name.clone(),
        container: state.container.clone(),
        reference: state.reference.clone(),
        verdict: verdict.into(),
        since: Some(proto_time(state.since)),
        message,
        last_live: state.last_live.clone().unwrap_or_default(),
    }
}
