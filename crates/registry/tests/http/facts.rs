use std::collections::HashMap;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::scripted::{Reply, Scripted, page};

fn digest(content: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// A registry that holds `contents` by their digests.
async fn holding(contents: Vec<String>) -> Scripted {
    let store: HashMap<String, String> = contents.into_iter().map(|content| (digest(&content), content)).collect();
    Scripted::start(move |asked, _| {
        let wanted = asked.target.rsplit('/').next().unwrap();
        store.get(wanted).map_or_else(|| Reply::new(404, ""), |content| Reply::new(200, content.clone()))
    })
    .await
}

#[tokio::test]
async fn the_digest_of_a_tag_is_one_head_request_for_every_kind_of_manifest() {
    let known = digest("x");
    let named = known.clone();
    let registry =
        Scripted::start(move |_, _| Reply::new(200, "").header("docker-content-digest", named.clone())).await;
    assert_eq!(registry.client(|_| {}).digest(&registry.repository(), "1.0").await.unwrap(), Some(known));
    let asked = &registry.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("HEAD", "/v2/team/app/manifests/1.0"));
    for kind in
        ["oci.image.index.v1", "oci.image.manifest.v1", "distribution.manifest.list.v2", "distribution.manifest.v2"]
    {
        assert!(asked.accept.contains(kind), "{}", asked.accept);
    }
}

#[tokio::test]
async fn a_registry_that_names_no_digest_is_asked_for_the_manifest() {
    for (status, named) in [(200, ""), (200, "nonsense"), (405, "")] {
        let registry = Scripted::start(move |asked, _| match asked.method.as_str() {
            "HEAD" => Reply::new(status, "").header("docker-content-digest", named),
            _ => Reply::new(200, "the manifest"),
        })
        .await;
        assert_eq!(
            registry.client(|_| {}).digest(&registry.repository(), "1.0").await.unwrap(),
            Some(digest("the manifest"))
        );
    }
}

