use std::net::SocketAddr;

use camino::Utf8PathBuf;
use lockstep_daemon::{HttpServer, Shutdown};
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;
use crate::board::BranchState;
use crate::settings::PushTokenSettings;
use crate::turn::Wake;

/// A served webhook and the bells of two branches; only the first names an image.
struct World {
    folder: tempfile::TempDir,
    address: SocketAddr,
    bells: Arc<[(BranchKey, Bell)]>,
    shutdown: Shutdown,
    running: JoinSet<Result<(), lockstep_daemon::HttpError>>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = Utf8PathBuf::from_path_buf(folder.path().join("secret")).unwrap();
        std::fs::write(&secret, "Bearer canary\n").unwrap();
        let key =
            |branch: &str| BranchKey { repository: "https://git.example/a".to_owned(), branch: branch.to_owned() };
        let bells: Arc<[_]> = [(key("main"), Bell::default()), (key("dev"), Bell::default())].into();
        let board = Board::default();
        board.publish(
            &key("main"),
            BranchState {
                head: "1".repeat(40).parse().unwrap(),
                at: jiff::Timestamp::UNIX_EPOCH,
                places: Vec::new(),
                repositories: [Repository { host: "registry.example".to_owned(), name: "acme/web".to_owned() }].into(),
                problems: Vec::new(),
            },
        );
        let metrics = Metrics::register(&mut Registry::default());
        let sender = |kind, path: Option<&str>| WebhookSettings {
            kind,
            path: path.map(str::to_owned),
            secret_file: Some(SecretFile::new(secret.clone())),
            token: None,
        };
        let senders = vec![
            sender(WebhookKind::Distribution, None),
            sender(WebhookKind::Generic, None),
            sender(WebhookKind::Quay, Some("/hooks/quay.eu")),
            sender(WebhookKind::Gitlab, None),
            WebhookSettings {
                secret_file: None,
                token: Some(PushTokenSettings {
                    audience: "us".to_owned(),
                    email: "push@acme.example".to_owned(),
                    issuer: "https://accounts.google.com".to_owned(),
                    keys_url: String::new(),
                    keys_file: Utf8PathBuf::from_path_buf(folder.path().join("keys")).ok(),
                }),
                ..sender(WebhookKind::Gar, None)
            },
        ];
        let webhook = Webhooks { senders, board, bells: Arc::clone(&bells), metrics };
        let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, shutdown, mut running) = (server.address(), Shutdown::new(), JoinSet::new());
        running.spawn(server.serve(webhook.router().unwrap(), shutdown.clone()));
        Self { folder, address, bells, shutdown, running }
    }

    /// The status of the answer, and what the first branch was asked for.
    async fn post(&self, authorization: &str, body: &str) -> (u16, Wake) {
        self.post_to("/webhooks/distribution", &format!("Authorization: {authorization}"), body).await
    }

    async fn post_to(&self, path: &str, header: &str, body: &str) -> (u16, Wake) {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // The server may answer and close before it has read all.
        let _ = connection.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(self.bells[1].1.take().wake(), Wake::Git, "the other branch names no such image");
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), self.bells[0].1.take().wake())
    }
}

fn pushed(host: &str, repository: &str) -> String {
    let event = serde_json::json!({
        "action": "push",
        "target": {"repository": repository, "tag": "1.4.3"},
        "request": {"host": host},
    });
    serde_json::json!({"events": [event]}).to_string()
}

#[tokio::test]
async fn a_push_wakes_the_branches_that_name_the_image_by_whichever_host() {
    let mut world = World::new().await;
    let web = Repository { host: "registry.example".to_owned(), name: "acme/web".to_owned() };
    let woken = Wake::Images([web].into());
    for (host, repository, wanted) in [
        ("registry.example", "acme/web", &woken),
        ("10.0.0.7:5000", "acme/web", &woken),
        ("registry.example", "acme/webs", &Wake::Git),
        ("registry.example", "web", &Wake::Git),
    ] {
        let found = world.post("Bearer canary", &pushed(host, repository)).await;
        assert_eq!((found.0, &found.1), (202, wanted), "{host} {repository}");
    }
    world.shutdown.request();
    world.running.join_next().await.unwrap().unwrap().unwrap();
}

