//! Trees, commits and history, against repositories that the git program made.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockstep_repository::{
    BlobId, CommitId, FileMode, NewCommit, PlainHttp, RemoteUrl, Repository, RepositoryError, Signature, is_lfs_pointer,
};
use tempfile::TempDir;

/// A work tree that a human edits, and a clone of ours that has what is in it.
struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(fixture.work()).unwrap();
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn clone_folder(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.work(), arguments)
    }

    fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    fn open(&self) -> Repository {
        let url = RemoteUrl::parse("https://git.example/config.git", PlainHttp::LoopbackOnly).unwrap();
        Repository::open_or_init(&self.clone_folder(), &url).unwrap()
    }

    /// The clone with everything that the work tree's branch has.
    fn cloned(&self) -> Repository {
        drop(self.open());
        let work = self.work().display().to_string();
        git(&self.bare(), &["fetch", "-q", &work, "+refs/heads/main:refs/remotes/origin/main"]);
        self.open()
    }

    fn bare(&self) -> PathBuf {
        self.clone_folder().join("git")
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "fetch.unpackLimit=1", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn bot() -> Signature {
    Signature { name: "Lockstep".to_owned(), email: "lockstep@example.com".to_owned() }
}

/// Commits as the bot.
fn commit(
    repository: &Repository,
    parent: CommitId,
    changes: &[(&str, &[u8])],
    message: &str,
) -> Result<CommitId, RepositoryError> {
    let time = "2026-11-23T12:00:00Z".parse().unwrap();
    let (author, committer) = (&bot(), &bot());
    repository.commit(&NewCommit { parent, changes, message, author, committer, time, key: None })
}

fn paths(repository: &Repository, commit: CommitId, path: &str) -> Vec<String> {
    repository.files(commit, path).unwrap().into_iter().map(|file| file.path).collect()
}

#[test]
fn files_are_listed_in_order_with_their_modes() {
    let fixture = Fixture::new();
    fixture.write("clusters/prod/b.yaml", "b").write("clusters/prod/a/z.yaml", "z").write("README", "r");
    fixture.write("clusters/prod/run.sh", "#!/bin/sh\n");
    fixture.git(&["add", "-A"]);
    fixture.git(&["update-index", "--chmod=+x", "clusters/prod/run.sh"]);
    fixture.git(&["commit", "-q", "-m", "first"]);
    let commit = fixture.git(&["rev-parse", "HEAD"]).parse().unwrap();
    let repository = fixture.cloned();

    let prod = ["clusters/prod/a/z.yaml", "clusters/prod/b.yaml", "clusters/prod/run.sh"];
    assert_eq!(paths(&repository, commit, "./clusters/prod/"), prod);
    assert_eq!(paths(&repository, commit, "").len(), 4);
    assert_eq!(paths(&repository, commit, "README"), ["README"]);
    let files = repository.files(commit, "clusters/prod").unwrap();
    assert_eq!([files[0].mode, files[2].mode], [FileMode::Plain, FileMode::Executable]);
    assert_eq!(repository.blob(files[0].blob, 10).unwrap(), b"z");
    let tree = repository.tree_id(commit, "clusters/prod").unwrap().to_string();
    assert_eq!(tree, fixture.git(&["rev-parse", "HEAD:clusters/prod"]));
    assert!(matches!(repository.tree_id(commit, "README"), Err(RepositoryError::PathRefused { .. })));
}

#[test]
fn what_is_not_there_and_what_is_too_large_are_errors_of_their_own() {
    let fixture = Fixture::new();
    let commit = fixture.write("a/b.yaml", "0123456789").commit("first");
    let repository = fixture.cloned();
    for path in ["nothing", "a/nothing", "a/b.yaml/c"] {
        let error = repository.files(commit, path).unwrap_err();
        assert!(matches!(error, RepositoryError::PathMissing { .. }), "{path}: {error}");
    }
    assert!(matches!(repository.files(commit, "../etc"), Err(RepositoryError::PathRefused { .. })));
    let blob = repository.blob_at(commit, "a/b.yaml").unwrap().unwrap();
    assert!(matches!(repository.blob(blob, 9), Err(RepositoryError::TooLarge { size: 10, .. })));
    let absent: BlobId = "0123456789012345678901234567890123456789".parse().unwrap();
    assert_eq!(repository.blob(absent, 9).unwrap_err().category(), "object");
}

#[test]
fn links_are_followed_inside_the_tree() {
    let fixture = Fixture::new();
    fixture.write("base/a.yaml", "a").write("base/deep/b.yaml", "b");
    fixture.link("prod/a.yaml", "../base/a.yaml").link("prod/all", "../base").link("prod/two", "all/deep/../a.yaml");
    let commit = fixture.commit("links");
    let repository = fixture.cloned();
    let expected = ["prod/a.yaml", "prod/all/a.yaml", "prod/all/deep/b.yaml", "prod/two"];
    assert_eq!(paths(&repository, commit, "prod"), expected);
    assert_eq!(paths(&repository, commit, "prod/all/deep"), ["prod/all/deep/b.yaml"]);
    let files = repository.files(commit, "prod").unwrap();
    assert_eq!(files[0].blob, files[3].blob);
    assert!(files.iter().all(|file| file.linked));
    assert!(repository.files(commit, "base").unwrap().iter().all(|file| !file.linked));
}

#[test]
fn links_that_lead_elsewhere_are_refused_by_name() {
    let cases = [
        ("../../etc/passwd", "out of the repository"),
        ("/var/run/secrets/token", "absolute"),
        ("nowhere", "nothing"),
        ("bad", "circle"),
        ("..", "circle"),
    ];
    for (target, reason) in cases {
        let fixture = Fixture::new();
        let commit = fixture.write("prod/a.yaml", "a").link("prod/bad", target).commit("link");
        let error = fixture.cloned().files(commit, "prod").unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, RepositoryError::Symlink { .. }), "{target}: {text}");
        assert!(text.contains("prod/bad") && text.contains(reason), "{target}: {text}");
    }
}

