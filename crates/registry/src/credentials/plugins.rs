//! The kubelet's credential provider plugins: programs of the clouds, configured as for the kubelet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::SecretString;
use serde::Deserialize;

use super::child::Child;
use super::file::{read, secret};
use super::glob::RegistryPattern;
use super::keyring::Keyring;
use super::{CredentialsSource, Login, duration};
use crate::endpoint::Repository;

/// Answers that are kept, for each plugin.
const MOST_KEPT: usize = 1000;
/// A plugin that names no version gets this one.
const VERSIONS: [&str; 3] = [
    "credentialprovider.kubelet.k8s.io/v1",
    "credentialprovider.kubelet.k8s.io/v1beta1",
    "credentialprovider.kubelet.k8s.io/v1alpha1",
];

/// All plugins of a `CredentialProviderConfig` (kubelet.config.k8s.io) whose programs lie in one folder.
///
/// Those for the image are run, and their answers kept for as long as they say. The configuration is read at the start only.
pub struct CredentialPlugins(Vec<Plugin>);

/// A configuration of plugins that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the credential plugins of {}: {problem}", path.display())]
pub struct PluginsError {
    path: PathBuf,
    problem: String,
}

#[derive(Deserialize)]
struct Config {
    kind: String,
    #[serde(default)]
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    name: String,
    match_images: Vec<String>,
    default_cache_duration: String,
    api_version: String,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<Variable>>,
    #[serde(default)]
    token_attributes: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

struct Plugin {
    program: PathBuf,
    api_version: String,
    images: Vec<RegistryPattern>,
    default_life: Duration,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// By what the plugin says that its answer is for.
    kept: Mutex<HashMap<String, Kept>>,
    /// One run at a time: those who wait find its answer.
    running: tokio::sync::Mutex<()>,
}

struct Kept {
    keyring: Arc<Keyring>,
    until: Instant,
}

impl CredentialPlugins {
    /// Reads the configuration at `path`. The plugins get `environment` beside the variables that it sets, and nothing else.
    ///
    /// # Errors
    /// If it is no such configuration, or names something that is not a program in `folder`.
    pub fn open(path: &Path, folder: &Path, environment: &[(String, String)]) -> Result<Self, PluginsError> {
        let wrong = |problem: String| PluginsError { path: path.to_owned(), problem };
        let text = String::from_utf8(read(path).map_err(wrong)?).map_err(|_| wrong("it is not UTF-8".into()))?;
        let config: Config = serde_saphyr::from_str(&text).map_err(|error| {
            // The message itself may show a value of the environment.
            let line = error.location().map_or(0, |location| location.line());
            wrong(format!("it is no CredentialProviderConfig at line {line}"))
        })?;
        if config.kind != "CredentialProviderConfig" {
            return Err(wrong(format!("it is a {:?}, not a CredentialProviderConfig", config.kind)));
        }
        let plugins: Result<Vec<_>, _> =
            config.providers.into_iter().map(|provider| Plugin::new(provider, folder, environment)).collect();
        plugins.map(Self).map_err(wrong)
    }
}

#[async_trait]
impl CredentialsSource for CredentialPlugins {
    async fn logins(&self, repository: &Repository) -> Result<Vec<Login>, String> {
        let mut logins = Vec::new();
        for plugin in self.0.iter().filter(|plugin| plugin.images.iter().any(|image| image.matches(repository))) {
            logins.extend(plugin.keyring(repository).await?.matching(repository));
        }
        Ok(logins)
    }
}

impl Plugin {
    fn new(provider: Provider, folder: &Path, environment: &[(String, String)]) -> Result<Self, String> {
        let Provider { name, match_images, default_cache_duration, api_version, args, env, token_attributes } =
            provider;
        if name.is_empty() || name.starts_with(['.', '-']) || name.contains(['/', '\0']) {
            return Err(format!("{name:?} is not the name of a program"));
        }
        if !VERSIONS.contains(&api_version.as_str()) {
            return Err(format!("{name} speaks {api_version:?}; known are {}", VERSIONS.join(", ")));
        }
        if token_attributes.is_some() {
            return Err(format!(
                "{name} wants tokens of the pods' service accounts, which are not there; leave tokenAttributes out"
            ));
        }
        let default_life = duration::parse(&default_cache_duration)
            .ok_or_else(|| format!("the defaultCacheDuration {default_cache_duration:?} of {name} is no duration"))?;
        let mut environment = environment.to_vec();
        environment.extend(env.into_iter().flatten().map(|variable| (variable.name, variable.value)));
        Ok(Self {
            program: folder.join(&name),
            api_version,
            images: match_images.iter().map(|image| RegistryPattern::new(image)).collect(),
            default_life,
            arguments: args.unwrap_or_default(),
            environment,
            kept: Mutex::default(),
            running: tokio::sync::Mutex::new(()),
        })
    }

