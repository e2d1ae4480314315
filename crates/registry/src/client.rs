//! One request to a registry: its turn, its credentials, its redirects, its retries.

mod send;

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Method};

use crate::auth::Authenticator;
use crate::credentials::{Credentials, Login};
use crate::documents::Documents;
use crate::endpoint::{Endpoint, Repository};
use crate::error::RegistryError;
use crate::flight::SingleFlight;
use crate::kept_listings::KeptListings;
use crate::manners::Manners;
use crate::page::Page;
use crate::recent_listings::RecentListings;
use crate::resolver::Resolver;
use crate::seen::SeenTags;
use crate::settings::RegistrySettings;
use crate::tags::{Listed, first_page_size};

pub(crate) use send::{asked_pause, header_texts, read_body, reason};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Registries that no setting names are remembered too, but not without end.
const MOST_HOSTS: usize = 1000;

/// All registries that the daemon speaks to. Cheap to share behind an `Arc`; one is enough for a process.
///
/// A registry without settings is spoken to anonymously over TLS (plain HTTP on loopback).
pub struct Registries {
    settings: HashMap<String, RegistrySettings>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    http: Client,
    http_loopback: Client,
    pub(crate) authenticator: Authenticator,
    sources: Vec<Credentials>,
    observer: Option<Arc<Observer>>,
    pub(crate) kept_listings: KeptListings,
    pub(crate) recent_listings: RecentListings,
    pub(crate) listings: SingleFlight<Repository, Result<Listed, RegistryError>>,
    pub(crate) documents: Documents,
}

/// One registry with what we know about it.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) http: Client,
    pub(crate) manners: Manners,
    credentials: Option<Credentials>,
    observer: Option<Arc<Observer>>,
    /// The page size that this registry accepts.
    pub(crate) page_size: AtomicU32,
}

impl Host {
    /// Counts a request by what became of it.
    pub(crate) fn observe(&self, outcome: &'static str) {
        if let Some(observer) = &self.observer {
            observer(&self.name, outcome);
        }
    }
}

/// Is told of every request: the host of the registry, and a word of a closed set: `ok`, `not-modified`, `unauthorised`,
/// `not-found`, `rate-limited`, `unavailable`, `refused`, `redirect`, `unreachable`, or `token` for a request for a token.
pub type Observer = dyn Fn(&str, &'static str) + Send + Sync;

/// A request below `/v2/`.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) repository: &'a Repository,
    /// What this is for, as in "cannot list the tags of".
    pub(crate) doing: &'static str,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) accept: &'static str,
    /// A longer body is an error.
    pub(crate) most_bytes: usize,
    /// Whether a registry may count it as a pull.
    pub(crate) counted: bool,
    /// Whether the answer is a page of a listing, which is read as it arrives.
    pub(crate) is_page: bool,
    /// The tag of an earlier answer (RFC 9110): 304 if that still holds.
    pub(crate) if_none_match: Option<String>,
}

/// A complete answer that is neither a challenge, nor a redirect, nor a failure that may pass.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Empty where the request is for a page and was answered with one.
    pub(crate) body: Vec<u8>,
    pub(crate) page: Option<Page>,
}

impl Answer {
    /// The error for a status that the caller has no use for.
    pub(crate) fn refused(&self, request: &Request<'_>) -> RegistryError {
        let (repository, doing) = (request.repository.to_string(), request.doing);
        if self.status == 404 {
            return RegistryError::NotFound { repository, doing };
        }
        RegistryError::Refused { repository, doing, status: self.status, code: error_code(&self.body) }
    }
}

impl Registries {
    /// Checks all settings and builds the clients; nothing is sent.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] for the first registry whose settings cannot be used.
    pub fn new(settings: Vec<RegistrySettings>) -> Result<Self, RegistryError> {
        let plain = |loopback| {
            build_client(loopback, None).map_err(|problem| RegistryError::Settings { host: "(any)".into(), problem })
        };
        let mut registries = Self {
            settings: HashMap::new(),
            hosts: Mutex::new(HashMap::new()),
            http: plain(false)?,
            http_loopback: plain(true)?,
            authenticator: Authenticator::new(),
            sources: Vec::new(),
            observer: None,
            kept_listings: KeptListings::new(),
            recent_listings: RecentListings::none(),
            listings: SingleFlight::new(),
            documents: Documents::new(),
        };
        for registry in settings {
            let name = registry.host.clone();
            let host = registries.build_host(registry.clone())?;
            let known = registries.hosts.get_mut().unwrap_or_else(PoisonError::into_inner);
            if known.insert(name.clone(), Arc::new(host)).is_some() {
                return Err(RegistryError::Settings { host: name, problem: "it is configured twice; keep one".into() });
            }
            registries.settings.insert(name, registry);
        }
        Ok(registries)
    }

