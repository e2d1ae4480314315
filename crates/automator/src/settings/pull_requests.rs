//! Change requests instead of pushes.

use camino::Utf8Path;
use lockstep_daemon::SecretFile;
use lockstep_forge::{Forge, ForgeKind, ForgeSettings};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::RepositorySettings;
use super::check::Problems;
use crate::message::MessageTemplate;
use crate::ports::PortError;

/// Where and how change requests are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PullRequests {
    /// Which API is spoken.
    pub forge: ForgeName,
    /// The API's base URL; that of github.com or gitlab.com without.
    #[serde(default)]
    pub api: Option<String>,
    /// `OWNER/NAME`.
    pub project: String,
    /// A token that may write change requests.
    pub token_file: SecretFile,
    /// Labels that every request gets.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Whether the forge merges requests by itself as soon as they may be.
    #[serde(default)]
    pub auto_merge: bool,
    /// The template of their titles; that of commits without.
    #[serde(default)]
    pub title: Option<String>,
    /// The template of what stands before the table.
    #[serde(default)]
    pub body: Option<String>,
}

/// The forges that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeName {
    /// GitHub, and GitHub Enterprise Server.
    Github,
    /// GitLab.
    Gitlab,
    /// Gitea.
    Gitea,
    /// Forgejo, such as codeberg.org.
    Forgejo,
}

impl PullRequests {
    /// The API's base URL.
    pub(crate) fn api(&self) -> Option<&str> {
        self.api.as_deref().or(match self.forge {
            ForgeName::Github => Some("https://api.github.com"),
            ForgeName::Gitlab => Some("https://gitlab.com/api/v4"),
            ForgeName::Gitea | ForgeName::Forgejo => None,
        })
    }

    /// The client; nothing is sent.
    pub(crate) fn client(&self, ca_file: Option<&Utf8Path>) -> Result<Forge, PortError> {
        let failed = |message: String| PortError { category: "settings", message };
        let ca_pem = ca_file.map(|file| SecretFile::new(file).read()).transpose();
        let ca_pem = ca_pem.map_err(|error| failed(error.to_string()))?;
        let file = self.token_file.clone();
        let settings = ForgeSettings {
            kind: match self.forge {
                ForgeName::Github => ForgeKind::GitHub,
                ForgeName::Gitlab => ForgeKind::GitLab,
                ForgeName::Gitea | ForgeName::Forgejo => ForgeKind::Gitea,
            },
            api: self.api().unwrap_or_default().to_owned(),
            project: self.project.clone(),
            token: Arc::new(move || file.read().map_err(|error| error.to_string())),
            ca_pem: ca_pem.map(|pem| pem.expose_secret().to_owned()),
        };
        Forge::new(settings).map_err(|error| PortError { category: error.category(), message: error.to_string() })
    }

    /// Where a file of the repository can be looked at, with `COMMIT`, `FILE` and `LINE` in it.
    pub(crate) fn file_link(&self) -> Option<String> {
        let api = self.api()?;
        let (scheme, rest) = api.split_once("://")?;
        let rest = rest.trim_end_matches('/');
        let site = match (self.forge, rest) {
            (ForgeName::Github, "api.github.com") => "github.com",
            (ForgeName::Github, rest) => rest.strip_suffix("/api/v3")?,
            (ForgeName::Gitlab, rest) => rest.strip_suffix("/api/v4")?,
            (ForgeName::Gitea | ForgeName::Forgejo, rest) => rest.strip_suffix("/api/v1")?,
        };
        let between = match self.forge {
            ForgeName::Github => "blob",
            ForgeName::Gitlab => "-/blob",
            ForgeName::Gitea | ForgeName::Forgejo => "src/commit",
        };
        Some(format!("{scheme}://{site}/{}/{between}/COMMIT/FILE#LLINE", self.project))
    }
}

/// What is wrong with these settings of one repository.
pub(super) fn problems(repository: &RepositorySettings, key: &str, problems: &mut Problems) {
    let Some(requests) = &repository.pull_requests else { return };
    let key = format!("{key}.pull-requests");
    if requests.api().is_none() {
        problems.add(format!("{key}.api"), "is required for gitea and forgejo, as in https://codeberg.org/api/v1");
    } else if let Err(error) = requests.client(None) {
        problems.add(&key, error.message);
    }
    for (name, template) in [("title", &requests.title), ("body", &requests.body)] {
        if let Some(Err(problem)) = template.as_deref().map(MessageTemplate::parse) {
            problems.add(format!("{key}.{name}"), problem);
        }
    }
    for (index, label) in requests.labels.iter().enumerate() {
        if label.trim().is_empty() || label.contains(',') {
            problems.add(format!("{key}.labels.{index}"), "is empty or has a comma in it");
        }
    }
}
