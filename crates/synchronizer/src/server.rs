//! The service `Syncs`: what people and pipelines ask of the synchronizer.

mod state;
mod trigger;

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, future};
use lockstep_api::v1::syncs_server::{Syncs, SyncsServer};
use lockstep_api::v1::{
    GetRequest, ListRequest, ListResponse, Outcome, SyncState, TriggerRequest, TriggerResponse, WatchRequest,
};
use lockstep_daemon::Shutdown;
use tonic::{Request, Response, Status};

use crate::auth::{Authorize, Verb, admit};
use crate::board::{Board, SyncKey, SyncSnapshot};
use crate::changes::{Change, changes};
use crate::nudge::{Nudge, Nudges};
use crate::ports::Source;
use state::sync_state;
pub(crate) use state::{proto_time, shown_url};

/// Answers from the board, and nudges the actors.
#[derive(Clone)]
pub(crate) struct SyncsService {
    board: Board,
    nudges: Arc<dyn Nudges>,
    source: Arc<dyn Source>,
    authorize: Arc<dyn Authorize>,
    shutdown: Shutdown,
}

impl SyncsService {
    /// The service; `shutdown` ends calls that wait.
    pub(crate) fn new(
        board: Board,
        nudges: Arc<dyn Nudges>,
        source: Arc<dyn Source>,
        authorize: Arc<dyn Authorize>,
        shutdown: Shutdown,
    ) -> Self {
        Self { board, nudges, source, authorize, shutdown }
    }

    /// As a server that can be mounted.
    #[must_use]
    pub(crate) fn into_server(self) -> SyncsServer<Self> {
        SyncsServer::new(self)
    }

    fn known(&self, key: &SyncKey) -> Result<Arc<SyncSnapshot>, Status> {
        let unknown = || {
            let message = format!("there is no Sync {key}, or it was made just now and has not had a turn yet");
            Status::not_found(message)
        };
        self.board.get(key).ok_or_else(unknown)
    }
}

#[tonic::async_trait]
impl Syncs for SyncsService {
    async fn trigger(&self, request: Request<TriggerRequest>) -> Result<Response<TriggerResponse>, Status> {
        let key = key(&request.get_ref().namespace, &request.get_ref().name)?;
        admit(&*self.authorize, &request, Verb::Update, &key.namespace, &key.name).await?;
        let TriggerRequest { wait, commit, .. } = request.into_inner();
        let commit = match commit.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error: String| Status::invalid_argument(format!("commit: {error}")))?),
        };
        let snapshot = self.known(&key)?;
        let answer = |snapshot: &SyncSnapshot, outcome: Outcome| {
            Response::new(TriggerResponse { state: Some(sync_state(snapshot)), outcome: outcome.into() })
        };
        if snapshot.spec.suspend {
            return Ok(answer(&snapshot, Outcome::Suspended));
        }
        if !wait {
            self.nudges.nudge(&key, Nudge::Fetch);
            return Ok(answer(&snapshot, Outcome::Started));
        }
        tokio::select! {
            waited = trigger::wait(self, &key, commit, snapshot.turns) => {
                let (snapshot, outcome) = waited?;
                Ok(answer(&snapshot, outcome))
            }
            () = self.shutdown.requested() => Err(Status::unavailable("the synchronizer is stopping; ask again")),
        }
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<SyncState>, Status> {
        let key = key(&request.get_ref().namespace, &request.get_ref().name)?;
        admit(&*self.authorize, &request, Verb::Get, &key.namespace, &key.name).await?;
        Ok(Response::new(sync_state(&*self.known(&key)?)))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let namespace = &request.get_ref().namespace;
        admit(&*self.authorize, &request, Verb::List, namespace, "").await?;
        let all = self.board.all();
        let wanted = all.iter().filter(|snapshot| matches(namespace, &snapshot.key.namespace));
        Ok(Response::new(ListResponse { syncs: wanted.map(|snapshot| sync_state(snapshot)).collect() }))
    }

    type WatchStream = BoxStream<'static, Result<SyncState, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let WatchRequest { namespace, name } = request.get_ref().clone();
        admit(&*self.authorize, &request, Verb::Watch, &namespace, &name).await?;
        let states = changes(&self.board, move |snapshot| {
            let wanted = matches(&namespace, &snapshot.key.namespace) && matches(&name, &snapshot.key.name);
            wanted.then(|| sync_state(snapshot))
        });
        let states = states.filter_map(|change| {
            future::ready(match change {
                Change::Is(state) => Some(Ok(state)),
                Change::Gone(_) => None,
            })
        });
        Ok(Response::new(states.take_until(self.shutdown.requested()).boxed()))
    }
}

fn key(namespace: &str, name: &str) -> Result<SyncKey, Status> {
    if namespace.is_empty() || name.is_empty() {
        return Err(Status::invalid_argument("namespace and name of the Sync are both needed"));
    }
    Ok(SyncKey { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// Empty means all.
fn matches(wanted: &str, text: &str) -> bool {
    wanted.is_empty() || wanted == text
}

#[cfg(test)]
mod tests;
