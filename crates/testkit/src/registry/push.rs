//! Images for tests, pushed and deleted through the HTTP API alone.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Registry;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The archive without files: two empty blocks.
const LAYER: [u8; 1024] = [0; 1024];

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

impl Registry {
    /// Pushes an image of one empty layer; answers its digest. No two pushes have the same, not
    /// even of the same tag. `created` is the time in the image's configuration, now without it.
    ///
    /// # Errors
    ///
    /// When the registry refuses.
    pub async fn push_image(&self, repository: &str, tag: &str, created: Option<Timestamp>) -> Result<String> {
        let client = self.client()?;
        let serial = self.pushed.fetch_add(1, Ordering::Relaxed);
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": created.unwrap_or_else(Timestamp::now).to_string(),
            "config": {"Labels": {"test.image": format!("{repository}:{tag}#{serial}")}},
            "rootfs": {"type": "layers", "diff_ids": [digest(&LAYER)]},
        })
        .to_string();
        self.upload(&client, repository, config.as_bytes()).await?;
        self.upload(&client, repository, &LAYER).await?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(config.as_bytes()),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(&LAYER),
                "size": LAYER.len(),
            }],
        })
        .to_string();
        self.put_manifest(&client, repository, tag, manifest).await
    }

    /// Gives the image of one tag another tag too; answers its digest.
    ///
    /// # Errors
    ///
    /// When there is no such tag, or the registry refuses.
    pub async fn tag_image(&self, repository: &str, tag: &str, new: &str) -> Result<String> {
        let client = self.client()?;
        let url = self.url(&format!("/v2/{repository}/manifests/{tag}"));
        let request = self.login(client.get(url)).header(ACCEPT, MANIFEST);
        let manifest = checked(request.send().await?).await?.text().await?;
        self.put_manifest(&client, repository, new, manifest).await
    }

    /// Deletes a tag; the image stays under its digest.
    ///
    /// # Errors
    ///
    /// When there is no such tag, or the registry refuses.
    pub async fn delete_tag(&self, repository: &str, tag: &str) -> Result<()> {
        self.delete(repository, tag).await
    }

    /// Deletes an image by digest, and with it all of its tags.
    ///
    /// # Errors
    ///
    /// When there is no such image, or the registry refuses.
    pub async fn delete_image(&self, repository: &str, digest: &str) -> Result<()> {
        self.delete(repository, digest).await
    }

    /// The tags of a repository; none when nothing was ever pushed.
    ///
    /// # Errors
    ///
    /// When the registry refuses.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>> {
        let url = self.url(&format!("/v2/{repository}/tags/list"));
        let response = self.login(self.client()?.get(url)).send().await?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        let list: TagList = checked(response).await?.json().await?;
        Ok(list.tags.unwrap_or_default())
    }

    async fn delete(&self, repository: &str, reference: &str) -> Result<()> {
        let url = self.url(&format!("/v2/{repository}/manifests/{reference}"));
        checked(self.login(self.client()?.delete(url)).send().await?).await?;
        Ok(())
    }

    async fn upload(&self, client: &Client, repository: &str, blob: &[u8]) -> Result<()> {
        let digest = digest(blob);
        let known = self.url(&format!("/v2/{repository}/blobs/{digest}"));
        if self.login(client.request(Method::HEAD, known)).send().await?.status().is_success() {
            return Ok(());
        }
        let begin = self.url(&format!("/v2/{repository}/blobs/uploads/"));
        let begun = checked(self.login(client.post(begin)).send().await?).await?;
        let location = begun.headers().get(LOCATION).context("an upload without a location")?;
        let mut url = begun.url().join(location.to_str()?)?;
        url.query_pairs_mut().append_pair("digest", &digest);
        let put = client.put(url).header(CONTENT_TYPE, "application/octet-stream").body(blob.to_vec());
        checked(self.login(put).send().await?).await?;
        Ok(())
    }

    async fn put_manifest(&self, client: &Client, repository: &str, tag: &str, manifest: String) -> Result<String> {
        let digest = digest(manifest.as_bytes());
        let url = self.url(&format!("/v2/{repository}/manifests/{tag}"));
        let put = client.put(url).header(CONTENT_TYPE, MANIFEST).body(manifest);
        checked(self.login(put).send().await?).await?;
        Ok(digest)
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

async fn checked(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let url = response.url().clone();
    bail!("{url} answered {status}: {}", response.text().await.unwrap_or_default())
}
