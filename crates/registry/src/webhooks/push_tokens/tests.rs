use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::keys::KeySource;
use super::*;

static ONE: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static OTHER: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
const NOW: &str = "2026-11-23T12:00:00Z";

fn rules() -> TokenRules {
    TokenRules {
        issuer: "https://accounts.google.com".to_owned(),
        audience: "https://automator.example/webhooks/gar".to_owned(),
        email: "push@acme.iam.gserviceaccount.com".to_owned(),
    }
}

/// A set with one key. Of the public half in DER (RFC 8017, A.1.1), 256 bytes are the modulus.
fn key_set(name: &str, pair: &RsaKeyPair) -> Value {
    let modulus = &pair.public_key().as_ref()[9..265];
    json!({"keys": [
        {"kty": "EC", "kid": "ec", "crv": "P-256"},
        {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"},
    ]})
}

fn claims() -> Value {
    let now: Timestamp = NOW.parse().unwrap();
    json!({
        "iss": "https://accounts.google.com", "aud": rules().audience, "sub": "1",
        "email": rules().email, "email_verified": true,
        "iat": now.as_second() - 10, "exp": now.as_second() + 3590,
    })
}

fn token(header: &Value, claims: &Value, pair: &RsaKeyPair) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header(name: &str) -> Value {
    json!({"alg": "RS256", "kid": name, "typ": "JWT"})
}

async fn admit(tokens: &PushTokens, authorization: &str) -> Admission {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
    }
    tokens.admit(&headers, NOW.parse().unwrap()).await
}

fn with_file(folder: &tempfile::TempDir, text: &str) -> PushTokens {
    let path = folder.path().join("keys.json");
    std::fs::write(&path, text).unwrap();
    PushTokens::new(rules(), &KeysFrom::File(path)).unwrap()
}

#[tokio::test]
async fn only_the_right_account_with_a_token_for_us_is_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = with_file(&folder, &key_set("one", &ONE).to_string());
    let good = token(&header("one"), &claims(), &ONE);
    for scheme in ["Bearer", "bearer"] {
        assert_eq!(admit(&tokens, &format!("{scheme} {good}")).await, Admission::Admitted);
    }
    let now = NOW.parse::<Timestamp>().unwrap().as_second();
    for (key, value, wanted) in [
        ("iss", json!("https://evil.example"), Some("not from https://accounts.google.com")),
        ("iss", json!("accounts.google.com"), None),
        ("aud", json!("https://elsewhere.example"), Some("not for the audience")),
        ("aud", json!(["x", rules().audience]), None),
        ("aud", json!([]), Some("not for the audience")),
        ("email", json!("other@acme.iam.gserviceaccount.com"), Some("not that of push@")),
        ("email", Value::Null, Some("cannot be read")),
        ("email_verified", json!(false), Some("not that of push@")),
        ("exp", json!(now - 61), Some("has expired")),
        ("exp", json!(now - 59), None),
        ("exp", json!(i64::MIN), Some("has expired")),
        ("exp", Value::Null, Some("cannot be read")),
        ("nbf", json!(now + 61), Some("not valid yet")),
        ("nbf", json!(now), None),
    ] {
        let mut claims = claims();
        claims[key] = value.clone();
        let found = admit(&tokens, &format!("Bearer {}", token(&header("one"), &claims, &ONE))).await;
        match wanted {
            None => assert_eq!(found, Admission::Admitted, "{key} {value}"),
            Some(wanted) => {
                assert!(matches!(&found, Admission::Refused(why) if why.contains(wanted)), "{key} {value} {found:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_signed_by_a_published_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = with_file(&folder, &key_set("one", &ONE).to_string());
    let good = token(&header("one"), &claims(), &ONE);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut other_claims = claims();
    other_claims["email"] = "x".into();
    let (foreign, _) =
        token(&header("one"), &other_claims, &ONE).rsplit_once('.').map(|(s, t)| (s.to_owned(), t.to_owned())).unwrap();
    let none = |alg: &str| token(&json!({"alg": alg, "kid": "one"}), &claims(), &ONE);
    for (authorization, wanted) in [
        (String::new(), "no bearer token"),
        (good.clone(), "no bearer token"),
        (format!("Basic {good}"), "no bearer token"),
        ("Bearer ".to_owned(), "cannot be read"),
        ("Bearer a.b.c".to_owned(), "cannot be read"),
        (format!("Bearer {signed}."), "signature of its token is wrong"),
        (format!("Bearer {foreign}.{signature}"), "signature of its token is wrong"),
        (format!("Bearer {}", token(&header("one"), &claims(), &OTHER)), "signature of its token is wrong"),
        (format!("Bearer {}", token(&header("two"), &claims(), &ONE)), "does not publish"),
        (format!("Bearer {}", token(&header("ec"), &claims(), &ONE)), "does not publish"),
        (format!("Bearer {}", token(&json!({"alg": "RS256"}), &claims(), &ONE)), "does not publish"),
        (format!("Bearer {}", none("none")), "in a way that is not known"),
        (format!("Bearer {}", none("HS256")), "in a way that is not known"),
        (
            format!("Bearer {}", token(&json!({"alg": "RS256", "kid": "one", "crit": ["b64"]}), &claims(), &ONE)),
            "in a way that is not known",
        ),
        (format!("Bearer {good}.{}", "x".repeat(9000)), "too long"),
    ] {
        let found = admit(&tokens, &authorization).await;
        assert!(matches!(&found, Admission::Refused(why) if why.contains(wanted)), "{wanted}: {found:?}");
    }
}

#[tokio::test]
async fn a_file_that_holds_no_keys_admits_and_refuses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let good = format!("Bearer {}", token(&header("one"), &claims(), &ONE));
    for text in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"RSA","kid":"one"}]}"#] {
        let tokens = with_file(&folder, text);
        assert!(tokens.check_file().is_err(), "{text}");
        assert!(matches!(admit(&tokens, &good).await, Admission::Unknown(_)), "{text}");
    }
    let tokens = with_file(&folder, &key_set("one", &ONE).to_string());
    assert_eq!(tokens.check_file(), Ok(()));
    std::fs::remove_file(folder.path().join("keys.json")).unwrap();
    assert!(matches!(admit(&tokens, &good).await, Admission::Unknown(_)));
}

