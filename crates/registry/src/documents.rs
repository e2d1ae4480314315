//! Indexes, manifests and configurations: what they say that anybody asks for, by digest, for ever.

use std::sync::Arc;

use lockstep_image::Platform;
use moka::future::Cache;
use redb::{ReadableDatabase as _, TableDefinition};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use crate::client::{Registries, Request};
use crate::endpoint::Repository;
use crate::error::RegistryError;
use crate::facts::{is_digest, manifest_request};
use crate::store::Store;

/// Kind and digest → [`Document`] as JSON.
pub(crate) const DOCUMENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("documents");
const CONFIG_BYTES: usize = 8 << 20;
/// Images of an index beyond these are nobody's.
const MOST_CHILDREN: usize = 500;
/// As many are kept in memory, beside those on disk.
const MOST_IN_MEMORY: u64 = 10_000;

/// What a digest names. It can never become anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Document {
    Index { children: Vec<Child>, created: Option<String> },
    Image { config: String, created: Option<String> },
    Config { platform: Option<[String; 3]>, created: Option<String>, build_date: Option<String> },
}

/// An image of an index; attestations are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) digest: String,
    /// Operating system, architecture, variant. An index need not say.
    pub(crate) platform: Option<[String; 3]>,
}

/// Which of the two kinds of addresses a digest has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Manifest,
    Config,
}

/// The documents that were read. Losing them costs requests only.
pub(crate) struct Documents {
    hot: Cache<String, Arc<Document>>,
    pub(crate) store: Option<Arc<Store>>,
}

impl Documents {
    pub(crate) fn new() -> Self {
        Self { hot: Cache::new(MOST_IN_MEMORY), store: None }
    }

    async fn kept(&self, key: &str) -> Option<Document> {
        let (store, key) = (Arc::clone(self.store.as_ref()?), key.to_owned());
        let read = move || {
            store.with("read", |database| {
                let row = database.begin_read()?.open_table(DOCUMENTS)?.get(key.as_str())?;
                Ok(row.and_then(|row| serde_json::from_slice(row.value()).ok()))
            })
        };
        told(tokio::task::spawn_blocking(read).await).flatten()
    }

    async fn keep(&self, key: &str, document: &Document) {
        let Some(store) = self.store.as_ref().map(Arc::clone) else { return };
        let (key, document) = (key.to_owned(), serde_json::to_vec(document).unwrap_or_default());
        let write = move || {
            store.with("write", |database| {
                let transaction = database.begin_write()?;
                transaction.open_table(DOCUMENTS)?.insert(key.as_str(), document.as_slice())?;
                transaction.commit()?;
                Ok(())
            })
        };
        told(tokio::task::spawn_blocking(write).await);
    }
}

/// A cache that fails is told and done without.
fn told<T, E: std::fmt::Display>(done: Result<Result<T, E>, tokio::task::JoinError>) -> Option<T> {
    match done {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            tracing::warn!(%error, "facts about images are asked for again");
            None
        }
        Err(_) => None,
    }
}

impl Registries {
    /// What `digest` names: from memory, from disk, or from the registry, and then proved.
    pub(crate) async fn document(
        &self,
        repository: &Repository,
        digest: &str,
        kind: Kind,
    ) -> Result<Arc<Document>, RegistryError> {
        // One digest can be asked for as both: somebody may name the manifest of another as the configuration of theirs.
        let key = match kind {
            Kind::Manifest => format!("manifest {digest}"),
            Kind::Config => format!("config {digest}"),
        };
        let read = async {
            if let Some(document) = self.documents.kept(&key).await {
                return Ok(Arc::new(document));
            }
            let document = self.read_document(repository, digest, kind).await?;
            self.documents.keep(&key, &document).await;
            Ok(Arc::new(document))
        };
        let read = self.documents.hot.try_get_with_by_ref(&key, read).await;
        read.map_err(|error: Arc<RegistryError>| (*error).clone())
    }

    async fn read_document(
        &self,
        repository: &Repository,
        digest: &str,
        kind: Kind,
    ) -> Result<Document, RegistryError> {
        let request = match kind {
            Kind::Manifest => manifest_request(repository, "read a manifest of", Method::GET, digest),
            Kind::Config => Request {
                path: format!("{}/blobs/{digest}", repository.name),
                doing: "read the configuration of an image of",
                accept: "*/*",
                most_bytes: CONFIG_BYTES,
                counted: false,
                ..manifest_request(repository, "", Method::GET, digest)
            },
        };
        let malformed = |problem: String| RegistryError::Malformed {
            repository: repository.to_string(),
            doing: request.doing,
            problem,
        };
        if !is_digest(digest) {
            return Err(malformed("it names no digest that can be checked (sha256, sha512)".into()));
        }
        let host = self.host(repository)?;
        let answer = self.send(&host, &request).await?;
        if answer.status != 200 {
            return Err(answer.refused(&request));
        }
        if !has_digest(&answer.body, digest) {
            return Err(malformed(format!("its content is not {digest}")));
        }
        let document = match kind {
            Kind::Manifest => serde_json::from_slice(&answer.body).map(manifest),
            Kind::Config => serde_json::from_slice(&answer.body).map(config),
        };
        document.map_err(|error| malformed(format!("{digest} is not what it should be at line {}", error.line())))
    }
}

