mod forms;
mod losses;
mod requests;
mod rows;

use std::collections::BTreeSet;

use super::*;
use crate::board::BranchKey;
use crate::clusters::WorkloadKey;
use crate::fakes::{FakeBranch, FakeClock, FakeTags, repository};
use crate::ports::Branch as _;
use crate::turn::{Outcome, Wake, turn};

const FILE: &str = "clusters/prod/web.yaml";

fn manifest(on_failure: &str, tag: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  annotations:
    lockstep.dev/automated: \"true\"
    lockstep.dev/policy: semver:~1.4{on_failure}
spec:
  replicas: 2
  template:
    spec:
      initContainers:
        - name: migrate
          image: ghcr.io/acme/web:{tag}
      containers:
        - name: web
          image: ghcr.io/acme/web:{tag}
        - name: proxy
          image: ghcr.io/acme/proxy:1.4.0
"
    )
}

const REVERT: &str = "\n    lockstep.dev/on-failure: revert";

/// A branch with one object, which an update of ours moved from 1.4.2 to 1.4.3.
struct World {
    branch: FakeBranch,
    tags: FakeTags,
    clock: FakeClock,
    board: Board,
    memory: Memory,
    /// The commits before and of the update.
    begin: CommitId,
    update: CommitId,
}

impl World {
    async fn new(on_failure: &str) -> Self {
        let branch = FakeBranch::with(&[(FILE, &manifest(on_failure, "1.4.2"))]);
        let begin = branch.head().await.unwrap();
        let tags = FakeTags::with("acme/web", &["1.4.2", "1.4.3"]);
        tags.push("acme/proxy", "1.4.0", None);
        let mut world = Self {
            branch,
            tags,
            clock: FakeClock::at("2026-11-23T12:00:00Z"),
            board: Board::default(),
            memory: Memory::default(),
            begin,
            update: begin,
        };
        world.update = world.turn().await.pushed.unwrap();
        world
    }

    async fn turn(&mut self) -> Outcome {
        self.clock.pass(60);
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        turn(&target(), Wake::Registries, &mut self.memory, &ports, &self.board).await.unwrap()
    }

    /// The cluster's word that `web` does not run with 1.4.3.
    fn failure(&self) -> Failure {
        let workload = ["apps", "Deployment", "shop", "web", "web"].map(str::to_owned);
        let [group, kind, namespace, name, container] = workload;
        Failure {
            cluster: "prod-eu".to_owned(),
            sync: "lockstep/shop".to_owned(),
            path: "clusters/prod".to_owned(),
            workload: WorkloadKey { group, kind, namespace, name, container },
            reference: "ghcr.io/acme/web:1.4.3".to_owned(),
            before: Some(self.begin),
            applied: self.update,
            failed_before: Vec::new(),
            live: BTreeSet::new(),
            knows_live: false,
            message: "pod web-1: image cannot be pulled".to_owned(),
        }
    }

    async fn react(&mut self, failure: Failure) -> Reaction {
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        let reaction = react(&target(), &ports, &mut self.memory, &self.board, vec![failure]).await.unwrap();
        self.memory.set_stopped(reaction.stopped.clone());
        reaction
    }

    fn edit(&self, from: &str, to: &str) {
        let text = self.branch.text(FILE);
        assert!(text.contains(from), "{text}");
        self.branch.human("Edit it", &[(FILE, &text.replace(from, to))]);
    }
}

fn target() -> Target {
    Target::new(BranchKey { repository: "https://git.example/config".to_owned(), branch: "main".to_owned() })
}

type Setup = fn(&mut World, &mut Failure);

/// What is decided, and the tag that `web` has afterwards.
async fn decided(on_failure: &str, setup: Setup) -> (&'static str, String, Reaction) {
    let mut world = World::new(on_failure).await;
    let mut failure = world.failure();
    setup(&mut world, &mut failure);
    let length = world.branch.length();
    let reaction = world.react(failure).await;
    let word = reaction.judged[0].judgement.word();
    let text = world.branch.text(FILE);
    let (_, rest) = text.split_once("- name: web\n          image: ghcr.io/acme/web:").unwrap();
    assert_eq!(world.branch.length() - length, usize::from(word == "revert"), "only a revert commits");
    (word, rest.lines().next().unwrap().to_owned(), reaction)
}

