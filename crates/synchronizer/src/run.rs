//! The daemon: ports are bound first, then everything that works is started, and stopped in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use camino::Utf8PathBuf;
use futures::Stream;
use lockstep_cluster::{Cluster, Connect, ConnectError, Events, Fence, Leases, Options, Reviews};
use lockstep_daemon::{
    Admin, ChannelError, GrpcError, GrpcServer, GrpcServices, HttpError, ListenAddress, Policy, Readiness, ServerTls,
    Shutdown, Stopped, TaskError, Tasks, TlsError, Transport,
};
use lockstep_plan::HumanManagers;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use crate::auth::ClusterAuth;
use crate::board::Board;
use crate::controller::{self, Controller};
use crate::lease::{Election, Lead, Terms};
use crate::mailbox::Mailboxes;
use crate::metrics::Metrics;
use crate::observe::HealthObserver;
use crate::protected::Protected;
use crate::server::SyncsService;
use crate::settings::{LeaseSettings, Settings};
use crate::updates::Updates;
use crate::wiring::{Followed, SystemClock, ports};
use crate::{bootstrap, events};

/// What Kubernetes calls us in Events.
const CONTROLLER: &str = "lockstep.dev/synchronizer";
/// What has to be known before the daemon is ready.
const SYNCS: &str = "the list of Syncs";

