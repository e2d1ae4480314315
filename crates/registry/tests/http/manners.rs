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
        assert_eq!(registry.client(|_| {}).tags(&registry.repository()).await.unwrap().tags, ["1"], "{status}");
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

#[tokio::test]
async fn a_registry_that_is_not_there_is_told() {
    let registry = Scripted::start(|_, _| page(&[])).await;
    let (client, repository) = (registry.client(|_| {}), registry.repository());
    drop(registry);
    let error = client.tags(&repository).await.unwrap_err();
    assert_eq!(error.category(), "unreachable");
    assert!(!error.to_string().contains("n=1000"), "no query in {error}");
}
