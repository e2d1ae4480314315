//! Logging in: what each repository asked for, and the tokens in hand.

mod scopes;
mod token;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moka::Expiry;
use moka::future::Cache;
use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;

use crate::challenge::{Challenge, challenges};
use crate::client::Host;
use crate::credentials::{Basic, Login};
use crate::endpoint::Repository;
use crate::error::RegistryError;
use scopes::ScopeGroups;

/// What a repository wants to see before it answers; learnt from its 401, so that the next request is the only one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// User name and password with every request.
    Basic,
    /// A token from a service.
    Bearer(TokenService, String),
}

/// Who gives out tokens, and in whose name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenService {
    realm: Url,
    service: Option<String>,
}

/// What a repository wants, and by which login it opened.
#[derive(Clone)]
struct Known {
    wanted: Wanted,
    login: Option<[u8; 32]>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    service: TokenService,
    scopes: Vec<String>,
    login: Option<[u8; 32]>,
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

/// What is being done, for the messages.
#[derive(Clone, Copy)]
pub(crate) struct Doing<'a> {
    pub(crate) host: &'a Host,
    pub(crate) repository: &'a Repository,
    pub(crate) doing: &'static str,
}

impl Doing<'_> {
    pub(crate) fn unauthorised(&self, problem: &str) -> RegistryError {
        RegistryError::Unauthorised {
            host: self.host.name.clone(),
            repository: self.repository.to_string(),
            doing: self.doing,
            problem: problem.to_owned(),
        }
    }
}

/// An `Authorization`, and whether it is a token for other repositories too: then a refusal may be about those.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) header: HeaderValue,
    pub(crate) is_shared: bool,
}

