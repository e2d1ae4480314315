use std::sync::{Arc, Mutex};

use lockstep_registry::Repository;

use crate::scripted::{Reply, Scripted, page};

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for status in [429, 500, 502, 503, 504] {
        let registry = Scripted::start(move |_, before| match before {
            0 => Reply::new(status, "").header("retry-after", "0"),
            1 => Reply::new(status, "").header("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            _ => page(&["1"]),
        })
        .await;
        assert_eq!(*registry.client(|_| {}).tags(&registry.repository()).await.unwrap().tags, ["1"], "{status}");
        assert_eq!(registry.asked().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_not_tried_again() {
    for (status, expected) in [(403, "refused"), (404, "not-found"), (501, "refused")] {
        let registry = Scripted::start(move |_, _| Reply::new(status, "")).await;
        let error = registry.client(|_| {}).tags(&registry.repository()).await.unwrap_err();
        assert_eq!((error.category(), registry.asked().len()), (expected, 1), "{status}");
    }
}

#[tokio::test]
async fn trying_again_has_an_end() {
    let registry = Scripted::start(|_, _| Reply::new(503, "").header("retry-after", "0")).await;
    let error = registry.client(|_| {}).tags(&registry.repository()).await.unwrap_err();
    assert_eq!((error.category(), registry.asked().len()), ("unavailable", 4));
}

#[tokio::test]
async fn a_long_pause_silences_the_whole_registry() {
    let registry = Scripted::start(|_, _| Reply::new(429, "").header("retry-after", "1800")).await;
    let client = registry.client(|_| {});
    let error = client.tags(&registry.repository()).await.unwrap_err();
    assert_eq!(error.pause().unwrap().as_secs(), 1800);
    let mut other = registry.repository();
    other.name = "team/other".into();
    let error = client.digest(&other, "1").await.unwrap_err();
    assert_eq!(error.category(), "rate-limited");
    assert_eq!(registry.asked().len(), 1, "nothing is sent during the pause");
}

/// A registry whose token service answers like this.
async fn without_tokens(status: u16, retry_after: &'static str) -> Scripted {
    let own = Arc::new(std::sync::OnceLock::<String>::new());
    let address = Arc::clone(&own);
    let registry = Scripted::start(move |asked, _| match asked.target.starts_with("/token") {
        true => Reply::new(status, "").header("retry-after", retry_after),
        false => Reply::new(401, "")
            .header("www-authenticate", format!(r#"Bearer realm="http://{}/token""#, address.get().unwrap())),
    })
    .await;
    own.set(registry.address.clone()).unwrap();
    registry
}

#[tokio::test]
async fn a_token_service_that_asks_for_a_pause_gets_it_for_the_whole_registry() {
    let registry = without_tokens(429, "1800").await;
    let client = registry.client(|_| {});
    for name in ["team/app", "team/other"] {
        let repository = Repository { name: name.into(), ..registry.repository() };
        let error = client.tags(&repository).await.unwrap_err();
        assert_eq!((error.category(), error.pause().is_some()), ("rate-limited", true), "{error}");
    }
    assert_eq!(registry.asked().len(), 2, "one listing and one token");
}

#[tokio::test]
async fn a_token_service_that_is_broken_is_left_alone() {
    let registry = without_tokens(503, "0").await;
    let client = registry.client(|_| {});
    let tokens = || registry.targets().iter().filter(|target| target.starts_with("/token")).count();
    for expected in ["unavailable", "left-alone", "left-alone"] {
        assert_eq!(client.tags(&registry.repository()).await.unwrap_err().category(), expected);
    }
    assert_eq!(tokens(), 6);
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_told() {
    let registry = Scripted::start(|_, _| page(&[])).await;
    let (client, repository) = (registry.client(|_| {}), registry.repository());
    drop(registry);
    let error = client.tags(&repository).await.unwrap_err();
    assert_eq!(error.category(), "unreachable");
    assert!(!error.to_string().contains("n=1000"), "no query in {error}");
}

#[tokio::test]
async fn a_registry_that_answers_nothing_is_left_alone_until_it_does() {
    let registry = Scripted::start(|asked, _| match asked.target.contains("/good/") {
        true => page(&["1"]),
        false => Reply::new(500, "").header("retry-after", "0"),
    })
    .await;
    let client = registry.client(|_| {});
    let mut good = registry.repository();
    good.name = "team/good/x".into();
    // One repository that fails does not speak for the registry, as long as another answers.
    for _ in 0..3 {
        assert_eq!(client.tags(&registry.repository()).await.unwrap_err().category(), "unavailable");
        client.tags(&good).await.unwrap();
    }
    assert_eq!(client.tags(&registry.repository()).await.unwrap_err().category(), "unavailable");
    assert_eq!(client.tags(&registry.repository()).await.unwrap_err().category(), "left-alone");
    let asked = registry.asked().len();
    let error = client.tags(&good).await.unwrap_err();
    assert!(error.pause().is_some() && error.to_string().contains("6 times in a row"), "{error}");
    assert_eq!(registry.asked().len(), asked, "nothing is sent meanwhile");
}

#[tokio::test]
async fn pulls_are_left_to_the_nodes_when_few_remain() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let named = digest.clone();
    let registry = Scripted::start(move |_, _| {
        Reply::new(200, "")
            .header("docker-content-digest", named.clone())
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", "20;w=21600")
    })
    .await;
    let client = registry.client(|_| {});
    for _ in 0..2 {
        assert_eq!(client.digest(&registry.repository(), "1").await.unwrap(), Some(digest.clone()), "not counted");
    }
    let error = client.created(&registry.repository(), &digest).await.unwrap_err();
    assert!(error.category() == "spared" && error.to_string().contains("20 of 100"), "{error}");
    assert!(registry.asked().iter().all(|asked| asked.method == "HEAD"));
}

#[tokio::test]
async fn every_request_is_counted_by_host_and_outcome() {
    let registry = Scripted::start(|asked, before| match (asked.target.contains("manifests"), before) {
        (true, _) => Reply::new(404, ""),
        (_, 0) => Reply::new(503, "").header("retry-after", "0"),
        _ => page(&["1"]),
    })
    .await;
    let counted: Arc<Mutex<Vec<String>>> = Arc::default();
    let counter = Arc::clone(&counted);
    let client = registry.client(|_| {}).observed(Arc::new(move |host, outcome| {
        counter.lock().unwrap().push(format!("{host} {outcome}"));
    }));
    client.tags(&registry.repository()).await.unwrap();
    client.digest(&registry.repository(), "1").await.unwrap();
    let expected = ["unavailable", "ok", "not-found"].map(|outcome| format!("{} {outcome}", registry.address));
    assert_eq!(*counted.lock().unwrap(), expected);
}