/// Why the daemon could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder for the clones cannot be used.
    #[error("cannot use the folder {folder} for clones: {source}; make it writable or set data")]
    Data {
        /// The folder.
        folder: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There are no usable credentials for the API server.
    #[error("cannot connect to Kubernetes: {0}")]
    Cluster(#[from] ConnectError),
    /// The certificate of the gRPC port cannot be used.
    #[error("cannot serve TLS: {0}")]
    Tls(#[from] TlsError),
    /// The gRPC port cannot be bound.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
    /// The admin port cannot be bound.
    #[error("cannot serve the admin port: {0}")]
    Admin(#[from] HttpError),
    /// The address of the automator cannot be called.
    #[error("cannot call the automator: {0}")]
    Automator(#[from] ChannelError),
}

/// Why the daemon could not be started, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It did not end well.
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// Starts the daemon and runs it until a signal, or until a part that it needs ends.
///
/// # Errors
/// As [`Synchronizer::start`]; the failure of a part; parts that did not end in time.
pub async fn run(settings: Settings) -> Result<Stopped, RunError> {
    Ok(Synchronizer::start(settings).await?.run_until_stopped().await?)
}

/// A daemon that was started. Dropping it aborts its work.
pub struct Synchronizer {
    tasks: Tasks,
    grpc: ListenAddress,
    admin: SocketAddr,
    settings: Settings,
}

impl Synchronizer {
    /// Binds the ports and starts the work. An API server, repository or automator that cannot be reached is no error:
    /// the daemon says so and tries again.
    ///
    /// # Errors
    /// If ports, credentials, certificate or folder cannot be used.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        std::fs::create_dir_all(&settings.data)
            .map_err(|source| StartError::Data { folder: settings.data.clone(), source })?;
        let cluster = connect(&settings).await?;
        let transport = match &settings.tls {
            Some(tls) => Transport::Tls(ServerTls::from_files(&tls.certificate_file, &tls.key_file)?),
            None => Transport::Plain,
        };
        let grpc = GrpcServer::bind(&settings.listen.grpc, transport).await?;
        let admin = Admin::bind(settings.listen.admin).await?;
        let (grpc_address, admin_address) = (grpc.address().clone(), admin.address());

        tracing::info!(grpc = %grpc_address, admin = %admin_address, "listening");

        let mut tasks = Tasks::new();
        let shutdown = tasks.shutdown();
        let (board, mailboxes, readiness) = (Board::default(), Arc::new(Mailboxes::default()), Readiness::new());
        let mut registry = Registry::default();
        let (writer, lead, election) = elect(&cluster, &settings.lease);
        let metrics = Metrics::register(&mut registry, board.clone(), lead.clone());
        let (queue, sender) = events::queue(Events::new(writer.clone(), CONTROLLER, &instance()));
        let observer = Arc::new(HealthObserver::new(mailboxes.clone(), Arc::new(SystemClock::start())));
        let updates = settings.automator.clone();
        let updates = updates.map(|endpoint| Updates::new(endpoint, board.clone(), mailboxes.clone())).transpose()?;

        let namespaces = settings.namespaces.iter().cloned().collect();
        let followed = Followed { namespaces, account: settings.default_service_account.clone() };
        let ports = ports(writer.clone(), followed, settings.data.clone(), observer.clone(), queue, metrics);
        let auth = Arc::new(ClusterAuth::new(Reviews::new(cluster.clone(), Vec::new())));
        let options = controller::Options {
            concurrency: settings.concurrency,
            turns: settings.turns,
            protected: Protected::of(cluster.namespace()),
            human: Arc::new(HumanManagers::and(settings.human_managers.clone())),
        };
        let controller = Controller::new(ports, board, mailboxes.clone(), options);
        let inspector = controller.inspector(shutdown.clone());
        let service = SyncsService::new(inspector, mailboxes, auth.clone(), shutdown.clone());
        let services = GrpcServices::new(lockstep_api::FILE_DESCRIPTOR_SET).serving(service.into_server(lead.clone()));
        let ready = readiness.wait_for(SYNCS);
        // Dropped by all who write, at their end.
        let (working, done) = mpsc::channel::<Infallible>(1);

        tasks.spawn("admin", Policy::Critical, admin.serve(registry, readiness.clone(), shutdown.clone()));
        tasks.spawn("grpc", Policy::Critical, grpc.serve(services, auth, shutdown.clone()));
        if let Some(election) = election {
            tasks.spawn("lease", Policy::Critical, election.run(done, shutdown.clone()));
        }
        let sending = infallible(sender.run(shutdown.clone()));
        tasks.spawn("events", Policy::Optional, holding(working.clone(), sending));
        let health = observer.follow(cluster.clone(), shutdown.clone());
        tasks.spawn("health", Policy::Critical, infallible(health));
        let (leading, stop) = (lead.clone(), shutdown.clone());
        let controlling = async move {
            // Who stands by is ready, too: it would take over.
            let mut ready = Some(ready);
            if !leading.won(&stop, || drop(ready.take())).await {
                return Ok(());
            }
            let ready = ready.unwrap_or_else(|| readiness.wait_for(SYNCS));
            controller.run(ready, stop).await
        };
        tasks.spawn("controller", Policy::Critical, holding(working, controlling));
        if let Some(updates) = updates {
            let (leading, stop) = (lead.clone(), shutdown.clone());
            let talking = async move { if leading.won(&stop, || {}).await { updates.run(stop).await } else { Ok(()) } };
            tasks.spawn("updates", Policy::Optional, infallible(talking));
        }
        if let Some(wanted) = settings.bootstrap.clone() {
            let creating = async move {
                if lead.won(&shutdown, || {}).await {
                    bootstrap::create(wanted, writer, shutdown).await
                } else {
                    Ok(())
                }
            };
            tasks.spawn("bootstrap", Policy::Optional, creating);
        }
        Ok(Self { tasks, grpc: grpc_address, admin: admin_address, settings })
    }

    /// Where the gRPC service listens, with the port that the system chose if it was 0.
    #[must_use]
    pub fn grpc_address(&self) -> &ListenAddress {
        &self.grpc
    }

    /// Where the admin port listens.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// To ask it to stop.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.tasks.shutdown()
    }

    /// Runs until SIGTERM or SIGINT, or until a part that it needs ends.
    ///
    /// # Errors
    /// The failure of a part; parts that did not end within the grace period.
    pub async fn run_until_stopped(self) -> Result<Stopped, TaskError> {
        self.tasks.run_until_stopped(self.settings.shutdown_grace.get()).await
    }

    /// The same with requests to stop from `signals`.
    ///
    /// # Errors
    /// As [`Synchronizer::run_until_stopped`].
    pub async fn run_until(self, signals: impl Stream<Item = ()>) -> Result<Stopped, TaskError> {
        self.tasks.run_until(signals, self.settings.shutdown_grace.get()).await
    }
}

async fn connect(settings: &Settings) -> Result<Cluster, ConnectError> {
    let connect = match &settings.kubeconfig {
        Some(path) => Connect::Kubeconfig { path: Some(path.clone().into()), context: None },
        None => Connect::InCluster,
    };
    let options = Options {
        request_timeout: settings.request_timeout.get(),
        watch_timeout: settings.watch_timeout.get(),
        concurrency: settings.concurrency,
        ..Options::default()
    };
    Cluster::connect(connect, options).await
}

/// The API server for those who write, who of several daemons leads, and what finds that out.
fn elect(cluster: &Cluster, settings: &LeaseSettings) -> (Cluster, Lead, Option<Election>) {
    if !settings.enabled {
        return (cluster.clone(), Lead::alone(), None);
    }
    let terms = Terms { duration: settings.duration.get(), renew: settings.renew.get() };
    let leases = Leases::new(cluster, cluster.namespace(), &settings.name, terms.patience());
    // A pod that is started again is another holder.
    let me = format!("{}_{:08x}", instance(), rand::random::<u32>());
    let fence = Fence::closed();
    let (election, lead) = Election::new(Arc::new(leases), me, terms, fence.clone());
    (cluster.fenced(fence), lead, Some(election))
}

/// The pod's name, where there is one.
fn instance() -> String {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "lockstep-synchronizer".to_owned())
}

/// Keeps `held` until the task has ended.
async fn holding<H, T>(held: H, task: impl Future<Output = T>) -> T {
    let result = task.await;
    drop(held);
    result
}

/// Tasks may fail in general; these cannot.
async fn infallible(task: impl Future<Output = Result<(), Infallible>>) -> Result<(), std::io::Error> {
    task.await.map_err(|never| match never {})
}
