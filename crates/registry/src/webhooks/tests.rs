mod conformance;
mod proofs;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What a distribution registry 2.8 sends after the push of a tag (shortened where nothing reads it).
const PUSH: &str = r#"{"events":[{"id":"6c9a","timestamp":"2026-01-02T03:04:05.6Z","action":"push","target":{
  "mediaType":"application/vnd.oci.image.manifest.v1+json","size":524,
  "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","length":524,"repository":"team/app",
  "url":"http://127.0.0.1:5000/v2/team/app/manifests/sha256:e3b0","tag":"1.2.3"},
  "request":{"id":"9ad4","addr":"127.0.0.1:40000","host":"127.0.0.1:5000","method":"PUT","useragent":"curl/8"},"actor":{},
  "source":{"addr":"registry:5000","instanceID":"a4"}}]}"#;
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn event(action: &str, target: &str) -> String {
    format!(r#"{{"events":[{{"action":"{action}","target":{target},"request":{{"host":"r.example"}}}}]}}"#)
}

/// `HOST/NAME:TAG@DIGEST` of each hint, with the digest cut, a dash for what is not told and a star for what is below.
fn shown(kind: WebhookKind, body: &[u8]) -> Result<String, WebhookError> {
    let one = |hint: PushHint| {
        let (host, tag) = (hint.host.as_deref().unwrap_or("-"), hint.tag.as_deref().unwrap_or("-"));
        let below = if hint.below { "/*" } else { "" };
        let digest = hint.digest.map_or(String::new(), |digest| format!("@{}", &digest[..11]));
        format!("{host}/{}{below}:{tag}{digest}", hint.repository)
    };
    Ok(kind.hints(body)?.into_iter().map(one).collect::<Vec<_>>().join(" "))
}

#[test]
fn the_tags_of_a_distribution_notification() {
    let inner = &PUSH[PUSH.find('[').unwrap() + 1..PUSH.len() - 2];
    let twice = PUSH.replace("\"events\":[", &format!("\"events\":[{inner},{inner},17,null,"));
    let malformed = Err(WebhookError::Malformed(WebhookKind::Distribution));
    for (body, expected) in [
        (PUSH.to_owned(), Ok("127.0.0.1:5000/team/app:1.2.3@sha256:e3b0")),
        (twice, Ok("127.0.0.1:5000/team/app:1.2.3@sha256:e3b0")),
        (event("push", r#"{"repository":"a","tag":"1"}"#), Ok("r.example/a:1")),
        (event("push", r#"{"repository":"a","tag":"1","digest":"nonsense"}"#), Ok("r.example/a:1")),
        (event("pull", r#"{"repository":"a","tag":"1"}"#), Ok("")),
        (event("delete", r#"{"repository":"a","tag":"1"}"#), Ok("")),
        (event("push", r#"{"repository":"a","digest":"sha256:0"}"#), Ok("")),
        (event("push", r#"{"repository":"a","tag":""}"#), Ok("")),
        (event("push", r#"{"repository":"../a","tag":"1"}"#), Ok("")),
        (event("push", r#"{"repository":"a","tag":"1\n2"}"#), Ok("")),
        (event("push", r#"{"repository":7,"tag":"1"}"#), Ok("")),
        (r#"{"events":[]}"#.to_owned(), Ok("")),
        (r#"{"events":null}"#.to_owned(), malformed.clone()),
        (r#"{"push_data":{"tag":"1"}}"#.to_owned(), malformed.clone()),
        ("[]".to_owned(), malformed.clone()),
        (String::new(), malformed.clone()),
        (" ".repeat(MOST_BYTES + 1), Err(WebhookError::TooLong)),
        ("[".repeat(MOST_BYTES), malformed),
    ] {
        let found = shown(WebhookKind::Distribution, body.as_bytes());
        assert_eq!(found, expected.map(str::to_owned), "{}", &body[..body.len().min(200)]);
    }
}

#[test]
fn what_senders_tell_that_the_peers_have_no_case_for() {
    let hex = &DIGEST[7..];
    for (kind, body, expected) in [
        (
            WebhookKind::Harbor,
            json!({"specversion": "1.0", "type": "harbor.artifact.pushed", "data": {
                "resources": [{"digest": DIGEST, "tag": "1.2", "resource_url": "https://h.example/p/r:1.2"}, {"tag": "1.3"}],
                "repository": {"name": "r", "namespace": "p", "repo_full_name": "p/r"}}}),
            "h.example/p/r:1.2@sha256:e3b0 -/p/r:1.3",
        ),
        (WebhookKind::Harbor, json!({"type": "SCANNING_COMPLETED"}), ""),
        (
            WebhookKind::Ecr,
            json!({"detail-type": "ECR Image Action", "account": "1234", "region": "eu-west-1", "detail": {
                "result": "SUCCESS", "repository-name": "team/app", "image-digest": DIGEST, "action-type": "PUSH", "image-tag": "1"}}),
            "1234.dkr.ecr.eu-west-1.amazonaws.com/team/app:1@sha256:e3b0",
        ),
        (
            WebhookKind::Ecr,
            json!({"detail-type": "ECR Image Action", "account": "1", "region": "cn-north-1", "detail": {
                "result": "SUCCESS", "repository-name": "a", "action-type": "PUSH", "image-tag": "1"}}),
            "1.dkr.ecr.cn-north-1.amazonaws.com.cn/a:1",
        ),
        (
            WebhookKind::Ecr,
            json!({"detail-type": "ECR Image Action", "account": "1", "region": "x", "detail": {
                "result": "FAILURE", "repository-name": "a", "action-type": "PUSH", "image-tag": "1"}}),
            "",
        ),
        (WebhookKind::Ecr, json!({"detail-type": "ECR Image Scan", "detail": {"repository-name": "a"}}), ""),
        (
            WebhookKind::Gar,
            json!({"message": {"data": base64(&format!(
                r#"{{"action":"INSERT","digest":"eu-docker.pkg.dev/p/r/i@{DIGEST}","tag":"eu-docker.pkg.dev/p/r/i:1"}}"#))}}),
            "eu-docker.pkg.dev/p/r/i:1@sha256:e3b0",
        ),
        (WebhookKind::Gar, json!({"message": {"data": base64(r#"{"action":"INSERT","digest":"g/p@sha256:0"}"#)}}), ""),
        (WebhookKind::Gar, json!({"message": {"data": base64(r#"{"action":"DELETE","tag":"gcr.io/p/r:1"}"#)}}), ""),
        (
            WebhookKind::Gitlab,
            json!({"object_kind": "pipeline", "object_attributes": {"status": "success"}, "project": {"path_with_namespace": "Team/App"}}),
            "-/team/app/*:-",
        ),
        (
            WebhookKind::Gitlab,
            json!({"object_kind": "pipeline", "object_attributes": {"status": "failed"}, "project": {"path_with_namespace": "a/b"}}),
            "",
        ),
        (
            WebhookKind::Gitlab,
            json!({"object_kind": "build", "build_status": "success", "repository": {"homepage": "https://gitlab.example/a/b"}}),
            "-/a/b/*:-",
        ),
        (WebhookKind::Gitlab, json!({"object_kind": "push", "project": {"path_with_namespace": "a/b"}}), ""),
        (
            WebhookKind::Gitea,
            json!({"action": "created", "package": {"type": "container", "name": "app", "version": "1.0",
                "owner": {"login": "Team"}, "html_url": "https://git.example/team/-/packages/container/app/1.0"}}),
            "git.example/team/app:1.0",
        ),
        (
            WebhookKind::Gitea,
            json!({"action": "created", "package": {"type": "container", "name": "app", "version": DIGEST, "owner": {"login": "t"}}}),
            "",
        ),
        (
            WebhookKind::Gitea,
            json!({"action": "created", "package": {"type": "npm", "name": "app", "version": "1", "owner": {"login": "t"}}}),
            "",
        ),
        (
            WebhookKind::Artifactory,
            json!({"domain": "docker", "event_type": "pushed", "data": {"image_name": "a/b", "tag": "1", "sha256": hex}}),
            "-/a/b:1@sha256:e3b0",
        ),
        (
            WebhookKind::Artifactory,
            json!({"domain": "docker", "event_type": "deleted", "data": {"image_name": "a", "tag": "1"}}),
            "",
        ),
        (
            WebhookKind::Nexus,
            json!({"action": "DELETED", "component": {"format": "docker", "name": "a", "version": "1"}}),
            "",
        ),
        (
            WebhookKind::Nexus,
            json!({"action": "CREATED", "component": {"format": "npm", "name": "a", "version": "1"}}),
            "",
        ),
        (WebhookKind::Generic, json!({"image": "ghcr.io/acme/web:1.2"}), "ghcr.io/acme/web:1.2"),
        (WebhookKind::Generic, json!({"name": "nginx", "tag": "1.2"}), "docker.io/library/nginx:1.2"),
        (WebhookKind::Generic, json!({"name": "ghcr.io/acme/web:1.2"}), "ghcr.io/acme/web:1.2"),
        (WebhookKind::Generic, json!({"name": "ghcr.io/acme/web"}), ""),
    ] {
        assert_eq!(shown(kind, body.to_string().as_bytes()).as_deref(), Ok(expected), "{body}");
    }
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn names_are_those_of_the_settings() {
    for kind in WebhookKind::ALL {
        assert_eq!(json!(kind), json!(kind.name()));
        assert!(kind.hints(b"{}").is_err(), "{}", kind.name());
        assert!(kind.hints(b"null").is_err(), "{}", kind.name());
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        for kind in WebhookKind::ALL {
            let _ = kind.hints(&body);
        }
    }

    #[test]
    fn no_damaged_notification_panics(at in 0..PUSH.len(), byte in any::<u8>(), cut in 0..PUSH.len()) {
        let mut body = PUSH.as_bytes().to_vec();
        body[at] = byte;
        for kind in WebhookKind::ALL {
            let _ = kind.hints(&body);
            let _ = kind.hints(&body[..cut]);
        }
    }
}
