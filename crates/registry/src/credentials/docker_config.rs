//! Docker's own `config.json`: entries by host, and helper programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Deserialize;

use super::credential_helper::Helper;
use super::file::read;
use super::keyring::Entry;
use super::{CredentialsSource, Login};
use crate::endpoint::Repository;

/// How Docker's tools name its own registry in their files.
const DOCKER: &str = "https://index.docker.io/v1/";

/// A `config.json` as `docker login` writes it, and the folder of the helpers that it names.
///
/// It is read at each use, and looked up as Docker does: `credHelpers` of the host, else `credsStore`, else `auths`. A helper is
/// `FOLDER/docker-credential-NAME`; without a folder a file that names helpers is an error.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    path: PathBuf,
    helpers: Option<PathBuf>,
    /// What the helpers find of our environment; they get nothing else of it.
    environment: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

impl DockerConfig {
    /// The file need not exist yet.
    pub fn new(path: impl AsRef<Path>, helpers: Option<PathBuf>, environment: Vec<(String, String)>) -> Self {
        Self { path: path.as_ref().to_owned(), helpers, environment }
    }

    /// Whether the file can be used now. No helper is run.
    ///
    /// # Errors
    /// What is wrong with it, without any secret.
    pub fn check(&self) -> Result<(), String> {
        let config = self.config()?;
        let named = config.helpers.into_iter().flat_map(BTreeMap::into_values).chain(config.store);
        for name in named.filter(|name| !name.is_empty()) {
            self.helper(&name)?;
        }
        for (host, entry) in config.auths.unwrap_or_default() {
            entry.login().map_err(|problem| format!("{}: {problem}, for {host:?}", self.path.display()))?;
        }
        Ok(())
    }

    fn config(&self) -> Result<Config, String> {
        serde_json::from_slice(&read(&self.path)?)
            .map_err(|error| format!("{} is no Docker configuration at line {}", self.path.display(), error.line()))
    }

    fn helper(&self, name: &str) -> Result<Helper, String> {
        let folder = self.helpers.as_deref().ok_or_else(|| {
            format!(
                "{} names the helper {name:?}; set the folder of such programs with helpers-folder",
                self.path.display()
            )
        })?;
        Helper::find(folder, name, &self.environment).map_err(|problem| format!("{}: {problem}", self.path.display()))
    }
}

#[async_trait]
impl CredentialsSource for DockerConfig {
    async fn logins(&self, repository: &Repository) -> Result<Vec<Login>, String> {
        let config = self.config()?;
        let server = match repository.host.as_str() {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER,
            host => host,
        };
        let of_host = config.helpers.as_ref().and_then(|helpers| helpers.get(server).or(helpers.get(&repository.host)));
        if let Some(name) = of_host.or(config.store.as_ref()).filter(|name| !name.is_empty()) {
            return Ok(self.helper(name)?.get(server).await?.into_iter().collect());
        }
        let wanted = hostname(server);
        let entry = config.auths.unwrap_or_default().into_iter().find(|(key, _)| hostname(key) == wanted);
        let Some((key, entry)) = entry else { return Ok(Vec::new()) };
        let login = entry.login().map_err(|problem| format!("{}: {problem}, for {key:?}", self.path.display()))?;
        Ok(login.into_iter().collect())
    }
}

/// A key of the file without its scheme and path.
fn hostname(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    key.split('/').next().unwrap_or_default()
}
