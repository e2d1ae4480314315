//! Sending: our turn, our credentials, redirects, patience.

use std::error::Error as _;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Response, Url};

use super::{Answer, Host, Registries, Request};
use crate::auth::{Doing, Pass, Wanted, wanted};
use crate::credentials::Login;
use crate::error::RegistryError;
use crate::manners::{patiently, retry_after};
use crate::page::{Page, PageReader};

const MOST_REDIRECTS: usize = 5;
/// Of the body of a refusal no more is read.
const REFUSAL_BYTES: usize = 64 << 10;

impl Registries {
    /// Sends `request` until it has an answer.
    pub(crate) async fn send(&self, host: &Host, request: &Request<'_>) -> Result<Answer, RegistryError> {
        patiently(|| self.send_once(host, request)).await
    }

    async fn send_once(&self, host: &Host, request: &Request<'_>) -> Result<Answer, RegistryError> {
        let not_now = |not_now: crate::manners::NotNow| not_now.error(request.repository.to_string(), request.doing);
        let _turn = host.manners.turn(request.counted).await.map_err(not_now)?;
        let doing = Doing { host, repository: request.repository, doing: request.doing };
        let logins = self.logins(host, request.repository).await?;
        let sent = self.authenticator.known(doing, &logins).await?;
        let response = follow(host, request, sent.as_ref()).await?;
        if response.status().as_u16() == 401 {
            let headers = response.headers().clone();
            drop(response);
            let offered: Vec<&str> = header_texts(&headers, &WWW_AUTHENTICATE).collect();
            let wanted = wanted(doing, &offered)?;
            return self.log_in(doing, request, &wanted, &logins, sent.as_ref()).await;
        }
        let answer = finish(host, request, response).await?;
        let Some(sent) = sent else { return Ok(answer) };
        let other = match answer.status {
            400 | 403 if speaks_of_a_stale_token(&answer.body) => {
                self.authenticator.renewed(doing, &logins, &sent).await?
            }
            403 if sent.is_shared => self.authenticator.alone(doing, &logins, &sent).await?,
            _ => None,
        };
        match other {
            Some(other) => finish(host, request, follow(host, request, Some(&other)).await?).await,
            None => Ok(answer),
        }
    }

    /// Tries the logins one after the other, as the kubelet does, and remembers which one opened.
    async fn log_in(
        &self,
        doing: Doing<'_>,
        request: &Request<'_>,
        wanted: &Wanted,
        logins: &[Login],
        refused: Option<&Pass>,
    ) -> Result<Answer, RegistryError> {
        let mut tries: Vec<Option<&Login>> = logins.iter().map(Some).collect();
        if tries.is_empty() {
            tries.push(None);
        }
        let mut left = tries.len();
        let mut problem = None;
        for login in tries {
            left -= 1;
            let pass = match self.authenticator.pass(doing, wanted, login, refused).await {
                Ok(pass) if refused.is_some_and(|refused| refused.header == pass.header) => {
                    problem = Some(not_accepted(doing));
                    continue;
                }
                Ok(pass) => pass,
                Err(error @ RegistryError::Unauthorised { .. }) if left > 0 => {
                    problem = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut response = follow(doing.host, request, Some(&pass)).await?;
            if pass.is_shared && matches!(response.status().as_u16(), 401 | 403) {
                self.authenticator.ask_alone(wanted);
                let alone = self.authenticator.pass(doing, wanted, login, Some(&pass)).await?;
                response = follow(doing.host, request, Some(&alone)).await?;
            }
            if left > 0 && matches!(response.status().as_u16(), 401 | 403) {
                continue;
            }
            self.authenticator.learnt(request.repository, wanted, login).await;
            return finish(doing.host, request, response).await;
        }
        Err(problem.unwrap_or_else(|| not_accepted(doing)))
    }
}

fn not_accepted(doing: Doing<'_>) -> RegistryError {
    doing.unauthorised(
        "the credentials configured for it are not accepted, or may not read this; check user name, password and rights",
    )
}

/// Sends and follows redirects by hand: credentials never leave the registry, and no redirect leads where the registry itself may not.
async fn follow(host: &Host, request: &Request<'_>, pass: Option<&Pass>) -> Result<Response, RegistryError> {
    let unsafe_target = |problem| RegistryError::UnsafeTarget {
        repository: request.repository.to_string(),
        doing: request.doing,
        problem,
    };
    let authorization: Option<&HeaderValue> = pass.map(|pass| &pass.header);
    let mut url = host.endpoint.url(&request.path, request.query.as_deref());
    for _ in 0..=MOST_REDIRECTS {
        let mut builder = host.http.request(request.method.clone(), url.clone()).header(ACCEPT, request.accept);
        if let Some(authorization) = authorization.filter(|_| host.endpoint.is_origin_of(&url)) {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if let Some(tag) = &request.if_none_match {
            builder = builder.header(IF_NONE_MATCH, tag);
        }
        let response = builder.send().await.map_err(|error| {
            host.observe("unreachable");
            host.manners.failed();
            unreachable(request, &url, error)
        })?;
        let status = response.status().as_u16();
        host.observe(outcome(status));
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
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

fn outcome(status: u16) -> &'static str {
    match status {
        200..=299 => "ok",
        304 => "not-modified",
        300..=399 => "redirect",
        401 => "unauthorised",
        404 => "not-found",
        429 => "rate-limited",
        408 | 500..=599 => "unavailable",
        _ => "refused",
    }
}

/// Reads the body and turns the failures that may pass, and a last 401, into errors.
async fn finish(host: &Host, request: &Request<'_>, response: Response) -> Result<Answer, RegistryError> {
    let (repository, doing) = (request.repository.to_string(), request.doing);
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    match status {
        401 => {
            host.manners.answered(&headers);
            return Err(not_accepted(Doing { host, repository: request.repository, doing }));
        }
        429 => {
            let pause = host.manners.complaint(asked_pause(&headers));
            return Err(RegistryError::RateLimited { repository, doing, pause });
        }
        408 | 500 | 502..=599 => {
            host.manners.failed();
            let pause = asked_pause(&headers);
            return Err(RegistryError::Unavailable { repository, doing, status, pause });
        }
        _ => host.manners.answered(&headers),
    }
    let url = response.url().clone();
    let malformed = |problem: String| RegistryError::Malformed { repository, doing, problem };
    let (body, page) = match status {
        200 if request.is_page => (Vec::new(), Some(read_page(request, &url, response).await?)),
        _ => {
            let most = if status == 200 { request.most_bytes } else { REFUSAL_BYTES };
            let body = read_body(response, most).await.map_err(|error| unreachable(request, &url, error))?;
            match body {
                Some(body) => (body, None),
                None if status == 200 => return Err(malformed(format!("more than {most} bytes"))),
                None => (Vec::new(), None),
            }
        }
    };
    Ok(Answer { status, headers, body, page })
}

/// The page, read as it arrives.
async fn read_page(request: &Request<'_>, url: &Url, mut response: Response) -> Result<Page, RegistryError> {
    let malformed = |problem: String| RegistryError::Malformed {
        repository: request.repository.to_string(),
        doing: request.doing,
        problem,
    };
    let (mut reader, mut bytes) = (PageReader::new(), 0);
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(request, url, error))? {
        bytes += chunk.len();
        if bytes > request.most_bytes {
            return Err(malformed(format!("more than {} bytes", request.most_bytes)));
        }
        reader.feed(&chunk).map_err(|problem| malformed(format!("no list of tags: {problem}")))?;
    }
    reader.whole(bytes).map_err(|problem| malformed(format!("no list of tags: {problem}")))
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
pub(crate) fn header_texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
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
