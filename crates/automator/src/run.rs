//! Everything that runs in the process: ports first, then work.

mod branch;

use std::net::SocketAddr;
use std::sync::Arc;

use camino::Utf8PathBuf;
use lockstep_api::v1::updates_server::UpdatesServer;
use lockstep_daemon::{
    Admin, GrpcError, GrpcServer, GrpcServices, HttpError, HttpServer, ListenAddress, Policy, Readiness, ServerTls,
    TaskError, Tasks, TokenFile, Transport,
};
use prometheus_client::registry::Registry;

use crate::allow::AllowedRepositories;
use crate::bell::Bell;
use crate::board::{Board, BranchKey};
use crate::change_requests::Requests;
use crate::clusters::Clusters;
use crate::metrics::Metrics;
use crate::notes::Notes;
use crate::ports::PortError;
use crate::rhythm::Pace;
use crate::server::{ROLES, UpdatesService};
use crate::settings::{RepositorySettings, Settings};
use crate::turn::Target;
use crate::webhook::Webhooks;
use crate::wiring::{Clones, ForgeRequests, GitBranch, RegistryTags, SystemClock};

use branch::BranchLoop;

/// Why the daemon could not start, or did not stop in good order.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Files that the settings name cannot be used.
    #[error("the settings name files that cannot be used:{}", lines(.0))]
    Files(Vec<(String, String)>),
    /// The data folder cannot be made.
    #[error("cannot make the data folder {folder}: {source}; name another one with the setting data")]
    Data {
        /// The folder.
        folder: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A clone or the record of tags cannot be opened, or a registry's settings cannot be used.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A port could not be bound.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The gRPC port could not be bound.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
    /// A task failed, or did not end in time.
    #[error(transparent)]
    Task(#[from] TaskError),
}

fn lines(problems: &[(String, String)]) -> String {
    problems.iter().map(|(key, message)| format!("\n  {key}: {message}")).collect()
}

/// Where the started daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The service `Updates`, if there is a file of tokens.
    pub grpc: Option<ListenAddress>,
    /// `/live`, `/ready` and `/metrics`.
    pub admin: SocketAddr,
    /// The webhooks, if there are any.
    pub webhook: Option<SocketAddr>,
}

/// Runs the daemon until it is asked to stop by SIGTERM or SIGINT.
///
/// # Errors
/// Why it could not start, or what did not stop in good order.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let grace = settings.shutdown_grace.get();
    let mut tasks = Tasks::new();
    start(settings, &mut tasks).await?;
    tasks.run_until_stopped(grace).await?;
    Ok(())
}

