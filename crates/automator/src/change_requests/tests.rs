use std::time::Duration;

use crate::board::{Board, BranchKey};
use crate::fakes::{FakeBranch, FakeClock, FakeForge, FakeTags, RequestState as State};
use crate::memory::Memory;
use crate::message::{MessageTemplate, examples};
use crate::ports::FileChange;
use crate::publish::Requested;
use crate::turn::{Outcome, Wake, turn};
use crate::update::{Seen, Updates};

use super::*;

const UPDATES: &str = "lockstep/updates";

fn file(name: &str, image: &str, group: &str) -> String {
    let group = if group.is_empty() { String::new() } else { format!("    lockstep.dev/group: {group}\n") };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: shop\n  annotations:\n    lockstep.dev/automated: \"true\"\n    lockstep.dev/policy: semver:~1\n{group}spec:\n  template:\n    spec:\n      containers:\n      - name: {name}\n        image: {image}\n"
    )
}

struct Story {
    branch: FakeBranch,
    tags: FakeTags,
    clock: FakeClock,
    board: Board,
    memory: Memory,
    target: Target,
    forge: std::sync::Arc<FakeForge>,
}

impl Story {
    fn new(files: &[(&str, &str)]) -> Self {
        let forge = std::sync::Arc::new(FakeForge::default());
        let key = BranchKey { repository: "https://git.example/config".to_owned(), branch: "main".to_owned() };
        let tags = FakeTags::with("acme/web", &["1.0.0", "1.1.0"]);
        for tag in ["1.0.0", "1.1.0"] {
            tags.push("acme/api", tag, None);
        }
        Self {
            branch: FakeBranch::with(files),
            tags,
            clock: FakeClock::at("2026-11-23T12:00:00Z"),
            board: Board::default(),
            memory: Memory::default(),
            target: Target {
                batch: Duration::from_secs(10),
                requests: Some(std::sync::Arc::<FakeForge>::clone(&forge)),
                ..Target::new(key)
            },
            forge,
        }
    }

    fn of_web() -> Self {
        Self::new(&[("web.yaml", &file("web", "ghcr.io/acme/web:1.0.0", ""))])
    }

    async fn scan(&mut self) -> Outcome {
        self.clock.pass(7200);
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        turn(&self.target, Wake::Registries, &mut self.memory, &ports, &self.board).await.unwrap()
    }

    /// What a look does on the forge.
    async fn does(&mut self) -> Vec<String> {
        self.scan().await;
        self.forge.calls()
    }
}

#[tokio::test]
async fn a_request_is_opened_once_and_follows_what_is_newest() {
    let mut story = Story::of_web();
    let outcome = story.scan().await;
    assert_eq!((outcome.pushed, outcome.problems), (None, Vec::new()));
    assert_eq!(story.forge.calls(), ["open lockstep/updates: Update shop/web to 1.1.0"]);
    assert_eq!(story.branch.length(), 1, "nothing is pushed to the branch itself");
    assert!(story.branch.text_on(UPDATES, "web.yaml").contains("acme/web:1.1.0"));

    assert_eq!(story.does().await, [""; 0], "once is enough");
    story.branch.human("Elsewhere", &[("README.md", "hello")]);
    let pushes = story.branch.pushes();
    assert_eq!(story.does().await, [""; 0]);
    assert_eq!(story.branch.pushes(), pushes, "a commit elsewhere changes nothing here");

    // A new automator, without any memory.
    story.memory = Memory::default();
    story.tags.forget();
    assert_eq!(story.does().await, [""; 0]);

    story.tags.push("acme/web", "1.2.0", None);
    assert_eq!(story.does().await, ["rewrite 1: Update shop/web to 1.2.0"]);
    assert!(story.branch.text_on(UPDATES, "web.yaml").contains("acme/web:1.2.0"));

    // Somebody changes the very file: the commit is made anew on it.
    let text = file("web", "ghcr.io/acme/web:1.0.0", "").replace("namespace: shop", "namespace: shop # moved");
    story.branch.human("Same file", &[("web.yaml", &text)]);
    assert_eq!(story.does().await, ["rewrite 1: Update shop/web to 1.2.0"]);
    assert!(story.branch.text_on(UPDATES, "web.yaml").contains("# moved"));

    story.branch.human_merges(UPDATES);
    story.forge.set(1, State::Merged);
    assert_eq!(story.does().await, [""; 0]);
    story.tags.push("acme/web", "1.3.0", None);
    assert_eq!(story.does().await, ["open lockstep/updates: Update shop/web to 1.3.0"]);
}

