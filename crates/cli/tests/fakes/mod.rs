//! Both daemons as far as the command line sees them: gRPC servers on loopback that answer by name.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use lockstep_api::timestamp;
use lockstep_api::v1::syncs_server::{Syncs, SyncsServer};
use lockstep_api::v1::updates_server::{Updates, UpdatesServer};
use lockstep_api::v1::{
    AcknowledgeRequest, AcknowledgeResponse, ChangeRequest, ChangeResponse, Claim, ClusterEvent, Condition,
    DiffRequest, DiffResponse, Drift, DriftField, ExplainRequest, ExplainResponse, Extra, GetRequest, Held,
    HistoryRequest, HistoryResponse, Image, ListImagesRequest, ListImagesResponse, ListRequest, ListResponse, Objects,
    Outcome, PlanRequest, PlanResponse, RepositoryEvent, ResumeRequest, ResumeResponse, ScanRequest, ScanResponse,
    SuspendRequest, SuspendResponse, SyncState, TriggerRequest, TriggerResponse, Waiting, WatchRequest,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

mod looks;
mod requests;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A server that ends with this value.
pub(crate) struct Daemons {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
    _runtime: Runtime,
}

impl Daemons {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(any)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let fake = Fake { seen: Arc::clone(&seen) };
        let mut tasks = JoinSet::new();
        let serve = tonic::transport::Server::builder()
            .add_service(SyncsServer::new(fake.clone()))
            .add_service(UpdatesServer::new(fake))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tasks.spawn_on(async move { serve.await.unwrap() }, runtime.handle());
        Self { address, seen, _tasks: tasks, _runtime: runtime }
    }

    /// The calls so far: `CALL(ARGUMENTS) AUTHORIZATION`.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Fake {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn see<T>(&self, call: String, request: &Request<T>) {
        let who = request.metadata().get("authorization").map_or("", |value| value.to_str().unwrap());
        self.seen.lock().unwrap().push(format!("{call} {who}"));
    }
}

/// Another synchronizer leads.
fn standing_by() -> Status {
    let facts = HashMap::from([("leader".to_owned(), "lockstep-synchronizer-6d5f-x2k_0000c0de".to_owned())]);
    let details = ErrorDetails::with_error_info("STANDING_BY", "lockstep.dev", facts);
    Status::with_error_details(Code::Unavailable, "this synchronizer stands by; another leads; ask again", details)
}

pub(crate) const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

fn state(namespace: &str, name: &str) -> SyncState {
    let message = match name {
        "ready" => "applied and healthy",
        "held" => "would delete 42 of 50 objects",
        "failed" => "cannot apply Deployment/shop/web: \u{1b}[31mforbidden",
        "unhealthy" => "Deployment/shop/web: ImagePullBackOff",
        _ => "",
    };
    let status = if name == "ready" { "True" } else { "False" };
    SyncState {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        repository: "https://git.example/config.git".to_owned(),
        branch: "main".to_owned(),
        path: "clusters/prod".to_owned(),
        fetched_commit: COMMIT.to_owned(),
        applied_commit: if name == "new" { String::new() } else { COMMIT.to_owned() },
        applied_at: None,
        objects: Some(Objects {
            total: 3,
            healthy: if name == "ready" { 3 } else { 2 },
            drifted: 1,
            failed: 0,
            extras: 2,
            waiting: u32::from(name == "new"),
        }),
        held: (name == "held").then(|| Held {
            commit: COMMIT.to_owned(),
            would_prune: 42,
            reason: "the commit would prune 42 of 50 objects, more than the Sync allows".to_owned(),
            objects: vec!["ConfigMap/shop/a".to_owned(), "ConfigMap/shop/b".to_owned()],
        }),
        conditions: vec![Condition {
            r#type: "Ready".to_owned(),
            status: status.to_owned(),
            reason: "Reason".to_owned(),
            message: message.to_owned(),
            last_transition_at: Some(timestamp(1_767_225_600, 0)),
        }],
        drift: vec![Drift {
            object: "Deployment/shop/web".to_owned(),
            fields: vec![".spec.replicas".to_owned()],
            manager: "kubectl-edit".to_owned(),
            at: Some(timestamp(1_767_225_600, 500_000_000)),
            repaired: true,
            changes: vec![DriftField {
                path: ".spec.replicas".to_owned(),
                manager: "kubectl-edit".to_owned(),
                at: Some(timestamp(1_767_225_600, 0)),
                git: "3".to_owned(),
            }],
        }],
        suspended: name == "suspended",
        claims: ["a", "b"]
            .map(|object| Claim { object: format!("ConfigMap/shop/{object}"), by: "lockstep/other".to_owned() })
            .into_iter()
            .filter(|_| name == "held")
            .collect(),
        extras: vec![Extra {
            object: "Deployment/shop/web".to_owned(),
            path: ".metadata.annotations[\"note\"]".to_owned(),
            manager: "k9s".to_owned(),
            at: None,
        }],
        waiting: (name == "new")
            .then(|| Waiting {
                object: "Job/shop/migrate".to_owned(),
                reason: "waits for Deployment/shop/db".to_owned(),
            })
            .into_iter()
            .collect(),
        ..SyncState::default()
    }
}

