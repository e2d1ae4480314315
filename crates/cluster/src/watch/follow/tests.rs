//! A watch against a scripted server on loopback.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    pin::pin,
    sync::mpsc,
};

use kube::{Config, core::ApiResource};
use lockstep_plan::Scope as Place;

use super::*;
use crate::client::Options;

enum Script {
    Answer(u16, &'static str),
    /// Sends this and then nothing, without an end.
    Stall(&'static str),
}

/// Answers one connection after the other, and tells what was asked for.
fn follow(scripts: Vec<Script>) -> (impl Stream<Item = WatchEvent<MetadataOnly>>, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stalled: Vec<TcpStream> = Vec::new();
        for script in scripts {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap();
            let asked = String::from_utf8_lossy(&buffer[..read]).into_owned();
            tell.send(asked.lines().next().unwrap_or_default().to_owned()).unwrap();
            match script {
                Script::Answer(code, body) => {
                    write!(stream, "HTTP/1.1 {code} X\r\nconnection: close\r\n\r\n{body}").unwrap();
                }
                Script::Stall(body) => {
                    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").unwrap();
                    stream.flush().unwrap();
                    stalled.push(stream);
                }
            }
        }
    });
    (quiet(&url).events(), asked)
}

/// A watch that has not begun.
fn quiet(url: &str) -> Follow<MetadataOnly> {
    let watch_timeout = Duration::from_millis(600);
    let options = Options { watch_timeout, retries: 0, ..Options::default() };
    let cluster = Cluster::with_config(Config::new(url.parse().unwrap()), options).unwrap();
    let resource = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
    };
    let kind = Kind { resource, scope: Place::Namespaced };
    let scope = Scope { kind, namespace: None, selector: Some("ours".into()), fields: None };
    Follow::new(cluster, scope, Form::Metadata)
}

const LIST: &str = r#"{"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "a"}}]}"#;
const FIRST_PAGE: &str = r#"{"metadata": {"resourceVersion": "5", "continue": "next"}, "items": null}"#;
const BOOKMARK: &str = "{\"type\": \"BOOKMARK\", \"object\": {\"kind\": \"X\", \"apiVersion\": \"v1\", \"metadata\": {\"resourceVersion\": \"9\", \"creationTimestamp\": null}}}\n";
const EXPIRED: &str = r#"{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "too old", "reason": "Expired", "code": 410}"#;
const FORBIDDEN: &str = r#"{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403}"#;
const TOO_NEW: &str = r#"{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Too large resource version", "reason": "Timeout", "code": 504}"#;

fn word<T>(event: &WatchEvent<T>) -> &'static str {
    match event {
        WatchEvent::Restarted => "restarted",
        WatchEvent::Applied(_) => "applied",
        WatchEvent::ListComplete => "complete",
        WatchEvent::Deleted(_) => "deleted",
        WatchEvent::Failed(_) => "failed",
    }
}

/// What is told until the script is over, in words, and what was asked for.
async fn told(scripts: Vec<Script>, events: usize) -> (Vec<&'static str>, Vec<String>) {
    let requests = scripts.len();
    let (stream, asked) = follow(scripts);
    let mut stream = pin!(stream);
    let mut words = Vec::new();
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while words.len() < events || seen.len() < requests {
        if let Ok(Some(event)) = timeout(Duration::from_millis(20), stream.next()).await {
            words.push(word(&event));
        }
        seen.extend(asked.try_iter());
        assert!(Instant::now() < deadline, "{words:?} {seen:?}");
    }
    (words, seen)
}

#[tokio::test]
async fn a_bookmark_moves_the_place_where_the_next_watch_begins() {
    let scripts = vec![Script::Answer(200, LIST), Script::Answer(200, BOOKMARK), Script::Stall("")];
    let (words, asked) = told(scripts, 3).await;
    assert_eq!(words, ["restarted", "applied", "complete"]);
    assert!(!asked[0].contains("resourceVersion") && asked[0].contains("limit=500"), "{asked:?}");
    assert!(asked[1].contains("resourceVersion=5") && asked[1].contains("allowWatchBookmarks=true"), "{asked:?}");
    assert!(asked[2].contains("watch=true") && asked[2].contains("resourceVersion=9"), "{asked:?}");
}

#[tokio::test]
async fn silence_is_proved_harmless_without_a_list() {
    let scripts = vec![Script::Answer(200, LIST), Script::Stall(""), Script::Answer(200, LIST), Script::Stall("")];
    let (words, asked) = told(scripts, 3).await;
    assert_eq!(words, ["restarted", "applied", "complete"]);
    assert!(asked[2].contains("limit=1&") && asked[2].contains("NotOlderThan"), "{asked:?}");
    assert!(!asked[2].contains("ours") && asked[3].contains("resourceVersion=5"), "{asked:?}");
}

#[tokio::test]
async fn a_state_that_the_server_does_not_know_is_listed_anew() {
    for (answer, code) in [(TOO_NEW, 504), (EXPIRED, 410)] {
        let scripts =
            vec![Script::Answer(200, LIST), Script::Stall(""), Script::Answer(code, answer), Script::Answer(200, LIST)];
        let (words, asked) = told(scripts, 6).await;
        assert_eq!(words, ["restarted", "applied", "complete", "restarted", "applied", "complete"]);
        assert!(!asked[3].contains("resourceVersion"), "{asked:?}");
    }
}

#[tokio::test]
async fn a_list_of_nothing_is_complete() {
    let scripts =
        vec![Script::Answer(200, r#"{"metadata": {"resourceVersion": "5"}, "items": null}"#), Script::Stall("")];
    let (words, _) = told(scripts, 2).await;
    assert_eq!(words, ["restarted", "complete"]);
}

#[tokio::test]
async fn a_list_that_loses_its_place_is_never_complete() {
    let scripts = vec![Script::Answer(200, FIRST_PAGE), Script::Answer(410, EXPIRED), Script::Answer(200, LIST)];
    let (words, asked) = told(scripts, 4).await;
    assert_eq!(words, ["restarted", "restarted", "applied", "complete"]);
    assert!(asked[1].contains("continue=next") && !asked[2].contains("continue"), "{asked:?}");
}

#[tokio::test]
async fn after_a_refusal_only_a_new_list_counts() {
    let scripts = vec![Script::Answer(200, LIST), Script::Answer(403, FORBIDDEN), Script::Answer(200, LIST)];
    let (words, _) = told(scripts, 7).await;
    assert_eq!(words, ["restarted", "applied", "complete", "failed", "restarted", "applied", "complete"]);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_no_sooner_than_it_said() {
    let table = [
        (r#"{"code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 7}}"#, 7),
        (r#"{"code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 86400}}"#, 60),
        (r#"{"code": 429, "message": "Too many requests, please try again later."}"#, 1),
        (r#"{"code": 503, "reason": "ServiceUnavailable", "details": {"retryAfterSeconds": 3}}"#, 3),
        (r#"{"code": 503, "reason": "ServiceUnavailable"}"#, 0),
    ];
    for (answer, seconds) in table {
        let mut watch = quiet("http://127.0.0.1:1");
        let status = serde_json::from_str::<kube::core::Status>(answer).unwrap();
        let error = watch.source.error(&kube::Error::Api(Box::new(status)));
        watch.refused(error, "5".into());
        let pause = watch.pause.unwrap().as_secs_f64() - f64::from(seconds);
        assert!((0.0..=FIRST_PAUSE.as_secs_f64()).contains(&pause), "{answer}: {:?}", watch.pause);
    }
}
