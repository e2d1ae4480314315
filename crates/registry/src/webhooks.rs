//! Notifications of registries: hints that a tag is worth a look. Nothing in them is ever believed further than that.

mod payloads;
mod proof;
mod push_tokens;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::endpoint::Repository;
use crate::facts::is_digest;
use crate::tags::is_tag;

pub use proof::Shown;
pub use push_tokens::{Admission, KeysFrom, PushTokens, TokenRules};

/// The longest notification that is read.
const MOST_BYTES: usize = 1 << 20;
/// The most hints of one notification.
const MOST_HINTS: usize = 1000;

/// Who sends a notification: that says where things stand in it, and how it shows that it may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookKind {
    /// The distribution registry, and what is built on it.
    Distribution,
    /// Docker Hub.
    DockerHub,
    /// GitHub's container registry: events `package` and `registry_package`.
    Ghcr,
    /// Harbor, in its own form and as CloudEvents.
    Harbor,
    /// Quay.
    Quay,
    /// Azure's container registry.
    Acr,
    /// Google's registries, by a Pub/Sub push subscription to their topic `gcr`.
    Gar,
    /// Amazon's registry, by an EventBridge API destination.
    Ecr,
    /// A GitLab project: jobs and pipelines that succeeded.
    Gitlab,
    /// Gitea and Forgejo: event `package`.
    Gitea,
    /// Artifactory: domain `docker`.
    Artifactory,
    /// Nexus: event `rm:repository:component`.
    Nexus,
    /// Anybody: `{"image": "HOST/NAME:TAG"}`, or `{"name": "HOST/NAME", "tag": "TAG"}`.
    Generic,
}

/// Somebody says that something was pushed. A hint makes a scan happen earlier; it never chooses anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PushHint {
    /// The host of the registry, if it is told; behind a proxy it need not be the one in image references.
    pub host: Option<String>,
    /// The repository within the registry.
    pub repository: String,
    /// Whether the repositories below it are meant too.
    pub below: bool,
    /// The tag, if it is told.
    pub tag: Option<String>,
    /// The digest that was pushed, if it is told.
    pub digest: Option<String>,
}

/// A notification that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It is too long to be one.
    #[error("the notification is longer than {MOST_BYTES} bytes; let the sender put fewer events into one")]
    TooLong,
    /// It is not what this kind of sender sends.
    #[error("the notification is not what {} sends; point only its notifications here", .0.name())]
    Malformed(WebhookKind),
}

impl WebhookKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Distribution,
        Self::DockerHub,
        Self::Ghcr,
        Self::Harbor,
        Self::Quay,
        Self::Acr,
        Self::Gar,
        Self::Ecr,
        Self::Gitlab,
        Self::Gitea,
        Self::Artifactory,
        Self::Nexus,
        Self::Generic,
    ];

    /// The word in settings, in addresses and in metric labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::DockerHub => "docker-hub",
            Self::Ghcr => "ghcr",
            Self::Harbor => "harbor",
            Self::Quay => "quay",
            Self::Acr => "acr",
            Self::Gar => "gar",
            Self::Ecr => "ecr",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Artifactory => "artifactory",
            Self::Nexus => "nexus",
            Self::Generic => "generic",
        }
    }

    /// What was pushed, each once, in the order of the notification; at most a thousand.
    ///
    /// Other events, untagged manifests and names that no registry can hold are left out: one odd event does not hide the others.
    ///
    /// # Errors
    /// If it is no notification of this kind at all. What is one and tells of no push has no hints.
    pub fn hints(self, body: &[u8]) -> Result<Vec<PushHint>, WebhookError> {
        if body.len() > MOST_BYTES {
            return Err(WebhookError::TooLong);
        }
        let value = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed(self))?;
        let hints = payloads::read(self, &value).ok_or(WebhookError::Malformed(self))?;
        let mut seen = HashSet::new();
        let hints = hints.into_iter().filter_map(checked).filter(|hint| seen.insert(hint.clone()));
        Ok(hints.take(MOST_HINTS).collect())
    }
}

/// The hint without what is not usable of it.
fn checked(hint: PushHint) -> Option<PushHint> {
    let PushHint { host, repository, below, tag, digest } = hint;
    let repository = Repository { host: host.filter(|host| is_host(host)).unwrap_or_default(), name: repository };
    let has_tag = tag.as_deref().is_some_and(is_tag);
    if !repository.has_plain_name() || !(has_tag || below) {
        return None;
    }
    Some(PushHint {
        host: Some(repository.host).filter(|host| !host.is_empty()),
        repository: repository.name,
        below,
        tag: tag.filter(|tag| is_tag(tag)),
        digest: digest.filter(|digest| is_digest(digest)),
    })
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 260
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

#[cfg(test)]
mod tests;
