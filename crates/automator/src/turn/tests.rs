use crate::fakes::{FakeBranch, FakeClock, FakeTags, repository};
use crate::stopped::StoppedTags;

mod looked_up;
mod policies;
mod requests;
mod slow;

use super::*;

/// A Deployment of one container with our annotations and an image.
fn web(annotations: &str, image: &str) -> String {
    let annotations: String =
        annotations.split("; ").map(|pair| format!("    lockstep.dev/{}\n", pair.replacen('=', ": ", 1))).collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n  annotations:\n{annotations}spec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: {image} # the shop\n"
    )
}

const AUTOMATED: &str = "automated=\"true\"; policy=semver:~1";
const PLACE: &str = "web.yaml#Deployment/shop/web/web";

/// One branch and everything around it.
struct Story {
    branch: FakeBranch,
    tags: FakeTags,
    clock: FakeClock,
    board: Board,
    memory: Memory,
    target: Target,
}

impl Story {
    fn new(annotations: &str, image: &str, tags: &[&str]) -> Self {
        Self {
            branch: FakeBranch::with(&[("web.yaml", &web(annotations, image))]),
            tags: FakeTags::with("acme/web", tags),
            clock: FakeClock::at("2026-11-23T12:00:00Z"),
            board: Board::default(),
            memory: Memory::default(),
            target: Target {
                batch: Duration::from_secs(10),
                ..Target::new(BranchKey {
                    repository: "https://git.example/config".to_owned(),
                    branch: "main".to_owned(),
                })
            },
        }
    }

    async fn turn(&mut self, wake: Wake) -> Result<Outcome, TurnError> {
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        turn(&self.target, wake, &mut self.memory, &ports, &self.board).await
    }

    /// Looks at everything, long after the last commit.
    async fn scan(&mut self) -> Outcome {
        self.clock.pass(60);
        self.turn(Wake::Registries).await.unwrap()
    }

    fn image(&self) -> String {
        let text = self.branch.text("web.yaml");
        text.lines().find_map(|line| line.trim().strip_prefix("image: ")).unwrap().replace(" # the shop", "")
    }

    fn held(&self) -> String {
        let state = self.board.get(&self.target.branch).unwrap();
        state.places[0].held.clone().unwrap_or_default()
    }

    fn human_sets(&self, annotations: &str, image: &str) {
        self.branch.human("By hand", &[("web.yaml", &web(annotations, image))]);
    }
}

#[tokio::test]
async fn a_new_tag_becomes_one_commit_and_rest_follows() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.4.2", &["1.4.2"]);
    assert_eq!(story.scan().await.pushed, None);
    story.tags.push("acme/web", "1.4.3", None);
    let outcome = story.scan().await;
    assert_eq!((outcome.moved.len(), outcome.listed, outcome.places), (1, 1, 1));
    assert_eq!(story.image(), "ghcr.io/acme/web:1.4.3");
    let message = story.branch.message();
    for part in [
        "Update shop/web to 1.4.3\n\n",
        "\n  ghcr.io/acme/web:1.4.2 -> ghcr.io/acme/web:1.4.3\n",
        "\n  policy semver:~1\n",
        "\n  first seen 2026-11-23T12:02:00Z\n",
        "\n\nLockstep-Change: update\n",
        "\nLockstep-Place: web.yaml#Deployment/shop/web/web ghcr.io/acme/web:1.4.2 -> ghcr.io/acme/web:1.4.3\n",
        "\nLockstep-Digest: ghcr.io/acme/web:1.4.3 sha256:",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    assert_eq!(story.board.get(&story.target.branch).unwrap().places[0].current, "ghcr.io/acme/web:1.4.3");
    assert_eq!(story.board.heads().borrow().get(&story.target.branch), outcome.pushed.as_ref());

    story.tags.asked();
    assert_eq!(story.turn(Wake::Git).await.unwrap().pushed, None);
    assert_eq!(story.tags.asked(), [""; 0], "Git alone asks no registry");
    assert_eq!(story.scan().await.pushed, None);
    assert_eq!(story.branch.length(), 2);
}