/// Binds the ports and starts all tasks of the daemon. They stop with [`Tasks::shutdown`].
///
/// # Errors
/// What cannot be used or bound; nothing runs then.
pub async fn start(settings: Settings, tasks: &mut Tasks) -> Result<Addresses, RunError> {
    let (tls, tokens) = credentials(&settings)?;
    let ports = Bound::bind(&settings, tls, tokens.is_some()).await?;
    let addresses = ports.addresses();

    let clones = settings.data.join("clones");
    std::fs::create_dir_all(&clones).map_err(|source| RunError::Data { folder: clones.clone(), source })?;
    let allowed = AllowedRepositories::new(
        settings.allow_repositories.iter().cloned(),
        settings.registries.iter().map(|registry| registry.host.clone()),
    );
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    for setting in settings.dangerous() {
        tracing::warn!(setting, "this setting gives up a protection: what it names can be read and forged on the way");
        metrics.dangerous(setting);
    }
    let tags = RegistryTags::open(&settings, &metrics)?;
    let tokens = tokens.map(Arc::new);
    let clusters = tokens.clone().map(|tokens| Clusters::of(tokens, settings.intervals.settle.get()));
    let clusters = clusters.unwrap_or_default();
    let (board, notes, readiness) = (Board::default(), Notes::default(), Readiness::new());
    let shutdown = tasks.shutdown();

    let mut loops = Vec::new();
    let mut opened = Clones::default();
    for repository in &settings.repositories {
        let branch = BranchKey { repository: repository.url.clone(), branch: repository.branch.clone() };
        let git = GitBranch::open(repository, &clones, &mut opened)?;
        loops.push(BranchLoop {
            target: Target {
                branch,
                allowed: allowed.clone(),
                batch: settings.intervals.batch.get(),
                pace: Pace {
                    shortest: settings.intervals.registries.get(),
                    longest: settings.intervals.registries_longest.get(),
                },
                places: Arc::new(repository.places()),
                message: repository.message_template().unwrap_or_default(),
                requests: requests(repository)?,
            },
            branch: Arc::new(git),
            tags: Arc::new(tags.clone()),
            clock: Arc::new(SystemClock),
            bell: Bell::default(),
            board: board.clone(),
            notes: notes.clone(),
            clusters: clusters.clone(),
            metrics: metrics.clone(),
            git_interval: settings.intervals.git.get(),
            grace: settings.shutdown_grace.get(),
        });
    }
    let bells: Arc<[(BranchKey, Bell)]> =
        loops.iter().map(|branch| (branch.target.branch.clone(), branch.bell.clone())).collect();

    if let (Some(grpc), Some(tokens)) = (ports.grpc, tokens) {
        let service = UpdatesService {
            board: board.clone(),
            notes,
            clusters,
            bells: Arc::clone(&bells),
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
        };
        let services = GrpcServices::new(lockstep_api::FILE_DESCRIPTOR_SET).serving(UpdatesServer::new(service));
        tasks.spawn("grpc", Policy::Critical, grpc.serve(services, tokens, shutdown.clone()));
    }
    if let Some(server) = ports.webhook {
        let webhooks = Webhooks { senders: settings.webhooks.clone(), board, bells, metrics };
        tasks.spawn("webhook", Policy::Critical, server.serve(webhooks.router()?, shutdown.clone()));
    }
    for branch in loops {
        let name = format!("branch {}", branch.target.branch);
        let ready = readiness.wait_for(name.as_str());
        tasks.spawn(name, Policy::Critical, branch.keep(ready, shutdown.clone()));
    }
    tasks.spawn("admin", Policy::Critical, ports.admin.serve(registry, readiness, shutdown));
    tracing::info!(?addresses, repositories = settings.repositories.len(), "started");
    Ok(addresses)
}

/// The change requests of a branch, where its settings want them.
fn requests(repository: &RepositorySettings) -> Result<Option<Arc<dyn Requests>>, PortError> {
    let open = |settings| ForgeRequests::open(repository, settings);
    Ok(repository.pull_requests.as_ref().map(open).transpose()?.map(|forge| Arc::new(forge) as Arc<dyn Requests>))
}

/// Everything secret that must be good at the start; all that is not is told at once.
fn credentials(settings: &Settings) -> Result<(Option<ServerTls>, Option<TokenFile>), RunError> {
    let mut problems = settings.unreadable_files();
    let tls = settings.tls.as_ref().map(|tls| ServerTls::from_files(&tls.certificate_file, &tls.key_file));
    let tls = tls.transpose().map_err(|error| problems.push(("tls".to_owned(), error.to_string()))).ok().flatten();
    let tokens = settings.tokens_file.as_ref().map(|path| TokenFile::open(path, &ROLES)).transpose();
    let tokens = tokens.map_err(|error| problems.push(("tokens-file".to_owned(), error.to_string()))).ok().flatten();
    if problems.is_empty() { Ok((tls, tokens)) } else { Err(RunError::Files(problems)) }
}

/// The ports, bound and not served yet.
struct Bound {
    grpc: Option<GrpcServer>,
    admin: Admin,
    webhook: Option<HttpServer>,
}

impl Bound {
    async fn bind(settings: &Settings, tls: Option<ServerTls>, with_grpc: bool) -> Result<Self, RunError> {
        let listen = &settings.listen;
        let transport = tls.clone().map_or(Transport::Plain, Transport::Tls);
        let grpc = if with_grpc { Some(GrpcServer::bind(&listen.grpc, transport).await?) } else { None };
        let admin = Admin::bind(listen.admin).await?;
        let with_webhooks = !settings.webhooks.is_empty();
        let webhook = if with_webhooks { Some(HttpServer::bind(listen.webhook).await?) } else { None };
        let webhook = match tls {
            Some(tls) => webhook.map(|server| server.with_tls(tls)),
            None => webhook,
        };
        Ok(Self { grpc, admin, webhook })
    }

    fn addresses(&self) -> Addresses {
        Addresses {
            grpc: self.grpc.as_ref().map(|server| server.address().clone()),
            admin: self.admin.address(),
            webhook: self.webhook.as_ref().map(HttpServer::address),
        }
    }
}
