//! Fetching and pushing over HTTP, HTTPS and SSH, against real Git servers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_repository::{
    Authentication, CommitId, Credentials, Limits, NewCommit, PlainHttp, PushOutcome, RemoteUrl, Repository,
    RepositoryError, Signature,
};
use lockstep_testkit::{GitServer, GitServerOptions, Human};
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// A server, the person who commits to it, and a clone of ours.
struct Scene {
    server: GitServer,
    human: Human,
    repository: Repository,
    folder: TempDir,
}

impl Scene {
    fn start(options: GitServerOptions, url: fn(&GitServer) -> String) -> Self {
        let server = GitServer::start(options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = RemoteUrl::parse(&url(&server), PlainHttp::LoopbackOnly).unwrap();
        let repository = Repository::open_or_init(&folder.path().join("clone"), &url).unwrap();
        let human = server.human().unwrap();
        Self { human, server, repository, folder }
    }

    fn http() -> Self {
        Self::start(GitServerOptions::default(), GitServer::http_url)
    }

    fn human_commits(&self, path: &str, text: &str) -> CommitId {
        self.human.write(path, text).unwrap();
        self.human.commit("By hand").unwrap().parse().unwrap()
    }

    fn our_commit(&self, parent: CommitId, path: &str, text: &str) -> CommitId {
        let bot = Signature { name: "Lockstep".to_owned(), email: "lockstep@example.com".to_owned() };
        let new = NewCommit {
            parent,
            changes: &[(path, text.as_bytes())],
            message: "By Lockstep\n\nLockstep-Change: update\n",
            author: &bot,
            committer: &bot,
            time: Timestamp::UNIX_EPOCH,
            key: None,
        };
        self.repository.commit(&new).unwrap()
    }
}

/// A branch of our own is set anew as long as nobody else wrote to it; no other branch ever is.
#[test]
fn only_branches_of_our_own_are_replaced() {
    let scene = Scene::http();
    let nobody = &Credentials::none();
    let base = scene.human_commits("prod/a.yaml", "one");
    scene.repository.fetch("main", nobody).unwrap();
    let (one, two) = (scene.our_commit(base, "prod/a.yaml", "two"), scene.our_commit(base, "prod/a.yaml", "three"));
    let replace = |commit, branch: &str, expected| scene.repository.replace(commit, branch, expected, nobody);
    assert_eq!(category(scene.repository.fetch("lockstep/updates", nobody)), "branch-missing");
    assert_eq!(replace(one, "lockstep/updates", None).unwrap(), PushOutcome::Pushed);
    assert_eq!(replace(two, "lockstep/updates", None).unwrap(), PushOutcome::Raced, "it is there already");
    assert_eq!(replace(two, "lockstep/updates", Some(base)).unwrap(), PushOutcome::Raced, "it is elsewhere");
    assert_eq!(replace(two, "lockstep/updates", Some(one)).unwrap(), PushOutcome::Pushed);
    assert_eq!(scene.repository.fetch("lockstep/updates", nobody).unwrap(), two);
    assert_eq!(scene.repository.committer(two).unwrap().name, "Lockstep");
    for branch in ["main", "lockstep", "release/lockstep/updates"] {
        assert_eq!(category(replace(two, branch, Some(base))), "branch-name");
    }
    assert_eq!(scene.repository.remote_head("main", nobody).unwrap(), base);

    // What was said of the commit is true of its merge.
    scene.human.git(&["fetch", "-q", "origin", "lockstep/updates"]).unwrap();
    scene.human.git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #1\n\nBy a person", "FETCH_HEAD"]).unwrap();
    scene.human.git(&["push", "-q", "origin", "HEAD:main"]).unwrap();
    let merge = scene.repository.fetch("main", nobody).unwrap();
    let info = scene.repository.first_parents(merge, 1).next().unwrap().unwrap();
    assert_eq!((info.parent, info.trailer("Lockstep-Change")), (Some(base), Some("update")));
}

fn basic(password: &str) -> Credentials {
    let authentication = Authentication::Basic { username: "lockstep".to_owned(), password: password.into() };
    Credentials { authentication, ca_pem: None }
}

fn ssh(server: &GitServer, known_hosts: String) -> Credentials {
    let identity = server.ssh_identity().expose_secret().into();
    Credentials { authentication: Authentication::Ssh { identity, known_hosts }, ca_pem: None }
}

fn category<T>(result: Result<T, RepositoryError>) -> &'static str {
    result.err().unwrap().category()
}

