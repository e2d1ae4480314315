//! Credentials on the wire: basic, and bearer tokens kept until they expire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moka::Expiry;
use moka::future::Cache;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::challenge::{Challenge, challenges};
use crate::client::{Host, read_body};
use crate::endpoint::Repository;
use crate::error::RegistryError;
use crate::settings::Basic;

/// The longest token answer that is read.
const TOKEN_BYTES: usize = 1 << 20;
/// A token that names no lifetime lives this long (the distribution token specification).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// However long a token says that it lives.
const LONGEST_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// What a repository wants to see before it answers; learnt from its 401, so that the next request is the only one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// User name and password with every request.
    Basic,
    /// A token from the service at `realm`.
    Bearer { realm: Url, service: Option<String>, scope: String },
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    realm: Url,
    service: Option<String>,
    scope: String,
    credentials: Option<[u8; 32]>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    lifetime: Duration,
}

struct Lifetime;

impl Expiry<TokenKey, Token> for Lifetime {
    fn expire_after_create(&self, _: &TokenKey, token: &Token, _: Instant) -> Option<Duration> {
        Some(token.lifetime)
    }
}

/// What each repository wants, and the tokens in hand. Bounded.
pub(crate) struct Authenticator {
    wanted: Cache<Repository, Wanted>,
    tokens: Cache<TokenKey, Token>,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Self {
            wanted: Cache::new(20_000),
            tokens: Cache::builder().max_capacity(20_000).expire_after(Lifetime).build(),
        }
    }

    /// The `Authorization` for a repository that asked for one before.
    pub(crate) async fn header(
        &self,
        host: &Host,
        repository: &Repository,
        doing: &'static str,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        match self.wanted.get(repository).await {
            Some(wanted) => self.answer(host, repository, doing, wanted, None).await.map(Some),
            None => Ok(None),
        }
    }

    /// The `Authorization` that a 401 with these `WWW-Authenticate` headers asks for. A token that was just `refused` is not used again.
    pub(crate) async fn challenged(
        &self,
        host: &Host,
        repository: &Repository,
        doing: &'static str,
        headers: &[&str],
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, RegistryError> {
        let offered: Vec<Challenge> = headers.iter().flat_map(|header| challenges(header)).collect();
        let wanted = wanted(host, repository, doing, &offered)?;
        let header = self.answer(host, repository, doing, wanted.clone(), refused).await?;
        if refused == Some(&header) {
            return Err(unauthorised(
                host,
                repository,
                doing,
                "the credentials configured for it are not accepted; check user name, password and rights",
            ));
        }
        self.wanted.insert(repository.clone(), wanted).await;
        Ok(header)
    }

    /// A fresh token in place of the one that was `refused` without a challenge (ECR says 400 or 403 for an expired one).
    pub(crate) async fn renewed(
        &self,
        host: &Host,
        repository: &Repository,
        doing: &'static str,
        refused: &HeaderValue,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let Some(wanted) = self.wanted.get(repository).await else { return Ok(None) };
        let header = self.answer(host, repository, doing, wanted, Some(refused)).await?;
        Ok((header != *refused).then_some(header))
    }

    async fn answer(
        &self,
        host: &Host,
        repository: &Repository,
        doing: &'static str,
        wanted: Wanted,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, RegistryError> {
        let basic = host.credentials()?;
        match wanted {
            Wanted::Basic => match basic {
                Some(basic) => basic_header(&basic).ok_or_else(|| {
                    unauthorised(host, repository, doing, "its credentials cannot be put into a header")
                }),
                None => Err(unauthorised(
                    host,
                    repository,
                    doing,
                    "it wants a user name and a password; configure credentials for this registry",
                )),
            },
            Wanted::Bearer { realm, service, scope } => {
                let key = TokenKey { realm, service, scope, credentials: basic.as_ref().map(Basic::fingerprint) };
                if let Some(refused) = refused
                    && self.tokens.get(&key).await.is_some_and(|token| token.header == *refused)
                {
                    self.tokens.invalidate(&key).await;
                }
                let fetch = fetch_token(host, repository, doing, &key, basic.as_ref());
                let token = self.tokens.try_get_with_by_ref(&key, fetch).await;
                token.map(|token| token.header).map_err(|error: Arc<RegistryError>| (*error).clone())
            }
        }
    }
}

/// Bearer if its realm is an address, else basic.
fn wanted(
    host: &Host,
    repository: &Repository,
    doing: &'static str,
    offered: &[Challenge],
) -> Result<Wanted, RegistryError> {
    for challenge in offered.iter().filter(|challenge| challenge.scheme == "bearer") {
        let Some(realm) = challenge.parameter("realm").and_then(|realm| Url::parse(realm).ok()) else { continue };
        host.endpoint.check_target(&realm).map_err(|problem| RegistryError::UnsafeTarget {
            repository: repository.to_string(),
            doing,
            problem: format!("{problem}; no token is asked for there"),
        })?;
        let scope =
            challenge.parameter("scope").map_or_else(|| format!("repository:{}:pull", repository.name), str::to_owned);
        return Ok(Wanted::Bearer { realm, service: challenge.parameter("service").map(str::to_owned), scope });
    }
    if offered.iter().any(|challenge| challenge.scheme == "basic") {
        return Ok(Wanted::Basic);
    }
    Err(unauthorised(host, repository, doing, "it offers neither basic nor bearer authentication"))
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default, deserialize_with = "secret")]
    token: Option<SecretString>,
    #[serde(default, deserialize_with = "secret")]
    access_token: Option<SecretString>,
    #[serde(default)]
    expires_in: Option<f64>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

