//! Who may tell that something was pushed, and how it proves who it is.

use camino::Utf8PathBuf;
use lockstep_daemon::SecretFile;
use lockstep_registry::{KeysFrom, PushTokens, TokenRules, WebhookKind};
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
    #[serde(default)]
    pub secret_file: Option<SecretFile>,
    /// Instead of a secret, of the kind `gar`: the token that Pub/Sub sends.
    #[serde(default)]
    pub token: Option<PushTokenSettings>,
}

/// What a token of Google's Pub/Sub must say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PushTokenSettings {
    /// The audience of the push subscription.
    pub audience: String,
    /// Its service account.
    pub email: String,
    /// Who makes the tokens.
    #[serde(default = "google")]
    pub issuer: String,
    /// Where the keys are that they are signed with.
    #[serde(default = "keys_of_google")]
    pub keys_url: String,
    /// A file of these keys, instead of the address.
    #[serde(default)]
    pub keys_file: Option<Utf8PathBuf>,
}

fn google() -> String {
    "https://accounts.google.com".to_owned()
}

fn keys_of_google() -> String {
    "https://www.googleapis.com/oauth2/v3/certs".to_owned()
}

impl PushTokenSettings {
    /// What checks the tokens; nothing is read or sent yet.
    ///
    /// # Errors
    /// What is wrong with the address of the keys.
    pub(crate) fn tokens(&self) -> Result<PushTokens, String> {
        let Self { audience, email, issuer, keys_url, keys_file } = self.clone();
        let keys = keys_file.map_or_else(|| KeysFrom::Url(keys_url), |file| KeysFrom::File(file.into_std_path_buf()));
        PushTokens::new(TokenRules { issuer, audience, email }, &keys)
    }
}

impl WebhookSettings {
    /// The path of the address.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.clone().unwrap_or_else(|| format!("/webhooks/{}", self.kind.name()))
    }

    /// What is wrong, by the name of the key; that of the whole is empty.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        let path = self.path();
        let is_path = path.starts_with('/') && path.len() > 1 && !path.ends_with('/') && !path.contains("//");
        if !is_path || !path.bytes().all(plain) {
            let message = format!("{path:?} is not a path of letters, digits, - _ . and /, as in /webhooks/harbor-eu");
            problems.push(("path", message));
        }
        match (&self.secret_file, &self.token) {
            (Some(_), Some(_)) => problems.push(("", "must have either secret-file or token, not both".to_owned())),
            (None, None) if self.kind == WebhookKind::Gar => {
                problems.push(("token", "is required where there is no secret-file, and not set".to_owned()));
            }
            (None, None) => problems.push(("secret-file", "is required and not set".to_owned())),
            (None, Some(_)) if self.kind != WebhookKind::Gar => {
                problems.push(("token", format!("is for the kind gar only; {} has a secret-file", self.kind.name())));
            }
            (None, Some(token)) => problems.extend(token.problems()),
            (Some(_), None) => {}
        }
        problems
    }
}

impl PushTokenSettings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let texts = [("token.audience", &self.audience), ("token.email", &self.email), ("token.issuer", &self.issuer)];
        let empty = texts.into_iter().filter(|(_, text)| text.trim().is_empty());
        let mut problems: Vec<_> =
            empty.map(|(key, _)| (key, "is empty; write what the push subscription says".to_owned())).collect();
        problems.extend(self.tokens().err().map(|problem| ("token.keys-url", problem)));
        problems
    }
}
