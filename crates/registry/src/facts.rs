//! What a registry knows about one tag or digest.

use std::sync::Arc;

use jiff::Timestamp;
use moka::future::Cache;
use reqwest::Method;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use crate::client::{Answer, Host, Registries, Request};
use crate::endpoint::Repository;
use crate::error::RegistryError;
use crate::tags::is_tag;

/// Everything that a manifest can be; a registry answers 404 for what is not asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const MANIFEST_BYTES: usize = 4 << 20;
const CONFIG_BYTES: usize = 8 << 20;
/// An index in an index is allowed; more is nobody's image.
const DEEPEST_INDEX: usize = 2;

/// Facts by digest; they never change.
pub(crate) struct FactCache {
    created: Cache<String, Option<Timestamp>>,
}

impl FactCache {
    pub(crate) fn new() -> Self {
        Self { created: Cache::new(100_000) }
    }
}

/// An index or an image manifest, OCI or Docker.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(default, rename = "org.opencontainers.image.created")]
    created: Option<String>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    created: Option<String>,
}

impl Registries {
    /// The digest that `tag` points to now (of the index, where it is one), or `None` if there is no such tag.
    ///
    /// A HEAD request, which Docker Hub does not count as a pull.
    ///
    /// # Errors
    /// What the registry or the network says; [`RegistryError::Malformed`] if the answer names no digest.
    pub async fn digest(&self, repository: &Repository, tag: &str) -> Result<Option<String>, RegistryError> {
        const DOING: &str = "look up a tag of";
        if !is_tag(tag) {
            return Ok(None);
        }
        let host = self.host(repository)?;
        let mut request = manifest_request(repository, DOING, Method::HEAD, tag);
        let mut answer = self.send(&host, &request).await?;
        if answer.status == 405 || (answer.status == 200 && named_digest(&answer).is_none()) {
            request.method = Method::GET;
            answer = self.send(&host, &request).await?;
        }
        match answer.status {
            200 if request.method == Method::HEAD => Ok(named_digest(&answer)),
            // What was read is certain; what the header says is not.
            200 => Ok(Some(format!("sha256:{}", hex::encode(Sha256::digest(&answer.body))))),
            404 => Ok(None),
            _ => Err(answer.refused(&request)),
        }
    }

    /// When the image with this digest was built, as its publisher says: anybody may write anything there, 1970 included.
    ///
    /// Of an index, the image for linux/amd64 is read, else the first. Nothing is asked twice: the answer is kept by digest.
    ///
    /// # Errors
    /// What the registry or the network says; [`RegistryError::Malformed`] if what it sends does not have the digest.
    pub async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, RegistryError> {
        let host = self.host(repository)?;
        let read = self.read_created(&host, repository, digest);
        self.facts.created.try_get_with_by_ref(digest, read).await.map_err(|error: Arc<RegistryError>| (*error).clone())
    }

    async fn read_created(
        &self,
        host: &Host,
        repository: &Repository,
        digest: &str,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let mut digest = digest.to_owned();
        let mut annotated = None;
        for _ in 0..=DEEPEST_INDEX {
            let request = manifest_request(repository, "read a manifest of", Method::GET, &digest);
            let manifest: Manifest = self.read_json(host, &request, &digest).await?;
            annotated = manifest.annotations.and_then(|annotations| time(annotations.created)).or(annotated);
            if let Some(config) = manifest.config {
                let request = Request {
                    path: format!("{}/blobs/{}", repository.name, config.digest),
                    doing: "read the configuration of an image of",
                    accept: "*/*",
                    most_bytes: CONFIG_BYTES,
                    ..request
                };
                let config: Config = self.read_json(host, &request, &config.digest).await?;
                return Ok(time(config.created).or(annotated));
            }
            match image_of(manifest.manifests) {
                Some(child) => digest = child,
                None => return Ok(annotated),
            }
        }
        Ok(annotated)
    }

