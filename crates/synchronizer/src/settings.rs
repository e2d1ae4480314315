//! How the process runs. What it syncs is said in the cluster, by Syncs.

use std::net::{Ipv4Addr, SocketAddr};

use camino::Utf8PathBuf;
use lockstep_daemon::{Endpoint, ListenAddress, LogSettings, Period, SettingsErrors, Sources, TlsFiles};
use lockstep_repository::{PlainHttp, RemoteUrl};
use serde::{Deserialize, Serialize};

use crate::resource::SyncSpec;

/// More requests in flight than this help no API server.
const MOST_REQUESTS: usize = 1000;

/// The settings of the daemon; `docs/configuration.md` describes each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// The kubeconfig file; without one, the pod's own service account.
    pub kubeconfig: Option<Utf8PathBuf>,
    /// Only the Syncs of these namespaces are acted on; none means all.
    pub namespaces: Vec<String>,
    /// The service account, in the Sync's namespace, of Syncs that name none; without it they have the daemon's rights.
    pub default_service_account: Option<String>,
    /// The folder of the clones.
    pub data: Utf8PathBuf,
    /// The automator to tell what runs, and to hear of commits from.
    pub automator: Option<Endpoint>,
    /// Where the ports are.
    pub listen: Listen,
    /// The certificate of the gRPC port.
    pub tls: Option<TlsFiles>,
    /// Requests in flight to the API server, for all Syncs together; fewer while it is busy.
    pub concurrency: usize,
    /// Turns that go on at once, of all Syncs; the others wait in the order of coming.
    pub turns: usize,
    /// Field managers that stand for people, beside the well-known tools: names, or beginnings of names with a star.
    pub human_managers: Vec<String>,
    /// The Lease by which several daemons agree who works.
    pub lease: LeaseSettings,
    /// How long one request to the API server may take.
    pub request_timeout: Period,
    /// How long one watch lasts at most; half of it without a sign of life is taken for a dead connection.
    pub watch_timeout: Period,
    /// How long the work in hand may take after the request to stop.
    pub shutdown_grace: Period,
    /// Logs.
    pub log: LogSettings,
    /// One Sync to create at start if it does not exist.
    pub bootstrap: Option<Bootstrap>,
}

/// Where the ports are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Listen {
    /// The service `Syncs`.
    pub grpc: ListenAddress,
    /// `/live`, `/ready` and `/metrics`.
    pub admin: SocketAddr,
}

/// The Lease, in the daemon's own namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct LeaseSettings {
    /// Whether there is one; without it this must be the only daemon of its Syncs.
    pub enabled: bool,
    /// Its name.
    pub name: String,
    /// So long after the last renewal another daemon takes it; whole seconds.
    pub duration: Period,
    /// Between two renewals. Writes end as long before another daemon may begin.
    pub renew: Period,
}

/// The Sync that is created if it does not exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bootstrap {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its spec, as on the object.
    pub spec: SyncSpec,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            namespaces: Vec::new(),
            default_service_account: None,
            data: "/var/lib/lockstep-synchronizer".into(),
            automator: None,
            listen: Listen::default(),
            tls: None,
            concurrency: 32,
            turns: 8,
            human_managers: Vec::new(),
            lease: LeaseSettings::default(),
            request_timeout: Period::seconds(30),
            watch_timeout: Period::seconds(290),
            shutdown_grace: Period::seconds(20),
            log: LogSettings::default(),
            bootstrap: None,
        }
    }
}

impl Default for LeaseSettings {
    fn default() -> Self {
        let name = "lockstep-synchronizer".to_owned();
        Self { enabled: false, name, duration: Period::seconds(15), renew: Period::seconds(5) }
    }
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { grpc: ListenAddress::Tcp(loopback(7410)), admin: loopback(7411) }
    }
}

impl Settings {
    /// Loads and checks the settings.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first of it.
    pub fn load(sources: &Sources) -> Result<Self, SettingsErrors> {
        lockstep_daemon::load(sources, Self::problems)
    }

    /// What the types cannot say: pairs of a key and a message.
    fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut problem = |key: &str, message: String| problems.push((key.to_owned(), message));
        for (index, namespace) in self.namespaces.iter().enumerate() {
            if !is_label(namespace) {
                problem(&format!("namespaces.{index}"), format!("{namespace:?} cannot be the name of a namespace"));
            }
        }
        if self.default_service_account.as_deref().is_some_and(|name| !is_label(name)) {
            problem("default-service-account", "this cannot be the name of a service account".to_owned());
        }
        if let Some(automator) = &self.automator
            && let Err(error) = automator.check()
        {
            problem("automator.address", error.to_string());
        }
        if let ListenAddress::Tcp(address) = &self.listen.grpc
            && !address.ip().is_loopback()
            && self.tls.is_none()
        {
            let message = format!(
                "is required because listen.grpc is {address}, which is not loopback: set certificate-file and key-file"
            );
            problem("tls", message);
        }
        if !(1..=MOST_REQUESTS).contains(&self.concurrency) {
            problem("concurrency", format!("must be from 1 to {MOST_REQUESTS}, not {}", self.concurrency));
        }
        if !(1..=MOST_REQUESTS).contains(&self.turns) {
            problem("turns", format!("must be from 1 to {MOST_REQUESTS}, not {}", self.turns));
        }
        for (key, period) in [
            ("request-timeout", self.request_timeout),
            ("watch-timeout", self.watch_timeout),
            ("shutdown-grace", self.shutdown_grace),
        ] {
            if period.get().is_zero() {
                problem(key, "must be longer than nothing".to_owned());
            }
        }
        for (key, message) in self.lease.problems() {
            problem(&format!("lease.{key}"), message);
        }
        if let Some(bootstrap) = &self.bootstrap {
            for (key, message) in bootstrap.problems(&self.namespaces) {
                problem(&format!("bootstrap.{key}"), message);
            }
        }
        problems
    }
}

impl LeaseSettings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let (duration, renew) = (self.duration.get(), self.renew.get());
        if !self.name.split('.').all(is_label) {
            problems.push(("name", format!("{:?} cannot be the name of a Lease", self.name)));
        }
        if duration.is_zero() || duration.subsec_nanos() > 0 {
            problems.push(("duration", format!("must be whole seconds, not {}", self.duration)));
        }
        if renew.is_zero() || renew * 3 > duration {
            let message =
                format!("must be at most a third of duration, which is {}, not {}", self.duration, self.renew);
            problems.push(("renew", message));
        }
        problems
    }
}

impl Bootstrap {
    fn problems(&self, namespaces: &[String]) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.name.is_empty() || !self.name.split('.').all(is_label) {
            problems.push(("name", format!("{:?} cannot be the name of a Sync", self.name)));
        }
        if !is_label(&self.namespace) {
            problems.push(("namespace", format!("{:?} cannot be the name of a namespace", self.namespace)));
        } else if !namespaces.is_empty() && !namespaces.contains(&self.namespace) {
            let message = format!("{} is not among namespaces, so nothing would act on the Sync", self.namespace);
            problems.push(("namespace", message));
        }
        let source = &self.spec.source;
        let plain = if source.dangerous_plain_http { PlainHttp::Allowed } else { PlainHttp::LoopbackOnly };
        if let Err(error) = RemoteUrl::parse(&source.repository, plain) {
            problems.push(("spec.source.repository", error.to_string()));
        }
        problems
    }
}

/// A DNS label, as namespaces are named.
fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests;
