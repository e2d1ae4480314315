//! The registry of the distribution project, on loopback.

mod log;
mod push;
mod stock;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::RngExt;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::eventually;
use crate::plane::Plane;
use crate::port;
use crate::process::Process;
use crate::tls::Authority;

pub use log::Served;

const START: Duration = Duration::from_secs(60);

/// The authorities of whom it tells about pushes, instead of the system's.
const TRUSTED: &str = "trusted.pem";

/// How the registry is to be.
#[derive(Default)]
pub struct RegistryOptions {
    /// The one user and password it lets in; without it, everybody.
    pub htpasswd: Option<(String, SecretString)>,
    /// Whether it speaks HTTPS, with a certificate of [`Registry::ca_pem`].
    pub tls: bool,
    /// Whom it tells about pushes.
    pub notify: Option<Notify>,
}

/// An endpoint that is told of every push, in the distribution project's format.
pub struct Notify {
    /// Where to.
    pub url: String,
    /// The value of the `Authorization` header.
    pub authorization: Option<SecretString>,
}

/// A running registry. Its process and its images go when this is dropped.
pub struct Registry {
    // Dropped in this order: the process must not write to the folder when it is removed.
    process: Mutex<Option<Process>>,
    plane: Plane,
    port: u16,
    tls: Option<Authority>,
    login: Option<(String, SecretString)>,
    pushed: AtomicUsize,
    folder: TempDir,
}

impl Registry {
    /// Starts a registry and returns when it answers.
    ///
    /// # Errors
    ///
    /// When the program cannot be had, or ends or does not answer in a minute.
    pub async fn start(options: RegistryOptions) -> Result<Self> {
        Self::start_with(options, None).await
    }

    /// As [`Registry::start`], when [`Notify::url`] is HTTPS with a certificate of `authority`.
    ///
    /// # Errors
    ///
    /// As [`Registry::start`].
    pub async fn start_trusting(options: RegistryOptions, authority: &Authority) -> Result<Self> {
        Self::start_with(options, Some(authority)).await
    }

    async fn start_with(options: RegistryOptions, trusted: Option<&Authority>) -> Result<Self> {
        let plane = Plane::find().await?;
        let [port] = port::free()?;
        let folder = tempfile::Builder::new().prefix("lockstep-registry-").tempdir()?;
        let mut settings = json!({
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {
                "filesystem": {"rootdirectory": folder.path().join("images")},
                "delete": {"enabled": true},
            },
            "http": {
                "addr": format!("127.0.0.1:{port}"),
                "secret": hex::encode(rand::rng().random::<[u8; 16]>()),
                "draintimeout": "1s",
            },
        });
        let tls = if options.tls { Some(Authority::new()?) } else { None };
        if let Some(authority) = &tls {
            let certificate = authority.server_certificate()?;
            let (chain, key) = (folder.path().join("server.pem"), folder.path().join("key.pem"));
            fs::write(&chain, &certificate.certificate_pem)?;
            fs::write(&key, &certificate.key_pem)?;
            settings["http"]["tls"] = json!({"certificate": chain, "key": key});
        }
        if let Some((user, password)) = &options.htpasswd {
            let hash = bcrypt::hash(password.expose_secret(), 4).context("hashing a password")?;
            let path = folder.path().join("htpasswd");
            fs::write(&path, format!("{user}:{hash}\n"))?;
            settings["auth"] = json!({"htpasswd": {"realm": "lockstep-test", "path": path}});
        }
        if let Some(notify) = &options.notify {
            settings["notifications"] = json!({"endpoints": [endpoint(notify)]});
        }
        if let Some(authority) = trusted {
            fs::write(folder.path().join(TRUSTED), authority.pem())?;
        }
        // JSON, which is YAML too.
        fs::write(folder.path().join("settings.yaml"), settings.to_string())?;
        let this = Self {
            process: Mutex::new(None),
            plane,
            port,
            tls,
            login: options.htpasswd,
            pushed: AtomicUsize::new(0),
            folder,
        };
        this.resume().await?;
        Ok(this)
    }

    /// Ends the process; images and port are kept.
    pub fn stop(&self) {
        drop(self.lock().take());
    }

    /// Starts the process again after [`Registry::stop`], on the same port, with the same images.
    ///
    /// # Errors
    ///
    /// When it ends or does not answer in a minute.
    pub async fn resume(&self) -> Result<()> {
        let mut command = self.plane.program("registry");
        command.arg("serve").arg(self.folder.path().join("settings.yaml"));
        command.env("OTEL_TRACES_EXPORTER", "none");
        command.env("LOCKSTEP_PLANE_REMOVE", self.folder.path());
        let trusted = self.folder.path().join(TRUSTED);
        if trusted.exists() {
            command.env("SSL_CERT_FILE", trusted);
        }
        let process = Process::spawn("registry", command, self.folder.path())?;
        *self.lock() = Some(process);
        let client = self.client()?;
        let mut ended = Ok(());
        let waited = eventually(START, "the registry to answer", async || {
            ended = self.lock().as_mut().map_or(Ok(()), Process::check);
            ended.is_err() || client.get(self.url("/v2/")).send().await.is_ok()
        })
        .await;
        ended.and(waited)
    }

    /// `127.0.0.1:PORT`: what image references begin with.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The authority that signed its certificate, as PEM; none without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(Authority::pem)
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    fn client(&self) -> Result<Client> {
        let mut builder = Client::builder().no_proxy();
        if let Some(authority) = &self.tls {
            let certificate = reqwest::Certificate::from_pem(authority.pem().as_bytes())?;
            builder = builder.tls_certs_only([certificate]);
        }
        Ok(builder.build()?)
    }

    fn login(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password.expose_secret())),
            None => request,
        }
    }
}

fn endpoint(notify: &Notify) -> Value {
    let mut endpoint = json!({
        "name": "lockstep-test",
        "url": notify.url,
        "timeout": "2s",
        "threshold": 3,
        "backoff": "500ms",
    });
    if let Some(authorization) = &notify.authorization {
        endpoint["headers"] = json!({"Authorization": [authorization.expose_secret()]});
    }
    endpoint
}