#[test]
fn a_host_that_is_known_is_taken_at_its_word() {
    let repository = |text: &str| {
        let (host, name) = text.split_once('/').unwrap();
        Repository { host: host.to_owned(), name: name.to_owned() }
    };
    let named = ["one.example/app/web", "two.example/app/web", "two.example/app/api", "docker.io/app/web"];
    let named: BTreeSet<Repository> = named.into_iter().map(repository).collect();
    for (host, name, below, known, wanted) in [
        // Each registry wakes its own.
        (Some("one.example"), "app/web", false, "one.example two.example", "one.example/app/web"),
        (Some("docker.io"), "app/web", false, "one.example docker.io", "docker.io/app/web"),
        // One that another branch names, and that has nothing of what this one names.
        (Some("three.example"), "app/web", false, "three.example one.example", ""),
        (Some("one.example"), "app/api", false, "one.example two.example", ""),
        // A mirror, a proxy, another port: nobody names it so.
        (Some("10.0.0.7"), "app/api", false, "one.example two.example", "two.example/app/api"),
        (Some("one.example:5000"), "app/api", false, "one.example two.example", "two.example/app/api"),
        (None, "app/api", false, "one.example two.example", "two.example/app/api"),
        (
            None,
            "app",
            true,
            "one.example",
            "docker.io/app/web one.example/app/web two.example/app/api two.example/app/web",
        ),
        (None, "ap", true, "one.example", ""),
        (None, "app", false, "one.example", ""),
    ] {
        let host = host.map(str::to_owned);
        let hint = PushHint { host: host.clone(), repository: name.to_owned(), below, tag: None, digest: None };
        let known = known.split(' ').collect();
        let found = meant(&named, &[hint], &known);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), wanted, "{host:?} {name}");
    }
}

