//! What a registry knows about one tag or digest.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use lockstep_image::Platform;
use reqwest::Method;
use sha2::{Digest, Sha256};

use crate::client::{Answer, Registries, Request};
use crate::documents::{Child, Document, Kind, platform};
use crate::endpoint::Repository;
use crate::error::RegistryError;
use crate::tags::is_tag;

/// Everything that a manifest can be; a registry answers 404 for what is not asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const MANIFEST_BYTES: usize = 4 << 20;
/// An index in an index is allowed; more is nobody's image.
const DEEPEST_INDEX: usize = 2;
/// Images of an index whose platform only their configuration tells.
const MOST_UNNAMED: usize = 20;
/// Nobody built an image earlier. Reproducible builds say 1970, and some tools the year 1.
const EARLIEST_CREATED: &str = "1990-01-01T00:00:00Z";
/// Clocks differ by this at most.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_hours(24);

impl Registries {
    /// The digest that `tag` points to now (of the index, where it is one), or `None` if there is no such tag. A digest
    /// points to itself, as long as the registry has it.
    ///
    /// A HEAD request, which Docker Hub does not count as a pull.
    ///
    /// # Errors
    /// What the registry or the network says; [`RegistryError::Malformed`] if the answer names no digest.
    pub async fn digest(&self, repository: &Repository, tag: &str) -> Result<Option<String>, RegistryError> {
        const DOING: &str = "look up a tag of";
        if !is_tag(tag) && !is_digest(tag) {
            return Ok(None);
        }
        let host = self.host(repository)?;
        let mut request = manifest_request(repository, DOING, Method::HEAD, tag);
        let mut answer = self.send(&host, &request).await?;
        if answer.status == 405 || (answer.status == 200 && named_digest(&answer).is_none()) {
            request = manifest_request(repository, DOING, Method::GET, tag);
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

    /// When the image with this digest was built, as its publisher says: the annotation of the index or of the manifest, else
    /// the configuration, else its label. A time before 1990 or in the future is no time, and the next source is asked.
    ///
    /// Of an index, the image for linux/amd64 is read, else the first. Nothing is asked twice: the answer is kept by digest.
    ///
    /// # Errors
    /// What the registry or the network says; [`RegistryError::Malformed`] if what it sends does not have the digest.
    pub async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, RegistryError> {
        let now = Timestamp::now();
        let mut digest = digest.to_owned();
        for _ in 0..=DEEPEST_INDEX {
            let document = self.document(repository, &digest, Kind::Manifest).await?;
            let (annotated, next) = match &*document {
                Document::Index { children, created } => (created, usual_image(children).cloned()),
                Document::Image { config, created } => (created, Some(config.clone())),
                Document::Config { .. } => return Ok(None),
            };
            let annotated = annotated.as_deref().and_then(|text| believable(text, now));
            match (annotated, next, &*document) {
                (Some(annotated), ..) => return Ok(Some(annotated)),
                (None, None, _) => return Ok(None),
                (None, Some(child), Document::Index { .. }) => digest = child,
                (None, Some(config), _) => {
                    let document = self.document(repository, &config, Kind::Config).await?;
                    let Document::Config { created, build_date, .. } = &*document else { return Ok(None) };
                    return Ok([created, build_date].into_iter().flatten().find_map(|text| believable(text, now)));
                }
            }
        }
        Ok(None)
    }

    /// The platforms that the image with this digest runs on, each once. Attestations in an index are none; what an index does
    /// not say is read from the configuration.
    ///
    /// # Errors
    /// What the registry or the network says; [`RegistryError::Malformed`] if what it sends does not have the digest.
    pub async fn platforms(&self, repository: &Repository, digest: &str) -> Result<Vec<Platform>, RegistryError> {
        let mut found = BTreeSet::new();
        let mut unnamed = vec![(digest.to_owned(), 0)];
        let mut read = 0;
        while let Some((digest, depth)) = unnamed.pop() {
            read += 1;
            if read > MOST_UNNAMED || depth > DEEPEST_INDEX {
                let problem = "its index names too many images without their platforms".to_owned();
                let (repository, doing) = (repository.to_string(), "read the platforms of");
                return Err(RegistryError::Malformed { repository, doing, problem });
            }
            match &*self.document(repository, &digest, Kind::Manifest).await? {
                Document::Index { children, .. } => {
                    for child in children {
                        match &child.platform {
                            Some(words) => found.extend(platform(words)),
                            None => unnamed.push((child.digest.clone(), depth + 1)),
                        }
                    }
                }
                Document::Image { config, .. } => {
                    let document = self.document(repository, config, Kind::Config).await?;
                    if let Document::Config { platform: Some(words), .. } = &*document {
                        found.extend(platform(words));
                    }
                }
                Document::Config { .. } => {}
            }
        }
        Ok(found.into_iter().collect())
    }
}

pub(crate) fn manifest_request<'a>(
    repository: &'a Repository,
    doing: &'static str,
    method: Method,
    reference: &str,
) -> Request<'a> {
    Request {
        counted: method == Method::GET,
        method,
        repository,
        doing,
        path: format!("{}/manifests/{reference}", repository.name),
        query: None,
        accept: MANIFESTS,
        most_bytes: MANIFEST_BYTES,
        is_page: false,
        if_none_match: None,
    }
}

/// The child of an index to read.
fn usual_image(children: &[Child]) -> Option<&String> {
    let is_usual =
        |child: &&Child| child.platform.as_ref().is_some_and(|[os, arch, _]| os == "linux" && arch == "amd64");
    children.iter().find(is_usual).or(children.first()).map(|child| &child.digest)
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

/// A time that an image can have been built at.
fn believable(text: &str, now: Timestamp) -> Option<Timestamp> {
    let earliest: Timestamp = EARLIEST_CREATED.parse().ok()?;
    let time: Timestamp = text.trim().parse().ok()?;
    (earliest..=now.saturating_add(CLOCK_SKEW).ok()?).contains(&time).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_of_an_index_that_is_read() {
        let child = |digest: &str, platform: Option<[&str; 3]>| Child {
            digest: digest.to_owned(),
            platform: platform.map(|words| words.map(str::to_owned)),
        };
        let (arm, amd) = (child("arm", Some(["linux", "arm64", ""])), child("amd", Some(["linux", "amd64", ""])));
        for (children, expected) in [
            (vec![arm.clone(), amd.clone()], Some("amd")),
            (vec![arm.clone(), child("unnamed", None)], Some("arm")),
            (vec![child("unnamed", None)], Some("unnamed")),
            (vec![], None),
        ] {
            assert_eq!(usual_image(&children).map(String::as_str), expected);
        }
    }

    #[test]
    fn times_that_nobody_built_at() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-02T03:04:05.678Z", true),
            ("2026-01-02T03:04:05+02:00", true),
            (" 2026-01-02T03:04:05Z\n", true),
            ("2026-11-24T11:00:00Z", true),
            ("2026-11-25T12:00:00Z", false),
            ("1970-01-01T00:00:00Z", false),
            ("1989-12-31T23:59:59Z", false),
            ("0001-01-01T00:00:00Z", false),
            ("9999-12-31T00:00:00Z", false),
            ("yesterday", false),
            ("", false),
        ] {
            assert_eq!(believable(text, now).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn digests_that_can_be_checked() {
        assert!(is_digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        assert!(is_digest(&format!("sha512:{}", "0".repeat(128))));
        for wrong in ["", "sha256:", "sha256:E3B0", "md5:d41d8cd98f00b204e9800998ecf8427e", "../../../_catalog"] {
            assert!(!is_digest(wrong), "{wrong}");
        }
    }
}
