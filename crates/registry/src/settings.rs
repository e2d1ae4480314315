//! What a person says about a registry.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A user name and a password (or an access token in its place).
#[derive(Debug, Clone)]
pub struct Basic {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

impl Basic {
    /// Tells credentials apart without keeping them.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.username.len().to_le_bytes());
        hash.update(self.username.as_bytes());
        hash.update(self.password.expose_secret().as_bytes());
        hash.finalize().into()
    }
}

/// Reads credentials each time they are needed; `None` means that there are none (any more).
pub type CredentialsProvider = dyn Fn() -> Result<Option<Basic>, Box<dyn Error + Send + Sync>> + Send + Sync;

/// Where the credentials of a registry come from.
#[derive(Clone)]
pub enum Credentials {
    /// The same for ever.
    Fixed(Basic),
    /// Read at each use, so that a rotated file or an expiring password works without a restart. Its errors are shown.
    Provider(Arc<CredentialsProvider>),
}

impl Credentials {
    pub(crate) fn read(&self) -> Result<Option<Basic>, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Fixed(basic) => Ok(Some(basic.clone())),
            Self::Provider(provider) => provider(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed([REDACTED])",
            Self::Provider(_) => "Provider",
        })
    }
}

/// Whether a registry may be spoken to without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// Only a loopback address, and only where no CA is configured for it.
    #[default]
    LoopbackOnly,
    /// Always: the setting `dangerous-plain-http`. Anybody on the way can read the credentials and forge the tags.
    Dangerous,
}

/// One registry.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// The host as image references name it, with its port if any: `ghcr.io`, `docker.io`, `127.0.0.1:5000`.
    pub host: String,
    /// Anonymous without.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM, one or more) that are trusted beside those of the system.
    pub ca_pem: Option<String>,
    /// Whether TLS may be left out.
    pub plain_http: PlainHttp,
    /// The most requests a second on average; bursts of twice as many are possible. 10 without.
    pub requests_per_second: Option<NonZeroU32>,
}

impl RegistrySettings {
    /// A registry with nothing special about it: anonymous, TLS (but for loopback), ten requests a second.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            credentials: None,
            ca_pem: None,
            plain_http: PlainHttp::default(),
            requests_per_second: None,
        }
    }
}