/// Look, fetch, see a new commit, fetch it, push one of ours: the same over every transport.
fn follow_and_push(scene: &Scene, credentials: &Credentials) {
    let first = scene.human_commits("prod/a.yaml", "one");
    assert_eq!(scene.repository.remote_head("main", credentials).unwrap(), first);
    assert_eq!(category(scene.repository.files(first, "")), "object", "looking fetches nothing");
    assert_eq!(scene.repository.fetch("main", credentials).unwrap(), first);
    assert_eq!(scene.repository.files(first, "prod").unwrap().len(), 1);

    let second = scene.human_commits("prod/b.yaml", "two");
    assert_eq!(scene.repository.fetch("main", credentials).unwrap(), second);
    assert_eq!(scene.repository.fetch("main", credentials).unwrap(), second);
    assert!(scene.repository.is_ancestor(first, second).unwrap());

    let ours = scene.our_commit(second, "prod/a.yaml", "three");
    assert_eq!(scene.repository.push(ours, "main", credentials).unwrap(), PushOutcome::Pushed);
    assert_eq!(scene.human.head().unwrap(), ours.to_string());
    assert_eq!(scene.human.show("prod/a.yaml").unwrap(), "three");
    assert_eq!(scene.repository.push(ours, "main", credentials).unwrap(), PushOutcome::Pushed, "again changes nothing");
    assert_eq!(scene.repository.fetch("main", credentials).unwrap(), ours);
}

#[test]
fn over_http() {
    follow_and_push(&Scene::http(), &Credentials::none());
}

#[test]
fn over_http_with_a_password() {
    let options = GitServerOptions { basic: Some(("lockstep".to_owned(), "right".into())), ..Default::default() };
    let scene = Scene::start(options, GitServer::http_url);
    follow_and_push(&scene, &basic("right"));

    let head = scene.repository.remote_head("main", &basic("right")).unwrap();
    for credentials in [basic("canary"), Credentials::none()] {
        let errors = [
            scene.repository.remote_head("main", &credentials).unwrap_err(),
            scene.repository.fetch("main", &credentials).unwrap_err(),
            scene.repository.push(head, "main", &credentials).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.category(), "authentication", "{error}");
            let text = format!("{error} {error:?}");
            assert!(!text.contains("canary") && !text.contains("bG9ja3N0ZXA6"), "{text}");
        }
    }
}

#[test]
fn over_https_with_a_token_and_an_authority_of_its_own() {
    let options = GitServerOptions { bearer: Some("token".into()), tls: true, ..Default::default() };
    let scene = Scene::start(options, GitServer::http_url);
    let authentication = Authentication::Bearer("token".into());
    let ca_pem = scene.server.ca_pem().map(str::to_owned);
    follow_and_push(&scene, &Credentials { authentication: authentication.clone(), ca_pem });

    let untrusting = Credentials { authentication, ca_pem: None };
    assert_eq!(category(scene.repository.remote_head("main", &untrusting)), "network");
    let head = scene.human.head().unwrap().parse().unwrap();
    assert_eq!(category(scene.repository.push(head, "main", &untrusting)), "network");
}

#[test]
fn over_ssh() {
    let scene = Scene::start(GitServerOptions::default(), GitServer::ssh_url);
    follow_and_push(&scene, &ssh(&scene.server, scene.server.known_hosts().unwrap()));
}

#[test]
fn an_ssh_server_with_another_host_key_is_never_accepted() {
    let scene = Scene::start(GitServerOptions::default(), GitServer::ssh_url);
    let known = scene.server.known_hosts().unwrap();
    let port = known.split_once(' ').unwrap().0;
    let other = GitServer::start(GitServerOptions::default()).unwrap().known_hosts().unwrap();
    let other = format!("{port} {}", other.split_once(' ').unwrap().1);
    let elsewhere = known.replace("127.0.0.1", "127.0.0.2");
    let head = scene.repository.fetch("main", &ssh(&scene.server, known.clone())).unwrap();
    for known_hosts in [other, elsewhere] {
        let credentials = ssh(&scene.server, known_hosts);
        assert_eq!(category(scene.repository.remote_head("main", &credentials)), "host-key");
        assert_eq!(category(scene.repository.fetch("main", &credentials)), "host-key");
        assert_eq!(category(scene.repository.push(head, "main", &credentials)), "host-key");
    }
    let stranger = GitServer::start(GitServerOptions::default()).unwrap();
    assert_eq!(category(scene.repository.fetch("main", &ssh(&stranger, known))), "authentication");
}

#[test]
fn credentials_must_fit_the_url() {
    let over_ssh = Scene::start(GitServerOptions::default(), GitServer::ssh_url);
    let over_http = Scene::http();
    let key = ssh(&over_ssh.server, over_ssh.server.known_hosts().unwrap());
    for (scene, credentials) in [(&over_ssh, basic("x")), (&over_http, key)] {
        let error = scene.repository.remote_head("main", &credentials).unwrap_err();
        assert!(matches!(error, RepositoryError::WrongCredentials { .. }), "{error}");
        let head = scene.human.head().unwrap().parse().unwrap();
        let error = scene.repository.push(head, "main", &credentials).unwrap_err();
        assert!(matches!(error, RepositoryError::WrongCredentials { .. }), "{error}");
    }
}

