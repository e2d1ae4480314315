use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lockstep_registry::{Basic, Credentials, CredentialsSource, Login, Registries, RegistrySettings, Repository};

use crate::scripted::{Asked, Reply, Scripted, page};

/// `user:canary-password` in base64.
const BASIC: &str = "Basic dXNlcjpjYW5hcnktcGFzc3dvcmQ=";

fn basic() -> Basic {
    Basic { username: "user".into(), password: "canary-password".into() }
}

fn with_login(settings: &mut RegistrySettings) {
    settings.credentials = Some(Credentials::Fixed(basic()));
}

fn refused(challenge: impl Into<String>) -> Reply {
    Reply::new(401, "").header("www-authenticate", challenge)
}

#[tokio::test]
async fn basic_is_sent_when_it_is_asked_for_and_then_at_once() {
    let registry = Scripted::start(|asked, _| match asked.authorization.as_deref() {
        Some(BASIC) => page(&["1"]),
        _ => refused(r#"BASIC realm="x""#),
    })
    .await;
    let client = registry.client(with_login);
    client.tags(&registry.repository()).await.unwrap();
    client.tags(&registry.repository()).await.unwrap();
    let sent: Vec<_> = registry.asked().into_iter().map(|asked| asked.authorization).collect();
    assert_eq!(sent, [None, Some(BASIC.to_owned()), Some(BASIC.to_owned())]);
}

#[tokio::test]
async fn wrong_or_missing_credentials_are_told_without_showing_them() {
    for (login, challenge, expected, requests) in [
        (true, r#"Basic realm="x""#, "not accepted", 2),
        (false, r#"Basic realm="x""#, "configure credentials", 1),
        (true, "Negotiate", "neither basic nor bearer", 1),
        (true, r#"Bearer realm="not an address""#, "neither basic nor bearer", 1),
    ] {
        let registry = Scripted::start(move |_, _| refused(challenge)).await;
        let client = registry.client(|settings| {
            if login {
                with_login(settings)
            }
        });
        let error = client.tags(&registry.repository()).await.unwrap_err();
        assert_eq!(error.category(), "unauthorised");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        assert_eq!(registry.asked().len(), requests, "{challenge}");
    }
}

/// A token service and a registry in one: tokens are `t0`, `t1`, …; `good` says which one is accepted now.
async fn with_tokens(challenge: &'static str, good: Arc<AtomicUsize>, stale: (u16, &'static str)) -> Scripted {
    let issued = AtomicUsize::new(0);
    let own = Arc::new(std::sync::OnceLock::<String>::new());
    let address = Arc::clone(&own);
    let registry = Scripted::start(move |asked: &Asked, _| {
        if asked.target.starts_with("/token") {
            let token = issued.fetch_add(1, Ordering::SeqCst);
            return Reply::new(200, format!(r#"{{"access_token":"t{token}","expires_in":300}}"#));
        }
        match asked.authorization.as_deref() {
            Some(sent) if sent == format!("Bearer t{}", good.load(Ordering::SeqCst)) => page(&["1"]),
            Some(_) if stale.0 != 401 => Reply::new(stale.0, stale.1),
            _ => refused(challenge.replace("HOST", address.get().unwrap())),
        }
    })
    .await;
    own.set(registry.address.clone()).unwrap();
    registry
}

const BEARER: &str = r#"Basic realm="y", bearer REALM="http://HOST/token?fixed=1",service="the registry",scope="repository:team/app:pull""#;

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let registry = with_tokens(BEARER, Arc::default(), (401, "")).await;
    let client = registry.client(with_login);
    for _ in 0..3 {
        client.tags(&registry.repository()).await.unwrap();
    }
    let asked = registry.asked();
    let tokens: Vec<_> = asked.iter().filter(|asked| asked.target.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].target, "/token?fixed=1&service=the+registry&scope=repository%3Ateam%2Fapp%3Apull");
    assert_eq!(tokens[0].authorization.as_deref(), Some(BASIC));
    // One ask in vain, one token, three listings; nothing pings /v2/.
    assert_eq!(asked.len(), 5);
}

#[tokio::test]
async fn an_anonymous_token_needs_no_credentials_and_a_missing_scope_is_ours() {
    let challenge = r#"Bearer realm="http://HOST/token""#;
    let registry = with_tokens(challenge, Arc::default(), (401, "")).await;
    registry.client(|_| {}).tags(&registry.repository()).await.unwrap();
    let asked = registry.asked();
    assert_eq!(
        (asked[1].target.as_str(), &asked[1].authorization),
        ("/token?scope=repository%3Ateam%2Fapp%3Apull", &None)
    );
}

#[tokio::test]
async fn a_stale_token_is_renewed_once_however_the_registry_says_so() {
    for stale in [
        (401, ""),
        (403, "Your authorization token has expired. Reauthenticate and try again."),
        (400, r#"{"errors":[{"message":"token is INVALID"}]}"#),
    ] {
        let good = Arc::new(AtomicUsize::new(0));
        let registry = with_tokens(BEARER, Arc::clone(&good), stale).await;
        let client = registry.client(with_login);
        let tokens = || registry.targets().iter().filter(|target| target.starts_with("/token")).count();
        client.tags(&registry.repository()).await.unwrap();
        good.store(1, Ordering::SeqCst);
        assert_eq!(*client.tags(&registry.repository()).await.unwrap().tags, ["1"], "{stale:?}");
        assert_eq!(tokens(), 2, "{stale:?}");
        good.store(99, Ordering::SeqCst);
        let before = registry.asked().len();
        assert!(client.tags(&registry.repository()).await.is_err());
        assert!(tokens() >= 3 && registry.asked().len() <= before + 9, "{stale:?}: bounded");
    }
}

#[tokio::test]
async fn credentials_never_go_where_a_realm_should_not_be() {
    for realm in [
        "http://auth.example/token",
        "https://169.254.169.254/latest/meta-data",
        "https://me:secret@auth.example/token",
        "ftp://auth.example/token",
        "file:///etc/passwd",
    ] {
        let registry = Scripted::start(move |_, _| refused(format!(r#"Bearer realm="{realm}""#))).await;
        let error = registry.client(with_login).tags(&registry.repository()).await.unwrap_err();
        assert_eq!(error.category(), "unsafe-target", "{realm}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn credentials_never_cross_to_another_origin() {
    let elsewhere = Scripted::start(|_, _| page(&["1"])).await;
    let target = format!("http://{}/moved?signature=canary", elsewhere.address);
    let registry = Scripted::start(move |asked, _| match (asked.authorization.as_deref(), asked.target.as_str()) {
        (None, _) => refused("Basic"),
        (_, "/within") => Reply::new(302, "").header("location", target.clone()),
        _ => Reply::new(307, "").header("location", "/within"),
    })
    .await;
    assert_eq!(*registry.client(with_login).tags(&registry.repository()).await.unwrap().tags, ["1"]);
    let asked = registry.asked();
    assert_eq!(asked[2].target, "/within");
    assert_eq!(asked[2].authorization.as_deref(), Some(BASIC), "the same origin");
    assert_eq!(elsewhere.asked()[0].authorization, None);
}

#[tokio::test]
async fn redirects_end_and_do_not_lead_into_the_machine() {
    for location in ["/again", "https://169.254.169.254/", "http://elsewhere.example/", "::"] {
        let registry = Scripted::start(move |_, _| Reply::new(307, "").header("location", location)).await;
        let error = registry.client(|_| {}).tags(&registry.repository()).await.unwrap_err();
        assert_eq!(error.category(), "unsafe-target", "{location}: {error}");
        assert!(registry.asked().len() <= 6, "{location}");
    }
}

/// A file that is changed after two reads, and gone after three.
#[derive(Default)]
struct Rotated(AtomicUsize);

#[async_trait]
impl CredentialsSource for Rotated {
    async fn logins(&self, _: &Repository) -> Result<Vec<Login>, String> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Ok(vec![Login::Basic(Basic { username: "user".into(), password: "old".into() })]),
            2 => Ok(vec![Login::Basic(basic())]),
            _ => Err("cannot read credentials.json: no such file".into()),
        }
    }
}

#[tokio::test]
async fn credentials_are_read_again_each_time() {
    let registry = Scripted::start(|asked, before| match asked.authorization.as_deref() {
        Some(BASIC) if before > 2 => page(&["1"]),
        Some("Basic dXNlcjpvbGQ=") if before <= 2 => page(&["1"]),
        _ => refused("Basic"),
    })
    .await;
    let client =
        registry.client(|settings| settings.credentials = Some(Credentials::Source(Arc::new(Rotated::default()))));
    for _ in 0..2 {
        client.tags(&registry.repository()).await.unwrap();
    }
    client.tags(&registry.repository()).await.unwrap();
    let error = client.tags(&registry.repository()).await.unwrap_err();
    assert_eq!(error.category(), "credentials");
    assert!(error.to_string().contains("credentials.json"), "{error}");
}

#[test]
fn settings_that_cannot_be_used_are_told() {
    let ca = |pem: &str| {
        let mut settings = RegistrySettings::new("r.example");
        settings.ca_pem = Some(pem.to_owned());
        vec![settings]
    };
    for (settings, expected) in [
        (vec![RegistrySettings::new("https://r.example")], "not HOST or HOST:PORT"),
        (vec![RegistrySettings::new("r.example"), RegistrySettings::new("r.example")], "configured twice"),
        (ca(""), "no certificate"),
        (ca("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), ""),
    ] {
        let error = Registries::new(settings).err().unwrap();
        assert_eq!(error.category(), "settings");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
