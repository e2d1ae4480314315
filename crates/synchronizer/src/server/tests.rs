//! The service over a board in process: rights, states, and how `Trigger` waits.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use lockstep_api::v1::syncs_server::Syncs as _;
use lockstep_cluster::Kind;
use lockstep_daemon::Identity;
use lockstep_repository::{BlobId, CommitId, TreeFile, TreeId};
use serde_json::json;
use tokio::task::JoinSet;
use tonic::Code;

use super::*;
use crate::board::Board;
use crate::ports::{Branch, Head, Source, SourceError};

const FIRST: &str = "1111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222";

/// A branch at a commit; the clone holds what the branch ever was at.
struct FakeBranch(Mutex<Vec<&'static str>>);

#[async_trait]
impl Source for FakeBranch {
    async fn head(&self, _: &Branch, _: Duration) -> Result<Head, SourceError> {
        let message = "git.example refused".to_owned();
        let away = SourceError { category: "network", message, transient: true };
        self.0.lock().unwrap().last().map(|head| Head { commit: head.parse().unwrap(), is_news: false }).ok_or(away)
    }

    async fn tree(&self, _: &Branch, commit: CommitId) -> Result<Option<TreeId>, SourceError> {
        let has = self.0.lock().unwrap().contains(&commit.to_string().as_str());
        let missing = SourceError { category: "object", message: "missing".into(), transient: false };
        if has { Ok(None) } else { Err(missing) }
    }

    async fn matching(&self, _: &Branch, head: CommitId, _: &str) -> Result<Vec<CommitId>, SourceError> {
        Ok(vec![head])
    }

    async fn files(&self, _: &Branch, _: CommitId) -> Result<Vec<TreeFile>, SourceError> {
        Ok(Vec::new())
    }

    async fn blobs(&self, _: &Branch, _: &[BlobId], _: u64) -> Vec<Result<Vec<u8>, SourceError>> {
        Vec::new()
    }
}

/// Remembers who was nudged.
#[derive(Default)]
struct Nudged(Mutex<Vec<SyncKey>>);

impl Nudges for Nudged {
    fn nudge(&self, sync: &SyncKey, nudge: Nudge) {
        assert_eq!(nudge, Nudge::Fetch);
        self.0.lock().unwrap().push(sync.clone());
    }

    fn nudge_branch(&self, _: &str, _: &str) -> usize {
        0
    }
}

/// Everybody may do everything in the namespace `lockstep` and nothing else.
struct OnlyLockstep;

#[async_trait]
impl Authorize for OnlyLockstep {
    async fn authorize(&self, caller: &Identity, _: Verb, namespace: &str, _: &str) -> Result<(), Status> {
        assert_eq!(caller.name, "alice");
        if namespace == "lockstep" { Ok(()) } else { Err(Status::permission_denied("no")) }
    }

    async fn may_read(&self, _: &Identity, _: &Kind, _: &str, _: &str) -> bool {
        false
    }
}

struct Bed {
    service: SyncsService,
    board: Board,
    branch: Arc<FakeBranch>,
    nudged: Arc<Nudged>,
    shutdown: Shutdown,
}

impl Bed {
    fn new(head: &'static str) -> Self {
        let (board, shutdown) = (Board::default(), Shutdown::new());
        let branch = Arc::new(FakeBranch(Mutex::new(vec![head])));
        let nudged = Arc::new(Nudged::default());
        let inspector = crate::stories::inspector(branch.clone(), board.clone(), shutdown.clone());
        let service = SyncsService::new(inspector, nudged.clone(), Arc::new(OnlyLockstep), shutdown.clone());
        Self { service, board, branch, nudged, shutdown }
    }

    /// The actor ends a turn.
    fn turn(&self, turns: u64, fetched: &str, condition: &str, reason: &str) {
        let status = json!({
            "fetched": {"commit": fetched, "at": "2027-01-01T00:00:00Z"},
            "conditions": [
                {"type": condition, "status": "True", "reason": reason, "message": "", "lastTransitionTime": "2027-01-01T00:00:00Z"},
            ],
        });
        self.board.publish(SyncSnapshot {
            key: shop(),
            spec: serde_json::from_value(json!({"source": {"repository": "https://git.example/c.git"}})).unwrap(),
            status: serde_json::from_value(status).unwrap(),
            previous_commit: None,
            workloads: Vec::new(),
            turns,
        });
    }

    async fn trigger(&self, wait: bool, commit: &str) -> Result<Outcome, Status> {
        let request = TriggerRequest { namespace: "lockstep".into(), name: "shop".into(), wait, commit: commit.into() };
        let answer = self.service.trigger(by_alice(request)).await?;
        Ok(Outcome::try_from(answer.into_inner().outcome).unwrap())
    }

    /// A `Trigger` with wait that has nudged the actor and waits.
    async fn waiting(&self, commit: &'static str) -> JoinSet<Result<Outcome, Status>> {
        let mut waiting = JoinSet::new();
        let service = self.service.clone();
        waiting.spawn(async move {
            let (namespace, name) = ("lockstep".to_owned(), "shop".to_owned());
            let request = TriggerRequest { namespace, name, wait: true, commit: commit.to_owned() };
            let answer = service.trigger(by_alice(request)).await?;
            Ok(Outcome::try_from(answer.into_inner().outcome).unwrap())
        });
        while self.nudged.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        waiting
    }
}

fn shop() -> SyncKey {
    SyncKey { namespace: "lockstep".into(), name: "shop".into() }
}

fn by_alice<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Identity { name: "alice".into(), ..Identity::default() });
    request
}