#[tokio::test]
async fn each_failure_leads_to_what_it_proves() {
    let nothing: Setup = |_, _| {};
    let hold = "\n    lockstep.dev/on-failure: hold";
    let ignore = "\n    lockstep.dev/on-failure: ignore";
    let stories: [(&str, &str, Setup, &str, &str); 23] = [
        ("ours, to be reverted", REVERT, nothing, "revert", "1.4.2"),
        ("to be held", hold, nothing, "hold", "1.4.3"),
        ("held unless something else is said", "", nothing, "hold", "1.4.3"),
        ("to be ignored", ignore, nothing, "ignore", "1.4.3"),
        (
            "a container that was not moved",
            REVERT,
            |_, failure| {
                failure.workload.container = "proxy".to_owned();
                failure.reference = "ghcr.io/acme/proxy:1.4.0".to_owned();
            },
            "none",
            "1.4.3",
        ),
        (
            "a container that is not there",
            REVERT,
            |_, failure| failure.workload.container = "x".to_owned(),
            "none",
            "1.4.3",
        ),
        (
            "an object that is not there",
            REVERT,
            |_, failure| failure.workload.namespace = "x".to_owned(),
            "none",
            "1.4.3",
        ),
        ("another folder", REVERT, |_, failure| failure.path = "clusters/pro".to_owned(), "none", "1.4.3"),
        ("the whole repository", REVERT, |_, failure| failure.path = String::new(), "revert", "1.4.2"),
        (
            "an older reference",
            REVERT,
            |_, failure| failure.reference = "ghcr.io/acme/web:1.4.1".to_owned(),
            "none",
            "1.4.3",
        ),
        ("the update was there before", REVERT, |world, failure| failure.before = Some(world.update), "none", "1.4.3"),
        ("the update is not applied", REVERT, |world, failure| failure.applied = world.begin, "none", "1.4.3"),
        (
            "a commit that is not on the branch",
            REVERT,
            |_, failure| {
                failure.applied = "f".repeat(40).parse().unwrap();
            },
            "none",
            "1.4.3",
        ),
        ("what was before is not known", REVERT, |_, failure| failure.before = None, "revert", "1.4.2"),
        (
            "what was before is not known, and more came",
            REVERT,
            |world, failure| {
                failure.before = None;
                failure.applied = world.branch.human("Add a file", &[("clusters/prod/x.yaml", "")]);
            },
            "revert",
            "1.4.2",
        ),
        (
            "a person wrote the tag",
            REVERT,
            |world, failure| {
                world.edit("web:1.4.3", "web:1.4.1");
                world.edit("web:1.4.1", "web:1.4.3");
                failure.applied = head(world);
            },
            "none",
            "1.4.3",
        ),
        ("a person moved it on", REVERT, |world, _| world.edit("web:1.4.3", "web:1.4.9"), "none", "1.4.9"),
        (
            "a person moved it on, and wants no word",
            ignore,
            |world, _| world.edit("web:1.4.3", "web:1.4.9"),
            "none",
            "1.4.9",
        ),
        (
            "a commit on top, elsewhere",
            REVERT,
            |world, failure| {
                failure.applied = world.branch.human("Add a file", &[("clusters/prod/x.yaml", "")]);
            },
            "revert",
            "1.4.2",
        ),
        (
            "another person's change of the object",
            REVERT,
            |world, _| world.edit("replicas: 2", "replicas: 3"),
            "person",
            "1.4.3",
        ),
        (
            "a comment in the file",
            REVERT,
            |world, _| world.edit("spec:\n  rep", "spec: # two\n  rep"),
            "revert",
            "1.4.2",
        ),
        ("the value before is gone", REVERT, |world, _| world.tags.delete("acme/web", "1.4.2"), "person", "1.4.3"),
        (
            "the value before failed too",
            REVERT,
            |_, failure| {
                failure.failed_before = vec!["ghcr.io/acme/web:1.4.2".to_owned()];
            },
            "person",
            "1.4.3",
        ),
    ];
    for (story, on_failure, setup, word, tag) in stories {
        let (found, now, reaction) = decided(on_failure, setup).await;
        assert_eq!((found, now.as_str()), (word, tag), "{story}: {:?}", reaction.judged);
        let stops = matches!(word, "hold" | "person" | "revert") || story == "a person moved it on";
        let stopped = reaction.stopped.of(&repository("acme/web")).any(|(tag, _)| tag == "1.4.3");
        assert_eq!(stopped, stops, "{story}");
    }
}

fn head(world: &World) -> CommitId {
    futures::FutureExt::now_or_never(world.branch.head()).unwrap().unwrap()
}

