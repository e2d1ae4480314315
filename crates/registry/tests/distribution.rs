//! The client against the registry of the distribution project, as it is.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use lockstep_registry::{Basic, Credentials, Registries, RegistrySettings, Repository, Shown, WebhookKind};
use lockstep_testkit::{Notify, Registry, RegistryOptions, eventually};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

fn repository(registry: &Registry, name: &str) -> Repository {
    Repository { host: registry.address(), name: name.into() }
}

fn client(registry: &Registry, login: Option<(&str, &str)>, ca: bool) -> Registries {
    let mut settings = RegistrySettings::new(registry.address());
    settings.credentials = login
        .map(|(username, password)| Credentials::Fixed(Basic { username: username.into(), password: password.into() }));
    settings.ca_pem = registry.ca_pem().filter(|_| ca).map(str::to_owned);
    Registries::new(vec![settings]).unwrap()
}

#[tokio::test]
async fn tags_digests_and_times_of_an_open_registry() {
    let registry = Registry::start(RegistryOptions::default()).await.unwrap();
    let (client, web) = (client(&registry, None, false), repository(&registry, "shop/web"));
    assert_eq!(client.tags(&web).await.unwrap_err().category(), "not-found");

    let built = "2026-01-02T03:04:05Z".parse().unwrap();
    let digest = registry.push_image("shop/web", "1.0.0", Some(built)).await.unwrap();
    registry.push_image("shop/web", "1.1.0", None).await.unwrap();
    assert_eq!(*client.tags(&web).await.unwrap().tags, ["1.0.0", "1.1.0"]);
    assert_eq!(client.digest(&web, "1.0.0").await.unwrap(), Some(digest.clone()));
    assert_eq!(client.created(&web, &digest).await.unwrap(), Some(built));

    let moved = registry.push_image("shop/web", "1.0.0", None).await.unwrap();
    assert_ne!(moved, digest);
    assert_eq!(client.digest(&web, "1.0.0").await.unwrap(), Some(moved));
    registry.delete_tag("shop/web", "1.0.0").await.unwrap();
    assert_eq!(client.digest(&web, "1.0.0").await.unwrap(), None);
    assert_eq!(*client.tags(&web).await.unwrap().tags, ["1.1.0"]);
}

#[tokio::test]
async fn a_closed_registry_behind_its_own_authority() {
    let htpasswd = Some(("robot".to_owned(), SecretString::from("canary-password")));
    let registry = Registry::start(RegistryOptions { htpasswd, tls: true, notify: None }).await.unwrap();
    let digest = registry.push_image("shop/web", "1.0.0", None).await.unwrap();
    let web = repository(&registry, "shop/web");

    let right = client(&registry, Some(("robot", "canary-password")), true);
    assert_eq!(*right.tags(&web).await.unwrap().tags, ["1.0.0"]);
    assert_eq!(right.digest(&web, "1.0.0").await.unwrap(), Some(digest.clone()));
    assert!(right.created(&web, &digest).await.unwrap().is_some());

    for (login, ca, expected) in [
        (Some(("robot", "canary-wrong")), true, "unauthorised"),
        (None, true, "unauthorised"),
        // Without its authority a loopback address is asked by plain HTTP, which a TLS server refuses.
        (Some(("robot", "canary-password")), false, "refused"),
    ] {
        let error = client(&registry, login, ca).tags(&web).await.unwrap_err();
        assert_eq!(error.category(), expected, "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    // An authority that did not sign its certificate.
    let mut settings = RegistrySettings::new(registry.address());
    settings.ca_pem = Some(other_authority());
    let error = Registries::new(vec![settings]).unwrap().tags(&web).await.unwrap_err();
    assert_eq!(error.category(), "unreachable", "{error}");
}

fn other_authority() -> String {
    lockstep_testkit::Authority::new().unwrap().pem().to_owned()
}

#[tokio::test]
async fn a_push_is_told_as_a_hint() {
    type Notification = (bool, Vec<u8>);
    let received: Arc<Mutex<Vec<Notification>>> = Arc::default();
    let secret = SecretString::from("Bearer hook-secret");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (log, expected) = (Arc::clone(&received), secret.clone());
    let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        let shown = Shown { headers: &headers, query: None, body: &body };
        let admitted = WebhookKind::Distribution.admits(&expected, &shown);
        log.lock().unwrap().push((admitted, body.to_vec()));
        async {}
    });
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });

    let notify = Some(Notify { url, authorization: Some(secret) });
    let registry = Registry::start(RegistryOptions { notify, ..RegistryOptions::default() }).await.unwrap();
    let digest = registry.push_image("shop/web", "1.0.0", None).await.unwrap();
    let hints = || -> Vec<_> {
        let received = received.lock().unwrap();
        received.iter().flat_map(|(_, body)| WebhookKind::Distribution.hints(body).unwrap()).collect()
    };
    eventually(Duration::from_secs(30), "the notification of a push", async || !hints().is_empty()).await.unwrap();
    assert!(received.lock().unwrap().iter().all(|(admitted, _)| *admitted));
    let hint = &hints()[0];
    assert_eq!(hint.host, Some(registry.address()));
    assert_eq!((hint.repository.as_str(), hint.tag.as_deref()), ("shop/web", Some("1.0.0")));
    assert_eq!(hint.digest.as_deref(), Some(digest.as_str()));
}

#[tokio::test]
async fn every_page_is_asked_for_once() {
    let htpasswd = Some(("robot".to_owned(), SecretString::from("canary-password")));
    let registry = Registry::start(RegistryOptions { htpasswd, tls: true, notify: None }).await.unwrap();
    let tags = |count: usize| -> Vec<String> { (0..count).map(|number| format!("1.0.{number}")).collect() };
    // The registry links to an empty third page after two full ones.
    let shelves = [tags(2000), tags(3), tags(1001)];
    let names: Vec<String> = (0..9).map(|number| format!("fleet/r{number}")).collect();
    registry.stock(&names, &shelves).await.unwrap();
    let client = client(&registry, Some(("robot", "canary-password")), true);
    for (challenged, cycle) in [(1, "the first"), (0, "the second")] {
        let begin = registry.served().unwrap().len();
        for (name, shelf) in names.iter().zip(shelves.iter().cycle()) {
            let mut shelf = shelf.clone();
            shelf.sort();
            let listing = client.tags(&repository(&registry, name)).await.unwrap();
            assert!(listing.tags.iter().eq(shelf.iter()), "{name}");
        }
        let served = registry.served().unwrap().split_off(begin);
        let of = |status: u16| served.iter().filter(|request| request.status == status).count();
        assert_eq!((of(200), of(401)), (3 * (3 + 1 + 2), challenged), "{cycle}");
        assert_eq!(served.len(), of(200) + of(401), "{cycle}");
    }
}
