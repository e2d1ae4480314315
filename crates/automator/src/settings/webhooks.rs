//! Who may tell that something was pushed, and how it proves who it is.

use lockstep_daemon::SecretFile;
use lockstep_registry::WebhookKind;
use serde::{Deserialize, Serialize};

/// One sender of notifications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WebhookSettings {
    /// What sends them.
    pub kind: WebhookKind,
    /// Where it sends them: `/webhooks/KIND` without.
    #[serde(default)]
    pub path: Option<String>,
    /// The secret that it shows, or signs with.
    pub secret_file: SecretFile,
}

impl WebhookSettings {
    /// The path of the address.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.clone().unwrap_or_else(|| format!("/webhooks/{}", self.kind.name()))
    }

    /// What is wrong with the path.
    pub(super) fn problem(&self) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        let path = self.path();
        let is_path = path.starts_with('/') && path.len() > 1 && !path.ends_with('/') && !path.contains("//");
        if is_path && path.bytes().all(plain) {
            return None;
        }
        Some(format!("{path:?} is not a path of letters, digits, - _ . and /, as in /webhooks/harbor-eu"))
    }
}
