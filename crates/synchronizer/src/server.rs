//! The service `Syncs`: what people and pipelines ask of the synchronizer.

mod refusal;
mod requests;
mod sight;
mod state;
mod trigger;

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, future};
use lockstep_api::v1::syncs_server::{Syncs, SyncsServer};
use lockstep_api::v1::{
    AcknowledgeRequest, AcknowledgeResponse, DiffRequest, DiffResponse, GetRequest, ListRequest, ListResponse, Outcome,
    PlanRequest, PlanResponse, ResumeRequest, ResumeResponse, SuspendRequest, SuspendResponse, SyncState,
    TriggerRequest, TriggerResponse, WatchRequest,
};
use lockstep_daemon::{Identity, Shutdown};
use tonic::service::{Interceptor, interceptor::InterceptedService};
use tonic::{Code, Request, Response, Status};

use crate::auth::{Authorize, Verb, admit};
use crate::board::{SyncKey, SyncSnapshot};
use crate::changes::{Change, changes};
use crate::inspect::{Inspector, PlanOptions};
use crate::lease::Lead;
use crate::nudge::{Nudge, Nudges};
use crate::resource::SyncObject;
use refusal::{Reason, refusal};
use sight::Caller;
use state::sync_state;
pub(crate) use state::{problem, proto_time, shown_url};

/// Answers from the board, looks at plans, and nudges the actors.
#[derive(Clone)]
pub(crate) struct SyncsService {
    inspector: Inspector,
    nudges: Arc<dyn Nudges>,
    authorize: Arc<dyn Authorize>,
    shutdown: Shutdown,
}

impl SyncsService {
    /// The service; `shutdown` ends calls that wait.
    pub(crate) fn new(
        inspector: Inspector,
        nudges: Arc<dyn Nudges>,
        authorize: Arc<dyn Authorize>,
        shutdown: Shutdown,
    ) -> Self {
        Self { inspector, nudges, authorize, shutdown }
    }

    /// As a server that can be mounted, and that refuses every call while another synchronizer leads.
    #[must_use]
    pub(crate) fn into_server(self, lead: Lead) -> InterceptedService<SyncsServer<Self>, Lead> {
        SyncsServer::with_interceptor(self, lead)
    }

    fn known(&self, key: &SyncKey) -> Result<Arc<SyncSnapshot>, Status> {
        let unknown = || {
            let message = format!("there is no Sync {key}, or it was made just now and has not had a turn yet");
            refusal(Code::NotFound, Reason::SyncUnknown, message)
        };
        self.inspector.board().get(key).ok_or_else(unknown)
    }

    fn object(&self, key: &SyncKey) -> Result<Arc<SyncObject>, Status> {
        Ok(self.inspector.object(key)?)
    }

    /// The Sync of a call whose caller may do this with it.
    async fn admitted<T>(
        &self,
        request: &Request<T>,
        verb: Verb,
        namespace: &str,
        name: &str,
    ) -> Result<SyncKey, Status> {
        let key = key(namespace, name)?;
        admit(&*self.authorize, request, verb, namespace, name).await?;
        Ok(key)
    }

    /// Ends what takes long when the daemon stops.
    async fn unless_stopping<T>(&self, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        tokio::select! {
            done = work => done,
            () = self.shutdown.requested() => Err(stopping()),
        }
    }
}

fn stopping() -> Status {
    refusal(Code::Unavailable, Reason::Stopping, "the synchronizer is stopping; ask again")
}

impl Interceptor for Lead {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match self.standing_by() {
            None => Ok(request),
            Some(why) => Err(refusal::standing_by(&why, self.leader())),
        }
    }
}