async fn outcome(mut waiting: JoinSet<Result<Outcome, Status>>) -> Result<Outcome, Status> {
    let ended = tokio::time::timeout(Duration::from_secs(10), waiting.join_next()).await;
    ended.expect("it answers").unwrap().unwrap()
}

/// It stays open although everything that could run has run.
async fn still_waits(waiting: &mut JoinSet<Result<Outcome, Status>>) {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(waiting.try_join_next().is_none(), "it answered too early");
}

#[tokio::test]
async fn a_turn_is_started_and_not_waited_for() {
    let bed = Bed::new(FIRST);
    assert_eq!(bed.trigger(false, "").await.unwrap_err().code(), Code::NotFound);
    bed.turn(1, FIRST, "Ready", "Succeeded");
    assert_eq!(bed.trigger(false, "").await.unwrap(), Outcome::Started);
    assert_eq!(*bed.nudged.0.lock().unwrap(), [shop()]);
    assert_eq!(bed.trigger(true, "main").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn waiting_ends_with_the_turn_that_knew_the_head() {
    for (condition, reason, wanted) in [
        ("Ready", "Succeeded", Outcome::Ready),
        ("Stalled", "PruneHeld", Outcome::Held),
        ("Stalled", "Unhealthy", Outcome::Unhealthy),
        ("Stalled", "ApplyFailed", Outcome::Failed),
        ("Stalled", "InvalidManifests", Outcome::Failed),
    ] {
        let bed = Bed::new(FIRST);
        bed.turn(1, FIRST, "Ready", "Succeeded");
        bed.branch.0.lock().unwrap().push(SECOND);
        let mut waiting = bed.waiting("").await;
        bed.turn(2, FIRST, "Ready", "Succeeded");
        still_waits(&mut waiting).await;
        bed.turn(3, SECOND, "Reconciling", "Progressing");
        still_waits(&mut waiting).await;
        bed.turn(3, SECOND, condition, reason);
        assert_eq!(outcome(waiting).await.unwrap(), wanted, "{reason}");
    }
}

#[tokio::test]
async fn a_commit_that_is_not_there_yet_is_waited_for() {
    let bed = Bed::new(FIRST);
    bed.turn(1, FIRST, "Ready", "Succeeded");
    let mut waiting = bed.waiting(SECOND).await;
    bed.turn(2, FIRST, "Ready", "Succeeded");
    bed.turn(3, FIRST, "Ready", "Succeeded");
    still_waits(&mut waiting).await;
    bed.branch.0.lock().unwrap().push(SECOND);
    bed.turn(4, SECOND, "Ready", "Succeeded");
    assert_eq!(outcome(waiting).await.unwrap(), Outcome::Ready);
}

#[tokio::test]
async fn waiting_ends_with_the_daemon_the_sync_or_the_branch() {
    let bed = Bed::new(FIRST);
    bed.turn(1, FIRST, "Ready", "Succeeded");
    let waiting = bed.waiting("").await;
    bed.shutdown.request();
    assert_eq!(outcome(waiting).await.unwrap_err().code(), Code::Unavailable);

    let bed = Bed::new(FIRST);
    bed.turn(1, FIRST, "Ready", "Succeeded");
    let waiting = bed.waiting("").await;
    bed.board.remove(&shop());
    assert_eq!(outcome(waiting).await.unwrap_err().code(), Code::NotFound);

    bed.turn(1, FIRST, "Ready", "Succeeded");
    bed.branch.0.lock().unwrap().clear();
    let status = bed.trigger(true, "").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "the branch cannot be read: git.example refused")
    );
}

#[tokio::test]
async fn rights_are_asked_for_the_namespace_of_the_call() {
    let bed = Bed::new(FIRST);
    bed.turn(1, FIRST, "Ready", "Succeeded");
    let get = |namespace: &str| GetRequest { namespace: namespace.into(), name: "shop".into() };
    let state = bed.service.get(by_alice(get("lockstep"))).await.unwrap().into_inner();
    assert_eq!((state.fetched_commit.as_str(), state.conditions[0].r#type.as_str()), (FIRST, "Ready"));
    for (code, answer) in [
        (Code::PermissionDenied, bed.service.get(by_alice(get("kube-system"))).await.map(drop)),
        (Code::InvalidArgument, bed.service.get(by_alice(get(""))).await.map(drop)),
        (Code::PermissionDenied, bed.service.list(by_alice(ListRequest::default())).await.map(drop)),
        (Code::PermissionDenied, bed.service.watch(by_alice(WatchRequest::default())).await.map(drop)),
        (Code::Unauthenticated, bed.service.get(Request::new(get("lockstep"))).await.map(drop)),
    ] {
        assert_eq!(answer.unwrap_err().code(), code);
    }
    let all = bed.service.list(by_alice(ListRequest { namespace: "lockstep".into() })).await.unwrap();
    assert_eq!(all.into_inner().syncs.len(), 1);
}

#[tokio::test]
async fn a_watch_tells_the_state_at_once_and_then_each_change() {
    let bed = Bed::new(FIRST);
    bed.turn(1, FIRST, "Reconciling", "Applying");
    let watch = WatchRequest { namespace: "lockstep".into(), name: String::new() };
    let mut states = bed.service.watch(by_alice(watch)).await.unwrap().into_inner();
    let mut reason = async || states.next().await.map(|state| state.unwrap().conditions[0].reason.clone());
    assert_eq!(reason().await.as_deref(), Some("Applying"));
    bed.turn(2, FIRST, "Reconciling", "Applying");
    bed.turn(3, FIRST, "Ready", "Succeeded");
    assert_eq!(reason().await.as_deref(), Some("Succeeded"), "what callers cannot see is no change");
    bed.shutdown.request();
    assert_eq!(reason().await, None);
}
