//! Registries, and who we are to them.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use lockstep_daemon::SecretFile;
use lockstep_registry::{
    CredentialPlugins, Credentials, DockerConfig, PullSecret, Registries, RegistrySettings as ClientSettings,
};
use serde::{Deserialize, Serialize};

/// One registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegistrySettings {
    /// The host as images name it, with its port if it has one.
    pub host: String,
    /// The user. Without, `registry-credentials` are asked.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password or token.
    #[serde(default)]
    pub password_file: Option<SecretFile>,
    /// Authorities to trust beside the system's, in PEM.
    #[serde(default)]
    pub ca_file: Option<Utf8PathBuf>,
    /// Allows HTTP without TLS to other machines.
    #[serde(default)]
    pub dangerous_plain_http: bool,
    /// The most requests a second on average; 10 without.
    #[serde(default)]
    pub requests_per_second: Option<NonZeroU32>,
}

/// Where the logins of all registries without a user of their own come from: one of three forms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RegistryCredentials {
    /// A mounted pull secret of Kubernetes, of either type.
    pub pull_secret_file: Option<Utf8PathBuf>,
    /// A `config.json` of Docker's.
    pub docker_config_file: Option<Utf8PathBuf>,
    /// The folder of the programs `docker-credential-*` that it names.
    pub helpers_folder: Option<Utf8PathBuf>,
    /// A `CredentialProviderConfig` of the kubelet.
    pub plugins_config_file: Option<Utf8PathBuf>,
    /// The folder of the programs that it names.
    pub plugins_folder: Option<Utf8PathBuf>,
    /// The variables of our environment that the programs get; no others.
    pub environment: Vec<String>,
}

impl RegistrySettings {
    /// What is wrong, by the name of the key.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Err(error) = Registries::new(vec![ClientSettings::new(&self.host)]) {
            problems.push(("host", error.to_string()));
        }
        match (&self.username, &self.password_file) {
            (Some(_), None) => problems.push(("password-file", "is required beside username and not set".to_owned())),
            (None, Some(_)) => problems.push(("username", "is required beside password-file and not set".to_owned())),
            _ => {}
        }
        problems
    }
}

impl RegistryCredentials {
    /// What is wrong, by the name of the key; that of the whole is empty.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let forms = [&self.pull_secret_file, &self.docker_config_file, &self.plugins_config_file];
        if forms.into_iter().flatten().count() != 1 {
            let forms = "pull-secret-file, or docker-config-file, or plugins-config-file and plugins-folder";
            return vec![("", format!("must have exactly one of the three forms: {forms}"))];
        }
        let mut problems = Vec::new();
        if self.helpers_folder.is_some() && self.docker_config_file.is_none() {
            problems.push(("helpers-folder", "is for docker-config-file only".to_owned()));
        }
        match (&self.plugins_config_file, &self.plugins_folder) {
            (Some(_), None) => {
                problems.push(("plugins-folder", "is required beside plugins-config-file and not set".to_owned()));
            }
            (None, Some(_)) => problems.push(("plugins-folder", "is for plugins-config-file only".to_owned())),
            _ => {}
        }
        let is_name =
            |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if let Some(odd) = self.environment.iter().find(|name| !is_name(name)) {
            problems
                .push(("environment", format!("{odd:?} is not the name of a variable; values are not written here")));
        }
        problems
    }

    /// The source of logins that this means. Pull secrets and Docker's files are read at each use; the configuration of plugins
    /// is read now.
    ///
    /// # Errors
    /// Which file cannot be used, and why, without any secret.
    pub(crate) fn source(&self) -> Result<Credentials, String> {
        let (environment, none) = (self.variables(), Utf8PathBuf::new());
        let path = |path: &Option<Utf8PathBuf>| path.as_deref().unwrap_or(&none).as_std_path().to_owned();
        if self.pull_secret_file.is_some() {
            let secret = PullSecret::new(path(&self.pull_secret_file));
            secret.check()?;
            return Ok(Credentials::Source(Arc::new(secret)));
        }
        if self.docker_config_file.is_some() {
            let helpers = self.helpers_folder.as_deref().map(Utf8Path::as_std_path).map(Path::to_owned);
            let config = DockerConfig::new(path(&self.docker_config_file), helpers, environment);
            config.check()?;
            return Ok(Credentials::Source(Arc::new(config)));
        }
        let plugins =
            CredentialPlugins::open(&path(&self.plugins_config_file), &path(&self.plugins_folder), &environment);
        plugins.map(|plugins| Credentials::Source(Arc::new(plugins))).map_err(|error| error.to_string())
    }

    fn variables(&self) -> Vec<(String, String)> {
        let value = |name: &String| Some((name.clone(), std::env::var(name).ok()?));
        self.environment.iter().filter_map(value).collect()
    }

    /// The key of the form that is used.
    pub(super) fn key(&self) -> &'static str {
        match (&self.pull_secret_file, &self.docker_config_file) {
            (Some(_), _) => "pull-secret-file",
            (None, Some(_)) => "docker-config-file",
            (None, None) => "plugins-config-file",
        }
    }
}