#[tokio::test]
async fn what_a_policy_does_with_one_place() {
    for (annotations, image, tags, expected, held) in [
        ("policy=semver:~1", "ghcr.io/acme/web:1.0.0", "1.0.0 1.0.1", "ghcr.io/acme/web:1.0.0", ""),
        ("automated=\"true\"", "ghcr.io/acme/web:1.0.0", "1.0.0 1.9.0 2.0.0", "ghcr.io/acme/web:1.9.0", ""),
        ("automated=\"true\"", "\"ghcr.io/acme/web:1.0.0\"", "1.0.0 1.0.1", "\"ghcr.io/acme/web:1.0.1\"", ""),
        (
            "automated=\"true\"; locked=audit",
            "ghcr.io/acme/web:1.0.0",
            "1.0.0 1.1.0",
            "ghcr.io/acme/web:1.0.0",
            "locked: audit",
        ),
        (
            "automated=\"true\"",
            "evil.example/acme/web:1.0.0",
            "1.0.0",
            "evil.example/acme/web:1.0.0",
            "may not be contacted",
        ),
        (
            "automated=\"true\"",
            "ghcr.io/acme/api:1.0.0",
            "1.0.0",
            "ghcr.io/acme/api:1.0.0",
            "ghcr.io/acme/api not found",
        ),
        ("automated=\"true\"", "ghcr.io/acme/web:main", "main 1.0.0", "ghcr.io/acme/web:main", "outside the policy"),
        (
            "automated=\"true\"; policy=semver:<1.1",
            "ghcr.io/acme/web:1.2.0",
            "1.0.0 1.2.0",
            "ghcr.io/acme/web:1.2.0",
            "nothing eligible",
        ),
        (
            "automated=\"true\"; policy=numerical:^b(?P<key>[0-9]+)$",
            "ghcr.io/acme/web:b9",
            "b9 b10",
            "ghcr.io/acme/web:b10",
            "",
        ),
    ] {
        let tags: Vec<&str> = tags.split(' ').collect();
        let mut story = Story::new(annotations, image, &tags);
        story.scan().await;
        assert_eq!(story.image(), expected, "{annotations} {image}");
        assert!(story.held().contains(held) && story.held().is_empty() == held.is_empty(), "{}: {image}", story.held());
    }
}

#[tokio::test]
async fn a_digest_moves_with_its_tag() {
    let old = "0".repeat(64);
    let mut story = Story::new(AUTOMATED, &format!("ghcr.io/acme/web:1.0.0@sha256:{old}"), &["1.0.0", "1.0.1"]);
    story.scan().await;
    let image = story.image();
    assert!(image.starts_with("ghcr.io/acme/web:1.0.1@sha256:") && !image.contains(&old), "{image}");

    let pinned = format!("ghcr.io/acme/web@sha256:{old}");
    let mut story = Story::new(AUTOMATED, &pinned, &["1.0.0"]);
    story.scan().await;
    assert_eq!(story.image(), pinned);
    assert!(story.held().contains("pinned by its digest alone"));
}

#[tokio::test]
async fn a_lost_race_decides_again_on_what_others_pushed() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    story.branch.before_push(|branch| {
        branch.human("Unrelated", &[("README.md", "hello")]);
    });
    let outcome = story.scan().await;
    assert_eq!((story.image().as_str(), outcome.listed), ("ghcr.io/acme/web:1.0.1", 1));
    assert_eq!(story.branch.text("README.md"), "hello");

    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    let locked = web(&format!("{AUTOMATED}; locked=freeze"), "ghcr.io/acme/web:1.0.0");
    story.branch.before_push(move |branch| {
        branch.human("Freeze", &[("web.yaml", &locked)]);
    });
    assert_eq!(story.scan().await.pushed, None);
    assert_eq!((story.image().as_str(), story.held().as_str()), ("ghcr.io/acme/web:1.0.0", "locked: freeze"));

    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    for number in 0..5 {
        story.branch.before_push(move |branch| {
            branch.human("Busy", &[("README.md", &number.to_string())]);
        });
    }
    story.clock.pass(60);
    assert!(matches!(story.turn(Wake::Registries).await, Err(TurnError::Raced { attempts: 5, .. })));
    assert!(story.scan().await.pushed.is_some());
}

#[tokio::test]
async fn a_race_with_a_persons_undo_is_lost_for_good() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    story.scan().await;
    story.tags.push("acme/web", "1.0.2", None);
    story.branch.before_push(|branch| {
        branch.human_reverts();
    });
    // 1.0.1 was taken back while 1.0.2 was on its way: 1.0.2 is newer than what was undone.
    assert!(story.scan().await.pushed.is_some());
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.2");
    assert!(story.branch.message().contains("ghcr.io/acme/web:1.0.0 -> ghcr.io/acme/web:1.0.2"));
}

#[tokio::test]
async fn a_revert_sticks_without_any_database_until_a_newer_tag_or_a_release() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.1");
    story.branch.human_reverts();
    for _ in 0..2 {
        assert_eq!(story.scan().await.pushed, None);
        assert_eq!(story.image(), "ghcr.io/acme/web:1.0.0");
        story.tags.forget();
        story.memory = Memory::default();
    }
    story.tags.push("acme/web", "1.0.2", None);
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.2");

    story.branch.human_reverts();
    assert_eq!(story.scan().await.pushed, None);
    story.branch.human(&format!("Let it go on\n\nLockstep-Release: {PLACE} 1.0.2"), &[]);
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.2");
}