#[test]
fn a_submodule_is_refused_by_name() {
    let fixture = Fixture::new();
    let commit = fixture.write("prod/a.yaml", "a").commit("first").to_string();
    fixture.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},prod/lib")]);
    fixture.git(&["commit", "-q", "-m", "submodule"]);
    let commit = fixture.git(&["rev-parse", "HEAD"]).parse().unwrap();
    let error = fixture.cloned().files(commit, "prod").unwrap_err();
    assert!(matches!(&error, RepositoryError::Submodule { path } if path == "prod/lib"), "{error}");
}

#[test]
fn a_commit_changes_the_given_files_and_nothing_else() {
    let fixture = Fixture::new();
    fixture.write("a/run.sh", "old").write("a/b.yaml", "old").write("c.yaml", "c").link("a/link", "b.yaml");
    fixture.git(&["add", "-A"]);
    fixture.git(&["update-index", "--chmod=+x", "a/run.sh"]);
    fixture.git(&["commit", "-q", "-m", "first"]);
    let parent = fixture.git(&["rev-parse", "HEAD"]).parse().unwrap();
    let repository = fixture.cloned();
    let changes: [(&str, &[u8]); 3] = [("a/run.sh", b"new"), ("a/b.yaml", b"newer"), ("new/d.yaml", b"d")];
    let message = "Update a\n\nBecause.\n\nLockstep-Image: a:1 -> a:2\n";
    let made = commit(&repository, parent, &changes, message).unwrap();

    let text = made.to_string();
    let show = |arguments: &[&str]| git(&fixture.bare(), arguments);
    let raw = show(&["diff-tree", "-r", "--no-abbrev", "--format=", &text]);
    let changed: Vec<_> = raw.lines().map(|line| (&line[1..14], line.split('\t').nth(1).unwrap())).collect();
    assert_eq!(
        changed,
        [("100644 100644", "a/b.yaml"), ("100755 100755", "a/run.sh"), ("000000 100644", "new/d.yaml")]
    );
    assert_eq!(show(&["show", &format!("{text}:a/b.yaml")]), "newer");
    let described = show(&["log", "-1", "--format=%P|%an|%ae|%cn|%at|%(trailers:key=Lockstep-Image,valueonly)", &text]);
    assert_eq!(described.trim(), format!("{parent}|Lockstep|lockstep@example.com|Lockstep|1795435200|a:1 -> a:2"));
    show(&["fsck", "--strict", "--no-dangling"]);
    assert_eq!(show(&["rev-parse", "refs/remotes/origin/main"]), parent.to_string());

    let says = |changes: &[(&str, &[u8])]| repository.has_just(made, parent, changes).unwrap();
    assert!(says(&changes));
    assert!(!says(&changes[..2]), "there is more in it");
    let other: [(&str, &[u8]); 3] = [changes[0], changes[1], ("new/d.yaml", b"D")];
    assert!(!says(&other), "there is something else in it");

    assert!(commit(&repository, parent, &[("a", b"x")], "no").is_err());
    assert!(commit(&repository, parent, &[("a/link", b"x")], "no").unwrap_err().to_string().contains("a link"));
    assert!(commit(&repository, parent, &[("../x", b"x")], "no").is_err());
}

