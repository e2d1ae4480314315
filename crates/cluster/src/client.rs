//! Who we are to which API server.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderValue, header::USER_AGENT};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    fence::Fence,
    limit::{Limit, Permit},
};

/// How to reach the API server.
#[derive(Clone, Debug)]
pub enum Connect {
    /// From within a pod: the mounted service account.
    InCluster,
    /// By a kubeconfig file.
    Kubeconfig {
        /// The file; `None` for `KUBECONFIG` and then `~/.kube/config`.
        path: Option<PathBuf>,
        /// The context; `None` for the current one.
        context: Option<String>,
    },
}

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sent with every call: `lockstep-synchronizer/0.1.0`.
    pub user_agent: String,
    /// How long one attempt of one call may take, its answer included. Watches are exempt.
    pub request_timeout: Duration,
    /// How often a call is sent again after a transient failure. A server that is only busy is asked four times as often.
    pub retries: usize,
    /// How many calls may be in flight at once, for all clones together. Watches are exempt.
    pub concurrency: usize,
    /// How long one watch lasts at most. Half of it without a sign of life is taken for a dead connection.
    pub watch_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("lockstep-synchronizer/", env!("CARGO_PKG_VERSION")).into(),
            request_timeout: Duration::from_secs(30),
            retries: 5,
            concurrency: 32,
            watch_timeout: Duration::from_secs(290),
        }
    }
}

/// Why there is no connection to make calls on.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not in a pod, or its service account is not mounted.
    #[error("read the pod's service account: {0}; outside of a pod give a kubeconfig")]
    InCluster(#[source] kube::config::InClusterError),
    /// The kubeconfig does not exist or names what it lacks.
    #[error("read the kubeconfig: {0}")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// The kubeconfig switches TLS verification off.
    #[error("the kubeconfig for {0} sets insecure-skip-tls-verify: give certificate-authority instead")]
    Unverified(String),
    /// The user agent holds characters that a header cannot.
    #[error("the user agent {0:?} is not a header value")]
    UserAgent(String),
    /// Impersonation without somebody to impersonate would act as the daemon itself.
    #[error("serviceAccountName is empty: leave it out, or name a service account of the Sync's namespace")]
    EmptyIdentity,
    /// TLS or credentials cannot be set up.
    #[error("set up the connection to {url}: {source}")]
    Client {
        /// The API server.
        url: String,
        /// What kube says.
        source: Box<kube::Error>,
    },
}

/// The API server as one identity. Clones share connections, and the limit of calls in flight.
#[derive(Clone)]
pub struct Cluster {
    limit: Limit,
    pub(crate) fence: Option<Fence>,
    whom: Arc<str>,
    client: Client,
    config: Arc<Config>,
    options: Arc<Options>,
    accounts: Arc<Mutex<HashMap<String, Client>>>,
}

impl Cluster {
    /// Reads the credentials and prepares a client. Nothing is sent yet.
    pub async fn connect(connect: Connect, options: Options) -> Result<Self, ConnectError> {
        let config = match connect {
            Connect::InCluster => Config::incluster().map_err(ConnectError::InCluster)?,
            Connect::Kubeconfig { path, context } => {
                let kubeconfig = match path {
                    Some(path) => Kubeconfig::read_from(path),
                    None => Kubeconfig::read(),
                }
                .map_err(ConnectError::Kubeconfig)?;
                let chosen = KubeConfigOptions { context, ..KubeConfigOptions::default() };
                Config::from_custom_kubeconfig(kubeconfig, &chosen).await.map_err(ConnectError::Kubeconfig)?
            }
        };
        Self::with_config(config, options)
    }

    /// The same from a configuration made elsewhere.
    pub fn with_config(mut config: Config, options: Options) -> Result<Self, ConnectError> {
        if config.accept_invalid_certs {
            return Err(ConnectError::Unverified(config.cluster_url.to_string()));
        }
        let agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| ConnectError::UserAgent(options.user_agent.clone()))?;
        config.headers.push((USER_AGENT, agent));
        // Retrying is ours: kube's policy knows neither our bound nor which 500 is final.
        config.default_retry = false;
        // A bound even for watches and their first lists: the server ends a watch long before.
        config.read_timeout = Some(Duration::from_secs(300));
        config.reset_reader_on_write = true;
        let client = client(&config)?;
        Ok(Self {
            limit: Limit::new(options.concurrency),
            fence: None,
            whom: "".into(),
            client,
            config: Arc::new(config),
            options: Arc::new(options),
            accounts: Arc::default(),
        })
    }

    /// The same API server as a service account of `namespace`, whose rights then bound every call. The groups are left
    /// to the API server, so the right to impersonate that service account is enough.
    pub fn impersonating(&self, namespace: &str, service_account: &str) -> Result<Self, ConnectError> {
        if namespace.is_empty() || service_account.is_empty() {
            return Err(ConnectError::EmptyIdentity);
        }
        let user = format!("system:serviceaccount:{namespace}:{service_account}");
        let mut config = Config::clone(&self.config);
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups = None;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match accounts.get(&user) {
            Some(client) => client.clone(),
            None => accounts.entry(user).or_insert(client(&config)?).clone(),
        };
        drop(accounts);
        Ok(Self { client, config: Arc::new(config), ..self.clone() })
    }

    /// The same, for the sake of somebody: all for whom calls wait are served in turn.
    #[must_use]
    pub fn on_behalf_of(&self, whom: &str) -> Self {
        Self { whom: whom.into(), ..self.clone() }
    }

    /// The same, whose writes pass only while `fence` is open: looked at before each is sent, and one that is on its way
    /// when it closes is broken off.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }

    /// The same for calls that wait for no others, are tried once and no longer than `timeout`, and pass every fence.
    pub(crate) fn apart(&self, timeout: Duration) -> Self {
        let options = Options { request_timeout: timeout, retries: 0, ..self.options().clone() };
        Self { limit: Limit::new(1), fence: None, options: Arc::new(options), ..self.clone() }
    }

    /// Whether a write may be sent now; who sends typed calls asks by himself.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.fence.as_ref().is_none_or(Fence::is_open)
    }

    /// For typed calls (`kube::Api`), which this crate adds nothing to, no fence either.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The namespace of the credentials: the pod's own, or the context's.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// Waits until a call may be made.
    pub(crate) async fn permit(&self) -> Permit {
        self.limit.permit(&self.whom).await
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("url", &self.config.cluster_url)
            .field("impersonate", &self.config.auth_info.impersonate)
            .finish_non_exhaustive()
    }
}

fn client(config: &Config) -> Result<Client, ConnectError> {
    Client::try_from(config.clone())
        .map_err(|source| ConnectError::Client { url: config.cluster_url.to_string(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new(http::Uri::from_static("http://127.0.0.1:1"))
    }

    #[tokio::test]
    async fn an_empty_identity_is_refused() {
        let cluster = Cluster::with_config(config(), Options::default()).unwrap();
        assert!(matches!(cluster.impersonating("shop", ""), Err(ConnectError::EmptyIdentity)));
        assert!(matches!(cluster.impersonating("", "web"), Err(ConnectError::EmptyIdentity)));
        let other = cluster.impersonating("shop", "web").unwrap();
        assert!(format!("{other:?}").contains("system:serviceaccount:shop:web"));
    }

    #[tokio::test]
    async fn unverified_tls_is_refused() {
        let mut config = config();
        config.accept_invalid_certs = true;
        assert!(matches!(Cluster::with_config(config, Options::default()), Err(ConnectError::Unverified(_))));
    }
}
