//! The keys that tokens are signed with, as their issuer publishes them (RFC 7517).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::{build_client, read_body, reason};
use crate::credentials::read_file;
use crate::endpoint;

/// Issuers have two or three keys.
const MOST_KEYS: usize = 100;
const MOST_BYTES: usize = 256 << 10;
/// Keys are asked for again after this time, or for a token by another key,
const FRESH: Duration = Duration::from_secs(3600);
/// but never sooner than this, whatever anybody sends us.
const PAUSE: Duration = Duration::from_secs(60);
/// Where nobody answers, known keys count for so long.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    /// In a file, which is read at each use.
    File(PathBuf),
    /// At an address, which is asked at most once a minute.
    Url(String),
}

type Key = RsaPublicKeyComponents<Vec<u8>>;

/// By their names.
pub(super) type Keys = HashMap<String, Key>;

pub(super) enum KeySource {
    File(PathBuf),
    Url(Box<Remote>),
}

pub(super) struct Remote {
    url: Url,
    http: Client,
    pub(super) pause: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Option<(Instant, Arc<Keys>)>,
    asked: Option<Instant>,
    problem: String,
}

impl KeySource {
    pub(super) fn new(from: &KeysFrom) -> Result<Self, String> {
        let url = match from {
            KeysFrom::File(path) => return Ok(Self::File(path.clone())),
            KeysFrom::Url(url) => Url::parse(url).map_err(|error| format!("is no address: {error}"))?,
        };
        let loopback = endpoint::is_loopback(&url);
        if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
            return Err("must begin with https://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || endpoint::is_reserved(&url) {
            return Err("may have no user in it, and not be the metadata of a machine".to_owned());
        }
        let http = build_client(loopback, None)?;
        Ok(Self::Url(Box::new(Remote { url, http, pause: PAUSE, kept: Mutex::default() })))
    }

    pub(super) fn check_file(&self) -> Result<(), String> {
        match self {
            Self::File(path) => of_file(path).map(drop),
            Self::Url(_) => Ok(()),
        }
    }

    /// The keys, which should have that of this name.
    pub(super) async fn keys(&self, name: &str) -> Result<Arc<Keys>, String> {
        match self {
            Self::File(path) => of_file(path).map(Arc::new),
            Self::Url(remote) => remote.keys(name).await,
        }
    }
}

fn of_file(path: &Path) -> Result<Keys, String> {
    parse(&read_file(path)?).map_err(|problem| format!("{}: {problem}", path.display()))
}

impl Remote {
    async fn keys(&self, name: &str) -> Result<Arc<Keys>, String> {
        let mut kept = self.kept.lock().await;
        let is_good = |(at, keys): &(Instant, Arc<Keys>)| at.elapsed() < FRESH && keys.contains_key(name);
        let may_ask = kept.asked.is_none_or(|at| at.elapsed() >= self.pause);
        if may_ask && !kept.keys.as_ref().is_some_and(is_good) {
            kept.asked = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => kept.keys = Some((Instant::now(), Arc::new(keys))),
                Err(problem) => {
                    tracing::warn!(problem, "the keys that push notifications are checked with were not read");
                    kept.problem = problem;
                }
            }
        }
        let usable = kept.keys.as_ref().filter(|(at, _)| at.elapsed() < LONGEST);
        usable.map(|(_, keys)| Arc::clone(keys)).ok_or_else(|| kept.problem.clone())
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let host = self.url.host_str().unwrap_or_default();
        let failed = |error| format!("no answer from {host}: {}", reason(error));
        let response = self.http.get(self.url.clone()).send().await.map_err(failed)?;
        if response.status() != 200 {
            return Err(format!("{host} answers {}", response.status().as_u16()));
        }
        let body = read_body(response, MOST_BYTES).await.map_err(failed)?;
        parse(&body.ok_or_else(|| format!("{host} sends more than keys"))?)
    }
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    used_for: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

/// The RSA keys of a set that have names and are for signatures; a set without any is of no use.
pub(super) fn parse(text: &[u8]) -> Result<Keys, String> {
    let published: Published =
        serde_json::from_slice(text).map_err(|_| "it is no set of keys in JSON ({\"keys\": […]})".to_owned())?;
    let number = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        let start = bytes.iter().position(|byte| *byte != 0)?;
        Some(bytes[start..].to_vec())
    };
    let key = |written: Written| {
        let Written { kty, kid, alg, used_for, n, e } = written;
        let fits = kty == "RSA" && alg.is_none_or(|alg| alg == "RS256") && used_for.is_none_or(|used| used == "sig");
        Some((kid.filter(|_| fits)?, Key { n: number(&n)?, e: number(&e)? }))
    };
    let keys: Keys = published.keys.into_iter().filter_map(key).take(MOST_KEYS).collect();
    if keys.is_empty() { Err("it has no RSA key for RS256 with a name".to_owned()) } else { Ok(keys) }
}