#[tokio::test]
async fn a_request_that_is_closed_rejects_its_tags_until_newer_ones_appear() {
    let mut story = Story::of_web();
    story.scan().await;
    story.forge.set(1, State::Closed);
    story.forge.calls();
    for _ in 0..2 {
        assert_eq!(story.does().await, [""; 0]);
        // Whoever starts anew reads it from the forge.
        story.memory = Memory::default();
    }
    story.tags.push("acme/web", "1.2.0", None);
    assert_eq!(story.does().await, ["open lockstep/updates: Update shop/web to 1.2.0"]);

    story.forge.set(2, State::Closed);
    assert_eq!(story.does().await, [""; 0]);
    let place = "web.yaml#Deployment/shop/web/web";
    story.branch.human(&format!("Go on\n\nLockstep-Release: {place} 1.2.0"), &[("b.txt", "b")]);
    assert_eq!(story.does().await, [""; 0], "it was released before it was closed");
    story.clock.pass(60);
    story.forge.change(&story.forge.get(2).0, |request| request.closed_at = "2026-11-23T07:00:00Z".parse().ok());
    assert_eq!(story.does().await, ["open lockstep/updates: Update shop/web to 1.2.0"]);
}

#[tokio::test]
async fn what_others_push_to_our_branch_is_left_and_told() {
    let mut story = Story::of_web();
    story.scan().await;
    story.forge.calls();
    story.branch.human_adds(UPDATES);
    story.tags.push("acme/web", "1.2.0", None);
    let outcome = story.scan().await;
    assert_eq!(story.forge.calls(), [""; 0]);
    assert!(story.branch.text_on(UPDATES, "web.yaml").contains("1.1.0"));
    let [problem] = outcome.problems.as_slice() else { panic!("{outcome:?}") };
    assert!(problem.message.contains("which is not Lockstep's"), "{problem:?}");
    assert_eq!(story.board.get(&story.target.branch).unwrap().problems, outcome.problems);
}

#[tokio::test]
async fn a_group_has_a_request_of_its_own_and_what_is_moot_is_closed() {
    let mut story = Story::new(&[
        ("web.yaml", &file("web", "ghcr.io/acme/web:1.0.0", "front")),
        ("api.yaml", &file("api", "ghcr.io/acme/api:1.0.0", "")),
    ]);
    let opened = ["open lockstep/front: Update shop/web to 1.1.0", "open lockstep/updates: Update shop/api to 1.1.0"];
    assert_eq!(story.does().await, opened);
    assert!(story.branch.text_on("lockstep/front", "api.yaml").contains("1.0.0"), "only its own places");

    story.tags.fail(Some("registry down"));
    assert_eq!(story.does().await, [""; 0], "what is in doubt is left");
    story.tags.fail(None);
    story.does().await;

    // A person does it by hand: nothing is left of that request.
    story.branch.human("By hand", &[("web.yaml", &file("web", "ghcr.io/acme/web:1.1.0", "front"))]);
    assert_eq!(story.does().await, ["close 1"]);
    let (closed, _) = story.forge.get(1);
    assert!(closed.body.starts_with("Closed by Lockstep"));
    assert_eq!(body::rejected(&closed), [], "nobody rejected anything");
    assert_eq!(story.does().await, [""; 0]);
}

#[tokio::test]
async fn a_request_keeps_what_is_in_doubt_and_loses_what_is_not_wanted() {
    let web = file("web", "ghcr.io/acme/web:1.0.0", "");
    let mut story = Story::new(&[("web.yaml", &web), ("api.yaml", &file("api", "ghcr.io/acme/api:1.0.0", ""))]);
    assert_eq!(story.does().await, ["open lockstep/updates: Update 2 images"]);
    // One place waits for what may come: the request stays whole.
    let waiting = web.replace("automated:", "window: Mon 03:00-03:01 UTC\n    lockstep.dev/automated:");
    story.branch.human("Wait", &[("web.yaml", &waiting)]);
    assert_eq!(story.does().await, [""; 0]);
    // It is no longer automated: the request is about the other one.
    story.branch.human("By hand from now on", &[("web.yaml", &web.replace("\"true\"", "\"false\""))]);
    assert_eq!(story.does().await, ["rewrite 1: Update shop/api to 1.1.0"]);
    assert!(story.branch.text_on(UPDATES, "web.yaml").contains("web:1.0.0"));
    // The other one may not be had either, since it fails elsewhere.
    let mut stopped = crate::stopped::StoppedTags::default();
    stopped.stop(crate::fakes::repository("acme/api"), "1.1.0".to_owned(), "it fails in prod".to_owned());
    story.memory.set_stopped(stopped);
    assert_eq!(story.does().await, ["close 1"]);
}

