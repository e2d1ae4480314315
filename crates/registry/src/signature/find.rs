//! Where the signatures of an image lie in its registry.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;

use super::bundle::{self, BUNDLE, Said};
use super::key::VerificationKey;
use super::{Verification, simple};
use crate::client::{Registries, Request};
use crate::documents::has_digest;
use crate::endpoint::Repository;
use crate::error::RegistryError;
use crate::facts::{is_digest, manifest_request};
use crate::link::next_query;

const DOING: &str = "look for signatures in";
/// A payload or a bundle is a few kilobytes.
const LARGEST: usize = 1 << 20;
/// An image with more signatures is somebody's attack on those who look at them.
const MOST_SIGNATURES: usize = 50;
const MOST_PAGES: usize = 10;

/// An index or a manifest, as far as signatures need it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What was seen on the way.
#[derive(Default)]
struct Looked {
    signed: bool,
    looked_at: usize,
    wrong: Option<String>,
}

impl Looked {
    fn wrong(&mut self, reason: impl Into<String>) {
        self.wrong.get_or_insert(reason.into());
    }

    /// Whether there is a reason to look at another one.
    fn goes_on(&mut self) -> bool {
        self.looked_at += 1;
        if self.looked_at > MOST_SIGNATURES {
            self.wrong = Some(format!("there are more than {MOST_SIGNATURES} signatures, and none of the first holds"));
        }
        !self.signed && self.looked_at <= MOST_SIGNATURES
    }
}

impl Registries {
    /// Whether the image with this digest is signed by `key`. What is asked for changes, so nothing is remembered.
    ///
    /// # Errors
    /// What the registry or the network says. Only "there is no such tag" is an image that is not signed.
    pub async fn verify(
        &self,
        repository: &Repository,
        digest: &str,
        key: &VerificationKey,
    ) -> Result<Verification, RegistryError> {
        let Some(hex) = digest.strip_prefix("sha256:").filter(|_| is_digest(digest)) else {
            return Ok(Verification::Wrong(format!("{digest} is not a SHA-256 digest, and no other can be signed")));
        };
        let mut looked = Looked::default();
        self.simple_signatures(repository, &format!("sha256-{hex}.sig"), digest, key, &mut looked).await?;
        if !looked.signed {
            self.bundles(repository, hex, digest, key, &mut looked).await?;
        }
        Ok(match (looked.signed, looked.wrong) {
            (true, _) => Verification::Signed,
            (false, Some(reason)) => Verification::Wrong(reason),
            (false, None) => Verification::NotSigned,
        })
    }

    async fn simple_signatures(
        &self,
        repository: &Repository,
        tag: &str,
        digest: &str,
        key: &VerificationKey,
        looked: &mut Looked,
    ) -> Result<(), RegistryError> {
        let Some(manifest) = self.found(repository, tag).await? else { return Ok(()) };
        for layer in manifest.layers.iter().filter(|layer| layer.media_type == simple::PAYLOAD) {
            if !looked.goes_on() {
                break;
            }
            let Some(signature) = simple::signature_of(&layer.annotations) else {
                looked.wrong("a payload has no signature");
                continue;
            };
            let Some(payload) = self.signed_blob(repository, &layer.digest).await? else {
                looked.wrong(format!("{} is not what it should be", layer.digest));
                continue;
            };
            match simple::check(&payload, signature, digest, key) {
                Ok(()) => looked.signed = true,
                Err(reason) => looked.wrong(reason),
            }
        }
        Ok(())
    }

