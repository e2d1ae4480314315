//! Who calls: authentication before a body is read, and what the caller may do.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tonic::{Code, Status};
use tracing::{info, warn};

use crate::secret::{SecretFileError, read_capped};

/// Who calls and what it may do; in the extensions of every authenticated request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name for logs and commits.
    pub name: String,
    /// The address for commits, if one is known.
    pub email: Option<String>,
    /// What it may do, in the daemon's own words.
    pub roles: BTreeSet<String>,
    /// The repositories it may speak of; `None` means all.
    pub repositories: Option<BTreeSet<String>>,
    /// The folders of repositories that it may speak of; `None` means all.
    pub paths: Option<BTreeSet<String>>,
}

impl Identity {
    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if nobody authenticated it.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, Status> {
        request.extensions().get().ok_or_else(|| Status::unauthenticated("this call needs a bearer token"))
    }

    /// Whether it has the role.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, naming the role that is missing.
    pub fn require(&self, role: &str) -> Result<(), Status> {
        if self.roles.contains(role) {
            return Ok(());
        }
        Err(Status::permission_denied(format!("{} does not have the role {role}", self.name)))
    }

    /// Whether it may speak of the repository, which is compared as it is written.
    #[must_use]
    pub fn may_see(&self, repository: &str) -> bool {
        self.repositories.as_ref().is_none_or(|repositories| repositories.contains(repository))
    }

    /// Whether it may speak of a file or folder of a repository, which is given without `.` and `..`.
    #[must_use]
    pub fn may_touch(&self, path: &str) -> bool {
        let is_below = |folder: &str| {
            let folder = folder.trim_matches('/');
            folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.paths.as_ref().is_none_or(|folders| folders.iter().any(|folder| is_below(folder)))
    }
}

/// Finds out who calls. It sees the token and the method, never the body.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// The identity behind the bearer token of a call of `method` (`/package.Service/Method`).
    ///
    /// # Errors
    /// The status the caller gets; `UNAUTHENTICATED` for a token that is missing or not known.
    async fn authenticate(&self, bearer: Option<&SecretString>, method: &str) -> Result<Identity, Status>;

    /// Whether the token still has the identity that it had. It is asked again and again while a stream is open; an answer
    /// of no ends the stream. By default it stands.
    async fn stands(&self, _bearer: Option<&SecretString>, _identity: &Identity) -> bool {
        true
    }
}

/// A file of hashed tokens, read again when it changes:
///
/// ```yaml
/// - name: prod-eu
///   sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
///   roles: [vote, read]
///   repositories: ["https://git.example/config.git"] # left out: all
///   paths: [clusters/prod] # left out: all
///   email: prod@example.com # for commits in its name
/// ```
///
/// Tokens must be long and random (for example 32 bytes in base64): the hash hides them, it does
/// not strengthen them. A change that cannot be parsed is warned of and leaves the old tokens
/// valid; a file that is gone lets nobody in.
pub struct TokenFile {
    path: Utf8PathBuf,
    roles: BTreeSet<String>,
    current: Mutex<Current>,
}

struct Current {
    seen: Vec<u8>,
    entries: Arc<[Entry]>,
}

/// Why a file of tokens cannot be used. Holds neither tokens nor hashes.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] SecretFileError),
    /// The file is not a list of tokens.
    #[error("the token file {path} is not valid: {reason}")]
    Invalid {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong and with which entry.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    sha256: String,
    roles: BTreeSet<String>,
    repositories: Option<BTreeSet<String>>,
    paths: Option<BTreeSet<String>>,
    email: Option<String>,
}

struct Entry {
    hash: [u8; 32],
    identity: Identity,
}

impl TokenFile {
    /// Reads the file, in which only these roles may stand.
    ///
    /// # Errors
    /// If it cannot be read or is not valid.
    pub fn open(path: &Utf8Path, roles: &[&str]) -> Result<Self, TokenFileError> {
        let roles: BTreeSet<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        let seen = read_capped(path)?;
        let entries = entries(path, &seen, &roles)?;
        Ok(Self { path: path.to_owned(), roles, current: Mutex::new(Current { seen, entries }) })
    }

