//! What holds with every registry, whatever it makes of the protocol.

use std::collections::BTreeMap;

use lockstep_registry::{Listing, Registries, Repository};
use serde_json::json;
use sha2::{Digest, Sha256};

/// More than two pages of any size that is used.
const MANY: usize = 1103;
const BUILT: &str = "2026-01-02T03:04:05Z";

/// A registry with one shelf.
pub(super) trait World {
    fn name(&self) -> &str;
    fn client(&self) -> Registries;
    fn repository(&self, name: &str) -> Repository;
    /// Pushes a tag of `team/app` again, with another manifest of the shelf.
    async fn move_tag(&self, tag: &str, digest: &str);
    /// All tokens and passwords that were given out end now.
    async fn expire(&self);
    /// How many requests there were, where that is known.
    fn requests(&self) -> Option<usize>;
}

/// What `team/app` holds.
#[derive(Clone)]
pub(super) struct Shelf {
    /// In the order of pushing.
    pub(super) tags: Vec<(String, String)>,
    /// By digest: manifests and configurations.
    pub(super) contents: BTreeMap<String, String>,
    pub(super) image: String,
    pub(super) index: String,
}

pub(super) fn digest(content: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

impl Shelf {
    pub(super) fn new() -> Self {
        let mut contents = BTreeMap::new();
        let mut add = |content: String| {
            let name = digest(&content);
            contents.insert(name.clone(), content);
            name
        };
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let mut image = |architecture: &str| {
            let config =
                json!({"created": BUILT, "os": "linux", "architecture": architecture, "config": {}}).to_string();
            let descriptor = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": digest(&config)});
            add(config);
            add(json!({"schemaVersion": 2, "mediaType": manifest, "config": descriptor, "layers": []}).to_string())
        };
        let (amd, arm, attestation) = (image("amd64"), image("arm64"), image("unknown"));
        let child = |digest: &str, os: &str, architecture: &str, size: usize| json!({"mediaType": manifest, "size": size, "digest": digest, "platform": {"os": os, "architecture": architecture}});
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
            child(&attestation, "unknown", "unknown", contents[&attestation].len()),
            child(&arm, "linux", "arm64", contents[&arm].len()),
            child(&amd, "linux", "amd64", contents[&amd].len()),
        ]})
        .to_string();
        let name = digest(&index);
        contents.insert(name.clone(), index);
        // Neither in the order of bytes nor in that of letters.
        let words = ["multi", "Beta", "alpha", "1.0-RC1", "1.0-rc1", "_x"].map(str::to_owned);
        let numbers = (0..MANY).rev().map(|n| format!("0.0.{n}"));
        let tags = words.into_iter().chain(numbers).map(|tag| {
            let digest = if tag == "multi" { name.clone() } else { amd.clone() };
            (tag, digest)
        });
        Self { tags: tags.collect(), contents, image: amd, index: name }
    }

    pub(super) fn is_manifest(content: &str) -> bool {
        content.contains("schemaVersion")
    }

    pub(super) fn media_type(content: &str) -> String {
        let content: serde_json::Value = serde_json::from_str(content).unwrap();
        content["mediaType"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn blobs(&self) -> impl Iterator<Item = (&String, &String)> {
        self.contents.iter().filter(|(_, content)| !Self::is_manifest(content))
    }

    /// Images before the indexes that name them.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&String, &String)> {
        let is_index = |content: &str| content.contains("image.index");
        let all = || self.contents.iter().filter(|(_, content)| Self::is_manifest(content));
        all().filter(move |(_, content)| !is_index(content)).chain(all().filter(move |(_, content)| is_index(content)))
    }
}

fn tags(listing: &Listing) -> Vec<&str> {
    listing.tags.iter().collect()
}

pub(super) async fn contract(world: &impl World, shelf: &Shelf) {
    let (client, app, name) = (world.client(), world.repository("team/app"), world.name());
    let mut expected: Vec<&str> = shelf.tags.iter().map(|(tag, _)| tag.as_str()).collect();
    expected.sort_unstable();

    assert_eq!(tags(&client.tags(&app).await.unwrap()), expected, "{name}: all tags, each once, by bytes");
    let before = world.requests();
    assert_eq!(tags(&client.tags(&app).await.unwrap()), expected, "{name}: again");
    let pages = world.requests().zip(before).map(|(after, before)| after - before);
    assert!(
        pages.is_none_or(|pages| pages <= 12),
        "{name}: nothing but pages, of a size that is remembered: {pages:?}"
    );

    assert_eq!(client.digest(&app, "multi").await.unwrap(), Some(shelf.index.clone()), "{name}: of the index");
    assert_eq!(client.digest(&app, "0.0.7").await.unwrap(), Some(shelf.image.clone()), "{name}");
    assert_eq!(client.digest(&app, "0.0.7-no").await.unwrap(), None, "{name}: no such tag");

    for _ in 0..2 {
        for (digest, platforms) in [(&shelf.index, "linux/amd64 linux/arm64"), (&shelf.image, "linux/amd64")] {
            let found = client.platforms(&app, digest).await.unwrap();
            let found = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            assert_eq!(found, platforms, "{name}");
            assert_eq!(client.created(&app, digest).await.unwrap(), Some(BUILT.parse().unwrap()), "{name}");
        }
    }

    world.expire().await;
    assert_eq!(client.tags(&app).await.unwrap().tags.len(), expected.len(), "{name}: after everything expired");
    world.move_tag("0.0.7", &shelf.index).await;
    assert_eq!(client.digest(&app, "0.0.7").await.unwrap(), Some(shelf.index.clone()), "{name}: moved");

    let error = client.tags(&world.repository("team/nothing")).await.unwrap_err();
    let refusals = ["not-found", "unauthorised", "refused"];
    assert!(refusals.contains(&error.category()), "{name}: an error is not an empty list: {error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{name}: {error}");
}
