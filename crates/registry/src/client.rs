//! One request to a registry: its turn, its credentials, its redirects, its retries.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Certificate, Client, Method, Response, Url};

use crate::auth::Authenticator;
use crate::documents::Documents;
use crate::endpoint::{Endpoint, Repository};
use crate::error::RegistryError;
use crate::flight::SingleFlight;
use crate::manners::{Manners, patiently, retry_after};
use crate::seen::SeenTags;
use crate::settings::{Basic, RegistrySettings};
use crate::tags::{Listing, first_page_size};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MOST_REDIRECTS: usize = 5;
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
    authenticator: Authenticator,
    pub(crate) listings: SingleFlight<Repository, Result<Arc<Listing>, RegistryError>>,
    pub(crate) documents: Documents,
}

/// One registry with what we know about it.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) http: Client,
    settings: RegistrySettings,
    manners: Manners,
    /// The page size that this registry accepts.
    pub(crate) page_size: AtomicU32,
}

impl Host {
    pub(crate) fn credentials(&self) -> Result<Option<Basic>, RegistryError> {
        let Some(credentials) = &self.settings.credentials else { return Ok(None) };
        credentials
            .read()
            .map_err(|error| RegistryError::Credentials { host: self.name.clone(), problem: error.to_string() })
    }
}

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
}

/// A complete answer that is neither a challenge, nor a redirect, nor a failure that may pass.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
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
            settings,
        })
    }

    /// Sends `request` until it has an answer.
    pub(crate) async fn send(&self, host: &Host, request: &Request<'_>) -> Result<Answer, RegistryError> {
        patiently(|| self.send_once(host, request)).await
    }

    async fn send_once(&self, host: &Host, request: &Request<'_>) -> Result<Answer, RegistryError> {
        let (repository, doing) = (request.repository, request.doing);
        let _turn = host.manners.turn(repository, doing).await?;
        let sent = self.authenticator.header(host, repository, doing).await?;
        let response = follow(host, request, sent.as_ref()).await?;
        if response.status().as_u16() == 401 {
            let challenges: Vec<String> =
                header_texts(response.headers(), &WWW_AUTHENTICATE).map(str::to_owned).collect();
            drop(response);
            let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
            let fresh = self.authenticator.challenged(host, repository, doing, &challenges, sent.as_ref()).await?;
            return finish(host, request, follow(host, request, Some(&fresh)).await?).await;
        }
        let answer = finish(host, request, response).await?;
        if let Some(sent) = sent
            && matches!(answer.status, 400 | 403)
            && speaks_of_a_stale_token(&answer.body)
            && let Some(fresh) = self.authenticator.renewed(host, repository, doing, &sent).await?
        {
            return finish(host, request, follow(host, request, Some(&fresh)).await?).await;
        }
        Ok(answer)
    }
}

fn build_client(loopback: bool, ca_pem: Option<&str>) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
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

/// Sends and follows redirects by hand: credentials never leave the registry, and no redirect leads where the registry itself may not.
async fn follow(
    host: &Host,
    request: &Request<'_>,
    authorization: Option<&HeaderValue>,
) -> Result<Response, RegistryError> {
    let unsafe_target = |problem| RegistryError::UnsafeTarget {
        repository: request.repository.to_string(),
        doing: request.doing,
        problem,
    };
    let mut url = host.endpoint.url(&request.path, request.query.as_deref());
    for _ in 0..=MOST_REDIRECTS {
        let mut builder = host.http.request(request.method.clone(), url.clone()).header(ACCEPT, request.accept);
        if let Some(authorization) = authorization.filter(|_| host.endpoint.is_origin_of(&url)) {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let response = builder.send().await.map_err(|error| unreachable(request, &url, error))?;
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(response);
        }
        let target = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .and_then(|location| url.join(location).ok());
        let target = target.ok_or_else(|| unsafe_target("the registry redirects to no address".into()))?;
        host.endpoint.check_target(&target).map_err(unsafe_target)?;
        url = target;
    }
    Err(unsafe_target(format!("the registry redirects more than {MOST_REDIRECTS} times")))
}

/// Reads the body and turns the failures that may pass, and a second 401, into errors.
async fn finish(host: &Host, request: &Request<'_>, response: Response) -> Result<Answer, RegistryError> {
    let (repository, doing) = (request.repository.to_string(), request.doing);
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    match status {
        401 => {
            let problem = "the credentials configured for it are not accepted, or may not read this; check user name, password and rights".into();
            return Err(RegistryError::Unauthorised { host: host.name.clone(), repository, doing, problem });
        }
        429 => {
            return Err(RegistryError::RateLimited {
                repository,
                doing,
                pause: host.manners.pause(asked_pause(&headers)),
            });
        }
        408 | 500 | 502..=599 => {
            let pause = asked_pause(&headers);
            return Err(RegistryError::Unavailable { repository, doing, status, pause });
        }
        _ => {}
    }
    let url = response.url().clone();
    match read_body(response, request.most_bytes).await {
        Ok(Some(body)) => Ok(Answer { status, headers, body }),
        Ok(None) => Err(RegistryError::Malformed {
            repository,
            doing,
            problem: format!("more than {} bytes", request.most_bytes),
        }),
        Err(error) => Err(unreachable(request, &url, error)),
    }
}

/// The body, or `None` if it is longer than `most` bytes; then the rest is not read.
pub(crate) async fn read_body(mut response: Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The causes of a network error without its URL, whose query may hold what nobody should read.
pub(crate) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The pause that an answer asks for.
pub(crate) fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    header_texts(headers, &RETRY_AFTER).next().and_then(|value| retry_after(value, Timestamp::now()))
}

/// All values of a header that are text.
pub(crate) fn header_texts<'a>(
    headers: &'a HeaderMap,
    name: &reqwest::header::HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

fn unreachable(request: &Request<'_>, url: &Url, error: reqwest::Error) -> RegistryError {
    RegistryError::Unreachable {
        host: url.host_str().unwrap_or_default().to_owned(),
        repository: request.repository.to_string(),
        doing: request.doing,
        problem: reason(error),
    }
}

fn speaks_of_a_stale_token(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]).to_lowercase();
    text.contains("token") && (text.contains("expired") || text.contains("invalid"))
}

/// The first error code of a body as the distribution specification has it. Nothing else of the body is shown to anybody.
fn error_code(body: &[u8]) -> String {
    let code = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|body| Some(body.pointer("/errors/0/code")?.as_str()?.to_owned()));
    code.filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .unwrap_or_default()
}