    /// The `sha256` that stands in the file for a token.
    #[must_use]
    pub fn hash(token: &SecretString) -> String {
        hex::encode(digest(token))
    }

    /// The names of the tokens that have a role now; a small read that blocks.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn named(&self, role: &str) -> Result<BTreeSet<String>, SecretFileError> {
        let entries = self.entries()?;
        let has_role = entries.iter().filter(|entry| entry.identity.roles.contains(role));
        Ok(has_role.map(|entry| entry.identity.name.clone()).collect())
    }

    /// The entries of the file as it is now; a small read that blocks.
    fn entries(&self) -> Result<Arc<[Entry]>, SecretFileError> {
        let seen = read_capped(&self.path)?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if seen != current.seen {
            match entries(&self.path, &seen, &self.roles) {
                Ok(entries) => {
                    info!(file = %self.path, tokens = entries.len(), "read new tokens");
                    current.entries = entries;
                }
                Err(error) => warn!(%error, "keeping the old tokens"),
            }
            current.seen = seen;
        }
        Ok(current.entries.clone())
    }
}

#[async_trait]
impl Authenticate for TokenFile {
    async fn authenticate(&self, bearer: Option<&SecretString>, _: &str) -> Result<Identity, Status> {
        let bearer = bearer.ok_or_else(|| Status::unauthenticated("this call needs a bearer token"))?;
        let entries = self.entries().map_err(|error| {
            warn!(%error, "nobody can authenticate");
            Status::unavailable("the tokens of this server cannot be read; its log says why")
        })?;
        let hash = digest(bearer);
        // Every entry is compared, each in constant time: the time says nothing about the tokens.
        let mut found = None;
        for entry in entries.iter() {
            if bool::from(entry.hash.ct_eq(&hash)) {
                found = Some(&entry.identity);
            }
        }
        found.cloned().ok_or_else(|| Status::unauthenticated("the bearer token is not known"))
    }

    async fn stands(&self, bearer: Option<&SecretString>, identity: &Identity) -> bool {
        match self.authenticate(bearer, "").await {
            Ok(now) => now == *identity,
            // A file that cannot be read takes nobody's token away.
            Err(status) => status.code() != Code::Unauthenticated,
        }
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

fn digest(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

fn entries(path: &Utf8Path, text: &[u8], roles: &BTreeSet<String>) -> Result<Arc<[Entry]>, TokenFileError> {
    let invalid = |reason| TokenFileError::Invalid { path: path.to_owned(), reason };
    let written: Option<Vec<Written>> = serde_saphyr::from_slice(text).map_err(|error| {
        // The parser's own words could repeat a token that stands in the wrong place.
        let line = error.without_snippet().location().map_or(0, |location| location.line());
        invalid(format!(
            "line {line}: expected a list of entries with name, sha256, roles and perhaps repositories, paths, email"
        ))
    })?;
    let mut entries: Vec<Entry> = Vec::new();
    for Written { name, sha256, roles: given, repositories, paths, email } in written.unwrap_or_default() {
        let mut hash = [0; 32];
        hex::decode_to_slice(&sha256, &mut hash)
            .map_err(|_| invalid(format!("the sha256 of {name} is not 64 hex digits")))?;
        if let Some(role) = given.difference(roles).next() {
            let known: Vec<&str> = roles.iter().map(String::as_str).collect();
            return Err(invalid(format!("{name} has the unknown role {role}; there are {}", known.join(", "))));
        }
        let lists = [("repositories", &repositories), ("paths", &paths)];
        if let Some((key, _)) = lists.iter().find(|(_, list)| list.as_ref().is_some_and(BTreeSet::is_empty)) {
            return Err(invalid(format!(
                "the {key} of {name} are an empty list; name some, or leave {key} out for all"
            )));
        }
        if let Some(other) = entries.iter().find(|other| other.identity.name == name || other.hash == hash) {
            return Err(invalid(format!("{name} and {} have the same name or token", other.identity.name)));
        }
        entries.push(Entry { hash, identity: Identity { name, email, roles: given, repositories, paths } });
    }
    Ok(entries.into())
}

#[cfg(test)]
mod tests;
