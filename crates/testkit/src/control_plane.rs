//! A whole Kubernetes control plane on loopback, without a container runtime.

mod administrator;
mod audit;
mod identity;
mod programs;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::plane::Plane;
use crate::process::Process;

use audit::Audit;
pub use audit::{Call, Calls};
use identity::Identities;

/// The name of the administrator in the audit log and in `managedFields`' company.
#[must_use]
pub fn administrator() -> &'static str {
    identity::ADMINISTRATOR
}

/// How long a start may take. On an idle machine it takes about five seconds.
const START: Duration = Duration::from_secs(180);

/// etcd, the API server with real RBAC, the controllers, the scheduler, and kwok with one node.
///
/// Pods become ready at once, with these exceptions, which look at the image's tag: a container
/// whose tag begins with `bad` waits in `ImagePullBackOff`, one whose tag begins with `crash` in
/// `CrashLoopBackOff`; the annotations `testkit/cannot-pull` and `testkit/crashes` of a pod are
/// expressions that say so of more images. A pod with the label `testkit/plays: complete`
/// succeeds and one with `testkit/plays: fail` fails once it has run.
///
/// The processes end, and their folder goes, when this is dropped or when this process dies.
pub struct ControlPlane {
    // Dropped in this order: no process writes to the folder when it is removed.
    processes: Mutex<Vec<Process>>,
    identities: Identities,
    audit: Mutex<Audit>,
    folder: TempDir,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    ApiOnly,
}

/// The control plane of this process, started by the first who asks. It is never dropped; it ends
/// with the process.
///
/// # Errors
///
/// As [`ControlPlane::start`]; the next who asks tries again.
pub async fn shared() -> Result<&'static ControlPlane> {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED.get_or_try_init(ControlPlane::start).await
}

impl ControlPlane {
    /// Starts everything and returns when a pod could run.
    ///
    /// # Errors
    ///
    /// When the programs cannot be had, or one of them ends or is not ready in three minutes; the
    /// error has the end of its log.
    pub async fn start() -> Result<Self> {
        Self::start_extent(Extent::All).await
    }

    /// Starts etcd and the API server only: nothing is scheduled, collected or made ready.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::start`].
    pub async fn api_only() -> Result<Self> {
        Self::start_extent(Extent::ApiOnly).await
    }

    async fn start_extent(extent: Extent) -> Result<Self> {
        let plane = Plane::find().await?;
        match Self::start_once(&plane, extent).await {
            Ok(started) => Ok(started),
            // A free port can be taken by somebody else before its server binds it.
            Err(error) if format!("{error:#}").contains("address already in use") => {
                Self::start_once(&plane, extent).await
            }
            Err(error) => Err(error),
        }
    }

    async fn start_once(plane: &Plane, extent: Extent) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("lockstep-plane-")
            .tempdir()
            .context("making a folder for the control plane")?;
        let ports = programs::Ports::free()?;
        let identities = Identities::write(folder.path(), ports.api_server)?;
        let processes = programs::start_api(plane, folder.path(), &ports)?;
        let this = Self { processes: Mutex::new(processes), identities, audit: Mutex::default(), folder };
        this.wait_for("the API server to be ready", async |client: Client| administrator::is_ready(&client).await)
            .await?;
        if extent == Extent::All {
            let more = programs::start_controllers(plane, this.folder.path(), &ports)?;
            this.lock().extend(more);
            administrator::create_node(&this.admin_client().await?).await?;
            this.wait_for("the node and the controllers to be ready", async |client: Client| {
                administrator::is_node_ready(&client).await && administrator::are_controllers_ready(&client).await
            })
            .await?;
        }
        Ok(this)
    }

    /// Waits until `condition` holds, or one of the processes has ended.
    async fn wait_for(&self, what: &str, condition: impl AsyncFn(Client) -> bool) -> Result<()> {
        let client = self.admin_client().await?;
        let mut ended = Ok(());
        let waited = crate::eventually(START, what, async || {
            ended = self.lock().iter_mut().try_for_each(Process::check);
            ended.is_err() || condition(client.clone()).await
        })
        .await;
        ended.and(waited)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.processes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The URL of the API server.
    #[must_use]
    pub fn server_url(&self) -> &str {
        self.identities.server_url()
    }

    /// The authority that signed the API server's certificate, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.identities.ca_pem()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.identities.admin_kubeconfig()
    }

    /// The folder with the logs of the programs, one `NAME.log` each, and `audit.log`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process ids of the programs.
    #[must_use]
    pub fn process_ids(&self) -> Vec<u32> {
        self.lock().iter().map(Process::id).collect()
    }
}
