//! Lockstep as a user installs it: settings files, certificates, tokens, Secrets, rights.
//!
//! What a daemon reads is written as `docs/configuration.md` describes it, and what the cluster
//! holds is what `deploy/kustomize/base` holds. Whether a daemon then runs as a process or as a
//! task of a test makes no difference to any of it.

mod cluster;
mod files;
mod process;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use lockstep_daemon::{AuthenticatedChannel, Endpoint, SecretFile, connect};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use crate::tls::Authority;
use crate::{ControlPlane, GitServer, GitServerOptions, Notify, Registry, RegistryOptions, port};

pub use cluster::install_definitions;
pub use process::DaemonProcess;

/// The namespace of `deploy/kustomize/base`, and the account that the synchronizer has there.
pub(crate) const HOME: &str = "lockstep";
pub(crate) const ACCOUNT: &str = "lockstep-synchronizer";

/// The folder of the repository that is synced and searched for images.
pub(crate) const PATH: &str = "clusters/demo";

/// The user that the daemons are to Git and to the registry.
pub(crate) const ROBOT: &str = "robot";

/// One of the two daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// Scans registries and commits.
    Automator,
    /// Applies what Git holds.
    Synchronizer,
}

impl Daemon {
    /// The name of its program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Automator => "lockstep-automator",
            Self::Synchronizer => "lockstep-synchronizer",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Automator => "automator",
            Self::Synchronizer => "synchronizer",
        }
    }
}

/// How the daemons reach the Git server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitWay {
    /// HTTPS, a user and a password.
    Https,
    /// SSH, with a key.
    Ssh,
}

/// The names that keep two installations in one cluster apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The namespace of the Sync.
    pub sync_namespace: String,
    /// The Sync.
    pub sync: String,
    /// The namespace of what is synced; it comes from Git.
    pub workloads: String,
}

/// The files and addresses of one installation. Its folder goes when this is dropped.
pub struct Installation {
    names: Names,
    way: GitWay,
    ports: Ports,
    authority: Authority,
    git_password: SecretString,
    registry_password: SecretString,
    webhook_secret: SecretString,
    client: reqwest::Client,
    folder: TempDir,
}

#[derive(Clone, Copy)]
struct Ports {
    automator_grpc: u16,
    automator_admin: u16,
    webhook: u16,
    synchronizer_grpc: u16,
    synchronizer_admin: u16,
}

