//! Over histories that the git program made.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use camino::Utf8Path;
use tempfile::TempDir;

use crate::wiring::{Clones, GitBranch};

use super::*;

const PLACE: &str = "apps/web.yaml#Deployment/shop/web/web";

/// A person's work tree, and our clone of it.
struct Fixture {
    folder: TempDir,
    branch: GitBranch,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = serde_json::from_value(serde_json::json!({"url": "https://git.example/config.git"})).unwrap();
        let clones = Utf8Path::from_path(folder.path()).unwrap().join("clones");
        let branch = GitBranch::open(&settings, &clones, &mut Clones::default()).unwrap();
        let fixture = Self { folder, branch };
        fs::create_dir(fixture.work()).unwrap();
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.work())
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

    fn write(&self, text: &str) -> &Self {
        fs::create_dir_all(self.work().join("apps")).unwrap();
        fs::write(self.work().join("apps/web.yaml"), text).unwrap();
        self
    }

    fn image(&self, image: &str) -> &Self {
        self.write(&format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec:\n  template:\n    spec:\n      containers:\n      - {{name: web, image: {image}}}\n"
        ))
    }

    fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    fn head(&self) -> CommitId {
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    /// As we commit: the image, and the trailers that say so.
    fn ours(&self, kind: &str, from: &str, to: &str) -> CommitId {
        let message = format!("{kind} it\n\nLockstep-Change: {kind}\nLockstep-Place: {PLACE} {from} -> {to}");
        self.image(to).commit(&message)
    }

    /// Brings the clone up to the work tree, and the history to its head; what is undone then, in order.
    async fn undone(&self, history: &mut History) -> Vec<String> {
        let clone =
            fs::read_dir(self.folder.path().join("clones")).unwrap().next().unwrap().unwrap().path().join("git");
        self.git(&["push", "-q", "-f", clone.to_str().unwrap(), "HEAD:refs/heads/main"]);
        history.advance(&self.branch, self.head()).await.unwrap();
        history.follow(&self.branch, "apps/web.yaml").await.unwrap();
        self.place(history).undone(&"a/web:0".parse::<Reference>().as_ref().map(Repository::from).unwrap())
    }

    fn place(&self, history: &History) -> PlaceHistory {
        let object = "apps/Deployment/shop/web".parse().unwrap();
        history.place(&PlaceId { file: "apps/web.yaml".to_owned(), object, container: "web".to_owned() })
    }
}

/// Each line is a commit: `human TAG`, `update TAG`, `forged TAG`, `revert TAG`, `git-revert`, `broken`, `removed`, `other TAG`,
/// `release TAG`, `merge TAG`.
async fn play(story: &str) -> (Fixture, Vec<String>) {
    let fixture = Fixture::new();
    let mut history = History::default();
    let mut current = String::new();
    for word in story.split(", ") {
        let (what, tag) = word.split_once(' ').unwrap_or((word, ""));
        let image = format!("a/web:{tag}");
        match what {
            "human" => {
                fixture.image(&image).commit("By hand");
            }
            "other" => {
                fixture.image(&format!("b/web:{tag}")).commit("Another image");
            }
            "update" | "revert" => {
                fixture.ours(what, &current, &image);
            }
            "forged" => {
                fixture.ours("update", &current, "a/web:77");
                fixture.image(&image).git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
            }
            "git-revert" => {
                fixture.git(&["revert", "--no-edit", "HEAD"]);
            }
            "broken" => {
                fixture.write("kind: [\n").commit("Break it");
            }
            "removed" => {
                fixture.write("# empty\n").commit("Remove it");
            }
            "release" => {
                fixture.commit(&format!("Go on\n\nLockstep-Release: {PLACE} {tag}"));
            }
            "merge" => {
                fixture.git(&["checkout", "-q", "-b", "side"]);
                fixture.ours("update", &current, &image);
                fixture.git(&["checkout", "-q", "main"]);
                fixture.git(&["merge", "-q", "--no-ff", "--no-edit", "side"]);
            }
            _ => unreachable!("{word}"),
        }
        if matches!(what, "human" | "update" | "revert" | "forged" | "merge") {
            current = image;
        }
        // Read at every step: the history is followed as it grows.
        fixture.undone(&mut history).await;
    }
    let grown = fixture.undone(&mut history).await;
    assert_eq!(fixture.undone(&mut History::default()).await, grown, "{story}: read at once, without any memory");
    (fixture, grown)
}