    async fn bundles(
        &self,
        repository: &Repository,
        hex: &str,
        digest: &str,
        key: &VerificationKey,
        looked: &mut Looked,
    ) -> Result<(), RegistryError> {
        for referrer in self.referrers(repository, hex).await? {
            // Who filters does so by the type; who does not know types gives them all without.
            if referrer.artifact_type.as_deref().is_some_and(|of| of != BUNDLE) {
                continue;
            }
            if !looked.goes_on() {
                break;
            }
            if !is_digest(&referrer.digest) {
                looked.wrong("a referrer has no digest that can be checked");
                continue;
            }
            let Some(manifest) = self.found(repository, &referrer.digest).await? else { continue };
            for layer in manifest.layers.iter().filter(|layer| layer.media_type == BUNDLE) {
                match self.signed_blob(repository, &layer.digest).await? {
                    None => looked.wrong(format!("{} is not what it should be", layer.digest)),
                    Some(blob) => match bundle::read(&blob, digest, key) {
                        Said::Signed => looked.signed = true,
                        Said::Else => {}
                        Said::Wrong(reason) => looked.wrong(reason),
                    },
                }
            }
        }
        Ok(())
    }

    /// What refers to the digest, by the referrers API, or by the tag that stands in for it where there is none.
    async fn referrers(&self, repository: &Repository, hex: &str) -> Result<Vec<Descriptor>, RegistryError> {
        let host = self.host(repository)?;
        let mut referrers = Vec::new();
        let mut query = Some(format!("artifactType={}", BUNDLE.replace('+', "%2B").replace('/', "%2F")));
        for _ in 0..MOST_PAGES {
            let Some(next) = query.take() else { break };
            let request = Request {
                path: format!("{}/referrers/sha256:{hex}", repository.name),
                query: Some(next),
                accept: "application/vnd.oci.image.index.v1+json",
                ..manifest_request(repository, DOING, Method::GET, "")
            };
            let answer = self.send(&host, &request).await?;
            match answer.status {
                200 => {}
                // Before version 1.1 of the specification there was no such API: these are its ways to say so.
                400 | 404 | 405 if referrers.is_empty() => {
                    let tagged = self.found(repository, &format!("sha256-{hex}")).await?;
                    return Ok(tagged.map(|index| index.manifests).unwrap_or_default());
                }
                _ => return Err(answer.refused(&request)),
            }
            let found: Found = serde_json::from_slice(&answer.body).map_err(|error| RegistryError::Malformed {
                repository: repository.to_string(),
                doing: DOING,
                problem: format!("the referrers cannot be read: {error}"),
            })?;
            referrers.extend(found.manifests);
            let links = answer.headers.get_all("link").iter().filter_map(|link| link.to_str().ok());
            query = next_query(links).unwrap_or_default();
        }
        Ok(referrers)
    }

    /// An index or a manifest by tag or digest; none if there is no such.
    async fn found(&self, repository: &Repository, reference: &str) -> Result<Option<Found>, RegistryError> {
        let host = self.host(repository)?;
        let request = manifest_request(repository, DOING, Method::GET, reference);
        let answer = self.send(&host, &request).await?;
        let malformed = |problem: String| {
            Err(RegistryError::Malformed { repository: repository.to_string(), doing: DOING, problem })
        };
        match answer.status {
            200 if is_digest(reference) && !has_digest(&answer.body, reference) => {
                malformed(format!("its content is not {reference}"))
            }
            200 => match serde_json::from_slice(&answer.body) {
                Ok(found) => Ok(Some(found)),
                Err(error) => malformed(format!("{reference} cannot be read: {error}")),
            },
            404 => Ok(None),
            _ => Err(answer.refused(&request)),
        }
    }

    /// A payload or a bundle; none if its bytes do not have the digest.
    async fn signed_blob(&self, repository: &Repository, digest: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        if !is_digest(digest) {
            return Ok(None);
        }
        let host = self.host(repository)?;
        let request = Request {
            path: format!("{}/blobs/{digest}", repository.name),
            accept: "*/*",
            most_bytes: LARGEST,
            ..manifest_request(repository, DOING, Method::GET, "")
        };
        let answer = self.send(&host, &request).await?;
        if answer.status != 200 {
            return Err(answer.refused(&request));
        }
        Ok(has_digest(&answer.body, digest).then_some(answer.body))
    }
}
