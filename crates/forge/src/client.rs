//! The calls that every forge has, and how they are sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ForgeError;
use crate::request::{NewRequest, Request};
use crate::{gitea, github, gitlab};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(30);
/// A page of a hundred requests with long descriptions fits.
const LARGEST_ANSWER: usize = 16 << 20;
/// As many pages of open requests are read; a project with more is no project.
const MOST_PAGES: u32 = 50;
/// Of closed ones only the newest pages are of interest.
const CLOSED_PAGES: u32 = 3;

/// Gives the token at each use, so that a rotated one works at once.
pub type TokenProvider = Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// Which API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub, and GitHub Enterprise Server.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
}

/// Where a project is, and how to log in.
#[derive(Clone)]
pub struct ForgeSettings {
    /// Which API is spoken.
    pub kind: ForgeKind,
    /// The API's base URL, such as `https://api.github.com`, `https://gitlab.com/api/v4` or `https://codeberg.org/api/v1`.
    pub api: String,
    /// `OWNER/NAME`; of GitLab with all groups.
    pub project: String,
    /// The token.
    pub token: TokenProvider,
    /// Authorities to trust beside the system's, in PEM.
    pub ca_pem: Option<String>,
}

impl fmt::Debug for ForgeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, api, project, .. } = self;
        f.debug_struct("ForgeSettings")
            .field("kind", kind)
            .field("api", api)
            .field("project", project)
            .finish_non_exhaustive()
    }
}

/// One project on a forge.
#[derive(Clone, Debug)]
pub struct Forge {
    pub(crate) settings: ForgeSettings,
    pub(crate) api: Url,
    http: Client,
}

/// One page of a listing.
pub(crate) struct Page {
    pub(crate) requests: Vec<Request>,
    pub(crate) more: bool,
}

/// Which requests are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Open,
    /// Closed without being merged, the newest first.
    Closed,
}

