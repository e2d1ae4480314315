//! The image registries, and the record of first sights on disk.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use lockstep_daemon::SecretFile;
use lockstep_image::Platform;
use lockstep_registry::{
    Basic, Credentials, CredentialsSource, Listed, Login, PlainHttp, Recorded, Registries, RegistryError,
    RegistrySettings, Repository, SeenError, SeenTags, TagNames, Verification,
};
use secrecy::ExposeSecret as _;

use crate::metrics::Metrics;
use crate::ports::{PortError, Sights, Tags};
use crate::settings::{self, RegistryCredentials, Settings};

/// All registries, for all branches.
#[derive(Clone)]
pub(crate) struct RegistryTags {
    registries: Arc<Registries>,
    seen: SeenTags,
    verify: Arc<settings::Verify>,
    metrics: Metrics,
}

impl RegistryTags {
    /// Makes the clients and opens the record; nothing is sent.
    ///
    /// # Errors
    /// If the settings of a registry or the record cannot be used.
    pub(crate) fn open(settings: &Settings, metrics: &Metrics) -> Result<Self, PortError> {
        let clients = settings.registries.iter().map(client_settings).collect::<Result<_, _>>()?;
        let sources = settings.registry_credentials.iter().map(RegistryCredentials::source).collect::<Result<_, _>>();
        let sources = sources.map_err(|message| PortError { category: "settings", message })?;
        let seen = SeenTags::open(settings.data.join("seen.redb").as_std_path()).map_err(unrecorded)?;
        let counted = metrics.clone();
        let registries = Registries::new(clients).map_err(unanswered)?.asking(sources).remembering(&seen);
        // Several branches may name one repository, and are content with one listing in the shortest time between two.
        let registries = match settings.repositories.len() {
            0 | 1 => registries,
            _ => registries.sharing(settings.intervals.registries.get()),
        };
        let registries = registries.observed(Arc::new(move |host, outcome| counted.request(host, outcome)));
        Ok(Self {
            registries: Arc::new(registries),
            seen,
            verify: Arc::new(settings.verify.clone()),
            metrics: metrics.clone(),
        })
    }
}

/// Runs `work` on the record, which blocks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SeenError> + Send + 'static,
) -> Result<T, PortError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(unrecorded),
        Err(broken) => {
            let message = format!("recording tags broke off: {broken}; this is a fault in Lockstep, please report it");
            Err(PortError { category: "broken", message })
        }
    }
}

fn client_settings(settings: &settings::RegistrySettings) -> Result<RegistrySettings, PortError> {
    let settings::RegistrySettings {
        host,
        username,
        password_file,
        ca_file,
        dangerous_plain_http,
        requests_per_second,
    } = settings;
    let login = username.clone().zip(password_file.clone());
    let credentials =
        login.map(|(username, password)| Credentials::Source(Arc::new(PasswordFile { username, password })));
    let ca_pem = ca_file.as_ref().map(|file| SecretFile::new(file.clone()).read()).transpose();
    let ca_pem = ca_pem.map_err(|error| PortError { category: "settings", message: format!("{host}: {error}") })?;
    Ok(RegistrySettings {
        credentials,
        ca_pem: ca_pem.map(|text| text.expose_secret().to_owned()),
        plain_http: if *dangerous_plain_http { PlainHttp::Dangerous } else { PlainHttp::LoopbackOnly },
        requests_per_second: *requests_per_second,
        ..RegistrySettings::new(host)
    })
}

/// A user name, and the file of its password.
struct PasswordFile {
    username: String,
    password: SecretFile,
}

#[async_trait]
impl CredentialsSource for PasswordFile {
    async fn logins(&self, _repository: &Repository) -> Result<Vec<Login>, String> {
        let password = self.password.read().map_err(|error| error.to_string())?;
        Ok(vec![Login::Basic(Basic { username: self.username.clone(), password })])
    }
}

#[async_trait]
impl Tags for RegistryTags {
    fn list(&self, repository: &Repository, not_before: Timestamp) -> BoxFuture<'static, Result<Listed, PortError>> {
        let (registries, repository) = (Arc::clone(&self.registries), repository.clone());
        Box::pin(async move { registries.tags_since(&repository, not_before).await.map_err(unanswered) })
    }

    async fn recorded(&self, repository: &Repository) -> Result<usize, PortError> {
        let (seen, repository) = (self.seen.clone(), repository.clone());
        blocking(move || seen.count(&repository)).await
    }

    async fn record(&self, repository: &Repository, tags: &Arc<TagNames>, now: Timestamp) -> Result<Sights, PortError> {
        let (seen, repository, tags) = (self.seen.clone(), repository.clone(), Arc::clone(tags));
        blocking(move || {
            let moved = seen.take_moved(&repository);
            let Recorded { first_scan, first_seen } = seen.record(&repository, &tags, now)?;
            let first_seen = first_seen.into_iter().map(|(tag, time)| (tag, Some(time))).collect();
            Ok(Sights { first_scan, first_seen, moved, ..Sights::default() })
        })
        .await
    }

    fn moves(&self) -> u64 {
        self.seen.moves()
    }

    fn digest(&self, repository: &Repository, tag: &str) -> BoxFuture<'static, Result<Option<String>, PortError>> {
        let (tags, repository, tag) = (self.clone(), repository.clone(), tag.to_owned());
        Box::pin(async move {
            let digest = tags.registries.digest(&repository, &tag).await.map_err(unanswered)?;
            // Only of a tag there is something to record.
            if let Some(digest) = digest.clone().filter(|digest| *digest != tag) {
                let (seen, host) = (tags.seen.clone(), repository.host.clone());
                let note = move || seen.note_digest(&repository, &tag, &digest, Timestamp::now());
                if blocking(note).await? {
                    tags.metrics.moved_tag(&host);
                }
            }
            Ok(digest)
        })
    }

    async fn first_seen(&self, repository: &Repository, tag: &str) -> Result<Option<Timestamp>, PortError> {
        let (seen, repository, tag) = (self.seen.clone(), repository.clone(), tag.to_owned());
        blocking(move || seen.first_seen(&repository, &tag)).await
    }

    async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, PortError> {
        self.registries.created(repository, digest).await.map_err(unanswered)
    }

    async fn platforms(&self, repository: &Repository, digest: &str) -> Result<Vec<Platform>, PortError> {
        self.registries.platforms(repository, digest).await.map_err(unanswered)
    }

    async fn verify(&self, repository: &Repository, digest: &str, key: &str) -> Result<Verification, PortError> {
        let key = self.verify.key(key)?;
        self.registries.verify(repository, digest, &key).await.map_err(unanswered)
    }
}

fn unanswered(error: RegistryError) -> PortError {
    PortError { category: error.category(), message: error.to_string() }
}

fn unrecorded(error: SeenError) -> PortError {
    PortError { category: error.category(), message: error.to_string() }
}