/// A server of keys; what it answers can be changed.
struct Issuer {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
    url: String,
    _server: JoinSet<()>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((200, key_set("one", &ONE).to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (says, counts) = (Arc::clone(&answer), Arc::clone(&asked));
        let certs = get(move || async move {
            counts.fetch_add(1, Ordering::SeqCst);
            let (status, body) = says.lock().unwrap().clone();
            (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response()
        });
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, Router::new().route("/certs", certs)).await.unwrap() });
        Self { answer, asked, url, _server: server }
    }

    fn tokens(&self, pause: Option<Duration>) -> PushTokens {
        let mut tokens = PushTokens::new(rules(), &KeysFrom::Url(self.url.clone())).unwrap();
        if let (Some(pause), KeySource::Url(remote)) = (pause, &mut tokens.keys) {
            remote.pause = pause;
        }
        tokens
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn keys_are_asked_for_once_and_again_when_they_rotate() {
    let issuer = Issuer::start().await;
    let tokens = issuer.tokens(Some(Duration::ZERO));
    let one = format!("Bearer {}", token(&header("one"), &claims(), &ONE));
    let two = format!("Bearer {}", token(&header("two"), &claims(), &OTHER));
    for _ in 0..3 {
        assert_eq!(admit(&tokens, &one).await, Admission::Admitted);
    }
    assert_eq!(issuer.asked(), 1);
    *issuer.answer.lock().unwrap() = (200, key_set("two", &OTHER).to_string());
    assert_eq!(admit(&tokens, &two).await, Admission::Admitted);
    assert!(matches!(admit(&tokens, &one).await, Admission::Refused(_)), "the old one is gone");
    assert_eq!(issuer.asked(), 2);
    // Known keys last while nobody answers.
    *issuer.answer.lock().unwrap() = (500, String::new());
    assert!(matches!(admit(&tokens, &one).await, Admission::Refused(_)));
    assert_eq!(admit(&tokens, &two).await, Admission::Admitted);
}

#[tokio::test]
async fn nobody_makes_us_ask_for_keys_at_will() {
    let issuer = Issuer::start().await;
    let tokens = issuer.tokens(None);
    for name in 0..20 {
        let odd = format!("Bearer {}", token(&header(&name.to_string()), &claims(), &OTHER));
        assert!(matches!(admit(&tokens, &odd).await, Admission::Refused(_)));
    }
    assert_eq!(issuer.asked(), 1);
    for answer in [(500, String::new()), (200, "x".repeat(300 << 10)), (302, String::new())] {
        *issuer.answer.lock().unwrap() = answer;
        let tokens = issuer.tokens(None);
        for _ in 0..5 {
            let good = format!("Bearer {}", token(&header("one"), &claims(), &ONE));
            assert!(matches!(admit(&tokens, &good).await, Admission::Unknown(_)));
        }
        assert_eq!(issuer.asked(), 1);
    }
}

#[test]
fn only_safe_addresses_are_asked_for_keys() {
    for (url, fine) in [
        ("https://www.googleapis.com/oauth2/v3/certs", true),
        ("http://127.0.0.1:1/certs", true),
        ("http://www.googleapis.com/oauth2/v3/certs", false),
        ("https://me:canary@example.com/certs", false),
        ("https://169.254.169.254/certs", false),
        ("https://metadata.google.internal/certs", false),
        ("certs", false),
    ] {
        let made = PushTokens::new(rules(), &KeysFrom::Url(url.to_owned()));
        assert_eq!(made.is_ok(), fine, "{url}");
        assert!(made.err().is_none_or(|problem| !problem.contains("canary")));
    }
}