#[tokio::test]
async fn a_tag_that_is_not_there_has_no_digest() {
    let registry = Scripted::start(|_, _| Reply::new(404, "")).await;
    let client = registry.client(|_| {});
    assert_eq!(client.digest(&registry.repository(), "1.0").await.unwrap(), None);
    assert_eq!(client.digest(&registry.repository(), "../blobs/x").await.unwrap(), None);
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn created_is_read_through_an_index_and_kept() {
    let config = json!({"created": "2026-01-02T03:04:05.678Z", "os": "linux"}).to_string();
    let image = json!({"schemaVersion": 2, "config": {"digest": digest(&config)}, "layers": []}).to_string();
    let other = json!({"schemaVersion": 2, "config": {"digest": digest("none")}}).to_string();
    let index = json!({"schemaVersion": 2, "manifests": [
        {"digest": digest(&other), "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": digest(&image), "platform": {"os": "linux", "architecture": "amd64"}},
    ]})
    .to_string();
    let wanted = digest(&index);
    let registry = holding(vec![config, image, other, index]).await;
    let client = registry.client(|_| {});
    for _ in 0..3 {
        let created = client.created(&registry.repository(), &wanted).await.unwrap();
        assert_eq!(created, Some("2026-01-02T03:04:05.678Z".parse().unwrap()));
    }
    assert_eq!(registry.asked().len(), 3, "index, manifest, configuration: once");
}

#[tokio::test]
async fn created_may_be_missing_annotated_or_nonsense() {
    let annotated = json!({"created": "2025-05-05T00:00:00Z"});
    for (config, annotation, expected) in [
        (json!({}), json!(null), None),
        (json!({"created": null}), json!({}), None),
        (json!({"created": "yesterday"}), json!({}), None),
        (json!({}), json!({"org.opencontainers.image.created": "2024-01-01T00:00:00Z"}), Some("2024-01-01T00:00:00Z")),
        (annotated, json!({"org.opencontainers.image.created": "2024-01-01T00:00:00Z"}), Some("2024-01-01T00:00:00Z")),
    ] {
        let config = config.to_string();
        let image = json!({"config": {"digest": digest(&config)}, "annotations": annotation}).to_string();
        let wanted = digest(&image);
        let registry = holding(vec![config, image]).await;
        let created = registry.client(|_| {}).created(&registry.repository(), &wanted).await.unwrap();
        assert_eq!(created, expected.map(|time| time.parse().unwrap()));
    }
}

#[tokio::test]
async fn a_time_that_cannot_be_is_no_time_and_the_next_source_is_asked() {
    let label = |time: &str| json!({"Labels": {"org.label-schema.build-date": time}});
    for (annotation, created, label, expected) in [
        ("1970-01-01T00:00:00Z", "2026-01-02T03:04:05Z", label("2025-01-01T00:00:00Z"), Some("2026-01-02T03:04:05Z")),
        ("2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", label("2025-01-01T00:00:00Z"), Some("2025-01-01T00:00:00Z")),
        ("", "1970-01-01T00:00:00Z", label("1980-01-01T00:00:00Z"), None),
    ] {
        let config = json!({"created": created, "config": label}).to_string();
        let annotations = json!({"org.opencontainers.image.created": annotation});
        let image = json!({"config": {"digest": digest(&config)}, "annotations": annotations}).to_string();
        let wanted = digest(&image);
        let registry = holding(vec![config, image]).await;
        let found = registry.client(|_| {}).created(&registry.repository(), &wanted).await.unwrap();
        assert_eq!(found, expected.map(|time| time.parse().unwrap()), "{annotation} {created}");
    }
}

#[tokio::test]
async fn platforms_come_from_the_index_and_else_from_the_configuration() {
    let config = json!({"os": "linux", "architecture": "s390x"}).to_string();
    let image = json!({"config": {"digest": digest(&config)}}).to_string();
    let named = |os: &str, architecture: &str| json!({"digest": digest("not read"), "platform": {"os": os, "architecture": architecture}});
    let attested = json!({"digest": digest("not read"), "platform": {"os": "linux", "architecture": "mips"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
    let index = json!({"manifests": [named("linux", "amd64"), named("linux", "arm64"), named("linux", "amd64"),
        named("unknown", "unknown"), attested, {"digest": digest(&image)}]})
    .to_string();
    let (of_index, of_image) = (digest(&index), digest(&image));
    let registry = holding(vec![config, image, index]).await;
    let client = registry.client(|_| {});
    for (wanted, expected) in
        [(&of_index, vec!["linux/amd64", "linux/arm64", "linux/s390x"]), (&of_image, vec!["linux/s390x"])]
    {
        let found = client.platforms(&registry.repository(), wanted).await.unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }
    assert_eq!(registry.asked().len(), 3, "each document once");
}

#[tokio::test]
async fn nobody_spoils_what_is_known_of_the_image_of_another() {
    let config = json!({"created": "2026-01-02T03:04:05Z", "os": "linux", "architecture": "amd64"}).to_string();
    let image = json!({"config": {"digest": digest(&config)}}).to_string();
    // It names the manifest of the other image as its configuration.
    let hostile = json!({"config": {"digest": digest(&image)}}).to_string();
    let (of_image, of_hostile) = (digest(&image), digest(&hostile));
    let registry = holding(vec![config, image, hostile]).await;
    let client = registry.client(|_| {});
    assert_eq!(client.created(&registry.repository(), &of_hostile).await.unwrap(), None);
    assert!(client.created(&registry.repository(), &of_image).await.unwrap().is_some());
    assert_eq!(client.platforms(&registry.repository(), &of_image).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_read_by_digest_survives_a_restart() {
    let config = json!({"created": "2026-01-02T03:04:05Z", "os": "linux", "architecture": "amd64"}).to_string();
    let image = json!({"config": {"digest": digest(&config)}}).to_string();
    let wanted = digest(&image);
    let registry = holding(vec![config, image]).await;
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let seen = lockstep_registry::SeenTags::open(&folder.path().join("seen.redb")).unwrap();
        let client = registry.client(|_| {}).remembering(&seen);
        assert!(client.created(&registry.repository(), &wanted).await.unwrap().is_some());
        assert_eq!(client.platforms(&registry.repository(), &wanted).await.unwrap().len(), 1);
    }
    assert_eq!(registry.asked().len(), 2, "a manifest and a configuration, once");
}

#[tokio::test]
async fn content_that_does_not_have_its_digest_is_not_believed() {
    let registry = Scripted::start(|_, _| Reply::new(200, "{}")).await;
    let client = registry.client(|_| {});
    let error = client.created(&registry.repository(), &digest("something else")).await.unwrap_err();
    assert_eq!(error.category(), "malformed");
    let error = client.created(&registry.repository(), "1.0").await.unwrap_err();
    assert_eq!(error.category(), "malformed");
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn an_index_of_itself_without_end_is_left() {
    let mut contents = vec![json!({"manifests": []}).to_string()];
    for _ in 0..5 {
        contents.push(json!({"manifests": [{"digest": digest(contents.last().unwrap())}]}).to_string());
    }
    let wanted = digest(contents.last().unwrap());
    let registry = holding(contents).await;
    assert_eq!(registry.client(|_| {}).created(&registry.repository(), &wanted).await.unwrap(), None);
    assert_eq!(registry.asked().len(), 3);
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let config = json!({"created": "2026-01-02T03:04:05Z"}).to_string();
    let image = json!({"config": {"digest": digest(&config)}}).to_string();
    let (of_config, of_image) = (digest(&config), digest(&image));
    let wanted = of_image.clone();
    let registry = Scripted::start(move |asked, before| match before {
        0 => Reply::new(403, ""),
        _ if asked.target.ends_with(&of_image) => Reply::new(200, image.clone()),
        _ if asked.target.ends_with(&of_config) => Reply::new(200, config.clone()),
        _ => page(&[]),
    })
    .await;
    let client = registry.client(|_| {});
    assert!(client.created(&registry.repository(), &wanted).await.is_err());
    assert!(client.created(&registry.repository(), &wanted).await.unwrap().is_some());
}
