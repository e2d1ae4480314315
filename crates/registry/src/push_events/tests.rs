use proptest::prelude::*;

use super::*;

/// What a distribution registry 2.8 sends after the push of a tag (shortened where nothing reads it).
const PUSH: &str = r#"{"events":[{"id":"6c9a","timestamp":"2026-01-02T03:04:05.6Z","action":"push","target":{
  "mediaType":"application/vnd.oci.image.manifest.v1+json","size":524,
  "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","length":524,"repository":"team/app",
  "url":"http://127.0.0.1:5000/v2/team/app/manifests/sha256:e3b0","tag":"1.2.3"},
  "request":{"id":"9ad4","addr":"127.0.0.1:40000","host":"127.0.0.1:5000","method":"PUT","useragent":"curl/8"},"actor":{},
  "source":{"addr":"registry:5000","instanceID":"a4"}}]}"#;

fn event(action: &str, target: &str) -> String {
    format!(r#"{{"events":[{{"action":"{action}","target":{target},"request":{{"host":"r.example"}}}}]}}"#)
}

fn shown(body: &str) -> Result<String, PushEventsError> {
    let one = |hint: PushHint| {
        format!(
            "{}/{}:{} {}",
            hint.host,
            hint.repository,
            hint.tag,
            hint.digest.map_or("-".into(), |d| d[..11].to_owned())
        )
    };
    Ok(push_hints(body.as_bytes())?.into_iter().map(one).collect::<Vec<_>>().join(" "))
}

#[test]
fn the_tags_of_a_notification() {
    let twice = PUSH.replace("\"events\":[", &format!("\"events\":[{},{},17,null,", inner(), inner()));
    for (body, expected) in [
        (PUSH.to_owned(), Ok("127.0.0.1:5000/team/app:1.2.3 sha256:e3b0")),
        (twice, Ok("127.0.0.1:5000/team/app:1.2.3 sha256:e3b0")),
        (event("push", r#"{"repository":"a","tag":"1"}"#), Ok("r.example/a:1 -")),
        (event("push", r#"{"repository":"a","tag":"1","digest":"nonsense"}"#), Ok("r.example/a:1 -")),
        (event("pull", r#"{"repository":"a","tag":"1"}"#), Ok("")),
        (event("delete", r#"{"repository":"a","tag":"1"}"#), Ok("")),
        (event("push", r#"{"repository":"a","digest":"sha256:0"}"#), Ok("")),
        (event("push", r#"{"repository":"a","tag":""}"#), Ok("")),
        (event("push", r#"{"repository":"../a","tag":"1"}"#), Ok("")),
        (event("push", r#"{"repository":"a","tag":"1\n2"}"#), Ok("")),
        (event("push", r#"{"repository":7,"tag":"1"}"#), Ok("")),
        (r#"{"events":[]}"#.to_owned(), Ok("")),
        (r#"{"events":null}"#.to_owned(), Err(PushEventsError::Malformed)),
        (r#"{"push_data":{"tag":"1"}}"#.to_owned(), Err(PushEventsError::Malformed)),
        ("[]".to_owned(), Err(PushEventsError::Malformed)),
        (String::new(), Err(PushEventsError::Malformed)),
        (" ".repeat(MOST_BYTES + 1), Err(PushEventsError::TooLong)),
        ("[".repeat(MOST_BYTES), Err(PushEventsError::Malformed)),
    ] {
        assert_eq!(shown(&body), expected.map(str::to_owned), "{}", &body[..body.len().min(200)]);
    }
}

/// The one event of [`PUSH`].
fn inner() -> &'static str {
    let start = PUSH.find('[').unwrap() + 1;
    &PUSH[start..PUSH.len() - 2]
}

#[test]
fn both_versions_of_the_media_type() {
    for (content_type, expected) in [
        ("application/vnd.docker.distribution.events.v1+json", true),
        ("application/vnd.docker.distribution.events.v2+json", true),
        ("Application/vnd.docker.distribution.events.V2+JSON; charset=utf-8", true),
        ("application/vnd.docker.distribution.events.v3+json", false),
        ("application/json", false),
        ("", false),
    ] {
        assert_eq!(is_push_notification(content_type), expected, "{content_type}");
    }
}

#[test]
fn only_the_shared_secret_is_authorised() {
    for (secret, header, expected) in [
        ("s3cret", Some("s3cret"), true),
        ("s3cret", Some("Bearer s3cret"), true),
        ("s3cret", Some("bearer s3cret"), true),
        ("Bearer s3cret", Some("Bearer s3cret"), true),
        ("s3cret", Some("Basic s3cret"), false),
        ("s3cret", Some("s3cret "), false),
        ("s3cret", Some("s3cre"), false),
        ("s3cret", Some(""), false),
        ("s3cret", None, false),
        ("", Some(""), false),
        ("", Some("Bearer "), false),
        ("", None, false),
    ] {
        assert_eq!(authorised(&SecretString::from(secret), header.map(str::as_bytes)), expected, "{header:?}");
    }
}

#[test]
fn the_payloads_of_the_same_event_in_other_registries() {
    let folder = std::env::var("LOCKSTEP_CONFORMANCE").map_or_else(
        |_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance").into(),
        std::path::PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(folder.join("argo/webhooks_and_credentials.json")) else {
        println!("ignored: no conformance data in {}", folder.display());
        return;
    };
    let data: Value = serde_json::from_str(&text).unwrap();
    let cases = data["image_updater"].as_array().unwrap();
    // ACR sends one event of the distribution format without the envelope.
    let pushes: Vec<&Value> =
        cases.iter().filter(|case| case["registry_type"] == "acr" && case["flags"]["expectError"] == false).collect();
    assert!(!pushes.is_empty());
    for case in pushes {
        let body = serde_json::json!({ "events": [case["payload"]] }).to_string();
        let hints = push_hints(body.as_bytes()).unwrap();
        let found: Vec<_> =
            hints.iter().map(|hint| (hint.host.as_str(), hint.repository.as_str(), hint.tag.as_str())).collect();
        let field = |name: &str| case["fields"][name].as_str().unwrap_or_default();
        let expected = (field("expectedRegistryURL"), field("expectedRepo"), field("expectedTag"));
        // A push by digest alone is a child of an index: there is no tag to look at.
        let expected: Vec<_> = Some(expected).filter(|(_, _, tag)| !tag.is_empty()).into_iter().collect();
        assert_eq!(found, expected, "{}", case["name"]);
    }
    // No payload of another registry is taken for a notification, and none breaks the reader.
    for case in cases {
        assert_eq!(push_hints(case["payload"].to_string().as_bytes()).ok(), None, "{}", case["name"]);
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = push_hints(&body);
    }

    #[test]
    fn no_damaged_notification_panics(at in 0..PUSH.len(), byte in any::<u8>(), cut in 0..PUSH.len()) {
        let mut body = PUSH.as_bytes().to_vec();
        body[at] = byte;
        let _ = push_hints(&body);
        let _ = push_hints(&body[..cut]);
    }
}