#[tokio::test]
async fn what_follows_a_commit_within_the_batch_waits_for_one_more() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0"]);
    let api = web(AUTOMATED, "ghcr.io/acme/api:1.0.0").replace("name: web", "name: api");
    story.branch.human("Add the API", &[("api.yaml", &api)]);
    story.tags.push("acme/api", "1.0.0", None);
    story.scan().await;
    story.tags.push("acme/web", "1.0.1", None);
    assert!(story.scan().await.pushed.is_some());

    story.clock.pass(2);
    story.tags.push("acme/web", "1.0.2", None);
    let waiting = story.turn(Wake::Images([repository("acme/web")].into())).await.unwrap();
    assert_eq!(waiting.pushed, None);
    story.clock.pass(2);
    story.tags.push("acme/api", "1.0.1", None);
    let waiting = story.turn(Wake::Images([repository("acme/api")].into())).await.unwrap();
    assert_eq!((waiting.pushed, waiting.again_at.is_some()), (None, true));
    story.clock.pass(6);
    let outcome = story.turn(Wake::Git).await.unwrap();
    assert_eq!((outcome.moved.len(), outcome.listed), (2, 0));
    assert!(story.branch.message().starts_with("Update 2 images\n"));
    assert_eq!(story.branch.length(), 4);
}

#[tokio::test]
async fn a_place_that_moves_too_often_is_held() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0"]);
    for patch in 1..=13 {
        story.tags.push("acme/web", &format!("1.0.{patch}"), None);
        story.scan().await;
    }
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.12");
    assert!(story.held().starts_with("too often"), "{}", story.held());
    story.clock.pass(3600);
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.13");
}

#[tokio::test]
async fn one_bad_object_stops_no_other() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    let misspelt = web("automatd=\"true\"", "ghcr.io/acme/web:1.0.0");
    let linked = web(AUTOMATED, "ghcr.io/acme/web:1.0.0");
    let aliased =
        web(AUTOMATED, "*image").replace("spec:\n  template", "x: &image ghcr.io/acme/web:1.0.0\nspec:\n  template");
    story.branch.human(
        "Make a mess",
        &[
            ("broken.yaml", "lockstep.dev/: [\n"),
            ("misspelt.yaml", &misspelt),
            ("linked/web.yaml", &linked),
            ("aliased.yaml", &aliased),
            ("values.yaml", "not: a manifest\n"),
        ],
    );
    let outcome = story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.1");
    let problems: Vec<String> =
        outcome.problems.iter().map(|problem| format!("{} {}", problem.category, problem.message)).collect();
    for expected in
        ["edit aliased.yaml:", "manifest broken.yaml:", "manifest linked/web.yaml:", "policy misspelt.yaml:"]
    {
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected} in {problems:?}");
    }
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[tokio::test]
async fn a_registry_that_fails_decides_nothing_and_recovers() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    story.tags.fail(Some("the registry is down"));
    assert_eq!(story.scan().await.pushed, None);
    assert_eq!(story.held(), "the registry is down");
    story.tags.fail(None);
    assert!(story.scan().await.pushed.is_some());
}

#[tokio::test]
async fn a_rejected_push_is_an_error_that_goes_away_with_its_cause() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    story.branch.reject(true);
    let error = story.turn(Wake::Registries).await.unwrap_err();
    assert_eq!(error.category(), "rejected");
    let problems = || story.board.get(&story.target.branch).unwrap().problems.clone();
    assert!(problems().iter().any(|problem| problem.message.contains("set pull-requests")), "{:?}", problems());
    story.branch.reject(false);
    assert!(story.turn(Wake::Git).await.unwrap().pushed.is_some());
    assert_eq!(story.board.get(&story.target.branch).unwrap().problems, []);
}

#[tokio::test]
async fn a_stopped_tag_goes_to_no_further_place_and_newer_ones_do() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    let mut stopped = StoppedTags::default();
    stopped.stop(repository("acme/web"), "1.0.1".to_owned(), "it fails in prod".to_owned());
    story.memory.set_stopped(stopped);
    assert_eq!(story.scan().await.pushed, None);
    story.tags.push("acme/web", "1.0.2", None);
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.2");
}

#[tokio::test]
async fn a_person_who_turns_a_policy_on_is_served_without_a_new_listing() {
    let mut story = Story::new("policy=semver:~1", "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    story.scan().await;
    assert_eq!(story.board.get(&story.target.branch).unwrap().places[0].selected.as_deref(), Some("1.0.1"));
    story.human_sets(AUTOMATED, "ghcr.io/acme/web:1.0.0");
    let outcome = story.turn(Wake::Git).await.unwrap();
    assert_eq!((outcome.pushed.is_some(), outcome.listed), (true, 0));
}

#[tokio::test]
async fn time_policies_use_first_sight_and_look_up_build_times_of_what_was_there_before() {
    let mut story = Story::new("automated=\"true\"; policy=glob:main-*", "ghcr.io/acme/web:main-a", &["other"]);
    for (tag, created) in
        [("main-a", "2026-11-01T00:00:00Z"), ("main-b", "2026-11-03T00:00:00Z"), ("main-c", "2026-11-02T00:00:00Z")]
    {
        story.tags.push("acme/web", tag, Some(created));
    }
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:main-b", "{}", story.held());
    let lookups = story.tags.asked().iter().filter(|asked| *asked == "created").count();
    assert_eq!(lookups, 3);
    story.tags.push("acme/web", "main-0", Some("1970-01-01T00:00:00Z"));
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:main-0");
    assert!(!story.tags.asked().iter().any(|asked| asked == "created"));
}
