//! Who we are to a registry, and where that is found out.

mod child;
mod credential_helper;
mod docker_config;
mod duration;
mod file;
mod glob;
mod keyring;
mod plugins;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::endpoint::Repository;

pub use docker_config::DockerConfig;
pub(crate) use file::{read as read_file, secret};
pub use keyring::PullSecret;
pub use plugins::{CredentialPlugins, PluginsError};

/// A user name and a password (or an access token in its place).
#[derive(Debug, Clone)]
pub struct Basic {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// One way to log in.
#[derive(Debug, Clone)]
pub enum Login {
    /// By user name and password.
    Basic(Basic),
    /// By a token that the token service of the registry exchanges for others (Azure; `docker login` with a browser).
    IdentityToken(SecretString),
}

impl Login {
    /// What a user name and a password stand for: the name `<token>` marks an identity token, as in Docker's helpers.
    pub(crate) fn of(username: String, password: SecretString) -> Self {
        if username == "<token>" { Self::IdentityToken(password) } else { Self::Basic(Basic { username, password }) }
    }

    /// Tells logins apart without keeping them.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let (username, secret) = match self {
            Self::Basic(basic) => (basic.username.as_str(), &basic.password),
            Self::IdentityToken(token) => ("<token>", token),
        };
        let mut hash = Sha256::new();
        hash.update(username.len().to_le_bytes());
        hash.update(username.as_bytes());
        hash.update(secret.expose_secret().as_bytes());
        hash.finalize().into()
    }
}

/// Finds the logins for a repository. It is asked at each use, so that what is rotated works without a restart.
#[async_trait]
pub trait CredentialsSource: Send + Sync {
    /// The logins to try, in this order; none if this source has none for the repository.
    ///
    /// # Errors
    /// What could not be read or run, without any secret in it.
    async fn logins(&self, repository: &Repository) -> Result<Vec<Login>, String>;
}

/// Where the logins of a registry come from.
#[derive(Clone)]
pub enum Credentials {
    /// The same for ever.
    Fixed(Basic),
    /// Asked at each use.
    Source(Arc<dyn CredentialsSource>),
}

impl Credentials {
    pub(crate) async fn logins(&self, repository: &Repository) -> Result<Vec<Login>, String> {
        match self {
            Self::Fixed(basic) => Ok(vec![Login::Basic(basic.clone())]),
            Self::Source(source) => source.logins(repository).await,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed([REDACTED])",
            Self::Source(_) => "Source",
        })
    }
}