    async fn keyring(&self, repository: &Repository) -> Result<Arc<Keyring>, String> {
        if let Some(kept) = self.kept(repository) {
            return Ok(kept);
        }
        let _running = self.running.lock().await;
        if let Some(kept) = self.kept(repository) {
            return Ok(kept);
        }
        let answer = self.ask(repository).await?;
        let life = match &answer.cache_duration {
            Some(text) => duration::parse(text)
                .ok_or_else(|| format!("{} names no duration: {text:?}", self.program.display()))?,
            None => self.default_life,
        };
        let auth = answer.auth.unwrap_or_default().into_iter().filter_map(|(pattern, auth)| {
            let AuthConfig { username, password } = auth;
            Some((pattern, Login::of(username, password?)))
        });
        let keyring = Arc::new(Keyring::new(auth));
        let key = match answer.cache_key_type.as_str() {
            "Image" => repository.to_string(),
            "Registry" => repository.host.clone(),
            "Global" => String::new(),
            other => return Err(format!("{} names an unknown cacheKeyType {other:?}", self.program.display())),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if kept.len() >= MOST_KEPT {
            kept.retain(|_, kept| kept.until > now);
        }
        if !life.is_zero() && kept.len() < MOST_KEPT {
            kept.insert(key, Kept { keyring: Arc::clone(&keyring), until: now + life });
        }
        Ok(keyring)
    }

    /// The kubelet looks by image, then by registry, then for what holds everywhere.
    fn kept(&self, repository: &Repository) -> Option<Arc<Keyring>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = [repository.to_string(), repository.host.clone(), String::new()];
        let found = keys.iter().find_map(|key| kept.get(key).filter(|kept| kept.until > Instant::now()));
        found.map(|kept| Arc::clone(&kept.keyring))
    }

    async fn ask(&self, repository: &Repository) -> Result<Response, String> {
        let request = serde_json::json!({
            "apiVersion": self.api_version,
            "kind": "CredentialProviderRequest",
            "image": repository.to_string(),
        });
        let child = Child { program: &self.program, arguments: &self.arguments, environment: &self.environment };
        let ended = child.run(request.to_string().as_bytes()).await?;
        let program = self.program.display();
        if !ended.succeeded {
            return Err(format!("{program} failed ({})", ended.status));
        }
        let answer: Response = serde_json::from_slice(&ended.output)
            .map_err(|_| format!("{program} printed no CredentialProviderResponse"))?;
        if answer.kind != "CredentialProviderResponse" || answer.api_version != self.api_version {
            return Err(format!("{program} answers in another version than {}", self.api_version));
        }
        Ok(answer)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    kind: String,
    api_version: String,
    cache_key_type: String,
    #[serde(default)]
    cache_duration: Option<String>,
    #[serde(default)]
    auth: Option<HashMap<String, AuthConfig>>,
}

#[derive(Deserialize)]
struct AuthConfig {
    #[serde(default)]
    username: String,
    #[serde(default, deserialize_with = "secret")]
    password: Option<SecretString>,
}