#[tokio::test]
async fn the_revert_says_why_and_takes_back_the_whole_object() {
    let mut world = World::new(REVERT).await;
    let failure = world.failure();
    let reaction = world.react(failure).await;
    assert!(reaction.pushed.is_some());
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.2"), "both containers that the update moved");
    let message = world.branch.message();
    for part in [
        "Revert shop/web to 1.4.2\n",
        &format!("takes back what commit {} wrote", world.update),
        "failed in prod-eu, Sync lockstep/shop: Deployment shop/web, container web: pod web-1: image cannot be pulled",
        "\nLockstep-Change: revert\n",
        "\nLockstep-Place: clusters/prod/web.yaml#Deployment/shop/web/web ghcr.io/acme/web:1.4.3 -> ghcr.io/acme/web:1.4.2\n",
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
}

#[tokio::test]
async fn it_is_done_once_and_the_tag_does_not_come_back() {
    let mut world = World::new(REVERT).await;
    let failure = world.failure();
    assert!(world.react(failure.clone()).await.pushed.is_some());
    let again = world.react(failure.clone()).await;
    assert_eq!((again.pushed, again.judged[0].judgement.word()), (None, "none"));

    assert_eq!(world.turn().await.pushed, None);
    // As if the data folder were deleted and the daemon started again.
    world.memory = Memory::default();
    world.tags.forget();
    assert_eq!(world.turn().await.pushed, None);
    let other = manifest(REVERT, "1.4.2").replace("name: web\n  namespace", "name: worker\n  namespace");
    world.branch.human("Add a worker", &[("clusters/prod/worker.yaml", &other)]);
    assert_eq!(world.turn().await.pushed, None, "it goes nowhere else either");
    world.tags.push("acme/web", "1.4.4", None);
    assert!(world.turn().await.pushed.is_some());
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.4"));
}

#[tokio::test]
async fn a_held_tag_goes_to_no_further_place_and_a_newer_one_does() {
    let mut world = World::new("").await;
    let failure = world.failure();
    world.react(failure).await;
    let other = manifest("", "1.4.2").replace("name: web\n  namespace", "name: worker\n  namespace");
    world.branch.human("Add a worker", &[("clusters/prod/worker.yaml", &other)]);
    assert_eq!(world.turn().await.pushed, None);
    world.tags.push("acme/web", "1.4.4", None);
    assert!(world.turn().await.pushed.is_some());
    assert!(world.branch.text("clusters/prod/worker.yaml").contains("web:1.4.4"));
}

#[tokio::test]
async fn what_a_person_releases_is_tried_again_and_an_old_report_does_not_take_it_back() {
    let mut world = World::new(REVERT).await;
    let failure = world.failure();
    world.react(failure.clone()).await;
    let places =
        ["migrate", "web"].map(|container| format!("Lockstep-Release: {FILE}#Deployment/shop/web/{container} 1.4.3"));
    world.branch.human(&format!("Try it again\n\n{}\n{}", places[0], places[1]), &[("note", "")]);
    let reaction = world.react(failure.clone()).await;
    assert_eq!(reaction.stopped, StoppedTags::default());
    assert!(world.turn().await.pushed.is_some());
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.3"));
    let old_report = world.react(failure).await;
    assert_eq!(old_report.judged[0].judgement.word(), "none");
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.3"));
}

#[tokio::test]
async fn a_lost_race_is_decided_again() {
    let mut world = World::new(REVERT).await;
    world.branch.before_push(|branch| {
        branch.human("Add a file", &[("note", "")]);
    });
    let failure = world.failure();
    assert!(world.react(failure.clone()).await.pushed.is_some());
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.2"));

    let mut world = World::new(REVERT).await;
    world.branch.before_push(|branch| {
        branch.human_reverts();
    });
    let failure = world.failure();
    let reaction = world.react(failure).await;
    assert_eq!((reaction.pushed, reaction.judged[0].judgement.word()), (None, "none"), "a person was faster");
}

#[tokio::test]
async fn a_registry_that_does_not_answer_only_delays() {
    let mut world = World::new(REVERT).await;
    let failure = world.failure();
    world.tags.fail(Some("no answer"));
    let reaction = world.react(failure.clone()).await;
    assert_eq!((reaction.pushed, reaction.judged[0].judgement.word()), (None, "wait"));
    world.tags.fail(None);
    assert!(world.react(failure).await.pushed.is_some());
}

#[tokio::test]
async fn a_rejected_push_is_an_error_and_changes_nothing() {
    let mut world = World::new(REVERT).await;
    world.branch.reject(true);
    let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
    let failures = vec![world.failure()];
    let rejected = react(&target(), &ports, &mut world.memory, &world.board, failures).await;
    assert!(matches!(rejected, Err(TurnError::Rejected { .. })), "{rejected:?}");
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.3"));
}
