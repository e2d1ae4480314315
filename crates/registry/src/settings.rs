//! What a person says about a registry.

use std::num::NonZeroU32;

use crate::credentials::Credentials;

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
    /// Without, those for all registries are asked ([`crate::Registries::asking`]); without those too, anonymous.
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