impl Forge {
    /// Checks the settings; nothing is sent.
    ///
    /// # Errors
    /// [`ForgeError::Settings`].
    pub fn new(settings: ForgeSettings) -> Result<Self, ForgeError> {
        let wrong = |problem: String| ForgeError::Settings { project: settings.project.clone(), problem };
        let api = Url::parse(settings.api.trim_end_matches('/'))
            .map_err(|error| wrong(format!("the API's URL is none: {error}")))?;
        let loopback = api.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "[::1]" | "localhost"));
        if api.scheme() != "https" && !(api.scheme() == "http" && loopback) {
            return Err(wrong("the API's URL must begin with https://".to_owned()));
        }
        if !api.username().is_empty() || api.password().is_some() || api.query().is_some() || api.fragment().is_some() {
            return Err(wrong("the API's URL may have no user, query or fragment".to_owned()));
        }
        let parts: Vec<&str> = settings.project.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|letter| letter.is_alphanumeric() || "-_.~".contains(letter))
        };
        let enough = parts.len() == 2 || (settings.kind == ForgeKind::GitLab && parts.len() > 2);
        if !enough || !parts.iter().all(plain) {
            return Err(wrong("write the project as OWNER/NAME".to_owned()));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        if loopback {
            builder = builder.no_proxy();
        }
        if let Some(pem) = &settings.ca_pem {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|_| wrong("its CA is not a certificate in PEM form".to_owned()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().map_err(|error| wrong(error.without_url().to_string()))?;
        Ok(Self { settings, api, http })
    }

    /// The open requests into `base` from the project's own branches that begin with `prefix`.
    ///
    /// # Errors
    /// What the forge or the network says; never a part of them.
    pub async fn open(&self, base: &str, prefix: &str) -> Result<Vec<Request>, ForgeError> {
        self.listed(Wanted::Open, base, prefix, MOST_PAGES).await
    }

    /// Those that were closed without being merged, of the few hundred requests that were touched last.
    ///
    /// # Errors
    /// As [`Forge::open`].
    pub async fn closed(&self, base: &str, prefix: &str) -> Result<Vec<Request>, ForgeError> {
        self.listed(Wanted::Closed, base, prefix, CLOSED_PAGES).await
    }

    async fn listed(&self, wanted: Wanted, base: &str, prefix: &str, pages: u32) -> Result<Vec<Request>, ForgeError> {
        let mut found = Vec::new();
        for number in 1..=pages {
            let page = match self.settings.kind {
                ForgeKind::GitHub => github::page(self, wanted, base, number).await?,
                ForgeKind::GitLab => gitlab::page(self, wanted, base, number).await?,
                ForgeKind::Gitea => gitea::page(self, wanted, base, number).await?,
            };
            found.extend(page.requests.into_iter().filter(|request| request.branch.starts_with(prefix)));
            if !page.more {
                return Ok(found);
            }
        }
        match wanted {
            Wanted::Closed => Ok(found),
            Wanted::Open => {
                Err(self.malformed("list the change requests of", format!("it has more than {pages} pages")))
            }
        }
    }

    /// Opens a request.
    ///
    /// # Errors
    /// As [`Forge::open`]; there may be one already.
    pub async fn create(&self, new: &NewRequest<'_>) -> Result<Request, ForgeError> {
        match self.settings.kind {
            ForgeKind::GitHub => github::create(self, new).await,
            ForgeKind::GitLab => gitlab::create(self, new).await,
            ForgeKind::Gitea => gitea::create(self, new).await,
        }
    }

    /// Gives a request another title and description.
    ///
    /// # Errors
    /// As [`Forge::open`].
    pub async fn rewrite(&self, request: &Request, title: &str, body: &str) -> Result<(), ForgeError> {
        match self.settings.kind {
            ForgeKind::GitHub => github::rewrite(self, request, title, body).await,
            ForgeKind::GitLab => gitlab::rewrite(self, request, title, body).await,
            ForgeKind::Gitea => gitea::rewrite(self, request, title, body).await,
        }
    }

    /// Closes a request without merging it, with a last description.
    ///
    /// # Errors
    /// As [`Forge::open`].
    pub async fn close(&self, request: &Request, body: &str) -> Result<(), ForgeError> {
        match self.settings.kind {
            ForgeKind::GitHub => github::close(self, request, body).await,
            ForgeKind::GitLab => gitlab::close(self, request, body).await,
            ForgeKind::Gitea => gitea::close(self, request, body).await,
        }
    }

    /// Adds the labels that the request does not have yet.
    ///
    /// # Errors
    /// As [`Forge::open`]. Gitea and Forgejo know only labels that the project has.
    pub async fn label(&self, request: &Request, labels: &[String]) -> Result<(), ForgeError> {
        let missing: Vec<&str> =
            labels.iter().filter(|label| !request.labels.contains(label)).map(String::as_str).collect();
        if missing.is_empty() {
            return Ok(());
        }
        match self.settings.kind {
            ForgeKind::GitHub => github::label(self, request, &missing).await,
            ForgeKind::GitLab => gitlab::label(self, request, &missing).await,
            ForgeKind::Gitea => gitea::label(self, request, &missing).await,
        }
    }

    /// Has the forge merge the request at `commit` as soon as its checks and approvals allow it.
    ///
    /// # Errors
    /// As [`Forge::open`]; a project may not allow it.
    pub async fn merge_when_ready(&self, request: &Request, commit: &str) -> Result<(), ForgeError> {
        match self.settings.kind {
            ForgeKind::GitHub => github::merge_when_ready(self, request, commit).await,
            ForgeKind::GitLab => gitlab::merge_when_ready(self, request, commit).await,
            ForgeKind::Gitea => gitea::merge_when_ready(self, request, commit).await,
        }
    }

    /// The address below the API; every part is escaped.
    pub(crate) fn url(&self, parts: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(crate) fn project_parts(&self) -> (&str, &str) {
        self.settings.project.split_once('/').unwrap_or_default()
    }

    /// Sends one call and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<(T, bool), ForgeError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let project = self.settings.project.clone();
        let unreachable = |error: reqwest::Error| ForgeError::Unreachable {
            project: project.clone(),
            doing,
            host: host.clone(),
            problem: causes(&error.without_url()),
        };
        let mut builder = self.logged_in(self.http.request(method, url))?;
        if let Some(body) = body {
            builder = builder.json(body);
        }
        let mut response = builder.send().await.map_err(unreachable)?;
        let more = has_next(&response);
        let wants_a_pause = wants_a_pause(&response);
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST_ANSWER {
                return Err(self.malformed(doing, format!("it has more than {LARGEST_ANSWER} bytes")));
            }
        }
        match status {
            // Deleted and accepted things may have nothing to say.
            200..=299 if bytes.iter().all(u8::is_ascii_whitespace) => bytes = b"null".to_vec(),
            200..=299 => {}
            403 if wants_a_pause => return Err(ForgeError::Unavailable { project, doing, status }),
            401 | 403 => return Err(ForgeError::Unauthorised { project, doing, status, said: said(&bytes) }),
            408 | 429 | 500..=599 => return Err(ForgeError::Unavailable { project, doing, status }),
            _ => return Err(ForgeError::Refused { project, doing, status, said: said(&bytes) }),
        }
        let read = serde_json::from_slice(&bytes);
        read.map(|answer| (answer, more)).map_err(|error| self.malformed(doing, error.to_string()))
    }

    pub(crate) fn malformed(&self, doing: &'static str, problem: String) -> ForgeError {
        ForgeError::Malformed { project: self.settings.project.clone(), doing, problem }
    }

    fn logged_in(&self, builder: RequestBuilder) -> Result<RequestBuilder, ForgeError> {
        let failed = |problem| ForgeError::Token { project: self.settings.project.clone(), problem };
        let token = (self.settings.token)().map_err(failed)?;
        let secret = |text: String| {
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| failed("it has letters that no header can have".to_owned()))?;
            value.set_sensitive(true);
            Ok::<_, ForgeError>(value)
        };
        let token = token.expose_secret();
        Ok(match self.settings.kind {
            ForgeKind::GitHub => builder
                .header(AUTHORIZATION, secret(format!("Bearer {token}"))?)
                .header("accept", "application/vnd.github+json")
                .header("x-github-api-version", "2022-11-28"),
            ForgeKind::GitLab => builder.header(HeaderName::from_static("private-token"), secret(token.to_owned())?),
            ForgeKind::Gitea => {
                builder.header(AUTHORIZATION, secret(format!("token {token}"))?).header("accept", "application/json")
            }
        })
    }
}

/// All of them say so by a link, whatever else they say.
fn has_next(response: &Response) -> bool {
    let links = response.headers().get_all("link").iter().filter_map(|link| link.to_str().ok());
    links.flat_map(|link| link.split(',')).any(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))
}

/// GitHub says 403 to a token that has used up its calls, and to one that calls too fast (docs.github.com/rest, "Rate limits").
fn wants_a_pause(response: &Response) -> bool {
    let headers = response.headers();
    headers.contains_key(RETRY_AFTER) || headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0")
}

/// The message of an error's body, in one line.
fn said(bytes: &[u8]) -> String {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text =
        ["message", "error", "error_description"].iter().find_map(|key| body.get(key)).map(|found| match found {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
    let details = body.get("errors").filter(|errors| !errors.is_null()).map(|errors| format!(" {errors}"));
    let text = format!("{}{}", text.unwrap_or_else(|| "without a reason".to_owned()), details.unwrap_or_default());
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(400).collect()
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
