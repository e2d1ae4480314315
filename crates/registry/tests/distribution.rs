//! The client against the registry of the distribution project, as it is.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use futures::{StreamExt, TryStreamExt, stream};
use lockstep_registry::{
    Basic, Credentials, Registries, RegistrySettings, Repository, authorised, is_push_notification, push_hints,
};
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
    assert_eq!(client.tags(&web).await.unwrap().tags, ["1.0.0", "1.1.0"]);
    assert_eq!(client.digest(&web, "1.0.0").await.unwrap(), Some(digest.clone()));
    assert_eq!(client.created(&web, &digest).await.unwrap(), Some(built));

    let moved = registry.push_image("shop/web", "1.0.0", None).await.unwrap();
    assert_ne!(moved, digest);
    assert_eq!(client.digest(&web, "1.0.0").await.unwrap(), Some(moved));
    registry.delete_tag("shop/web", "1.0.0").await.unwrap();
    assert_eq!(client.digest(&web, "1.0.0").await.unwrap(), None);
    assert_eq!(client.tags(&web).await.unwrap().tags, ["1.1.0"]);
}

#[tokio::test]
async fn more_tags_than_a_page_are_all_listed() {
    let registry = Registry::start(RegistryOptions::default()).await.unwrap();
    let digest = registry.push_image("shop/web", "0000", None).await.unwrap();
    let names: Vec<String> = (1..1003).map(|n| format!("{n:04}")).collect();
    // One client for all: the test bed's own makes one for each call.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |reference: &str| format!("http://{}/v2/shop/web/manifests/{reference}", registry.address());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = http.get(url(&digest)).header("accept", kind).send().await.unwrap().bytes().await.unwrap();
    let put = |name: &String| http.put(url(name)).header("content-type", kind).body(manifest.clone()).send();
    let pushed: Vec<_> = stream::iter(&names).map(put).buffer_unordered(8).try_collect().await.unwrap();
    assert!(pushed.iter().all(|response| response.status() == 201));
    let listing = client(&registry, None, false).tags(&repository(&registry, "shop/web")).await.unwrap();
    assert_eq!((listing.tags.len(), &listing.tags[1..]), (1003, names.as_slice()));
}

#[tokio::test]
async fn a_closed_registry_behind_its_own_authority() {
    let htpasswd = Some(("robot".to_owned(), SecretString::from("canary-password")));
    let registry = Registry::start(RegistryOptions { htpasswd, tls: true, notify: None }).await.unwrap();
    let digest = registry.push_image("shop/web", "1.0.0", None).await.unwrap();
    let web = repository(&registry, "shop/web");

    let right = client(&registry, Some(("robot", "canary-password")), true);
    assert_eq!(right.tags(&web).await.unwrap().tags, ["1.0.0"]);
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
    type Notification = (String, bool, Vec<u8>);
    let received: Arc<Mutex<Vec<Notification>>> = Arc::default();
    let secret = SecretString::from("Bearer hook-secret");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (log, expected) = (Arc::clone(&received), secret.clone());
    let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        let content_type = headers["content-type"].to_str().unwrap().to_owned();
        let admitted = authorised(&expected, headers.get("authorization").map(|value| value.as_bytes()));
        log.lock().unwrap().push((content_type, admitted, body.to_vec()));
        async {}
    });
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });

    let notify = Some(Notify { url, authorization: Some(secret) });
    let registry = Registry::start(RegistryOptions { notify, ..RegistryOptions::default() }).await.unwrap();
    let digest = registry.push_image("shop/web", "1.0.0", None).await.unwrap();
    let hints =
        || -> Vec<_> { received.lock().unwrap().iter().flat_map(|(_, _, body)| push_hints(body).unwrap()).collect() };
    eventually(Duration::from_secs(30), "the notification of a push", async || !hints().is_empty()).await.unwrap();
    for (content_type, admitted, _) in received.lock().unwrap().iter() {
        assert!(is_push_notification(content_type) && *admitted, "{content_type}");
    }
    let hint = &hints()[0];
    assert_eq!((&hint.host, hint.repository.as_str(), hint.tag.as_str()), (&registry.address(), "shop/web", "1.0.0"));
    assert_eq!(hint.digest.as_deref(), Some(digest.as_str()));
}
