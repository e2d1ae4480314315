use reqwest::header::{HeaderMap, HeaderName};
use secrecy::SecretString;

use super::*;

fn admits(kind: WebhookKind, secret: &str, header: &str, value: &str, query: &str, body: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    if !header.is_empty() {
        headers.insert(header.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    kind.admits(&SecretString::from(secret), &Shown { headers: &headers, query: Some(query), body })
}

#[test]
fn only_the_shared_secret_is_authorised() {
    for (secret, header, expected) in [
        ("s3cret", "s3cret", true),
        ("s3cret", "Bearer s3cret", true),
        ("s3cret", "bearer s3cret", true),
        ("Bearer s3cret", "Bearer s3cret", true),
        ("s3cret", "Basic s3cret", false),
        ("s3cret", "s3cre", false),
        ("s3cret", "s3cret2", false),
        ("s3cret", "", false),
        ("", "", false),
        ("", "Bearer ", false),
    ] {
        for (kind, name) in [
            (WebhookKind::Distribution, "authorization"),
            (WebhookKind::Harbor, "authorization"),
            (WebhookKind::Acr, "authorization"),
            (WebhookKind::Ecr, "authorization"),
            (WebhookKind::DockerHub, "authorization"),
            (WebhookKind::Gitlab, "x-gitlab-token"),
            (WebhookKind::Artifactory, "x-jfrog-event-auth"),
        ] {
            assert!(!kind.is_signed());
            assert_eq!(admits(kind, secret, name, header, "", b""), expected, "{secret} {header}");
            assert!(!admits(kind, secret, "", "", "", b""), "no header");
            assert!(!admits(kind, secret, "x-other", header, "", b""), "another header");
        }
    }
}

#[test]
fn who_can_set_no_header_shows_the_secret_in_the_address() {
    for (query, expected) in [
        ("token=s3+c%2Fret", true),
        ("a=b&token=s3+c%2fret&c", true),
        ("token=s3%20c/ret", true),
        ("token=s3", false),
        ("token=", false),
        ("token", false),
        ("other=s3+c%2Fret", false),
        ("token=%", false),
        ("token=%f", false),
        ("token=%é%ff", false),
        ("", false),
    ] {
        for kind in [WebhookKind::DockerHub, WebhookKind::Quay, WebhookKind::Gar] {
            assert_eq!(admits(kind, "s3 c/ret", "", "", query, b""), expected, "{query}");
        }
        assert!(!admits(WebhookKind::Distribution, "s3 c/ret", "", "", query, b""), "others cannot");
    }
}

#[test]
fn a_signature_is_of_this_body_under_this_secret() {
    // printf '{"test":"data"}' | openssl dgst -sha256 -hmac "It's a Secret"; the same with -sha1.
    let (sha256, sha1) = (
        "909d6b79a6ab2bd9737421e51aa11ce495bbf66b6fce90a3db74caae18831f16",
        "96c00a6a9e08e375b81a30bef65992f4f6b852b3",
    );
    let body = br#"{"test":"data"}"#;
    for (kind, header, prefix, hex) in [
        (WebhookKind::Ghcr, "x-hub-signature-256", "sha256=", sha256),
        (WebhookKind::Gitea, "x-gitea-signature", "", sha256),
        (WebhookKind::Generic, "x-signature", "sha256=", sha256),
        (WebhookKind::Nexus, "x-nexus-webhook-signature", "", sha1),
    ] {
        let secret = "It's a Secret";
        let good = format!("{prefix}{hex}");
        assert!(kind.is_signed());
        assert!(admits(kind, secret, header, &good, "", body), "{}", kind.name());
        for (secret, value, body) in [
            ("another", good.as_str(), body.as_slice()),
            ("", &good, body),
            (secret, &good, b"{}"),
            (secret, &good[1..], body),
            (secret, &good[..good.len() - 2], body),
            (secret, "sha256=invalid", body),
            (secret, "invalid", body),
            (secret, "sha256=", body),
            (secret, "", body),
        ] {
            assert!(!admits(kind, secret, header, value, "", body), "{} {value}", kind.name());
        }
        assert!(!admits(kind, secret, "authorization", secret, "token=It's+a+Secret", body));
    }
}
