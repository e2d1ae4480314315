//! Where a repository is.

use std::fmt;
use std::net::IpAddr;

use crate::reserved::is_reserved;

/// Whether a repository may be fetched over unencrypted HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// From this machine only.
    LoopbackOnly,
    /// From anywhere (the setting `dangerous-plain-http`).
    Allowed,
}

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
    Ssh,
}

/// The URL of a repository: `https://`, `ssh://`, `user@host:path`, or `http://` where that is allowed. It carries no
/// credentials, so it may be printed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteUrl {
    text: String,
    pub(crate) scheme: Scheme,
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
}

/// Why a text is not the URL of a repository. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Another scheme than those that can be fetched from.
    #[error("the scheme {0:?} is not supported; use https:// or ssh://")]
    Scheme(String),
    /// Neither a URL nor `user@host:path`.
    #[error("the repository's URL is neither https://HOST/PATH, ssh://USER@HOST/PATH nor USER@HOST:PATH")]
    Shape,
    /// A user or password stands in the URL.
    #[error("the repository's URL holds credentials; give them as a secret instead")]
    Credentials,
    /// Unencrypted HTTP to another machine.
    #[error(
        "http:// to {0} is refused, as everything would be readable on the way; use https:// or set dangerous-plain-http"
    )]
    PlainHttp(String),
    /// A part of the URL could be taken for something else.
    #[error("the {part} in the repository's URL is refused: {reason}")]
    Part {
        /// Which part.
        part: &'static str,
        /// Why.
        reason: &'static str,
    },
}

impl RemoteUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is not one that a repository may be fetched from.
    pub fn parse(text: &str, plain_http: PlainHttp) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UrlError::Shape);
        }
        let url = match text.split_once("://") {
            Some((scheme, rest)) => Self::with_scheme(text, scheme, rest)?,
            None => Self::scp_like(text)?,
        };
        if url.scheme == Scheme::Http && plain_http == PlainHttp::LoopbackOnly && !is_loopback(&url.host) {
            return Err(UrlError::PlainHttp(url.host));
        }
        Ok(url)
    }

    fn with_scheme(text: &str, scheme: &str, rest: &str) -> Result<Self, UrlError> {
        let scheme = match scheme {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" => Scheme::Ssh,
            other => return Err(UrlError::Scheme(other.chars().take(20).collect())),
        };
        let (authority, path) = rest.split_once('/').ok_or(UrlError::Shape)?;
        let (user, server) = match authority.rsplit_once('@') {
            Some((user, server)) if scheme == Scheme::Ssh => (Some(user), server),
            Some(_) => return Err(UrlError::Credentials),
            None => (None, authority),
        };
        let (host, port) = split_port(server)?;
        if path.contains(['?', '#']) {
            return Err(UrlError::Part { part: "path", reason: "a query or fragment may hold a secret" });
        }
        Self::checked(text, scheme, user, host, port, &format!("/{path}"))
    }

    fn scp_like(text: &str) -> Result<Self, UrlError> {
        let (authority, path) = text.split_once(':').ok_or(UrlError::Shape)?;
        let (user, host) = authority.rsplit_once('@').ok_or(UrlError::Shape)?;
        if path.starts_with(':') {
            return Err(UrlError::Shape);
        }
        Self::checked(text, Scheme::Ssh, Some(user), host, None, path)
    }

    fn checked(
        text: &str,
        scheme: Scheme,
        user: Option<&str>,
        host: &str,
        port: Option<u16>,
        path: &str,
    ) -> Result<Self, UrlError> {
        let refused = |part, reason| Err(UrlError::Part { part, reason });
        if let Some(user) = user {
            if user.contains(':') {
                return Err(UrlError::Credentials);
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
            if user.is_empty() || user.starts_with('-') || !user.chars().all(plain) {
                return refused("user", "only letters, digits, '.', '_', '-' and '+' are allowed, and no leading '-'");
            }
        }
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_name = !host.is_empty() && !host.starts_with('-') && host.chars().all(name);
        if !is_name && host.parse::<IpAddr>().is_err() {
            return refused("host", "it is neither a name nor an address");
        }
        if is_reserved(host) {
            return refused("host", "there a cloud keeps the secrets of this machine");
        }
        if path.trim_matches('/').is_empty() {
            return refused("path", "it is empty");
        }
        if path.starts_with('-') || path.contains(['\'', '"', '\\', '`', '$', ';', '!']) {
            return refused("path", "it could be taken for an option or a command");
        }
        Ok(Self {
            text: text.to_owned(),
            scheme,
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// The URL as it was given; it never holds credentials.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split_port(server: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(UrlError::Shape)?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(UrlError::Shape)?) })
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = port.map(|port| port.parse().map_err(|_| UrlError::Part { part: "port", reason: "it is not a number" }));
    Ok((host, port.transpose()?))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
