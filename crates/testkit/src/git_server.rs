//! A Git server on loopback: one bare repository behind HTTP and behind SSH.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use rand::RngExt;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{PrivateKey, PublicKey};
use secrecy::SecretString;
use tempfile::TempDir;

use crate::human::Human;
use crate::server_thread::ServerThread;
use crate::tls::Authority;
use crate::{git_http, git_ssh};

/// The name of the one repository.
pub(crate) const REPOSITORY: &str = "config.git";

/// Whoever commits as a person is let in by a repository that rejects everybody else.
pub(crate) const HUMAN_VARIABLE: &str = "LOCKSTEP_TEST_HUMAN";

const REJECTING_HOOK: &str = "#!/bin/sh
[ -n \"$LOCKSTEP_TEST_HUMAN\" ] && exit 0
echo 'error: GH006: Protected branch update failed for refs/heads/main.' >&2
exit 1
";

/// How the HTTP side is to be. SSH always lets one key in, [`GitServer::ssh_identity`].
#[derive(Default)]
pub struct GitServerOptions {
    /// The one user and password that HTTP lets in.
    pub basic: Option<(String, SecretString)>,
    /// The one bearer token that HTTP lets in, instead of or besides `basic`.
    pub bearer: Option<SecretString>,
    /// Whether HTTP is HTTPS, with a certificate of [`GitServer::ca_pem`].
    pub tls: bool,
}

/// A running Git server. Its repository has the branch `main` with one empty commit.
pub struct GitServer {
    // Dropped in this order: nobody reads the folder when it is removed.
    running: Mutex<Option<Running>>,
    http: Arc<git_http::Settings>,
    ssh: Arc<git_ssh::Settings>,
    http_port: u16,
    ssh_port: u16,
    tls: Option<Authority>,
    certificate: Option<Arc<rustls::ServerConfig>>,
    identity: SecretString,
    host_key: PublicKey,
    folder: TempDir,
}

struct Running {
    _http: ServerThread,
    _ssh: ServerThread,
}

impl GitServer {
    /// Makes the repository and serves it.
    ///
    /// # Errors
    ///
    /// When `git` cannot be run or a port cannot be had.
    pub fn start(options: GitServerOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lockstep-git-").tempdir()?;
        let repository = folder.path().join(REPOSITORY);
        let mut init = git(folder.path());
        init.args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&repository);
        run(init)?;
        for (name, value) in [
            ("http.receivepack", "true"),
            ("uploadpack.allowAnySHA1InWant", "true"),
            ("uploadpack.allowFilter", "true"),
        ] {
            let mut config = git(folder.path());
            config.arg("--git-dir").arg(&repository).args(["config", name, value]);
            run(config)?;
        }

        let tls = if options.tls { Some(Authority::new()?) } else { None };
        let certificate = match &tls {
            Some(authority) => Some(authority.server_certificate()?.rustls()?),
            None => None,
        };
        let host_key = ed25519("lockstep test host")?;
        let client_key = ed25519("lockstep test client")?;
        let host_public = host_key.public_key().clone();
        let identity = client_key.to_openssh(LineEnding::LF)?.as_str().to_owned();

        let (http, ssh) = (listen(0)?, listen(0)?);
        let this = Self {
            running: Mutex::new(None),
            http_port: http.local_addr()?.port(),
            ssh_port: ssh.local_addr()?.port(),
            http: Arc::new(git_http::Settings {
                root: folder.path().to_owned(),
                basic: options.basic,
                bearer: options.bearer,
                answered: AtomicUsize::new(0),
            }),
            ssh: Arc::new(git_ssh::Settings {
                root: folder.path().to_owned(),
                host_key,
                client_key: client_key.public_key().clone(),
            }),
            tls,
            certificate,
            identity: identity.into(),
            host_key: host_public,
            folder,
        };
        this.serve(http, ssh)?;
        this.human()?.commit_empty("Begin")?;
        Ok(this)
    }

    /// How many requests over HTTP were answered since the start, refusals included.
    #[must_use]
    pub fn http_requests(&self) -> usize {
        self.http.answered.load(Ordering::Relaxed)
    }

    /// Ends both servers; connections break off. The repository stays, and [`GitServer::human`]
    /// goes on working, for it needs no server.
    pub fn stop(&self) {
        let running = self.lock().take();
        drop(running);
    }

    /// Serves again after [`GitServer::stop`], on the same ports.
    ///
    /// # Errors
    ///
    /// When somebody else has taken one of the ports.
    pub fn resume(&self) -> Result<()> {
        self.stop();
        self.serve(listen(self.http_port)?, listen(self.ssh_port)?)
    }

    fn serve(&self, http: TcpListener, ssh: TcpListener) -> Result<()> {
        let (settings, certificate) = (Arc::clone(&self.http), self.certificate.clone());
        let http = ServerThread::start("git-http", move || git_http::serve(http, certificate, settings))?;
        let settings = Arc::clone(&self.ssh);
        let ssh = ServerThread::start("git-ssh", move || git_ssh::serve(ssh, settings))?;
        *self.lock() = Some(Running { _http: http, _ssh: ssh });
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The repository's URL over HTTP or, with TLS, HTTPS; without user and password.
    #[must_use]
    pub fn http_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/{REPOSITORY}", self.http_port)
    }

    /// The repository's URL over SSH.
    #[must_use]
    pub fn ssh_url(&self) -> String {
        format!("ssh://git@127.0.0.1:{}/{REPOSITORY}", self.ssh_port)
    }

    /// The authority that signed the HTTPS certificate, as PEM; none without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(Authority::pem)
    }

    /// The private key that SSH lets in, in OpenSSH's PEM form.
    #[must_use]
    pub fn ssh_identity(&self) -> &SecretString {
        &self.identity
    }

    /// The line of a `known_hosts` file for the SSH server.
    ///
    /// # Errors
    ///
    /// When the key cannot be encoded.
    pub fn known_hosts(&self) -> Result<String> {
        Ok(format!("[127.0.0.1]:{} {}\n", self.ssh_port, self.host_key.to_openssh()?))
    }

    /// The bare repository's folder.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join(REPOSITORY)
    }

    /// From now on pushes are rejected, or no longer, as by a protected branch; those of a
    /// [`Human`] excepted.
    ///
    /// # Errors
    ///
    /// When the hook cannot be written.
    pub fn set_rejecting(&self, rejecting: bool) -> Result<()> {
        let hook = self.repository().join("hooks").join("pre-receive");
        if rejecting {
            fs::create_dir_all(self.repository().join("hooks"))?;
            fs::write(&hook, REJECTING_HOOK)?;
            fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))?;
        } else if hook.exists() {
            fs::remove_file(&hook)?;
        }
        Ok(())
    }

    /// A person with a clone of the repository.
    ///
    /// # Errors
    ///
    /// When it cannot be cloned.
    pub fn human(&self) -> Result<Human> {
        Human::clone(&self.repository())
    }
}

/// `git` with nothing of this machine's or user's configuration.
pub(crate) fn git(home: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .current_dir(home);
    command
}

/// Runs a command to its end; answers what it printed.
pub(crate) fn run(mut command: Command) -> Result<String> {
    let output = command.output().context("starting git (it must be installed)")?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(|part| part.to_string_lossy()).collect();
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("git {}: {}: {}", arguments.join(" "), output.status, message.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn ed25519(comment: &str) -> Result<PrivateKey> {
    let seed = rand::rng().random::<[u8; 32]>();
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    PrivateKey::new(pair, comment).context("making an SSH key")
}

fn listen(port: u16) -> Result<TcpListener> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("listening on 127.0.0.1:{port}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