    /// Keeps what was read by digest in the file of `seen`, so that a restart does not ask for it again.
    #[must_use]
    pub fn remembering(mut self, seen: &SeenTags) -> Self {
        self.documents.store = Some(Arc::clone(&seen.store));
        self
    }

    /// Asks `sources` for the logins of registries without credentials of their own.
    #[must_use]
    pub fn asking(mut self, sources: Vec<Credentials>) -> Self {
        self.sources = sources;
        self
    }

    /// Keeps listings for that long, for whoever is content with one that is not older.
    #[must_use]
    pub fn sharing(mut self, time: Duration) -> Self {
        self.recent_listings = RecentListings::lasting(time);
        self
    }

    /// Tells `observer` of every request.
    #[must_use]
    pub fn observed(mut self, observer: Arc<Observer>) -> Self {
        for host in self.hosts.get_mut().unwrap_or_else(PoisonError::into_inner).values_mut() {
            if let Some(host) = Arc::get_mut(host) {
                host.observer = Some(Arc::clone(&observer));
            }
        }
        self.observer = Some(observer);
        self
    }

    /// The logins to try for `repository`, in this order; anonymous if there are none.
    pub(crate) async fn logins(&self, host: &Host, repository: &Repository) -> Result<Vec<Login>, RegistryError> {
        let wrong = |problem| RegistryError::Credentials { host: host.name.clone(), problem };
        if let Some(own) = &host.credentials {
            return own.logins(repository).await.map_err(wrong);
        }
        let mut logins = Vec::new();
        for source in &self.sources {
            logins.extend(source.logins(repository).await.map_err(wrong)?);
        }
        Ok(logins)
    }

    /// The registry of `repository`.
    pub(crate) fn host(&self, repository: &Repository) -> Result<Arc<Host>, RegistryError> {
        let name = repository.host.as_str();
        if !repository.has_plain_name() {
            let problem = format!("{:?} is not the name of a repository", repository.name);
            return Err(RegistryError::Settings { host: name.to_owned(), problem });
        }
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(self.build_host(RegistrySettings::new(name))?);
        if hosts.len() >= MOST_HOSTS {
            hosts.retain(|name, _| self.settings.contains_key(name));
        }
        hosts.insert(name.to_owned(), Arc::clone(&host));
        Ok(host)
    }

    fn build_host(&self, settings: RegistrySettings) -> Result<Host, RegistryError> {
        let wrong = |problem| RegistryError::Settings { host: settings.host.clone(), problem };
        let endpoint = Endpoint::of(&settings.host, settings.plain_http, settings.ca_pem.is_some()).map_err(wrong)?;
        let http = match &settings.ca_pem {
            Some(pem) => build_client(endpoint.is_loopback(), Some(pem)).map_err(wrong)?,
            None if endpoint.is_loopback() => self.http_loopback.clone(),
            None => self.http.clone(),
        };
        Ok(Host {
            name: settings.host.clone(),
            endpoint,
            http,
            manners: Manners::new(settings.requests_per_second),
            page_size: AtomicU32::new(first_page_size(&settings.host)),
            credentials: settings.credentials,
            observer: self.observer.clone(),
        })
    }
}

pub(crate) fn build_client(loopback: bool, ca_pem: Option<&str>) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .dns_resolver(Arc::new(Resolver))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT);
    if loopback {
        builder = builder.no_proxy();
    }
    if let Some(pem) = ca_pem {
        let certificates = Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|_| "its CA is not a certificate in PEM form".to_owned())?;
        if certificates.is_empty() {
            return Err("its CA holds no certificate in PEM form".into());
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| format!("no HTTP client can be built: {}", reason(error)))
}

/// The first error code of a body as the distribution specification has it. Nothing else of the body is shown to anybody.
fn error_code(body: &[u8]) -> String {
    let code = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|body| Some(body.pointer("/errors/0/code")?.as_str()?.to_owned()));
    code.filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .unwrap_or_default()
}