/// A token as Pub/Sub sends it, and the set of keys that it is signed with.
fn token(email: &str) -> (String, String) {
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let claims = serde_json::json!({
        "iss": "https://accounts.google.com", "aud": "us", "email": email, "email_verified": true,
        "exp": Timestamp::now().as_second() + 600,
    });
    let signed = format!("{}.{}", encoded(br#"{"alg":"RS256","kid":"a"}"#), encoded(claims.to_string().as_bytes()));
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
    // Of the public half in DER (RFC 8017, A.1.1), 256 bytes are the modulus.
    let modulus = encoded(&pair.public_key().as_ref()[9..265]);
    let keys = serde_json::json!({"keys": [{"kty": "RSA", "kid": "a", "n": modulus, "e": "AQAB"}]});
    (format!("Authorization: Bearer {signed}.{}", encoded(&signature)), keys.to_string())
}

#[tokio::test]
async fn pub_sub_shows_the_token_of_its_account() {
    let world = World::new().await;
    // base64 of {"action":"INSERT","tag":"registry.example/acme/web:1.4.3"}
    let pushed =
        r#"{"message":{"data":"eyJhY3Rpb24iOiJJTlNFUlQiLCJ0YWciOiJyZWdpc3RyeS5leGFtcGxlL2FjbWUvd2ViOjEuNC4zIn0="}}"#;
    let woken = Wake::Images([Repository { host: "registry.example".to_owned(), name: "acme/web".to_owned() }].into());
    let large = " ".repeat(2 * 1024 * 1024);
    let keys_file = world.folder.path().join("keys");
    let (good, keys) = token("push@acme.example");
    assert_eq!(world.post_to("/webhooks/gar", &good, pushed).await, (503, Wake::Git), "without keys nobody can say");
    std::fs::write(&keys_file, keys).unwrap();
    for (header, body, status, wake) in [
        (good.as_str(), pushed, 202, &woken),
        (&good, "{", 400, &Wake::Git),
        ("Authorization: Bearer canary", pushed, 401, &Wake::Git),
        ("Authorization: Bearer canary", &large, 413, &Wake::Git),
        ("X: y", pushed, 401, &Wake::Git),
    ] {
        let found = world.post_to("/webhooks/gar?token=Bearer+canary", header, body).await;
        assert_eq!((found.0, &found.1), (status, wake), "{header} {body:.40}");
    }
    let (other, keys) = token("other@acme.example");
    std::fs::write(&keys_file, keys).unwrap();
    assert_eq!(world.post_to("/webhooks/gar", &other, pushed).await, (401, Wake::Git));
}

#[tokio::test]
async fn nothing_is_read_from_who_cannot_show_the_secret() {
    let world = World::new().await;
    let body = pushed("registry.example", "acme/web");
    let large = format!("{}{}", body, " ".repeat(2 * 1024 * 1024));
    for (authorization, body, wanted) in [
        ("Bearer wrong", body.as_str(), 401),
        ("", body.as_str(), 401),
        ("Bearer wrong", "{", 401),
        ("Bearer wrong", large.as_str(), 413),
        ("Bearer canary", "{", 400),
        ("Bearer canary", "{\"events\": 1}", 400),
        ("Bearer canary", large.as_str(), 413),
        ("Bearer canary", "{\"events\": [1, {\"action\": \"push\"}]}", 202),
    ] {
        let found = world.post(authorization, body).await;
        assert_eq!(found, (wanted, Wake::Git), "{authorization} {:.80}", body);
    }
    std::fs::write(world.folder.path().join("secret"), "rotated").unwrap();
    assert_eq!(world.post("Bearer canary", &body).await.0, 401);
    assert_eq!(world.post("rotated", &body).await.0, 202);
    std::fs::remove_file(world.folder.path().join("secret")).unwrap();
    assert_eq!(world.post("rotated", &body).await.0, 503);
}

#[tokio::test]
async fn each_sender_has_its_address_and_its_proof() {
    let world = World::new().await;
    let web = Repository { host: "registry.example".to_owned(), name: "acme/web".to_owned() };
    let woken = Wake::Images([web].into());
    let pushed = r#"{"image":"registry.example/acme/web:1.4.3"}"#;
    // printf %s "$BODY" | openssl dgst -sha256 -hmac "Bearer canary"
    let signed = "X-Signature: sha256=8148632f4eb6a2f7bfcb59f54536731504fba24e005adc10ab07a0a25ee549be";
    let quay = r#"{"docker_url":"quay.io/acme/web","updated_tags":["1.4.3"]}"#;
    let job = r#"{"object_kind":"pipeline","object_attributes":{"status":"success"},"project":{"path_with_namespace":"acme"}}"#;
    let other = job.replace("acme", "acm");
    for (path, header, body, status, wake) in [
        ("/webhooks/generic", signed, pushed, 202, &woken),
        ("/webhooks/generic", signed, "{}", 401, &Wake::Git),
        ("/webhooks/generic", "Authorization: Bearer canary", pushed, 401, &Wake::Git),
        ("/hooks/quay.eu?token=Bearer+canary", "X: y", quay, 202, &woken),
        ("/hooks/quay.eu?token=Bearer", "X: y", quay, 401, &Wake::Git),
        ("/webhooks/quay?token=Bearer+canary", "X: y", quay, 404, &Wake::Git),
        ("/webhooks/gitlab", "X-Gitlab-Token: Bearer canary", job, 202, &woken),
        ("/webhooks/gitlab", "X-Gitlab-Token: Bearer canary", &other, 202, &Wake::Git),
        ("/webhooks/gitlab", "X-Gitlab-Token: wrong", job, 401, &Wake::Git),
        ("/webhooks/distribution", "Authorization: Bearer canary", quay, 400, &Wake::Git),
    ] {
        let found = world.post_to(path, header, body).await;
        assert_eq!((found.0, &found.1), (status, wake), "{path} {header} {body}");
    }
}
