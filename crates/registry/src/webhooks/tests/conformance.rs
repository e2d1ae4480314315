//! The payloads that Argo CD Image Updater, Keel and Flux test their receivers with, read in place.

use serde_json::Value;

use super::*;

fn data(file: &str) -> Option<Value> {
    let folder = std::env::var("LOCKSTEP_CONFORMANCE").map_or_else(
        |_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance").into(),
        std::path::PathBuf::from,
    );
    match std::fs::read_to_string(folder.join(file)) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("ignored: no conformance data in {}", folder.display());
            None
        }
    }
}

/// `NAME:TAG` of the first hint, or nothing.
fn first(kind: WebhookKind, body: &str) -> String {
    let hints = kind.hints(body.as_bytes()).unwrap_or_default();
    hints.first().map_or_else(String::new, |hint| format!("{}:{}", hint.repository, hint.tag.as_deref().unwrap_or("-")))
}

#[test]
fn image_updaters_payloads() {
    let Some(data) = data("argo/webhooks_and_credentials.json") else { return };
    let mut read = 0;
    for case in data["image_updater"].as_array().unwrap() {
        let kind = match case["registry_type"].as_str().unwrap() {
            "harbor" => WebhookKind::Harbor,
            "docker.io" => WebhookKind::DockerHub,
            "ghcr.io" => WebhookKind::Ghcr,
            "quay.io" => WebhookKind::Quay,
            "acr" => WebhookKind::Acr,
            // Alibaba's registry is not among those that Lockstep knows.
            "aliyun-acr" => continue,
            other => panic!("{other}"),
        };
        // Cases of signatures have no payload of a push; proofs.rs has their like.
        let Some(expects_error) = case["flags"]["expectError"].as_bool() else { continue };
        let body = case["payload"].as_str().map_or_else(|| case["payload"].to_string(), str::to_owned);
        let field = |name: &str| case["fields"][name].as_str().unwrap_or_default();
        let repository = match (kind, field("expectedRepo")) {
            // There the name stands as in references.
            (WebhookKind::DockerHub, name) if !name.contains('/') => format!("library/{name}"),
            (_, name) => name.to_owned(),
        };
        // A push by digest alone is a child of an index: there is no tag to look at.
        let has_hint = !expects_error && !field("expectedTag").is_empty();
        let expected = if has_hint { format!("{repository}:{}", field("expectedTag")) } else { String::new() };
        assert_eq!(first(kind, &body), expected, "{}", case["name"]);
        read += 1;
        let host = [field("expectedURL"), field("expectedRegistry"), field("expectedRegistryURL")].concat();
        // "harbor" stands there for a host that nobody told.
        if has_hint && !host.is_empty() && host != "harbor" {
            assert_eq!(
                kind.hints(body.as_bytes()).unwrap()[0].host.as_deref(),
                Some(host.as_str()),
                "{}",
                case["name"]
            );
        }
    }
    assert!(read >= 40, "{read}");
}

#[test]
fn keels_payloads() {
    let Some(data) = data("argo/webhooks_and_credentials.json") else { return };
    let cases = data["keel"].as_array().unwrap();
    // Where Keel and we differ: it takes the repository of the source for the image (GitHub), and looks at images without a name.
    let expected = [
        "hello-world:v1",
        "karolisr/keel:0.1.7",
        "dingggu/server:1.2.3",
        "utaitebox/utaitebox-server:3.2.1",
        "library/ai-rag:1.2.3",
        "mynamespace/repository:latest",
        "mynamespace/repository:1.2.3",
        "library/ubuntu:latest",
        "v2-namespace/hello-world:1.1.1",
        "",
        "mynamespace/repository:1.2.3",
    ];
    assert_eq!(cases.len(), expected.len());
    for (case, expected) in cases.iter().zip(expected) {
        let kind = match case["endpoint"].as_str().unwrap().rsplit('/').next().unwrap() {
            "azure" => WebhookKind::Acr,
            "dockerhub" => WebhookKind::DockerHub,
            "github" => WebhookKind::Ghcr,
            "harbor" => WebhookKind::Harbor,
            "jfrog" => WebhookKind::Artifactory,
            "native" => WebhookKind::Generic,
            "quay" => WebhookKind::Quay,
            other => panic!("{other}"),
        };
        assert_eq!(first(kind, &case["payload"].to_string()), expected, "{kind:?}");
    }
}

#[test]
fn flux_recvs_payloads() {
    let Some(data) = data("flux1/webhooks.json") else { return };
    let cases = data["cases"].as_array().unwrap();
    assert!(cases.len() >= 9);
    for case in cases {
        let kind = match case["source"].as_str().unwrap() {
            "DockerHub" => WebhookKind::DockerHub,
            "Quay" => WebhookKind::Quay,
            "GitHub" => WebhookKind::Ghcr,
            "GitLab" => WebhookKind::Gitlab,
            "GoogleContainerRegistry" => WebhookKind::Gar,
            "Nexus" => WebhookKind::Nexus,
            "Harbor" => WebhookKind::Harbor,
            // Pushes to Git, which are looked for on their own interval.
            "BitbucketCloud" | "BitbucketServer" => continue,
            other => panic!("{other}"),
        };
        // One of Flux's has a brace too many at its end, which its reader does not reach.
        let body = serde_json::Deserializer::from_str(case["body"].as_str().unwrap()).into_iter::<Value>();
        let body = body.flatten().next().unwrap().to_string();
        let hints = kind.hints(body.as_bytes()).unwrap();
        let expected = &case["expect"];
        if expected["kind"] == "git" {
            assert!(hints.is_empty(), "{kind:?}");
            continue;
        }
        assert_eq!(hints[0].repository, expected["image"].as_str().unwrap(), "{kind:?}");
        // A Nexus does not know by which host it is reached; Docker Hub's is understood.
        let domain = expected["domain"].as_str().filter(|domain| !domain.is_empty());
        match kind {
            WebhookKind::Nexus => assert_eq!(hints[0].host, None),
            WebhookKind::DockerHub => assert_eq!(hints[0].host.as_deref(), Some("docker.io")),
            _ => assert_eq!(hints[0].host.as_deref(), domain),
        }
    }
}