impl Installation {
    /// Chooses ports, passwords and certificates. Nothing runs yet, but everybody's address and
    /// password is known: that of the Git server and the registry too.
    ///
    /// # Errors
    ///
    /// When a folder, a port or a key cannot be had.
    pub fn prepare(names: Names, way: GitWay) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lockstep-installation-").tempdir()?;
        let [automator_grpc, automator_admin, webhook, synchronizer_grpc, synchronizer_admin] = port::free()?;
        Ok(Self {
            names,
            way,
            ports: Ports { automator_grpc, automator_admin, webhook, synchronizer_grpc, synchronizer_admin },
            authority: Authority::new()?,
            git_password: random(),
            registry_password: random(),
            webhook_secret: format!("Bearer {}", random().expose_secret()).into(),
            // A kept connection would be answered by a daemon that no longer listens.
            client: reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?,
            folder,
        })
    }

    /// How the Git server is to be.
    #[must_use]
    pub fn git_options(&self) -> GitServerOptions {
        GitServerOptions { basic: Some((ROBOT.to_owned(), self.git_password.clone())), bearer: None, tls: true }
    }

    /// A registry with TLS and a password that tells the automator of pushes.
    ///
    /// # Errors
    ///
    /// As [`Registry::start`].
    pub async fn start_registry(&self) -> Result<Registry> {
        let notify = Notify {
            url: format!("https://127.0.0.1:{}/webhooks/distribution", self.ports.webhook),
            authorization: Some(self.webhook_secret.clone()),
        };
        let options = RegistryOptions {
            htpasswd: Some((ROBOT.to_owned(), self.registry_password.clone())),
            tls: true,
            notify: Some(notify),
        };
        Registry::start_trusting(options, &self.authority).await
    }

    /// Does what `docs/operations.md` tells the one who installs to do: the definitions and rights
    /// in the cluster, the Secret with the Git credentials, both settings files and all they name.
    /// The Sync is not there yet: see [`Installation::create_sync`].
    ///
    /// # Errors
    ///
    /// When the API server refuses something, or a file cannot be written.
    pub async fn install(&self, plane: &ControlPlane, registry: &Registry, git: &GitServer) -> Result<()> {
        self.prepare_cluster(plane, git).await.context("preparing the cluster")?;
        let kubeconfig = plane.kubeconfig_for(HOME, ACCOUNT).await?;
        let operator = plane.token_for(&self.names.sync_namespace, cluster::OPERATOR).await?;
        self.write_files(&kubeconfig, &operator, registry, git).context("writing the settings of the daemons")
    }

    /// The names of this installation.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The folder of everything below.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings file of a daemon.
    #[must_use]
    pub fn settings(&self, daemon: Daemon) -> PathBuf {
        self.file(daemon, "settings.yaml")
    }

    /// The data folder of a daemon, which may be deleted at any time.
    #[must_use]
    pub fn data(&self, daemon: Daemon) -> PathBuf {
        self.file(daemon, "data")
    }

    /// The address of a daemon's gRPC service.
    #[must_use]
    pub fn grpc_url(&self, daemon: Daemon) -> String {
        let port = match daemon {
            Daemon::Automator => self.ports.automator_grpc,
            Daemon::Synchronizer => self.ports.synchronizer_grpc,
        };
        format!("https://127.0.0.1:{port}")
    }

    /// The address of a daemon's admin port.
    #[must_use]
    pub fn admin_url(&self, daemon: Daemon) -> String {
        let port = match daemon {
            Daemon::Automator => self.ports.automator_admin,
            Daemon::Synchronizer => self.ports.synchronizer_admin,
        };
        format!("http://127.0.0.1:{port}")
    }

    /// The file with the authority that signed the certificates of both daemons.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The file with the token by which a person may call a daemon.
    #[must_use]
    pub fn person_token_file(&self, daemon: Daemon) -> PathBuf {
        self.folder.path().join("person").join(daemon.folder())
    }

    /// The file with the registry's password, for the user `robot`.
    #[must_use]
    pub fn registry_password_file(&self) -> PathBuf {
        self.file(Daemon::Automator, "registry-password")
    }

    /// The file with the authority of the registry's certificate.
    #[must_use]
    pub fn registry_ca_file(&self) -> PathBuf {
        self.file(Daemon::Automator, "registry-ca.crt")
    }

    /// A channel to a daemon with the rights of a person.
    ///
    /// # Errors
    ///
    /// When a path of this installation is not UTF-8.
    pub fn channel(&self, daemon: Daemon) -> Result<AuthenticatedChannel> {
        let text = |path: PathBuf| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
        let endpoint = Endpoint {
            address: self.grpc_url(daemon),
            token_file: Some(SecretFile::new(text(self.person_token_file(daemon))?)),
            ca_file: Some(text(self.ca_file())?.into()),
        };
        Ok(connect(&endpoint)?)
    }

    /// Whether a daemon says of itself that it is ready.
    pub async fn is_ready(&self, daemon: Daemon) -> bool {
        let request = self.client.get(format!("{}/ready", self.admin_url(daemon)));
        let answer = request.timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What a daemon counts.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn metrics(&self, daemon: Daemon) -> Result<String> {
        let answer = self.client.get(format!("{}/metrics", self.admin_url(daemon))).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Deletes the data folder of a daemon, which must not run.
    ///
    /// # Errors
    ///
    /// When something of it cannot be deleted.
    pub fn forget(&self, daemon: Daemon) -> Result<()> {
        let data = self.data(daemon);
        if data.exists() {
            std::fs::remove_dir_all(&data).with_context(|| format!("deleting {}", data.display()))?;
        }
        Ok(())
    }

    fn file(&self, daemon: Daemon, name: &str) -> PathBuf {
        self.folder.path().join(daemon.folder()).join(name)
    }
}

fn random() -> SecretString {
    hex::encode(rand::rng().random::<[u8; 16]>()).into()
}
