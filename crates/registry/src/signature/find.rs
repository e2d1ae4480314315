//! Where the signatures of an image lie in its registry.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::LINK;
use serde::Deserialize;

use super::bundle::{self, BUNDLE, Said};
use super::key::VerificationKey;
use super::{Verification, simple};
use crate::client::{Registries, Request, header_texts};
use crate::documents::has_digest;
use crate::endpoint::Repository;
use crate::error::RegistryError;
use crate::facts::{is_digest, manifest_request};
use crate::link::next_query;

const DOING: &str = "look for signatures in";
/// A payload or a bundle is a few kilobytes.
const LARGEST: usize = 1 << 20;
/// As many signatures and referrers are looked at: an image with more is somebody's attack on those who do.
const MOST_LOOKS: usize = 100;
const MOST_PAGES: usize = 10;
/// What tools before version 1.1 of the image specification name as the type of a manifest: that of its configuration.
const UNTYPED: &str = "application/vnd.oci.empty.v1+json";

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
        if self.looked_at > MOST_LOOKS {
            self.wrong = Some("there are too many signatures to look at all, and none of the first holds".to_owned());
        }
        !self.signed && self.looked_at <= MOST_LOOKS
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
            // Who filters does so by the type; who does not know types gives them all without, or with that of their
            // empty configuration. Then the layers tell.
            if referrer.artifact_type.as_deref().is_some_and(|of| of != BUNDLE && of != UNTYPED) {
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
                if !looked.goes_on() {
                    break;
                }
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
        let mut query = format!("artifactType={}", BUNDLE.replace('+', "%2B").replace('/', "%2F"));
        let malformed = |problem: String| RegistryError::Malformed {
            repository: repository.to_string(),
            doing: DOING,
            problem: format!("the referrers cannot be read: {problem}"),
        };
        for page in 0..MOST_PAGES {
            let request = Request {
                path: format!("{}/referrers/sha256:{hex}", repository.name),
                query: Some(query),
                accept: "application/vnd.oci.image.index.v1+json",
                counted: false,
                ..manifest_request(repository, DOING, Method::GET, "")
            };
            let answer = self.send(&host, &request).await?;
            match answer.status {
                200 => {}
                // Before version 1.1 of the specification there was no such API: these are its ways to say so.
                400 | 404 | 405 if page == 0 => {
                    let tagged = self.found(repository, &format!("sha256-{hex}")).await?;
                    return Ok(tagged.map(|index| index.manifests).unwrap_or_default());
                }
                _ => return Err(answer.refused(&request)),
            }
            let found: Found = serde_json::from_slice(&answer.body).map_err(|error| malformed(error.to_string()))?;
            referrers.extend(found.manifests);
            query =
                match next_query(header_texts(&answer.headers, &LINK)).map_err(|problem| malformed(problem.into()))? {
                    Some(next) => next,
                    None => return Ok(referrers),
                };
        }
        Err(malformed(format!("there are more than {MOST_PAGES} pages of them")))
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
            counted: false,
            ..manifest_request(repository, DOING, Method::GET, "")
        };
        let answer = self.send(&host, &request).await?;
        if answer.status != 200 {
            return Err(answer.refused(&request));
        }
        Ok(has_digest(&answer.body, digest).then_some(answer.body))
    }
}
