//! Push notifications of a registry: hints that a tag is worth a look.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::endpoint::Repository;
use crate::facts::is_digest;
use crate::tags::is_tag;

/// The longest notification that is read.
const MOST_BYTES: usize = 1 << 20;
/// The most events of one notification that are looked at.
const MOST_EVENTS: usize = 1000;

/// Somebody says that a tag was pushed. A hint makes a scan happen earlier; it never chooses anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PushHint {
    /// The host by which the registry was addressed in the push; behind a proxy it need not be the one in image references.
    pub host: String,
    /// The repository within the registry.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The digest that was pushed, if the event names one.
    pub digest: Option<String>,
}

/// A notification that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushEventsError {
    /// It is too long to be one.
    #[error("the notification is longer than {MOST_BYTES} bytes; let the registry send fewer events at once")]
    TooLong,
    /// It is not the JSON that the distribution registry sends.
    #[error(
        "the notification is no JSON object with a list of \"events\"; point only notifications of a distribution registry here"
    )]
    Malformed,
}

impl PushEventsError {
    /// A word for metric labels; the set is closed.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Malformed => "malformed",
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    events: Vec<Value>,
}

#[derive(Deserialize)]
struct Event {
    action: String,
    target: Target,
    request: Origin,
}

#[derive(Deserialize)]
struct Target {
    repository: String,
    tag: String,
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Deserialize)]
struct Origin {
    host: String,
}

/// Whether a `Content-Type` is that of the distribution registry's notifications (version 2 has 1's fields).
#[must_use]
pub fn is_push_notification(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["application/vnd.docker.distribution.events.v1+json", "application/vnd.docker.distribution.events.v2+json"]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
}

/// The pushed tags of a notification, each once, in its order.
///
/// Events of other actions, of blobs and untagged manifests, and events that cannot be read are left out: one odd event does not
/// hide the others.
///
/// # Errors
/// If it is no notification at all.
pub fn push_hints(body: &[u8]) -> Result<Vec<PushHint>, PushEventsError> {
    if body.len() > MOST_BYTES {
        return Err(PushEventsError::TooLong);
    }
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_| PushEventsError::Malformed)?;
    let mut seen = std::collections::HashSet::new();
    let hints = envelope.events.into_iter().take(MOST_EVENTS).filter_map(hint);
    Ok(hints.filter(|hint| seen.insert(hint.clone())).collect())
}

fn hint(event: Value) -> Option<PushHint> {
    let event: Event = serde_json::from_value(event).ok()?;
    let Event { action, target, request: Origin { host } } = event;
    let repository = Repository { host, name: target.repository };
    let usable = action == "push" && is_tag(&target.tag) && repository.has_plain_name() && is_host(&repository.host);
    usable.then(|| PushHint {
        host: repository.host,
        repository: repository.name,
        tag: target.tag,
        digest: target.digest.filter(|digest| is_digest(digest)),
    })
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 260
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

/// Whether the `Authorization` header of a notification carries the shared secret, as it is or behind `Bearer`.
///
/// Takes the same time for every wrong header. An empty secret admits nobody.
#[must_use]
pub fn authorised(expected: &SecretString, header: Option<&[u8]>) -> bool {
    let expected = expected.expose_secret();
    let header = header.unwrap_or_default();
    let bare = match header.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest,
        _ => header,
    };
    // Hashes have one length, so that the comparison does not tell that of the secret.
    let secret = Sha256::digest(expected.as_bytes());
    let whole = secret.as_slice().ct_eq(Sha256::digest(header).as_slice());
    let bare = secret.as_slice().ct_eq(Sha256::digest(bare).as_slice());
    !expected.is_empty() && bool::from(whole | bare)
}

#[cfg(test)]
mod tests;