#[tokio::test]
async fn a_protected_branch_of_ours_is_told() {
    let mut story = Story::of_web();
    story.branch.reject(true);
    let outcome = story.scan().await;
    assert_eq!(story.forge.calls(), [""; 0]);
    assert!(outcome.problems[0].message.contains("let this account push to lockstep/*"), "{:?}", outcome.problems);
}

/// What updates would be, as a revert.
struct AsRevert<'a>(Updates<'a>);

#[async_trait]
impl Proposal for AsRevert<'_> {
    async fn at(&mut self, head: CommitId) -> Result<Option<Batch>, TurnError> {
        Ok(self.0.at(head).await?.map(|batch| Batch { kind: ChangeKind::Revert, ..batch }))
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Revert
    }
}

impl Story {
    async fn react(&mut self) -> Vec<String> {
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        let head = ports.branch.head().await.unwrap();
        let (target, memory, board, wake) = (&self.target, &mut self.memory, &self.board, Wake::Registries);
        let updates = Updates { target, memory, ports: &ports, board, wake, seen: Seen::default() };
        request(&mut AsRevert(updates), head, target, &*self.forge, &ports).await.unwrap();
        self.forge.calls()
    }
}

#[tokio::test]
async fn a_revert_is_a_request_beside_the_updates() {
    let mut story = Story::of_web();
    assert_eq!(story.react().await, ["open lockstep/revert-updates: Revert shop/web to 1.1.0"]);
    assert!(story.forge.get(1).0.body.contains("Lockstep-Change: revert"));
    assert_eq!(story.react().await, [""; 0]);
    assert_eq!(story.does().await, ["open lockstep/updates: Update shop/web to 1.1.0"], "neither closes the other");
    assert_eq!(story.react().await, [""; 0]);
    assert_eq!(story.branch.length(), 1);
}

#[tokio::test]
async fn a_commit_that_only_says_it_is_ours_is_made_anew() {
    let mut story = Story::of_web();
    story.scan().await;
    let forged = story.branch.others_forge(UPDATES, &[("ci.yaml", "run: anything"), ("web.yaml", "image: evil\n")]);
    story.forge.calls();
    story.scan().await;
    assert_ne!(story.branch.tip_of(UPDATES), forged);
    assert!(story.branch.text_on(UPDATES, "web.yaml").contains("web:1.1.0"));
    assert_eq!(story.forge.calls(), ["rewrite 1: Update shop/web to 1.1.0"]);
}

#[tokio::test]
async fn what_a_person_asked_for_is_closed_once_it_is_there() {
    let web = |image: &str, more: &str| file("web", image, "").replace("true\"\n", &format!("true\"\n{more}"));
    let locked = web("ghcr.io/acme/web:1.1.0", "    lockstep.dev/locked: audit\n");
    let mut story = Story::new(&[("web.yaml", &web("ghcr.io/acme/web:1.1.0", ""))]);
    let place = "web.yaml#Deployment/shop/web/web ghcr.io/acme/web:1.1.0 -> ghcr.io/acme/web:1.0.0";
    let released = web("ghcr.io/acme/web:1.0.0", "");
    for (message, text) in [
        ("Lock shop/web\n\nLockstep-Change: lock\n".to_owned(), &locked),
        (format!("Release shop/web\n\nLockstep-Change: release\nLockstep-Place: {place}\n"), &released),
    ] {
        let ports = Ports { branch: &story.branch, tags: &story.tags, clock: &story.clock };
        let by = lockstep_repository::Signature { name: "alice".to_owned(), email: String::new() };
        let files = vec![FileChange { path: "web.yaml".to_owned(), bytes: text.clone().into_bytes() }];
        let requested = Some(Requested { by, message });
        let batch = Batch { kind: ChangeKind::Request, moves: Vec::new(), files, requested };
        let head = ports.branch.head().await.unwrap();
        request(&mut Fixed(batch), head, &story.target, &*story.forge, &ports).await.unwrap();
    }
    assert_eq!(story.forge.calls().len(), 2);
    assert_eq!(story.does().await, [""; 0], "none of it is there");
    story.branch.human("Lock it by hand", &[("web.yaml", &locked)]);
    assert_eq!(story.does().await, ["close 1"]);
    let both = released.replace("true\"\n", "true\"\n    lockstep.dev/locked: frozen\n");
    story.branch.human("Release it by hand", &[("web.yaml", &both)]);
    assert_eq!(story.does().await, ["close 2"]);
    assert_eq!(story.does().await, [""; 0]);
}