async fn fetch_token(
    host: &Host,
    repository: &Repository,
    doing: &'static str,
    key: &TokenKey,
    basic: Option<&Basic>,
) -> Result<Token, RegistryError> {
    let mut url = key.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(key.service.as_ref().map(|service| ("service", service)));
        for scope in key.scope.split_ascii_whitespace() {
            query.append_pair("scope", scope);
        }
    }
    let service = key.realm.host_str().unwrap_or_default().to_owned();
    let mut request = host.http.request(Method::GET, url);
    if let Some(header) = basic.and_then(basic_header) {
        request = request.header(reqwest::header::AUTHORIZATION, header);
    }
    let unreachable = |error: reqwest::Error| RegistryError::Unreachable {
        host: service.clone(),
        repository: repository.to_string(),
        doing,
        problem: crate::client::reason(error),
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if status.as_u16() == 429 || status.is_server_error() {
        let pause = crate::client::asked_pause(response.headers());
        return Err(RegistryError::Unavailable {
            repository: repository.to_string(),
            doing,
            status: status.as_u16(),
            pause,
        });
    }
    if !status.is_success() {
        let credentials =
            if basic.is_some() { "check user name and password" } else { "configure credentials for this registry" };
        let problem = format!("the token service {service} answers {}; {credentials}", status.as_u16());
        return Err(unauthorised(host, repository, doing, &problem));
    }
    let malformed = |problem: &str| RegistryError::Malformed {
        repository: repository.to_string(),
        doing,
        problem: format!("{problem} from the token service {service}"),
    };
    let body =
        read_body(response, TOKEN_BYTES).await.map_err(unreachable)?.ok_or_else(|| malformed("too long a token"))?;
    let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| malformed("no token"))?;
    let token =
        [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.expose_secret().is_empty());
    let token = token.ok_or_else(|| malformed("an empty token"))?;
    let header =
        header_value(&format!("Bearer {}", token.expose_secret())).ok_or_else(|| malformed("an unusable token"))?;
    Ok(Token { header, lifetime: usable_for(answer.expires_in) })
}

/// The lifetime less what the way there and a slow clock may cost.
fn usable_for(expires_in: Option<f64>) -> Duration {
    let lifetime =
        expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|lifetime| !lifetime.is_zero());
    let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME).min(LONGEST_LIFETIME);
    let margin = (lifetime / 10).max(Duration::from_secs(10));
    lifetime.saturating_sub(margin).max(Duration::from_secs(1))
}

fn basic_header(basic: &Basic) -> Option<HeaderValue> {
    header_value(&format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", basic.username, basic.password.expose_secret()))
    ))
}

fn header_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn unauthorised(host: &Host, repository: &Repository, doing: &'static str, problem: &str) -> RegistryError {
    RegistryError::Unauthorised {
        host: host.name.clone(),
        repository: repository.to_string(),
        doing,
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_for_less_than_it_lives() {
        for (expires_in, expected) in [
            (None, 50),
            (Some(0.0), 50),
            (Some(-5.0), 50),
            (Some(f64::NAN), 50),
            (Some(5.0), 1),
            (Some(300.0), 270),
            (Some(1e12), 38_880),
        ] {
            assert_eq!(usable_for(expires_in), Duration::from_secs(expected), "{expires_in:?}");
        }
    }
}