#[tonic::async_trait]
impl Syncs for Fake {
    async fn trigger(&self, request: Request<TriggerRequest>) -> Result<Response<TriggerResponse>, Status> {
        let TriggerRequest { namespace, name, wait, commit } = request.get_ref().clone();
        self.see(format!("Trigger({namespace} {name} {wait} {commit})"), &request);
        let outcome = match name.as_str() {
            "suspended" => Outcome::Suspended,
            "missing" => return Err(Status::not_found("there is no Sync lockstep/missing")),
            "locked" => return Err(Status::unauthenticated("this call needs a bearer token")),
            "forbidden" => return Err(Status::permission_denied("alice may not update syncs.lockstep.dev")),
            "stuck" => std::future::pending().await,
            "behind" => return Err(standing_by()),
            "moved" if self.seen.lock().unwrap().len() == 1 => return Err(standing_by()),
            _ if !wait => Outcome::Started,
            "ready" | "moved" => Outcome::Ready,
            "failed" => Outcome::Failed,
            "unhealthy" => Outcome::Unhealthy,
            "held" => Outcome::Held,
            _ => Outcome::Unspecified,
        };
        Ok(Response::new(TriggerResponse { state: Some(state(&namespace, &name)), outcome: outcome.into() }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<SyncState>, Status> {
        let GetRequest { namespace, name } = request.get_ref().clone();
        self.see(format!("Get({namespace} {name})"), &request);
        match name.as_str() {
            "missing" => Err(Status::not_found("there is no Sync lockstep/missing")),
            _ => Ok(Response::new(state(&namespace, &name))),
        }
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let namespace = request.get_ref().namespace.clone();
        self.see(format!("List({namespace})"), &request);
        let syncs = match namespace.as_str() {
            "empty" => Vec::new(),
            "" => vec![state("apps", "held"), state("lockstep", "ready")],
            one => vec![state(one, "failed"), state(one, "new"), state(one, "ready")],
        };
        Ok(Response::new(ListResponse { syncs }))
    }

    type WatchStream = Answers<SyncState>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let WatchRequest { namespace, name } = request.into_inner();
        let now = tokio_stream::iter([Ok(state(&namespace, &name))]);
        Ok(Response::new(Box::pin(now.chain(tokio_stream::pending()))))
    }

    async fn plan(&self, request: Request<PlanRequest>) -> Result<Response<PlanResponse>, Status> {
        let PlanRequest { namespace, name, commit, dry_run, all } = request.get_ref().clone();
        self.see(format!("Plan({namespace} {name} {commit} {dry_run} {all})"), &request);
        looks::plan(&name, all).map(Response::new)
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let DiffRequest { namespace, name, commit } = request.get_ref().clone();
        self.see(format!("Diff({namespace} {name} {commit})"), &request);
        looks::diff(&name).map(Response::new)
    }

    async fn suspend(&self, request: Request<SuspendRequest>) -> Result<Response<SuspendResponse>, Status> {
        let SuspendRequest { namespace, name } = request.get_ref().clone();
        self.see(format!("Suspend({namespace} {name})"), &request);
        let warning = if name == "managed" { "Flux (infra) manages this Sync" } else { "" };
        Ok(Response::new(SuspendResponse { warning: warning.to_owned() }))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        let ResumeRequest { namespace, name } = request.get_ref().clone();
        self.see(format!("Resume({namespace} {name})"), &request);
        Ok(Response::new(ResumeResponse::default()))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<AcknowledgeResponse>, Status> {
        let AcknowledgeRequest { namespace, name, commit } = request.get_ref().clone();
        self.see(format!("Acknowledge({namespace} {name} {commit})"), &request);
        match name.as_str() {
            "held" => Ok(Response::new(AcknowledgeResponse { commit: COMMIT.to_owned(), would_prune: 42 })),
            _ => Err(Status::failed_precondition("the Sync lockstep/ready holds no commit")),
        }
    }
}

#[tonic::async_trait]
impl Updates for Fake {
    type ExchangeStream = Answers<RepositoryEvent>;

    async fn exchange(&self, _: Request<Streaming<ClusterEvent>>) -> Result<Response<Self::ExchangeStream>, Status> {
        Err(Status::unimplemented("not for people"))
    }

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_images(&self, request: Request<ListImagesRequest>) -> Result<Response<ListImagesResponse>, Status> {
        self.see("ListImages()".to_owned(), &request);
        let image = |namespace: &str, selected: &str, held: &str| Image {
            repository: "https://git.example/config.git".to_owned(),
            branch: "main".to_owned(),
            file: "clusters/prod/web.yaml".to_owned(),
            line: 12,
            object: format!("Deployment/{namespace}/web"),
            container: "web".to_owned(),
            current: "ghcr.io/acme/web:1.4.2".to_owned(),
            policy: "semver:~1.4".to_owned(),
            automated: selected.is_empty(),
            selected: selected.to_owned(),
            held: held.to_owned(),
            origin: "clusters/prod/web.yaml:7".to_owned(),
        };
        let images = vec![image("shop", "1.4.3", ""), image("blog", "", "2 tags tie")];
        let problems = vec!["clusters/prod/db.yaml:3: Deployment/shop/db: no key that Lockstep knows".to_owned()];
        Ok(Response::new(ListImagesResponse { images, problems }))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let ExplainRequest { subject, limit } = request.get_ref().clone();
        self.see(format!("Explain({} {limit})", requests::named(&subject)), &request);
        requests::explain(&subject.unwrap_or_default().name).map(Response::new)
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Result<Response<HistoryResponse>, Status> {
        let HistoryRequest { subject, image, limit, page } = request.get_ref().clone();
        self.see(format!("History({} {image} {limit} {page})", requests::named(&subject)), &request);
        Ok(Response::new(requests::history(&page)))
    }

    async fn change(&self, request: Request<ChangeRequest>) -> Result<Response<ChangeResponse>, Status> {
        let ChangeRequest { subject, change } = request.get_ref().clone();
        self.see(format!("Change({} {change:?})", requests::named(&subject)), &request);
        requests::change(&subject.unwrap_or_default().name).map(Response::new)
    }
}