/// An index or an image manifest, OCI or Docker.
#[derive(Deserialize)]
struct RawManifest {
    #[serde(default)]
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    config: Option<RawDescriptor>,
    #[serde(default)]
    annotations: Option<RawAnnotations>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    digest: String,
    #[serde(default)]
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: Option<RawAnnotations>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    variant: Option<String>,
}

impl RawPlatform {
    fn words(self) -> Option<[String; 3]> {
        let Self { os, architecture, variant } = self;
        Some([os?, architecture?, variant.unwrap_or_default()])
    }

    /// BuildKit gives its attestations the platform unknown/unknown.
    fn is_unknown(&self) -> bool {
        self.os.as_deref() == Some("unknown")
    }
}

#[derive(Default, Deserialize)]
struct RawAnnotations {
    #[serde(default, rename = "org.opencontainers.image.created")]
    created: Option<String>,
    /// BuildKit: `attestation-manifest`.
    #[serde(default, rename = "vnd.docker.reference.type")]
    reference_type: Option<String>,
    #[serde(default, rename = "org.label-schema.build-date")]
    build_date: Option<String>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    created: Option<String>,
    #[serde(flatten)]
    platform: RawPlatform,
    #[serde(default)]
    config: Option<RawRuntime>,
}

#[derive(Deserialize)]
struct RawRuntime {
    #[serde(default, rename = "Labels")]
    labels: Option<RawAnnotations>,
}

fn manifest(raw: RawManifest) -> Document {
    let created = raw.annotations.and_then(|annotations| annotations.created);
    if let Some(config) = raw.config {
        return Document::Image { config: config.digest, created };
    }
    let is_image = |child: &RawDescriptor| {
        let attestation = child.annotations.as_ref().is_some_and(|annotations| annotations.reference_type.is_some());
        !attestation && !child.platform.as_ref().is_some_and(RawPlatform::is_unknown)
    };
    let children = raw.manifests.unwrap_or_default().into_iter().filter(is_image).take(MOST_CHILDREN);
    let children = children
        .map(|child| Child { digest: child.digest, platform: child.platform.and_then(RawPlatform::words) })
        .collect();
    Document::Index { children, created }
}

fn config(raw: RawConfig) -> Document {
    let build_date = raw.config.and_then(|config| config.labels).and_then(|labels| labels.build_date);
    Document::Config { platform: raw.platform.words(), created: raw.created, build_date }
}

/// The platform of three words, if they name one.
pub(crate) fn platform(words: &[String; 3]) -> Option<Platform> {
    let [os, architecture, variant] = words;
    Platform::new(os, architecture, variant)
}

pub(crate) fn has_digest(content: &[u8], digest: &str) -> bool {
    match digest.split_once(':') {
        Some(("sha256", hex)) => hex::encode(Sha256::digest(content)) == hex,
        Some(("sha512", hex)) => hex::encode(Sha512::digest(content)) == hex,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_manifest(text: &str) -> Document {
        manifest(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn an_index_is_its_images() {
        let child = |digest: &str, platform: Option<[&str; 3]>| Child {
            digest: digest.to_owned(),
            platform: platform.map(|words| words.map(str::to_owned)),
        };
        for (text, children) in [
            (
                r#"{"manifests":[{"digest":"a","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}"#,
                vec![child("a", Some(["linux", "arm64", "v8"]))],
            ),
            (
                r#"{"manifests":[{"digest":"a","platform":{"os":"unknown","architecture":"unknown"}},{"digest":"b"}]}"#,
                vec![child("b", None)],
            ),
            (
                r#"{"manifests":[{"digest":"a","annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]}"#,
                vec![],
            ),
            (r#"{"manifests":null}"#, vec![]),
        ] {
            assert_eq!(of_manifest(text), Document::Index { children, created: None }, "{text}");
        }
    }

    #[test]
    fn a_configuration_tells_platform_and_times() {
        let text = r#"{"created":"2026-01-02T03:04:05Z","os":"linux","architecture":"amd64",
            "config":{"Labels":{"org.label-schema.build-date":"2025-01-01T00:00:00Z"}},"history":[{}]}"#;
        let expected = Document::Config {
            platform: Some(["linux", "amd64", ""].map(str::to_owned)),
            created: Some("2026-01-02T03:04:05Z".into()),
            build_date: Some("2025-01-01T00:00:00Z".into()),
        };
        assert_eq!(config(serde_json::from_str(text).unwrap()), expected);
        let kept: Document = serde_json::from_slice(&serde_json::to_vec(&expected).unwrap()).unwrap();
        assert_eq!(kept, expected);
        let nothing = Document::Config { platform: None, created: None, build_date: None };
        assert_eq!(config(serde_json::from_str(r#"{"config":null}"#).unwrap()), nothing);
    }

    #[test]
    fn content_is_checked_by_its_digest() {
        let of_nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(has_digest(b"", of_nothing) && !has_digest(b"x", of_nothing) && !has_digest(b"", "md5:0"));
        assert!(has_digest(b"", &format!("sha512:{}", hex::encode(Sha512::digest(b"")))));
    }
}
