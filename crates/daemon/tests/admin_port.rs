//! The admin port and small HTTP servers over real sockets on loopback.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::net::SocketAddr;

use axum::{Router, routing::post};
use lockstep_daemon::{Admin, HttpServer, Readiness, Shutdown};
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// The whole answer, head and body.
async fn ask(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").as_bytes()).await.unwrap();
    // The server may answer and close before it has read all.
    let _ = connection.write_all(body).await;
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path}"), b"\r\n").await
}

#[tokio::test]
async fn the_admin_port_tells_whether_the_daemon_lives_is_ready_and_what_it_counts() {
    let mut registry = Registry::default();
    let turns = Counter::<u64>::default();
    registry.register("turns", "Turns taken", turns.clone());
    turns.inc();
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    let (first, second, branch) =
        (readiness.wait_for("registry"), readiness.wait_for("registry"), readiness.wait_for("branch"));

    let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = admin.address();
    let mut server = JoinSet::new();
    server.spawn(admin.serve(registry, readiness.clone(), shutdown.clone()));

    assert!(get(address, "/live").await.starts_with("HTTP/1.1 200"));
    let waiting = get(address, "/ready").await;
    assert!(waiting.starts_with("HTTP/1.1 503") && waiting.ends_with("waiting for branch, registry\n"), "{waiting}");
    first.ready();
    branch.ready();
    assert_eq!(readiness.waiting(), ["registry"]);
    drop(second);
    assert!(get(address, "/ready").await.starts_with("HTTP/1.1 200"));

    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("content-type: application/openmetrics-text; version=1.0.0"), "{metrics}");
    assert!(metrics.contains("turns_total 1") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(get(address, "/other").await.starts_with("HTTP/1.1 404"));

    shutdown.request();
    server.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn bodies_are_capped_at_one_mebibyte_announced_or_not() {
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let router = Router::new().route("/", post(async |body: String| body.len().to_string()));
    // axum's own limit is set aside: ours must hold by itself.
    let router = router.layer(axum::extract::DefaultBodyLimit::disable());
    let shutdown = Shutdown::new();
    let mut running = JoinSet::new();
    running.spawn(server.serve(router, shutdown.clone()));

    for (length, wanted) in [(1024 * 1024, "200"), (1024 * 1024 + 1, "413"), (2 * 1024 * 1024, "413")] {
        let body = "a".repeat(length);
        let announced = format!("Content-Length: {length}\r\n\r\n{body}");
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
        for sent in [announced, chunked] {
            let answer = ask(address, "POST /", sent.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {wanted}")), "{length}: {answer}");
        }
    }
    shutdown.request();
    running.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_server_with_a_certificate_speaks_http_over_tls_to_clients_that_would_like_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| camino::Utf8PathBuf::from_path_buf(folder.path().join(name)).unwrap();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("tls.crt"), cert.pem()).unwrap();
    std::fs::write(path("tls.key"), signing_key.serialize_pem()).unwrap();
    let tls = lockstep_daemon::ServerTls::from_files(&path("tls.crt"), &path("tls.key")).unwrap();

    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap().with_tls(tls);
    let address = server.address();
    let shutdown = Shutdown::new();
    let mut running = JoinSet::new();
    running.spawn(server.serve(Router::new().route("/", post(async || "over TLS")), shutdown.clone()));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let connection = TcpStream::connect(address).await.unwrap();
    let mut connection = connector.connect("localhost".try_into().unwrap(), connection).await.unwrap();
    connection
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("over TLS"), "{answer}");

    shutdown.request();
    running.join_next().await.unwrap().unwrap().unwrap();
}
