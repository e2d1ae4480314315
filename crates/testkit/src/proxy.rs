//! A proxy between one daemon and the API server that does what networks and API servers do on a bad day.

mod forward;
mod record;
mod request;
mod rule;
mod watches;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::ControlPlane;
use crate::server_thread::ServerThread;
use crate::tls::Authority;

pub use record::Seen;
pub use request::{Asked, Requests};
pub use rule::{Answer, Fault, Injected, Times};
pub use watches::Trick;

/// Forwards every request with the credentials it came with, streams watches, keeps a record, and
/// injects the faults that a test asks for. HTTP/1.1 over TLS, which is what kube speaks.
pub struct FaultProxy {
    server: Mutex<Option<ServerThread>>,
    upstream: Arc<forward::Upstream>,
    certificate: Arc<rustls::ServerConfig>,
    authority: Authority,
    address: SocketAddr,
    /// Bound and never listening: while the server is stopped the port stays ours and refuses.
    _port: TcpSocket,
    written: AtomicUsize,
    folder: TempDir,
}

impl FaultProxy {
    /// Starts a proxy in front of the API server of `plane`, without any fault.
    ///
    /// # Errors
    ///
    /// When a port, a key or a folder cannot be had.
    pub fn start(plane: &ControlPlane) -> Result<Self> {
        let port = TcpSocket::new_v4()?;
        port.set_reuseaddr(true)?;
        port.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("taking a port for a proxy")?;
        let authority = Authority::new()?;
        let this = Self {
            server: Mutex::new(None),
            upstream: Arc::new(forward::Upstream::new(plane)?),
            certificate: authority.server_certificate()?.rustls()?,
            authority,
            address: port.local_addr()?,
            _port: port,
            written: AtomicUsize::new(0),
            folder: tempfile::Builder::new().prefix("lockstep-proxy-").tempdir()?,
        };
        this.resume()?;
        Ok(this)
    }

    /// Writes a kubeconfig like `direct` whose server is this proxy.
    ///
    /// # Errors
    ///
    /// When `direct` is not a kubeconfig of [`ControlPlane::kubeconfig_for`].
    pub fn kubeconfig(&self, direct: &Path) -> Result<PathBuf> {
        let text = fs::read_to_string(direct).with_context(|| format!("reading {}", direct.display()))?;
        let mut kubeconfig: Value = serde_json::from_str(&text).context("reading a kubeconfig")?;
        let cluster = kubeconfig.pointer_mut("/clusters/0/cluster").context("a kubeconfig without a cluster")?;
        *cluster = json!({
            "server": format!("https://{}", self.address),
            "certificate-authority-data": STANDARD.encode(self.authority.pem()),
        });
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("{number}.kubeconfig"));
        fs::write(&path, kubeconfig.to_string()).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// From now on connections are refused, and those that were open are broken.
    pub fn stop(&self) {
        drop(self.lock().take());
    }

    /// Takes connections again after [`FaultProxy::stop`].
    ///
    /// # Errors
    ///
    /// When the port cannot be listened on.
    pub fn resume(&self) -> Result<()> {
        self.stop();
        let listener = TcpListener::bind(self.address).with_context(|| format!("listening on {}", self.address))?;
        listener.set_nonblocking(true)?;
        let client = self.upstream.client()?;
        let (upstream, certificate) = (self.upstream.clone(), self.certificate.clone());
        let serve = move || forward::serve(listener, certificate, upstream, client);
        *self.lock() = Some(ServerThread::start("fault-proxy", serve)?);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<ServerThread>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on those of `requests` that `times` picks meet `fault`, until it is lifted. Of
    /// several that fit, the first injected counts.
    pub fn inject(&self, requests: Requests, times: Times, fault: Fault) -> Injected {
        self.upstream.rules.add(requests, times, fault)
    }

    /// Does something to each open watch among `requests`; says to how many.
    pub fn trick(&self, requests: &Requests, trick: &Trick) -> usize {
        self.upstream.watches.play(requests, trick)
    }

    /// What came in so far among `requests`, in order of arrival.
    #[must_use]
    pub fn seen(&self, requests: &Requests) -> Vec<Seen> {
        self.upstream.record.matching(requests)
    }

    /// How many of `requests` were open at the same moment, at most.
    #[must_use]
    pub fn most_at_once(&self, requests: &Requests) -> usize {
        record::most_at_once(&self.seen(requests))
    }

    /// How many watches among `requests` are open now.
    #[must_use]
    pub fn open_watches(&self, requests: &Requests) -> usize {
        self.upstream.watches.open(requests)
    }
}