    /// Reads what `digest` names, and proves it.
    async fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        host: &Host,
        request: &Request<'_>,
        digest: &str,
    ) -> Result<T, RegistryError> {
        let malformed = |problem: String| RegistryError::Malformed {
            repository: request.repository.to_string(),
            doing: request.doing,
            problem,
        };
        if !is_digest(digest) {
            return Err(malformed("it names no digest that can be checked (sha256, sha512)".into()));
        }
        let answer = self.send(host, request).await?;
        if answer.status != 200 {
            return Err(answer.refused(request));
        }
        if !has_digest(&answer.body, digest) {
            return Err(malformed(format!("its content is not {digest}")));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| malformed(format!("{digest} is not what it should be at line {}", error.line())))
    }
}

fn manifest_request<'a>(
    repository: &'a Repository,
    doing: &'static str,
    method: Method,
    reference: &str,
) -> Request<'a> {
    Request {
        method,
        repository,
        doing,
        path: format!("{}/manifests/{reference}", repository.name),
        query: None,
        accept: MANIFESTS,
        most_bytes: MANIFEST_BYTES,
    }
}

/// The child of an index to read; attestations have an unknown platform.
fn image_of(children: Vec<Descriptor>) -> Option<String> {
    let platform = |child: &Descriptor, os: &str, architecture: &str| {
        child.platform.as_ref().is_some_and(|platform| platform.os == os && platform.architecture == architecture)
    };
    let mut images: Vec<Descriptor> =
        children.into_iter().filter(|child| !platform(child, "unknown", "unknown")).collect();
    let usual = images.iter().position(|child| platform(child, "linux", "amd64")).unwrap_or(0);
    (usual < images.len()).then(|| images.swap_remove(usual).digest)
}

fn named_digest(answer: &Answer) -> Option<String> {
    let digest = answer.headers.get("docker-content-digest")?.to_str().ok()?;
    is_digest(digest).then(|| digest.to_owned())
}

/// A digest by an algorithm that can be checked.
pub(crate) fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", hex)) if hex.len() == 64 => 7,
        Some(("sha512", hex)) if hex.len() == 128 => 7,
        _ => return false,
    };
    text.bytes().skip(length).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn has_digest(content: &[u8], digest: &str) -> bool {
    match digest.split_once(':') {
        Some(("sha256", hex)) => hex::encode(Sha256::digest(content)) == hex,
        Some(("sha512", hex)) => hex::encode(Sha512::digest(content)) == hex,
        _ => false,
    }
}

fn time(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_of_an_index_that_is_read() {
        for (index, expected) in [
            (
                r#"[{"digest":"a","platform":{"os":"linux","architecture":"arm64"}},{"digest":"b","platform":{"os":"linux","architecture":"amd64"}}]"#,
                Some("b"),
            ),
            (
                r#"[{"digest":"a","platform":{"os":"unknown","architecture":"unknown"}},{"digest":"b","platform":{"os":"linux","architecture":"arm"}}]"#,
                Some("b"),
            ),
            (r#"[{"digest":"a"}]"#, Some("a")),
            (r#"[{"digest":"a","platform":{"os":"unknown","architecture":"unknown"}}]"#, None),
            ("[]", None),
        ] {
            assert_eq!(image_of(serde_json::from_str(index).unwrap()).as_deref(), expected, "{index}");
        }
    }

    #[test]
    fn digests_that_can_be_checked() {
        let of_nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(is_digest(of_nothing) && has_digest(b"", of_nothing) && !has_digest(b"x", of_nothing));
        let of_nothing = format!("sha512:{}", hex::encode(Sha512::digest(b"")));
        assert!(is_digest(&of_nothing) && has_digest(b"", &of_nothing));
        for wrong in ["", "sha256:", "sha256:E3B0", "md5:d41d8cd98f00b204e9800998ecf8427e", "../../../_catalog"] {
            assert!(!is_digest(wrong), "{wrong}");
        }
    }
}