/// What each repository wants, and the tokens in hand. Bounded.
pub(crate) struct Authenticator {
    known: Cache<Repository, Known>,
    /// Hosts of which a repository opened to user name and password, and to whose: the next one is asked like that at once.
    basic: Cache<String, [u8; 32]>,
    tokens: Cache<TokenKey, Token>,
    scopes: ScopeGroups,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Self {
            known: Cache::new(20_000),
            basic: Cache::new(1000),
            tokens: Cache::builder().max_capacity(20_000).expire_after(Lifetime).build(),
            scopes: ScopeGroups::default(),
        }
    }

    /// The `Authorization` for a repository that asked for one before, by the login that it accepted.
    pub(crate) async fn known(&self, doing: Doing<'_>, logins: &[Login]) -> Result<Option<Pass>, RegistryError> {
        let Some(known) = self.known.get(doing.repository).await else {
            let opened = self.basic.get(&doing.repository.host).await;
            let login = logins.iter().find(|login| Some(login.fingerprint()) == opened);
            return match login {
                Some(login) => self.pass(doing, &Wanted::Basic, Some(login), None).await.map(Some),
                None => Ok(None),
            };
        };
        let login = logins.iter().find(|login| Some(login.fingerprint()) == known.login).or(logins.first());
        self.pass(doing, &known.wanted, login, None).await.map(Some)
    }

    /// A fresh token in place of the one that was `refused` without a challenge (ECR says 400 or 403 for an expired one).
    pub(crate) async fn renewed(
        &self,
        doing: Doing<'_>,
        logins: &[Login],
        refused: &Pass,
    ) -> Result<Option<Pass>, RegistryError> {
        let Some(known) = self.known.get(doing.repository).await else { return Ok(None) };
        let login = logins.iter().find(|login| Some(login.fingerprint()) == known.login).or(logins.first());
        let pass = self.pass(doing, &known.wanted, login, Some(refused)).await?;
        Ok((pass != *refused).then_some(pass))
    }

    /// A token for this repository alone, in place of the shared one that was `refused`.
    pub(crate) async fn alone(
        &self,
        doing: Doing<'_>,
        logins: &[Login],
        refused: &Pass,
    ) -> Result<Option<Pass>, RegistryError> {
        if let Some(known) = self.known.get(doing.repository).await {
            self.ask_alone(&known.wanted);
        }
        self.renewed(doing, logins, refused).await
    }

    /// The repository wants this and opened to that login.
    pub(crate) async fn learnt(&self, repository: &Repository, wanted: &Wanted, login: Option<&Login>) {
        let known = Known { wanted: wanted.clone(), login: login.map(Login::fingerprint) };
        match (wanted, known.login) {
            (Wanted::Basic, Some(login)) => self.basic.insert(repository.host.clone(), login).await,
            _ => self.basic.invalidate(&repository.host).await,
        }
        self.known.insert(repository.clone(), known).await;
    }

    /// A token for several repositories was refused: from now on this service is asked for one at a time.
    pub(crate) fn ask_alone(&self, wanted: &Wanted) {
        if let Wanted::Bearer(service, _) = wanted {
            self.scopes.ask_alone(service);
        }
    }

    /// The `Authorization` that `wanted` asks for. A token that was just `refused` is not used again.
    pub(crate) async fn pass(
        &self,
        doing: Doing<'_>,
        wanted: &Wanted,
        login: Option<&Login>,
        refused: Option<&Pass>,
    ) -> Result<Pass, RegistryError> {
        match (wanted, login) {
            (Wanted::Basic, Some(Login::Basic(basic))) => {
                let header = basic_header(basic)
                    .ok_or_else(|| doing.unauthorised("its credentials cannot be put into a header"))?;
                Ok(Pass { header, is_shared: false })
            }
            (Wanted::Basic, Some(Login::IdentityToken(_))) => {
                Err(doing.unauthorised("it wants a user name and a password, and only an identity token is configured"))
            }
            (Wanted::Basic, None) => {
                Err(doing.unauthorised("it wants a user name and a password; configure credentials for this registry"))
            }
            (Wanted::Bearer(service, scope), login) => {
                let scopes = self.scopes.together(service, login.map(Login::fingerprint), scope);
                let is_shared = scopes.len() > 1;
                match self.token(doing, service, scopes, login, refused).await {
                    Err(RegistryError::Unauthorised { .. }) if is_shared => {
                        self.scopes.ask_alone(service);
                        let header = self.token(doing, service, vec![scope.clone()], login, refused).await?;
                        Ok(Pass { header, is_shared: false })
                    }
                    header => Ok(Pass { header: header?, is_shared }),
                }
            }
        }
    }

    async fn token(
        &self,
        doing: Doing<'_>,
        service: &TokenService,
        scopes: Vec<String>,
        login: Option<&Login>,
        refused: Option<&Pass>,
    ) -> Result<HeaderValue, RegistryError> {
        let key = TokenKey { service: service.clone(), scopes, login: login.map(Login::fingerprint) };
        if let Some(refused) = refused
            && self.tokens.get(&key).await.is_some_and(|token| token.header == refused.header)
        {
            self.tokens.invalidate(&key).await;
        }
        let token = self.tokens.try_get_with_by_ref(&key, token::fetch(doing, &key, login)).await;
        token.map(|token| token.header).map_err(|error: Arc<RegistryError>| (*error).clone())
    }
}

/// What a 401 with these `WWW-Authenticate` headers asks for: a token if its realm is an address, else basic.
pub(crate) fn wanted(doing: Doing<'_>, headers: &[&str]) -> Result<Wanted, RegistryError> {
    let offered: Vec<Challenge> = headers.iter().flat_map(|header| challenges(header)).collect();
    for challenge in offered.iter().filter(|challenge| challenge.scheme == "bearer") {
        let Some(realm) = challenge.parameter("realm").and_then(|realm| Url::parse(realm).ok()) else { continue };
        doing.host.endpoint.check_target(&realm).map_err(|problem| RegistryError::UnsafeTarget {
            repository: doing.repository.to_string(),
            doing: doing.doing,
            problem: format!("{problem}; no token is asked for there"),
        })?;
        let scope = challenge
            .parameter("scope")
            .map_or_else(|| format!("repository:{}:pull", doing.repository.name), str::to_owned);
        let service = TokenService { realm, service: challenge.parameter("service").map(str::to_owned) };
        return Ok(Wanted::Bearer(service, scope));
    }
    if offered.iter().any(|challenge| challenge.scheme == "basic") {
        return Ok(Wanted::Basic);
    }
    Err(doing.unauthorised("it offers neither basic nor bearer authentication"))
}

fn basic_header(basic: &Basic) -> Option<HeaderValue> {
    let pair = format!("{}:{}", basic.username, basic.password.expose_secret());
    header_value(&format!("Basic {}", STANDARD.encode(pair)))
}

fn header_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
