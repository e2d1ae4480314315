//! How a sender shows that it may be believed: by a secret in a header or in the address, or by a signature of the body.

use aws_lc_rs::hmac;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::WebhookKind;

/// What a request shows.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The query of its address, for senders that can neither sign nor set a header.
    pub query: Option<&'a str>,
    /// Its body. Only a signature looks at it.
    pub body: &'a [u8],
}

enum Proof {
    /// The secret is this header, as it is or behind `Bearer`.
    Header(&'static str),
    /// The secret is the header `Authorization`, or `token=` in the query.
    HeaderOrQuery,
    /// This header is the HMAC of the body under the secret, in hex behind the prefix.
    Signature { header: &'static str, prefix: &'static str, algorithm: hmac::Algorithm },
}

impl WebhookKind {
    fn proof(self) -> Proof {
        let sha256 = |header, prefix| Proof::Signature { header, prefix, algorithm: hmac::HMAC_SHA256 };
        match self {
            Self::Distribution | Self::Harbor | Self::Acr | Self::Ecr => Proof::Header("authorization"),
            Self::Gitlab => Proof::Header("x-gitlab-token"),
            Self::Artifactory => Proof::Header("x-jfrog-event-auth"),
            Self::DockerHub | Self::Quay | Self::Gar => Proof::HeaderOrQuery,
            Self::Ghcr => sha256("x-hub-signature-256", "sha256="),
            Self::Gitea => sha256("x-gitea-signature", ""),
            Self::Generic => sha256("x-signature", "sha256="),
            Self::Nexus => Proof::Signature {
                header: "x-nexus-webhook-signature",
                prefix: "",
                algorithm: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            },
        }
    }

    /// Whether the body is signed, so that it must be read before it can be known who sent it.
    #[must_use]
    pub fn is_signed(self) -> bool {
        matches!(self.proof(), Proof::Signature { .. })
    }

    /// Whether the request shows the secret. Takes the same time for every wrong one. An empty secret admits nobody.
    #[must_use]
    pub fn admits(self, secret: &SecretString, shown: &Shown<'_>) -> bool {
        if secret.expose_secret().is_empty() {
            return false;
        }
        let header = |name: &str| shown.headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
        match self.proof() {
            Proof::Header(name) => is_secret(secret, header(name)),
            Proof::HeaderOrQuery => {
                is_secret(secret, header("authorization")) | is_secret(secret, token_of(shown.query).as_bytes())
            }
            Proof::Signature { header: name, prefix, algorithm } => {
                let signature = header(name).strip_prefix(prefix.as_bytes()).and_then(|text| hex::decode(text).ok());
                let key = hmac::Key::new(algorithm, secret.expose_secret().as_bytes());
                signature.is_some_and(|signature| hmac::verify(&key, shown.body, &signature).is_ok())
            }
        }
    }
}

/// Whether `text` is the secret, as it is or behind `Bearer`.
fn is_secret(secret: &SecretString, text: &[u8]) -> bool {
    let bare = match text.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest,
        _ => text,
    };
    // Hashes have one length, so that the comparison does not tell that of the secret.
    let secret = Sha256::digest(secret.expose_secret().as_bytes());
    let whole = secret.as_slice().ct_eq(Sha256::digest(text).as_slice());
    let bare = secret.as_slice().ct_eq(Sha256::digest(bare).as_slice());
    bool::from(whole | bare)
}

/// The first `token` of a query, decoded.
fn token_of(query: Option<&str>) -> String {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let token = pairs.into_iter().find(|(name, _)| *name == "token").map_or("", |(_, value)| value);
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        match escaped.as_deref() {
            Some([byte]) => {
                bytes.push(*byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}
