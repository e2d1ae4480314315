//! Calls against a scripted server on loopback.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
};

use kube::Config;

use super::*;
use crate::{client::Options, fence::Fence};

/// Answers one connection after the other with the next of `answers`, and tells how many were asked for.
fn server(answers: Vec<&'static str>) -> (Cluster, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap();
            tell.send(String::from_utf8_lossy(&buffer[..read]).into_owned()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let options = Options { request_timeout: Duration::from_millis(300), retries: 2, ..Options::default() };
    (Cluster::with_config(Config::new(url.parse().unwrap()), options).unwrap(), asked)
}

fn call() -> Call {
    Call::new("read", "x".into(), Ok(Request::get("/x").body(Vec::new()).unwrap())).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const BUSY: &str =
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const DOWN: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const WAIT: &str =
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const LATER: &str =
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 200\r\nconnection: close\r\n\r\n{";

#[tokio::test]
async fn transient_failures_are_tried_again() {
    let (cluster, asked) = server(vec![BUSY, CUT, OK]);
    assert_eq!(cluster.call(&call()).await.unwrap().body, b"{}");
    let requests: Vec<String> = asked.iter().collect();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].contains("user-agent: lockstep-synchronizer/"), "{}", requests[0]);
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_asks_and_asked_more_often() {
    let (cluster, asked) = server(vec![WAIT, BUSY, BUSY, BUSY, OK]);
    let began = std::time::Instant::now();
    cluster.call(&call()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(asked.iter().count(), 5);
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_error_is_told() {
    let (cluster, asked) = server(vec![DOWN, DOWN, DOWN, OK]);
    assert_eq!(cluster.call(&call()).await.err().unwrap().category(), "transient");
    assert_eq!(asked.try_iter().count(), 3);
}

#[tokio::test]
async fn a_final_answer_is_not_argued_with() {
    for answer in [REFUSED, LATER] {
        let (cluster, asked) = server(vec![answer, OK]);
        let error = cluster.call(&call()).await.err().unwrap();
        assert_eq!(error.retry_after.is_some(), answer == LATER);
        assert_eq!(asked.try_iter().count(), 1);
    }
}

#[tokio::test]
async fn a_closed_fence_lets_only_reads_pass() {
    let (cluster, asked) = server(vec![OK, OK]);
    let fence = Fence::closed();
    let cluster = cluster.fenced(fence.clone());
    let write = Call::new("apply", "x".into(), Ok(Request::patch("/x").body(Vec::new()).unwrap())).unwrap();
    let error = cluster.call(&write).await.err().unwrap();
    assert_eq!((error.category(), error.class), ("fenced", lockstep_plan::Class::Transient));
    cluster.call(&call()).await.unwrap();
    fence.open_until(tokio::time::Instant::now() + Duration::from_secs(60));
    cluster.call(&write).await.unwrap();
    assert_eq!(asked.iter().map(|request| request.starts_with("GET")).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_write_on_its_way_ends_with_the_lease() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cluster = Cluster::with_config(Config::new(url.parse().unwrap()), Options::default()).unwrap();
    let fence = Fence::closed();
    fence.open_until(tokio::time::Instant::now() + Duration::from_secs(60));
    let write = Call::new("apply", "x".into(), Ok(Request::patch("/x").body(Vec::new()).unwrap())).unwrap();
    let cluster = cluster.fenced(fence.clone());
    let lose = async {
        // The request is on its way as soon as there is a connection.
        tokio::task::spawn_blocking(move || listener.accept().unwrap()).await.unwrap();
        fence.close();
    };
    let (answer, ()) = tokio::join!(cluster.call(&write), lose);
    assert_eq!(answer.err().unwrap().category(), "fenced");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = Options { request_timeout: Duration::from_millis(50), retries: 0, ..Options::default() };
    let cluster = Cluster::with_config(Config::new(url.parse().unwrap()), options).unwrap();
    let error = cluster.call(&call()).await.err().unwrap();
    assert_eq!((error.category(), error.class), ("unanswered", lockstep_plan::Class::Transient));
}