#[test]
fn a_missing_branch_is_an_error_and_the_clone_keeps_what_it_has() {
    let scene = Scene::http();
    let none = Credentials::none();
    let commit = scene.human_commits("a.yaml", "one");
    scene.repository.fetch("main", &none).unwrap();
    assert_eq!(category(scene.repository.remote_head("nothing", &none)), "branch-missing");
    scene.human.git(&["push", "-q", "origin", "HEAD:refs/heads/other"]).unwrap();
    scene.human.git(&["push", "-q", "origin", ":refs/heads/other"]).unwrap();
    assert_eq!(category(scene.repository.fetch("other", &none)), "branch-missing");
    assert_eq!(category(scene.repository.fetch("--upload-pack=id", &none)), "branch-name");
    assert_eq!(scene.repository.files(commit, "").unwrap().len(), 1);
}

#[test]
fn a_rewritten_branch_is_followed() {
    let scene = Scene::http();
    let none = Credentials::none();
    let first = scene.human_commits("a.yaml", "one");
    scene.repository.fetch("main", &none).unwrap();
    scene.human.git(&["commit", "-q", "--amend", "-m", "Rewritten"]).unwrap();
    scene.human.git(&["push", "-q", "--force", "origin", "HEAD:main"]).unwrap();
    let second = scene.repository.fetch("main", &none).unwrap();
    assert_eq!(second.to_string(), scene.human.head().unwrap());
    assert!(!scene.repository.is_ancestor(first, second).unwrap());
}

#[test]
fn a_lost_race_and_a_protected_branch_are_told_apart() {
    let scene = Scene::http();
    let none = Credentials::none();
    scene.human_commits("a.yaml", "one");
    let seen = scene.repository.fetch("main", &none).unwrap();
    let ours = scene.our_commit(seen, "a.yaml", "ours");
    let theirs = scene.human_commits("a.yaml", "theirs");
    assert_eq!(scene.repository.push(ours, "main", &none).unwrap(), PushOutcome::Raced);
    scene.repository.fetch("main", &none).unwrap();
    assert_eq!(scene.repository.push(ours, "main", &none).unwrap(), PushOutcome::Raced, "also once theirs is known");
    assert_eq!(scene.human.head().unwrap(), theirs.to_string());

    scene.server.set_rejecting(true).unwrap();
    let again = scene.our_commit(theirs, "a.yaml", "ours");
    let outcome = scene.repository.push(again, "main", &none).unwrap();
    let PushOutcome::Rejected { reason } = outcome else { panic!("it was {outcome:?}") };
    assert!(reason.contains("Protected branch update failed"), "{reason}");
    assert_eq!(scene.human.head().unwrap(), theirs.to_string());
}

#[test]
fn a_server_that_is_gone_is_an_error_and_comes_back() {
    let scene = Scene::http();
    let none = Credentials::none();
    let commit = scene.human_commits("a.yaml", "one");
    scene.server.stop();
    for result in [scene.repository.remote_head("main", &none), scene.repository.fetch("main", &none)] {
        assert!(result.unwrap_err().is_transient());
    }
    scene.server.resume().unwrap();
    assert_eq!(scene.repository.fetch("main", &none).unwrap(), commit);
}

#[test]
fn what_is_no_repository_is_named_so() {
    let scene = Scene::start(GitServerOptions::default(), |server| format!("{}-other", server.http_url()));
    let none = Credentials::none();
    assert_eq!(category(scene.repository.remote_head("main", &none)), "not-a-repository");
}

#[test]
fn a_redirect_is_not_followed() {
    let (here, there) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (from, to) = (here.local_addr().unwrap(), there.local_addr().unwrap());
    there.set_nonblocking(true).unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = here.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        let text = String::from_utf8_lossy(&request[..read]).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default();
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{to}{path}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let url = RemoteUrl::parse(&format!("http://{from}/a.git"), PlainHttp::LoopbackOnly).unwrap();
    let repository = Repository::open_or_init(folder.path(), &url).unwrap();
    let error = repository.fetch("main", &Credentials::none()).unwrap_err();
    answering.join().unwrap();
    assert!(there.accept().is_err(), "nobody else was spoken to");
    assert!(error.to_string().contains("redirect"), "{} {error}", error.category());
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let limits = Limits {
        connect: Duration::from_secs(60),
        stall: Duration::from_millis(300),
        whole: Duration::from_millis(600),
    };
    let scene = Scene::http();
    let commit = scene.repository.fetch("main", &Credentials::none()).unwrap();
    let key = ssh(&scene.server, scene.server.known_hosts().unwrap());
    let urls = [
        (format!("http://127.0.0.1:{port}/a.git"), Credentials::none()),
        (format!("ssh://git@127.0.0.1:{port}/a"), key),
    ];
    for (url, credentials) in urls {
        let url = RemoteUrl::parse(&url, PlainHttp::LoopbackOnly).unwrap();
        let clone = scene.folder.path().join("clone");
        let repository = Repository::open_with(&clone, &url, limits).unwrap();
        assert_eq!(category(repository.remote_head("main", &credentials)), "timeout", "{url}");
        assert_eq!(category(repository.fetch("main", &credentials)), "timeout", "{url}");
        assert_eq!(category(repository.push(commit, "main", &credentials)), "timeout", "{url}");
    }
}
