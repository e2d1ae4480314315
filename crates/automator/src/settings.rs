//! How the process runs. Which images move is said in Git, beside them.

mod check;
mod commits;
mod pull_requests;
mod registries;
mod rules;
mod verify;
mod webhooks;

use std::net::{Ipv4Addr, SocketAddr};

use camino::Utf8PathBuf;
use lockstep_daemon::{ListenAddress, LogSettings, Period, SecretFile, SettingsErrors, Sources, TlsFiles};
use serde::{Deserialize, Serialize};

pub(crate) use commits::{Author, Signing, VerifyHead};
pub(crate) use pull_requests::PullRequests;
pub(crate) use registries::{RegistryCredentials, RegistrySettings};
pub use rules::{PlaceRule, PlaceSettings};
pub(crate) use verify::Verify;
#[cfg(test)]
pub(crate) use webhooks::PushTokenSettings;
pub(crate) use webhooks::WebhookSettings;

/// The settings of the daemon; `docs/configuration.md` describes each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// The branches that are kept up to date.
    pub repositories: Vec<RepositorySettings>,
    /// The registries of which something must be said.
    pub registries: Vec<RegistrySettings>,
    /// Where the logins of all other registries come from, asked in this order.
    pub registry_credentials: Vec<RegistryCredentials>,
    /// Globs of the image repositories that may be asked; none means those of the known registries.
    pub allow_repositories: Vec<String>,
    /// The keys that images must be signed with.
    pub verify: Verify,
    /// How often to look without any hint.
    pub intervals: Intervals,
    /// The folder of the clones and of the first sights of tags.
    pub data: Utf8PathBuf,
    /// Where the ports are.
    pub listen: Listen,
    /// The certificate of the gRPC port and of the webhook port.
    pub tls: Option<TlsFiles>,
    /// Who may call; without it there is no gRPC port.
    pub tokens_file: Option<Utf8PathBuf>,
    /// Who may tell of pushes; without any there is no webhook port.
    pub webhooks: Vec<WebhookSettings>,
    /// What `webhooks` was called; known so that whoever still writes it is told.
    #[serde(skip_serializing)]
    pub webhook: Option<serde_json::Value>,
    /// How long the work in hand may take after the request to stop.
    pub shutdown_grace: Period,
    /// Logs.
    pub log: LogSettings,
}

/// One branch of one config repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RepositorySettings {
    /// `https://`, `ssh://` or `user@host:path`, without credentials.
    pub url: String,
    /// The branch.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// The folders that are searched for workloads; none means all.
    #[serde(default)]
    pub paths: Vec<String>,
    /// What is said of places from outside; all that stands in Git beside them is stronger.
    #[serde(default)]
    pub rules: Vec<PlaceRule>,
    /// The tools whose words at images are acted on: `flux1`, `flux2`, `keel`, `argocd-image-updater`.
    #[serde(default)]
    pub compat: Vec<String>,
    /// Whom the commits name.
    #[serde(default)]
    pub author: Author,
    /// Who commits; the author without.
    #[serde(default)]
    pub committer: Option<Author>,
    /// The template of the first lines of a commit's message.
    #[serde(default)]
    pub message: Option<String>,
    /// Whether commits have the trailer `Signed-off-by`.
    #[serde(default)]
    pub sign_off: bool,
    /// What commits are signed with.
    #[serde(default)]
    pub signing: Option<Signing>,
    /// Whose signature the head of the branch must have before anything is committed on it.
    #[serde(default)]
    pub verify_head: Option<VerifyHead>,
    /// Changes are proposed on a forge instead of being pushed to the branch.
    #[serde(default)]
    pub pull_requests: Option<PullRequests>,
    /// How to log in.
    #[serde(default)]
    pub credentials: Option<GitCredentials>,
    /// The authorities to trust for HTTPS, in PEM, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<Utf8PathBuf>,
    /// Allows `http://` to other machines.
    #[serde(default)]
    pub dangerous_plain_http: bool,
}

impl RepositorySettings {
    /// What is said of places. A tool that is not known was refused when the settings were loaded.
    pub(crate) fn places(&self) -> PlaceSettings {
        let compat = self.compat.iter().filter_map(|name| name.parse().ok()).collect();
        let reviewed = self.pull_requests.as_ref().is_some_and(|requests| !requests.auto_merge);
        PlaceSettings { rules: self.rules.clone(), compat, reviewed }
    }
}

fn main_branch() -> String {
    "main".to_owned()
}

/// Three ways to log in to a Git server, of which one is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct GitCredentials {
    /// The user of HTTP basic authentication.
    pub username: Option<String>,
    /// Its password or token.
    pub password_file: Option<SecretFile>,
    /// A token for HTTP `Authorization: Bearer`.
    pub bearer_token_file: Option<SecretFile>,
    /// A private SSH key without passphrase.
    pub identity_file: Option<SecretFile>,
    /// The host keys of the SSH server.
    pub known_hosts_file: Option<Utf8PathBuf>,
}

/// How often to look without any hint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Intervals {
    /// At an image repository, at the most.
    pub registries: Period,
    /// At an image repository, at the least.
    pub registries_longest: Period,
    /// At the branches.
    pub git: Period,
    /// After a commit, changes are gathered for so long before the next.
    pub batch: Period,
    /// After a start, no update is made before the clusters have said what they run; so long they are waited for.
    pub settle: Period,
}

/// Where the ports are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Listen {
    /// The service `Updates`.
    pub grpc: ListenAddress,
    /// `/live`, `/ready` and `/metrics`.
    pub admin: SocketAddr,
    /// The addresses of `webhooks`.
    pub webhook: SocketAddr,
}

impl Settings {
    /// Loads and checks the settings. Files are only named here; whether they can be read is seen at the start.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first of it.
    pub fn load(sources: &Sources) -> Result<Self, SettingsErrors> {
        lockstep_daemon::load(sources, check::problems)
    }

    /// What cannot be read of all the files that the settings name: their keys, and why.
    #[must_use]
    pub fn unreadable_files(&self) -> Vec<(String, String)> {
        check::unreadable_files(self)
    }

    /// The settings that give up a protection, by their keys.
    pub(crate) fn dangerous(&self) -> Vec<String> {
        let repositories = self.repositories.iter().map(|repository| repository.dangerous_plain_http);
        let registries = self.registries.iter().map(|registry| registry.dangerous_plain_http);
        let all = repositories.enumerate().map(|of| ("repositories", of));
        let all = all.chain(registries.enumerate().map(|of| ("registries", of)));
        let set = all.filter(|(_, (_, is_set))| *is_set);
        set.map(|(list, (number, _))| format!("{list}.{number}.dangerous-plain-http")).collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            repositories: Vec::new(),
            registries: Vec::new(),
            registry_credentials: Vec::new(),
            allow_repositories: Vec::new(),
            verify: Verify::default(),
            intervals: Intervals::default(),
            data: "/var/lib/lockstep-automator".into(),
            listen: Listen::default(),
            tls: None,
            tokens_file: None,
            webhooks: Vec::new(),
            webhook: None,
            shutdown_grace: Period::seconds(20),
            log: LogSettings::default(),
        }
    }
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            registries: Period::seconds(60),
            registries_longest: Period::seconds(6 * 60 * 60),
            git: Period::seconds(30),
            batch: Period::seconds(10),
            settle: Period::seconds(90),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { grpc: ListenAddress::Tcp(loopback(7400)), admin: loopback(7401), webhook: loopback(7402) }
    }
}

#[cfg(test)]
mod tests;