#[test]
fn history_tells_what_became_of_one_file() {
    let fixture = Fixture::new();
    let first = fixture.write("a.yaml", "1").commit("first\n\nKey: value");
    let second = fixture.write("b.yaml", "x").commit("second");
    let third = fixture.write("a.yaml", "2").commit("third");
    let fourth = fixture.write("a.yaml", "1").commit("undo");
    fs::remove_file(fixture.work().join("a.yaml")).unwrap();
    let fifth = fixture.commit("delete");
    let repository = fixture.cloned();

    let subjects = |limit| -> Vec<String> {
        repository.first_parents(fifth, limit).map(|commit| commit.unwrap().subject().to_owned()).collect()
    };
    assert_eq!(subjects(100), ["delete", "undo", "third", "second", "first"]);
    assert_eq!(subjects(2), ["delete", "undo"]);
    let root = repository.first_parents(first, 9).next().unwrap().unwrap();
    assert_eq!((root.parent, root.trailer("key"), root.author.name.as_str()), (None, Some("value"), "Ada"));

    let changes: Vec<_> = repository.changes_of(fifth, "a.yaml", 100).unwrap().map(Result::unwrap).collect();
    let commits: Vec<_> = changes.iter().map(|change| change.commit.id).collect();
    assert_eq!(commits, [fifth, fourth, third, first]);
    assert_eq!(changes[0].after, None);
    assert_eq!(changes[1].after, changes[3].after);
    assert_eq!(changes[1].before, changes[2].after);
    assert_eq!(changes[3].before, None);

    assert!(repository.is_ancestor(second, fifth).unwrap());
    assert!(repository.is_ancestor(fifth, fifth).unwrap());
    assert!(!repository.is_ancestor(fifth, second).unwrap());
}

#[test]
fn a_damaged_clone_is_made_anew() {
    let fixture = Fixture::new();
    let commit = fixture.write("a.yaml", "1").commit("first");
    let sound = |repository: &Repository| repository.files(commit, "").is_ok();

    assert!(sound(&fixture.cloned()));
    assert!(sound(&fixture.open()), "a sound clone is kept");

    fs::remove_file(fixture.bare().join("HEAD")).unwrap();
    assert!(!sound(&fixture.open()), "a clone without HEAD is made anew");

    assert!(sound(&fixture.cloned()));
    let packs = fs::read_dir(fixture.bare().join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    let pack = packs.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "pack")).unwrap();
    let bytes = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap();
    assert!(!sound(&fixture.open()), "a clone with a truncated pack is made anew");

    let repository = fixture.cloned();
    assert!(sound(&repository));
    assert!(!sound(&repository.rebuild().unwrap()), "a clone is made anew when asked for");

    let lock = fixture.bare().join("refs/remotes/origin/main.lock");
    assert!(sound(&fixture.cloned()));
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "").unwrap();
    assert!(sound(&fixture.open()), "a lock is no damage");
    assert!(!lock.exists(), "a lock of a killed process is removed");
}

#[test]
fn a_repository_of_somebody_else_is_left_alone() {
    let fixture = Fixture::new();
    let folder = fixture.clone_folder();
    fs::create_dir_all(folder.join("git")).unwrap();
    fs::write(folder.join("git/precious"), "x").unwrap();
    let url = RemoteUrl::parse("https://git.example/config.git", PlainHttp::LoopbackOnly).unwrap();
    assert_eq!(Repository::open_or_init(&folder, &url).err().unwrap().category(), "folder");
    assert!(folder.join("git/precious").exists());
}

#[test]
fn lfs_pointers_are_recognised() {
    assert!(is_lfs_pointer(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"));
    assert!(!is_lfs_pointer(b"version: 1\n"));
}

#[test]
fn a_step_names_the_files_that_a_commit_changed() {
    let fixture = Fixture::new();
    let first = fixture.write("a/one.yaml", "1").write("a/deep/two.yaml", "2").write("b", "b").commit("first");
    fixture.write("a/deep/two.yaml", "22").write("c/three.yaml", "3");
    fs::remove_file(fixture.work().join("b")).unwrap();
    fixture.write("b/inner", "now a folder");
    let second = fixture.commit("second");
    let nothing = fixture.commit("third changes nothing");
    let repository = fixture.cloned();

    let step = |commit| {
        let info = repository.first_parents(commit, 1).next().unwrap().unwrap();
        let changes = repository.step(info).unwrap().changes;
        changes
            .into_iter()
            .map(|change| (change.path, change.before.is_some(), change.after.is_some()))
            .collect::<Vec<_>>()
    };
    let change = |path: &str, before, after| (path.to_owned(), before, after);
    assert_eq!(
        step(first),
        [change("a/deep/two.yaml", false, true), change("a/one.yaml", false, true), change("b", false, true)]
    );
    assert_eq!(
        step(second),
        [
            change("a/deep/two.yaml", true, true),
            change("b", true, false),
            change("b/inner", false, true),
            change("c/three.yaml", false, true)
        ]
    );
    assert_eq!(step(nothing), []);
    let before = repository.blob_at(first, "a/deep/two.yaml").unwrap();
    let info = repository.first_parents(second, 1).next().unwrap().unwrap();
    assert_eq!(repository.step(info).unwrap().changes[0].before, before);
}
