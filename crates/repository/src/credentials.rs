//! What a repository is opened with.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// How to say who one is.
#[derive(Clone)]
pub enum Authentication {
    /// Not at all.
    None,
    /// With a user name and a password or token, over HTTP.
    Basic {
        /// The user name.
        username: String,
        /// The password or token.
        password: SecretString,
    },
    /// With a bearer token, over HTTP.
    Bearer(SecretString),
    /// With a private key, over SSH, to a server with a known key.
    Ssh {
        /// The private key in OpenSSH or PEM form, without a passphrase.
        identity: SecretString,
        /// The server's keys, in the form of a `known_hosts` file.
        known_hosts: String,
    },
}

/// Everything secret or particular that a connection needs. Printing it shows the kind only.
#[derive(Clone)]
pub struct Credentials {
    /// How to say who one is.
    pub authentication: Authentication,
    /// The authorities to trust for HTTPS instead of the system's, as PEM text.
    pub ca_pem: Option<String>,
}

/// Why a Secret holds no usable credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A key is there and the one that belongs to it is not.
    #[error("the secret has {present:?} but not {missing:?}")]
    Missing {
        /// The key that is there.
        present: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// Two ways to authenticate at once.
    #[error("the secret has both {0:?} and {1:?}; keep one of them")]
    Contradiction(&'static str, &'static str),
    /// A value is empty or not text.
    #[error("the value of {key:?} in the secret {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// None of the known keys is there.
    #[error("the secret has none of the keys username and password, bearerToken, identity and known_hosts, ca.crt")]
    Nothing,
}

impl Credentials {
    /// No credentials, and the system's authorities.
    #[must_use]
    pub fn none() -> Self {
        Self { authentication: Authentication::None, ca_pem: None }
    }

    /// Reads the data of a Kubernetes Secret: `username` and `password`, or `bearerToken`, or `identity` and
    /// `known_hosts`, and with each of them `ca.crt`. Other keys are ignored.
    ///
    /// # Errors
    /// When keys are missing, contradict each other, or hold something unusable.
    pub fn from_secret_data(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, CredentialsError> {
        let username = text(data, "username")?;
        let password = text(data, "password")?;
        let bearer = text(data, "bearerToken")?;
        let identity = text(data, "identity")?;
        let known_hosts = text(data, "known_hosts")?;
        let ca_pem = text(data, "ca.crt")?.map(str::to_owned);

        let basic = if username.is_some() { username.map(|_| "username") } else { password.map(|_| "password") };
        let ssh = identity.map(|_| "identity");
        let ways: Vec<_> = [basic, bearer.map(|_| "bearerToken"), ssh].into_iter().flatten().collect();
        if let [first, second, ..] = ways.as_slice() {
            return Err(CredentialsError::Contradiction(first, second));
        }
        let missing = |present, missing| Err(CredentialsError::Missing { present, missing });
        let authentication = match (username, password, bearer, identity, known_hosts) {
            (Some(username), Some(password), ..) => {
                let username = one_line("username", username)?.to_owned();
                if username.contains(':') {
                    return Err(CredentialsError::Value { key: "username", reason: "contains a colon" });
                }
                Authentication::Basic { username, password: one_line("password", password)?.into() }
            }
            (Some(_), None, ..) => return missing("username", "password"),
            (None, Some(_), ..) => return missing("password", "username"),
            (None, None, Some(token), ..) => Authentication::Bearer(one_line("bearerToken", token)?.into()),
            (None, None, None, Some(identity), Some(known_hosts)) => {
                Authentication::Ssh { identity: identity.into(), known_hosts: known_hosts.to_owned() }
            }
            (None, None, None, Some(_), None) => return missing("identity", "known_hosts"),
            (None, None, None, None, Some(_)) => return missing("known_hosts", "identity"),
            (None, None, None, None, None) if ca_pem.is_some() => Authentication::None,
            (None, None, None, None, None) => return Err(CredentialsError::Nothing),
        };
        Ok(Self { authentication, ca_pem })
    }

    /// The value of the HTTP header `Authorization`, if one is to be sent.
    pub(crate) fn authorization(&self) -> Option<SecretString> {
        match &self.authentication {
            Authentication::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose_secret());
                Some(format!("Basic {}", STANDARD.encode(pair)).into())
            }
            Authentication::Bearer(token) => Some(format!("Bearer {}", token.expose_secret()).into()),
            Authentication::None | Authentication::Ssh { .. } => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("authentication", &self.authentication)
            .field("ca_pem", &self.ca_pem.is_some())
            .finish()
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) => "Bearer",
            Self::Ssh { .. } => "Ssh",
        })
    }
}

fn text<'a>(data: &'a BTreeMap<String, Vec<u8>>, key: &'static str) -> Result<Option<&'a str>, CredentialsError> {
    let Some(bytes) = data.get(key) else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|_| CredentialsError::Value { key, reason: "is not text" })?;
    if text.trim().is_empty() {
        return Err(CredentialsError::Value { key, reason: "is empty" });
    }
    Ok(Some(text))
}

/// Secrets made from files often end in a line break, which no header can carry.
fn one_line<'a>(key: &'static str, text: &'a str) -> Result<&'a str, CredentialsError> {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.chars().any(char::is_control) {
        return Err(CredentialsError::Value { key, reason: "has more than one line or a control character" });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
