//! Signed commits, ours and other people's, against `ssh-keygen` and `git`.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use lockstep_repository::{
    AllowedSigners, CommitId, NewCommit, PlainHttp, RemoteUrl, Repository, RepositoryError, Signature, SigningKey,
    SigningKeyError,
};
use secrecy::SecretString;
use tempfile::TempDir;

/// A folder with keys, a work tree, and a clone of it.
struct Fixture(TempDir);

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() { Ok(said) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self(tempfile::tempdir().unwrap());
        fs::create_dir(fixture.path().join("work")).unwrap();
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        run(&self.path().join("work"), "git", arguments).unwrap()
    }

    /// Makes a key and answers its private half.
    fn key(&self, name: &str, kind: &[&str]) -> SecretString {
        run(self.path(), "ssh-keygen", &[&["-q", "-N", "", "-C", name, "-f", name, "-t"], kind].concat()).unwrap();
        fs::read_to_string(self.path().join(name)).unwrap().into()
    }

    fn public(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(format!("{name}.pub"))).unwrap()
    }

    fn commits(&self, more: &[&str]) -> CommitId {
        let key = self.path().join("person").display().to_string();
        let signing = ["-c", "gpg.format=ssh", "-c", &format!("user.signingkey={key}")];
        self.git(&[&signing[..], &["commit", "-q", "--allow-empty", "-m", "By a person"], more].concat());
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    fn cloned(&self) -> Repository {
        let open = || {
            let url = RemoteUrl::parse("https://git.example/config.git", PlainHttp::LoopbackOnly).unwrap();
            Repository::open_or_init(&self.path().join("clone"), &url).unwrap()
        };
        drop(open());
        let work = self.path().join("work").display().to_string();
        let bare = self.path().join("clone/git");
        run(&bare, "git", &["fetch", "-q", &work, "+refs/heads/*:refs/remotes/origin/*"]).unwrap();
        open()
    }
}

fn bot() -> Signature {
    Signature { name: "Lockstep".to_owned(), email: "lockstep@example.com".to_owned() }
}

#[test]
fn git_believes_what_we_sign_and_so_do_we() {
    let fixture = Fixture::new();
    fixture.key("person", &["ed25519"]);
    let parent = fixture.commits(&[]);
    let repository = fixture.cloned();
    for kind in [["ed25519"].as_slice(), &["ecdsa", "-b", "256"], &["ecdsa", "-b", "384"]] {
        let name = kind.join("");
        let key = SigningKey::parse(&fixture.key(&name, kind)).unwrap();
        let new = NewCommit {
            parent,
            changes: &[("a.yaml", b"a: 1\n")],
            message: "Update a\n\nLockstep-Change: update\n",
            author: &bot(),
            committer: &bot(),
            time: "2026-11-23T12:00:00Z".parse().unwrap(),
            key: Some(&key),
        };
        let commit = repository.commit(&new).unwrap();
        let allowed = format!("lockstep@example.com {}", fixture.public(&name));
        let file = fixture.path().join("allowed");
        fs::write(&file, &allowed).unwrap();
        let bare = fixture.path().join("clone/git");
        let signers = format!("gpg.ssh.allowedSignersFile={}", file.display());
        run(&bare, "git", &["-c", "gpg.format=ssh", "-c", &signers, "verify-commit", &commit.to_string()]).unwrap();
        run(&bare, "git", &["fsck", "--strict", "--no-dangling"]).unwrap();
        let allowed = AllowedSigners::parse(&allowed).unwrap();
        assert_eq!(repository.signer(commit, &allowed).unwrap(), "lockstep@example.com");
        assert!(allowed.allow(&key, new.time));
    }
}

#[test]
fn only_a_commit_that_an_allowed_signer_signed_is_trusted() {
    for kind in [["ed25519"].as_slice(), &["rsa", "-b", "2048"], &["ecdsa", "-b", "521"]] {
        let fixture = Fixture::new();
        fixture.key("person", kind);
        fixture.key("other", &["ed25519"]);
        let unsigned = fixture.commits(&["--no-gpg-sign"]);
        let signed = fixture.commits(&["-S"]);
        // The same signature under another message.
        let forged = fixture.git(&["cat-file", "commit", &signed.to_string()]).replace("By a person", "By an impostor");
        fs::write(fixture.path().join("forged"), forged + "\n").unwrap();
        let forged = fixture.git(&["hash-object", "-t", "commit", "-w", "../forged"]);
        fixture.git(&["branch", "forged", &forged]);
        let repository = fixture.cloned();

        let person = fixture.public("person");
        let allowed = |line: String| AllowedSigners::parse(&line).unwrap();
        let trusted = allowed(format!("ada@example.com {person}"));
        assert_eq!(repository.signer(signed, &trusted).unwrap(), "ada@example.com", "{kind:?}");
        for (commit, signers, wanted) in [
            (unsigned, trusted.clone(), "it is not signed"),
            (forged.parse().unwrap(), trusted, "its signature is wrong"),
            (signed, allowed(format!("eve@example.com {}", fixture.public("other"))), "not one of the allowed"),
            (signed, allowed(format!("ada@example.com namespaces=\"file\" {person}")), "not for the namespace git"),
            (signed, allowed(format!("ada@example.com valid-before=\"20200101\" {person}")), "valid no longer"),
        ] {
            let error = repository.signer(commit, &signers).unwrap_err();
            assert!(matches!(&error, RepositoryError::Untrusted { reason, .. } if reason.contains(wanted)), "{error}");
        }
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_without_showing_it() {
    let fixture = Fixture::new();
    let kind = |key: SecretString| SigningKey::parse(&key).unwrap_err();
    assert_eq!(kind(fixture.key("rsa", &["rsa", "-b", "2048"])), SigningKeyError::Kind("ssh-rsa".to_owned()));
    run(fixture.path(), "ssh-keygen", &["-q", "-N", "canary", "-t", "ed25519", "-f", "locked"]).unwrap();
    let locked = fs::read_to_string(fixture.path().join("locked")).unwrap();
    assert_eq!(kind(locked.into()), SigningKeyError::Encrypted);
    assert_eq!(kind("canary".into()), SigningKeyError::Form);
    let key = SigningKey::parse(&fixture.key("good", &["ed25519"])).unwrap();
    assert!(format!("{key:?}").starts_with("SigningKey(SHA256:"));
}