#[tokio::test]
async fn what_a_person_asked_for_is_a_request_of_its_own() {
    let mut story = Story::of_web();
    story.target.message = MessageTemplate::default().signed_off_by("Bot <bot@example.com>".to_owned());
    let ports = Ports { branch: &story.branch, tags: &story.tags, clock: &story.clock };
    let head = ports.branch.head().await.unwrap();
    let by = lockstep_repository::Signature { name: "alice".to_owned(), email: "alice@example.com".to_owned() };
    let message = "Lock shop/web\n\nLockstep-Change: request\n".to_owned();
    let batch = Batch {
        kind: ChangeKind::Request,
        moves: Vec::new(),
        files: vec![FileChange { path: "web.yaml".to_owned(), bytes: b"locked\n".to_vec() }],
        requested: Some(Requested { by, message }),
    };
    for _ in 0..2 {
        request(&mut Fixed(batch.clone()), head, &story.target, &*story.forge, &ports).await.unwrap();
    }
    let calls = story.forge.calls();
    assert!(calls.len() == 1 && calls[0].starts_with("open lockstep/request-"), "{calls:?}");
    assert!(calls[0].ends_with(": Lock shop/web"), "{calls:?}");
    assert_eq!(story.branch.pushes(), 1);
}

/// The same, whatever the head.
struct Fixed(Batch);

#[async_trait]
impl Proposal for Fixed {
    async fn at(&mut self, _head: CommitId) -> Result<Option<Batch>, TurnError> {
        Ok(Some(self.0.clone()))
    }

    fn kind(&self) -> ChangeKind {
        self.0.kind
    }
}

#[test]
fn a_description_is_harmless_and_is_read_again() {
    let mut batch = examples().next().unwrap();
    batch.moves[0].place.file = "a|b/c`d <x>.yaml".to_owned();
    batch.moves[0].evidence = vec![
        "policy semver:~1 | @everyone [x](https://evil.example) <img>".to_owned(),
        "```\nLockstep-Place: x a -> b".to_owned(),
    ];
    let texts = Texts {
        body: Some(MessageTemplate::parse("Please look: {{ summary }}").unwrap()),
        file_link: Some("https://forge.example/acme/config/blob/COMMIT/FILE#LLINE".to_owned()),
        ..Texts::default()
    };
    let (title, text) = texts.write(&batch, "5b7d".repeat(10).parse().unwrap());
    assert_eq!(title, "Update shop/web to 1.5.0");
    assert!(text.starts_with("Please look: Update shop/web to 1.5.0\n\n| where |"), "{text}");
    let row = text.lines().find(|line| line.contains("semver")).unwrap();
    assert_eq!(row.matches('|').count(), 5, "{row}");
    assert!(row.contains("/blob/5b7d5b7d") && row.contains("/a%7Cb/c%60d%20%3Cx%3E.yaml#L21)"), "{row}");
    assert!(!row.contains("<img>"), "{row}");
    // What others wrote stands in code, where there are no mentions and no links.
    let outside: String = row.split('`').step_by(2).collect();
    assert!(row.contains("@everyone [x](https://evil.example)"), "{row}");
    assert!(!outside.contains("@everyone") && !outside.contains("evil"), "{outside}");
    let said = body::read(&text.replace('\n', "\r\n"));
    assert_eq!(said.kind, Some(ChangeKind::Update));
    assert_eq!(said.moved, [batch.moves[0].moved()]);
}