#[tonic::async_trait]
impl Syncs for SyncsService {
    async fn trigger(&self, request: Request<TriggerRequest>) -> Result<Response<TriggerResponse>, Status> {
        let TriggerRequest { namespace, name, .. } = request.get_ref();
        let key = self.admitted(&request, Verb::Update, namespace, name).await?;
        let TriggerRequest { wait, commit, .. } = request.into_inner();
        let commit = match commit.as_str() {
            "" => None,
            text => Some(text.parse().map_err(malformed)?),
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
        let (snapshot, outcome) = self.unless_stopping(trigger::wait(self, &key, commit, snapshot.turns)).await?;
        Ok(answer(&snapshot, outcome))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<SyncState>, Status> {
        let GetRequest { namespace, name } = request.get_ref();
        let key = self.admitted(&request, Verb::Get, namespace, name).await?;
        Ok(Response::new(sync_state(&*self.known(&key)?)))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let namespace = &request.get_ref().namespace;
        admit(&*self.authorize, &request, Verb::List, namespace, "").await?;
        let all = self.inspector.board().all();
        let wanted = all.iter().filter(|snapshot| matches(namespace, &snapshot.key.namespace));
        Ok(Response::new(ListResponse { syncs: wanted.map(|snapshot| sync_state(snapshot)).collect() }))
    }

    type WatchStream = BoxStream<'static, Result<SyncState, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let WatchRequest { namespace, name } = request.get_ref().clone();
        admit(&*self.authorize, &request, Verb::Watch, &namespace, &name).await?;
        let states = changes(self.inspector.board(), move |snapshot| {
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

    async fn plan(&self, request: Request<PlanRequest>) -> Result<Response<PlanResponse>, Status> {
        let PlanRequest { namespace, name, commit, dry_run, all } = request.get_ref();
        let key = self.admitted(&request, Verb::Get, namespace, name).await?;
        let object = self.object(&key)?;
        let options = PlanOptions { dry_run: *dry_run, all: *all };
        let plan = async { Ok(self.inspector.plan(&key, &object, commit, options).await?) };
        self.unless_stopping(plan).await.map(Response::new)
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let DiffRequest { namespace, name, commit } = request.get_ref();
        let key = self.admitted(&request, Verb::Get, namespace, name).await?;
        let object = self.object(&key)?;
        let caller = Caller { identity: Identity::of(&request)?, authorize: self.authorize.as_ref() };
        let diff = async { Ok(self.inspector.diff(&key, &object, commit, &caller).await?) };
        self.unless_stopping(diff).await.map(Response::new)
    }

    async fn suspend(&self, request: Request<SuspendRequest>) -> Result<Response<SuspendResponse>, Status> {
        let SuspendRequest { namespace, name } = request.get_ref();
        let key = self.admitted(&request, Verb::Update, namespace, name).await?;
        let warning = requests::suspend(self, &key, true).await?;
        Ok(Response::new(SuspendResponse { warning }))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        let ResumeRequest { namespace, name } = request.get_ref();
        let key = self.admitted(&request, Verb::Update, namespace, name).await?;
        let warning = requests::suspend(self, &key, false).await?;
        Ok(Response::new(ResumeResponse { warning }))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<AcknowledgeResponse>, Status> {
        let AcknowledgeRequest { namespace, name, commit } = request.get_ref();
        let key = self.admitted(&request, Verb::Update, namespace, name).await?;
        requests::acknowledge(self, &key, commit).await.map(Response::new)
    }
}

fn key(namespace: &str, name: &str) -> Result<SyncKey, Status> {
    if namespace.is_empty() || name.is_empty() {
        let message = "namespace and name of the Sync are both needed";
        return Err(refusal(Code::InvalidArgument, Reason::NameMissing, message));
    }
    Ok(SyncKey { namespace: namespace.to_owned(), name: name.to_owned() })
}

fn malformed(problem: String) -> Status {
    refusal(Code::InvalidArgument, Reason::CommitMalformed, format!("commit: {problem}"))
}

/// Empty means all.
fn matches(wanted: &str, text: &str) -> bool {
    wanted.is_empty() || wanted == text
}

#[cfg(test)]
mod tests;