#[tokio::test]
async fn what_is_undone() {
    for (story, expected) in [
        ("human 1", ""),
        ("human 1, update 2", ""),
        ("human 1, update 2, update 3", ""),
        ("human 1, update 2, git-revert", "2"),
        ("human 1, update 2, revert 1", "2"),
        ("human 1, update 2, human 1", "2"),
        ("human 1, update 2, human 1, update 3", "2"),
        ("human 1, update 2, human 1, human 2", "1"),
        ("human 1, update 2, update 3, revert 2", "3"),
        ("human 1, update 2, update 3, revert 1", "2 3"),
        ("human 1, update 2, update 3, human 1", "2 3"),
        ("human 1, update 2, update 3, human 1, update 4, revert 1", "2 3 4"),
        ("human 1, update 2, update 3, human 0", "3"),
        ("human 1, update 2, git-revert, release 2", ""),
        ("human 1, update 2, git-revert, release 3", "2"),
        ("human 1, update 2, git-revert, release 2, human 2, human 1", "2"),
        ("human 1, update 2, broken, human 1", "2"),
        ("human 1, update 2, broken, human 2", ""),
        ("human 1, update 2, removed, human 1", "2"),
        ("human 1, update 2, removed", "2"),
        ("human 1, forged 2", "1"),
        ("human 1, merge 2", ""),
        ("human 1, merge 2, revert 1", "2"),
        ("human 1, update 2, other 9", "2"),
        ("other 1, update 2", ""),
    ] {
        assert_eq!(play(story).await.1.join(" "), expected, "{story}");
    }
}

#[tokio::test]
async fn our_updates_and_the_writer_of_the_present_value_are_known() {
    let (fixture, _) = play("human 1, update 2, update 3, git-revert").await;
    let mut history = History::default();
    fixture.undone(&mut history).await;
    let place = fixture.place(&history);
    let updates: Vec<&str> = place.updates.iter().map(|update| update.to.as_str()).collect();
    assert_eq!(updates, ["a/web:2", "a/web:3"]);
    assert_eq!(place.since.map(|(commit, _)| commit), Some(fixture.head()));
    assert_eq!(place.standing(), [], "a person wrote it");
    let [first, second] = [&place.updates[0], &place.updates[1]].map(|update| update.commit);
    for (commit, after, until, expected) in [
        (second, Some(first), second, true),
        (second, Some(first), fixture.head(), true),
        (first, Some(first), second, false),
        (second, None, first, false),
        (first, None, second, true),
    ] {
        assert_eq!(history.is_within(commit, after, until), expected);
    }
}

#[tokio::test]
async fn updates_stand_in_a_row_as_long_as_nobody_came_between() {
    for (story, expected) in [
        ("human 1, update 2, update 3", "1>2 2>3"),
        ("human 1, update 2, human 3, update 4, update 5", "3>4 4>5"),
        ("human 1, update 2, revert 1, update 3", "1>3"),
        ("human 1, update 2, human 3, human 2", ""),
        ("human 1, update 2, removed, human 2", ""),
        ("human 1, update 2, broken, update 3", "1>2 2>3"),
    ] {
        let (fixture, _) = play(story).await;
        let mut history = History::default();
        fixture.undone(&mut history).await;
        let tag = |text: &str| text.rsplit(':').next().unwrap_or_default().to_owned();
        let place = fixture.place(&history);
        let row: Vec<String> =
            place.standing().iter().map(|update| format!("{}>{}", tag(&update.from), tag(&update.to))).collect();
        assert_eq!(row.join(" "), expected, "{story}");
    }
}

#[tokio::test]
async fn a_history_that_was_rewritten_is_read_anew() {
    let fixture = Fixture::new();
    let mut history = History::default();
    let first = fixture.image("a/web:1").commit("Begin");
    fixture.ours("update", "a/web:1", "a/web:2");
    fixture.image("a/web:1").commit("Back");
    assert_eq!(fixture.undone(&mut history).await, ["2"]);
    fixture.git(&["reset", "-q", "--hard", &first.to_string()]);
    fixture.image("a/web:5").commit("Another way");
    assert_eq!(fixture.undone(&mut history).await, ["1"]);
}

#[tokio::test]
async fn commits_elsewhere_cost_no_reading() {
    let fixture = Fixture::new();
    let mut history = History::default();
    fixture.image("a/web:1").commit("Begin");
    fixture.undone(&mut history).await;
    for number in 0..3 {
        fs::write(fixture.work().join("README.md"), number.to_string()).unwrap();
        fixture.commit("Elsewhere");
    }
    fixture.undone(&mut history).await;
    assert_eq!(history.versions["apps/web.yaml"].len(), 1);
    assert_eq!((history.commits.len(), history.files["apps/web.yaml"].walked), (4, 4));
}
