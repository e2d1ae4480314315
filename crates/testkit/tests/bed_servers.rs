//! The test bed itself: registry and Git server are the real ones, over each of their ways in.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use axum::http::HeaderMap;
use lockstep_testkit::{GitServer, GitServerOptions, Notify, Registry, RegistryOptions};
use secrecy::ExposeSecret;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_registry_with_password_and_tls() {
    let registry =
        Registry::start(RegistryOptions { htpasswd: Some(("robot".into(), "s3cret".into())), tls: true, notify: None })
            .await
            .unwrap();
    assert_eq!(registry.tags("shop/web").await.unwrap(), Vec::<String>::new());
    let first = registry.push_image("shop/web", "1.4.2", None).await.unwrap();
    let second = registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(registry.tag_image("shop/web", "1.4.3", "latest").await.unwrap(), second);
    assert_eq!(registry.tags("shop/web").await.unwrap(), ["1.4.2", "1.4.3", "latest"]);

    let authority = reqwest::Certificate::from_pem(registry.ca_pem().unwrap().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let url = format!("https://{}/v2/shop/web/tags/list", registry.address());
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    let answer = client.get(&url).basic_auth("robot", Some("s3cret")).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    registry.delete_tag("shop/web", "latest").await.unwrap();
    registry.stop();
    assert!(client.get(&url).send().await.is_err());
    registry.resume().await.unwrap();
    assert_eq!(registry.tags("shop/web").await.unwrap(), ["1.4.2", "1.4.3"]);
}

#[tokio::test]
async fn a_registry_tells_of_a_push() {
    let (send, mut told) = tokio::sync::mpsc::unbounded_channel();
    let router = axum::Router::new().fallback(move |headers: HeaderMap, body: String| {
        let authorization = headers["authorization"].to_str().unwrap().to_owned();
        send.send((authorization, body)).unwrap();
        std::future::ready("")
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut server = tokio::task::JoinSet::new();
    server.spawn(axum::serve(listener, router).into_future());

    let notify = Notify { url, authorization: Some("Bearer s3cret".into()) };
    let registry =
        Registry::start(RegistryOptions { notify: Some(notify), ..RegistryOptions::default() }).await.unwrap();
    let digest = registry.push_image("shop/web", "1.4.2", None).await.unwrap();
    let heard = tokio::time::timeout(SOON, async {
        loop {
            let (authorization, body) = told.recv().await.unwrap();
            assert_eq!(authorization, "Bearer s3cret");
            let events: serde_json::Value = serde_json::from_str(&body).unwrap();
            let target = &events["events"][0]["target"];
            if target["tag"] == "1.4.2" && target["digest"] == digest.as_str() {
                return events["events"][0]["action"].clone();
            }
        }
    });
    assert_eq!(heard.await.unwrap(), "push");
}

fn git(home: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new("git")
        .args(["-c", "user.name=Robot", "-c", "user.email=robot@example.org"])
        .args(arguments)
        .current_dir(home)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Clones from `url`, commits and pushes; answers how the push went.
fn clone_and_push(home: &Path, environment: &[(&str, &str)], url: &str) -> Output {
    let cloned = git(home, environment, &["clone", "-q", url, "robot"]);
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    let work = home.join("robot");
    fs::write(work.join("robot.yaml"), "kind: Robot\n").unwrap();
    for arguments in [vec!["add", "."], vec!["commit", "-qm", "Add the robot"]] {
        assert!(git(&work, environment, &arguments).status.success());
    }
    git(&work, environment, &["push", "-q", "origin", "HEAD:main"])
}

#[test]
fn git_over_https_with_a_password() {
    let server =
        GitServer::start(GitServerOptions { basic: Some(("robot".into(), "s3cret".into())), bearer: None, tls: true })
            .unwrap();
    let human = server.human().unwrap();
    human.write("apps/web.yaml", "kind: Deployment\n").unwrap();
    let commit = human.commit("Deploy the shop").unwrap();
    assert_eq!(human.head().unwrap(), commit);

    let home = tempfile::tempdir().unwrap();
    let authority = home.path().join("ca.pem");
    fs::write(&authority, server.ca_pem().unwrap()).unwrap();
    let trust = [("GIT_SSL_CAINFO", authority.to_str().unwrap())];
    let without = git(home.path(), &trust, &["ls-remote", &server.http_url()]);
    assert!(!without.status.success());
    let url = server.http_url().replace("https://", "https://robot:s3cret@");
    let pushed = clone_and_push(home.path(), &trust, &url);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert_eq!(human.show("robot.yaml").unwrap(), "kind: Robot\n");
    assert_eq!(human.show("apps/web.yaml").unwrap(), "kind: Deployment\n");

    // The human was not up to date, and still gets through.
    human.revert(&commit).unwrap();
    assert!(human.show("apps/web.yaml").is_err());
    let subjects: Vec<_> = human.log().unwrap().iter().map(|line| line[41..].to_owned()).collect();
    assert_eq!(
        subjects,
        [
            "Hanna Human: Revert \"Deploy the shop\"",
            "Robot: Add the robot",
            "Hanna Human: Deploy the shop",
            "Hanna Human: Begin",
        ]
    );
}

#[test]
fn git_over_ssh_with_the_systems_client() {
    let server = GitServer::start(GitServerOptions::default()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let (identity, known) = (home.path().join("identity"), home.path().join("known_hosts"));
    fs::write(&identity, server.ssh_identity().expose_secret()).unwrap();
    fs::set_permissions(&identity, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&known, server.known_hosts().unwrap()).unwrap();
    let ssh = format!(
        "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={} -i {}",
        known.display(),
        identity.display()
    );
    let environment = [("GIT_SSH_COMMAND", ssh.as_str())];
    let pushed = clone_and_push(home.path(), &environment, &server.ssh_url());
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert_eq!(server.human().unwrap().show("robot.yaml").unwrap(), "kind: Robot\n");

    server.stop();
    assert!(!git(home.path(), &environment, &["ls-remote", &server.ssh_url()]).status.success());
    server.resume().unwrap();
    let listed = git(home.path(), &environment, &["ls-remote", &server.ssh_url()]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
}

#[test]
fn a_rejecting_repository_lets_only_the_human_push() {
    let server = GitServer::start(GitServerOptions::default()).unwrap();
    server.set_rejecting(true).unwrap();
    let home = tempfile::tempdir().unwrap();
    let pushed = clone_and_push(home.path(), &[], &server.http_url());
    assert!(!pushed.status.success());
    let said = String::from_utf8_lossy(&pushed.stderr).into_owned();
    assert!(said.contains("Protected branch update failed"), "{said}");
    server.human().unwrap().commit_empty("I may").unwrap();
    server.set_rejecting(false).unwrap();
    server.human().unwrap().commit_empty("Everybody may").unwrap();
}

#[tokio::test]
async fn tags_that_stand_in_the_registrys_folder_are_as_good_as_pushed_ones() {
    let registry = Registry::start(RegistryOptions::default()).await.unwrap();
    let shelf = |tags: &[&str]| -> Vec<String> { tags.iter().map(|tag| (*tag).to_owned()).collect() };
    let names = ["a/one", "a/two", "b"].map(str::to_owned);
    registry.stock(&names, &[shelf(&["1", "2"]), shelf(&["x"])]).await.unwrap();
    let begin = registry.served().unwrap().len();
    for (name, tags) in [("a/one", vec!["1", "2"]), ("a/two", vec!["x"]), ("b", vec!["1", "2"])] {
        assert_eq!(registry.tags(name).await.unwrap(), tags);
    }
    let digest = registry.push_image("c", "1", None).await.unwrap();
    assert_eq!(registry.tag_image("b", "2", "3").await.unwrap().len(), digest.len(), "the image of a tag is there");
    let served = registry.served().unwrap().split_off(begin);
    let first: Vec<&str> = served.iter().take(3).map(|request| request.uri.as_str()).collect();
    assert_eq!(first, ["/v2/a/one/tags/list", "/v2/a/two/tags/list", "/v2/b/tags/list"]);
    assert!(served[0].status == 200 && served[0].bytes > 0 && served[0].method == "GET");
}
