//! The image registries, and the record of first sights on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use camino::Utf8Path;
use jiff::Timestamp;
use lockstep_daemon::SecretFile;
use lockstep_registry::{
    Basic, Credentials, PlainHttp, Registries, RegistryError, RegistrySettings, Repository, SeenError, SeenTags,
};
use secrecy::ExposeSecret as _;

use crate::ports::{PortError, Sights, Tags};
use crate::settings;

/// All registries, for all branches.
#[derive(Clone)]
pub(crate) struct RegistryTags {
    registries: Arc<Registries>,
    seen: Arc<SeenTags>,
}

impl RegistryTags {
    /// Makes the clients and opens the record; nothing is sent.
    ///
    /// # Errors
    /// If the settings of a registry or the record cannot be used.
    pub(crate) fn open(registries: &[settings::RegistrySettings], record: &Utf8Path) -> Result<Self, PortError> {
        let clients = registries.iter().map(client_settings).collect::<Result<_, _>>()?;
        let registries = Arc::new(Registries::new(clients).map_err(unanswered)?);
        let seen = Arc::new(SeenTags::open(record.as_std_path()).map_err(unrecorded)?);
        Ok(Self { registries, seen })
    }
}

fn client_settings(settings: &settings::RegistrySettings) -> Result<RegistrySettings, PortError> {
    let settings::RegistrySettings { host, username, password_file, ca_file, dangerous_plain_http } = settings;
    let credentials = username.clone().zip(password_file.clone()).map(|(username, file)| {
        Credentials::Provider(Arc::new(move || Ok(Some(Basic { username: username.clone(), password: file.read()? }))))
    });
    let ca_pem = ca_file.as_ref().map(|file| SecretFile::new(file.clone()).read()).transpose();
    let ca_pem = ca_pem.map_err(|error| PortError { category: "settings", message: format!("{host}: {error}") })?;
    Ok(RegistrySettings {
        credentials,
        ca_pem: ca_pem.map(|text| text.expose_secret().to_owned()),
        plain_http: if *dangerous_plain_http { PlainHttp::Dangerous } else { PlainHttp::LoopbackOnly },
        ..RegistrySettings::new(host)
    })
}

#[async_trait]
impl Tags for RegistryTags {
    async fn list(&self, repository: &Repository) -> Result<Vec<String>, PortError> {
        self.registries.tags(repository).await.map(|listing| listing.tags.clone()).map_err(unanswered)
    }

    async fn record(&self, repository: &Repository, tags: &[String], now: Timestamp) -> Result<Sights, PortError> {
        let (seen, repository, tags) = (Arc::clone(&self.seen), repository.clone(), tags.to_owned());
        let recorded = tokio::task::spawn_blocking(move || {
            let first_seen: BTreeMap<String, Option<Timestamp>> =
                seen.record(&repository, &tags, now)?.into_iter().map(|(tag, seen)| (tag, seen.first_seen)).collect();
            Ok(Sights { first_scan: seen.first_scan(&repository)?, first_seen })
        });
        match recorded.await {
            Ok(recorded) => recorded.map_err(unrecorded),
            Err(broken) => {
                let message =
                    format!("recording tags broke off: {broken}; this is a fault in Lockstep, please report it");
                Err(PortError { category: "broken", message })
            }
        }
    }

    async fn digest(&self, repository: &Repository, tag: &str) -> Result<Option<String>, PortError> {
        self.registries.digest(repository, tag).await.map_err(unanswered)
    }

    async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, PortError> {
        self.registries.created(repository, digest).await.map_err(unanswered)
    }
}

fn unanswered(error: RegistryError) -> PortError {
    PortError { category: error.category(), message: error.to_string() }
}

fn unrecorded(error: SeenError) -> PortError {
    PortError { category: error.category(), message: error.to_string() }
}
