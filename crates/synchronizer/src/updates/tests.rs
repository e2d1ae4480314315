//! The stream against an automator in process: a tonic server on loopback.

use std::pin::Pin;
use std::sync::Mutex;

use futures::{Stream, stream};
use jiff::Timestamp;
use lockstep_api::v1::updates_server::{Updates as UpdatesApi, UpdatesServer};
use lockstep_api::v1::{
    ChangeRequest, ChangeResponse, ClusterEvent, ExplainRequest, ExplainResponse, HistoryRequest, HistoryResponse,
    ListImagesRequest, ListImagesResponse, ScanRequest, ScanResponse, Verdict,
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Request, Response, Streaming};

use super::*;
use crate::board::{self, SyncKey, SyncSnapshot, WorkloadState};
use crate::nudge::Nudge;

/// Hands on what it receives, and hints at a branch once.
struct Automator(mpsc::UnboundedSender<ClusterEvent>);

#[tonic::async_trait]
impl UpdatesApi for Automator {
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<RepositoryEvent, Status>> + Send>>;

    async fn exchange(
        &self,
        request: Request<Streaming<ClusterEvent>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let received = self.0.clone();
        let events = request.into_inner();
        let hint = RepositoryEvent {
            repository: "https://git.example/c.git".into(),
            branch: "main".into(),
            commit: "c".into(),
        };
        let up = stream::unfold(events, move |mut events| {
            let received = received.clone();
            async move {
                while let Ok(Some(event)) = events.message().await {
                    let last = event.applied_commit == "last";
                    let _ = received.send(event);
                    if last {
                        break;
                    }
                }
                None::<(Result<RepositoryEvent, Status>, _)>
            }
        });
        Ok(Response::new(Box::pin(stream::iter([Ok(hint)]).chain(up))))
    }

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_images(&self, _: Request<ListImagesRequest>) -> Result<Response<ListImagesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn history(&self, _: Request<HistoryRequest>) -> Result<Response<HistoryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn change(&self, _: Request<ChangeRequest>) -> Result<Response<ChangeResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[derive(Default)]
struct Hints(Mutex<Vec<(String, String)>>);

impl Nudges for Hints {
    fn nudge(&self, _: &SyncKey, _: Nudge) {}

    fn nudge_branch(&self, repository: &str, branch: &str) -> usize {
        self.0.lock().unwrap().push((repository.to_owned(), branch.to_owned()));
        1
    }
}

fn snapshot(commit: &str, turns: u64) -> SyncSnapshot {
    SyncSnapshot {
        key: SyncKey { namespace: "lockstep".into(), name: "shop".into() },
        spec: serde_json::from_value(
            json!({"source": {"repository": "https://canary@git.example/c.git", "path": "prod"}}),
        )
        .unwrap(),
        status: serde_json::from_value(json!({"applied": {"commit": commit, "at": "2027-01-01T00:00:00Z"}})).unwrap(),
        previous_commit: Some("before".into()),
        workloads: vec![WorkloadState {
            object: "apps/Deployment/shop/web".parse().unwrap(),
            container: "web".into(),
            reference: "shop/web:2".into(),
            verdict: board::Verdict::Failed,
            since: Timestamp::UNIX_EPOCH,
            message: "ü".repeat(400),
            last_live: Some("shop/web:1".into()),
        }],
        turns,
    }
}

#[tokio::test]
async fn state_goes_up_hints_come_down_and_a_lost_stream_is_opened_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut received) = mpsc::unbounded_channel();
    let mut running = JoinSet::new();
    running.spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder().add_service(UpdatesServer::new(Automator(sender)));
        server.serve_with_incoming(incoming).await.unwrap();
    });

    let (board, hints, shutdown) = (Board::default(), Arc::new(Hints::default()), Shutdown::new());
    board.publish(snapshot("first", 1));
    let endpoint = Endpoint { address, token_file: None, ca_file: None };
    let updates = Updates::new(endpoint, board.clone(), hints.clone()).unwrap();
    let stop = shutdown.clone();
    running.spawn(async move { updates.run(stop).await.unwrap() });
    let mut next = async || {
        let event = tokio::time::timeout(Duration::from_secs(20), received.recv()).await;
        event.expect("an event in time").unwrap()
    };

    let event = next().await;
    assert_eq!((event.sync.as_str(), event.applied_commit.as_str()), ("lockstep/shop", "first"));
    assert_eq!((event.previous_commit.as_str(), event.path.as_str()), ("before", "prod"));
    assert_eq!(event.repository, "https://git.example/c.git");
    let workload = &event.workloads[0];
    assert_eq!((workload.kind.as_str(), workload.reference.as_str()), ("Deployment", "shop/web:2"));
    assert_eq!((workload.verdict(), workload.last_live.as_str()), (Verdict::Failed, "shop/web:1"));
    assert!(workload.message.len() <= 500 && event.observed_at.is_some());

    board.publish(snapshot("first", 2));
    board.publish(snapshot("last", 3));
    assert_eq!(next().await.applied_commit, "last", "a turn that changes nothing is not worth an event");
    // The automator ended the stream there; the next one begins with the whole state.
    assert_eq!(next().await.applied_commit, "last");
    let hint = ("https://git.example/c.git".to_owned(), "main".to_owned());
    assert!(hints.0.lock().unwrap().contains(&hint));

    shutdown.request();
    while running.len() > 1 {
        let ended = tokio::time::timeout(Duration::from_secs(10), running.join_next()).await;
        ended.expect("it stops when asked").unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_sync_that_is_gone_runs_nothing() {
    let board = Board::default();
    board.publish(snapshot("first", 1));
    let mut events = std::pin::pin!(events(&board));
    assert_eq!(events.next().await.unwrap().workloads.len(), 1);
    board.remove(&snapshot("first", 1).key);
    let last = events.next().await.unwrap();
    assert_eq!((last.sync.as_str(), last.applied_commit.as_str(), last.workloads.len()), ("lockstep/shop", "", 0));
}

#[tokio::test]
async fn a_report_is_never_larger_than_the_automator_takes() {
    let board = Board::default();
    let report = async |workloads: Vec<WorkloadState>| {
        board.publish(SyncSnapshot { workloads, ..snapshot("first", 1) });
        let mut events = std::pin::pin!(events(&board));
        events.next().await.unwrap()
    };
    let many = |count: usize, verdict: board::Verdict| {
        let model = snapshot("first", 1).workloads.remove(0);
        (0..count).map(move |number| WorkloadState { container: format!("web-{number}"), verdict, ..model.clone() })
    };
    let size = |event: &ClusterEvent| prost::Message::encoded_len(event);

    let event = report(many(3000, board::Verdict::Failed).collect()).await;
    assert!(size(&event) <= lockstep_daemon::MESSAGE_LIMIT, "{}", size(&event));
    assert_eq!(event.workloads.len(), 3000, "shorter explanations are enough");

    let all = many(8000, board::Verdict::Inconclusive).chain(many(100, board::Verdict::Failed));
    let event = report(all.collect()).await;
    assert!(size(&event) <= lockstep_daemon::MESSAGE_LIMIT, "{}", size(&event));
    let failed = event.workloads.iter().filter(|workload| workload.verdict() == Verdict::Failed).count();
    assert_eq!(failed, 100, "what proves something stays");
    assert!(event.workloads.len() > 3000, "{}", event.workloads.len());
}
