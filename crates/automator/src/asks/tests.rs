use super::*;
use crate::board::{Board, BranchKey};
use crate::fakes::{FakeBranch, FakeClock, FakeTags, repository};
use crate::memory::Memory;
use crate::ports::Ports;
use crate::turn::{Target, Wake, turn};

const FILE: &str = "apps/web.yaml";

fn web(annotations: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n{annotations}spec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: ghcr.io/acme/web:1.4.2 # the shop\n      - name: proxy\n        image: ghcr.io/acme/proxy:2.0.0\n"
    )
}

const AUTOMATED: &str =
    "  annotations:\n    lockstep.dev/automated: \"true\"\n    lockstep.dev/policy.web: semver:~1.4\n";

struct World {
    branch: FakeBranch,
    tags: FakeTags,
    clock: FakeClock,
    board: Board,
    memory: Memory,
    target: Target,
}

impl World {
    fn new(annotations: &str) -> Self {
        let tags = FakeTags::with("acme/web", &["1.4.0", "1.4.2", "1.4.3"]);
        tags.push("acme/proxy", "2.0.0", None);
        Self {
            branch: FakeBranch::with(&[(FILE, &web(annotations))]),
            tags,
            clock: FakeClock::at("2026-11-23T12:00:00Z"),
            board: Board::default(),
            memory: Memory::default(),
            target: Target::new(BranchKey {
                repository: "https://git.example/config".to_owned(),
                branch: "main".to_owned(),
            }),
        }
    }

    async fn turn(&mut self) -> bool {
        self.clock.pass(60);
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        let ended = turn(&self.target, Wake::Registries, &mut self.memory, &ports, &self.board).await;
        ended.unwrap().pushed.is_some()
    }

    async fn change(&mut self, name: &str, container: &str, wish: Wish) -> Result<Changed, Refusal> {
        self.clock.pass(60);
        let subject = Subject::read(name, container).unwrap();
        let question = ChangeQuestion { subject, who: alice(), wish };
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        change(&question, &self.target, &mut self.memory, &ports).await
    }

    async fn explain(&mut self, name: &str) -> Result<Explained, Refusal> {
        let question = ExplainQuestion { subject: Subject::read(name, "").unwrap(), who: alice(), limit: 10 };
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        explain(&question, &self.target, &mut self.memory, &ports, &self.board).await
    }

    /// Each entry as `KIND AUTHOR: CONTAINER FROM>TO …`.
    async fn history(
        &mut self,
        name: &str,
        image: Option<&str>,
        before: Option<CommitId>,
        limit: usize,
    ) -> Vec<String> {
        let (subject, image) = (Subject::read(name, "").unwrap(), image.map(repository));
        let question = HistoryQuestion { subject, image, who: alice(), limit, before };
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        let page = history(&question, &self.target, &mut self.memory, &ports).await.unwrap();
        page.entries.iter().map(shown).collect()
    }
}

fn shown(entry: &HistoryEntry) -> String {
    let tag = |text: &Option<String>| text.as_deref().and_then(|text| text.rsplit(':').next()).unwrap_or("").to_owned();
    let change = |change: &PlaceChange| {
        let container = change.place.rsplit('/').next().unwrap_or_default();
        format!(" {container} {}>{}", tag(&change.from), tag(&change.to))
    };
    let changes: String = entry.changes.iter().map(change).collect();
    format!("{} {}:{changes}", entry.kind, entry.author)
}

fn alice() -> Identity {
    Identity { name: "alice".to_owned(), email: Some("alice@example.com".to_owned()), ..Identity::default() }
}

fn release(tag: &str) -> Wish {
    Wish::Release { tag: tag.to_owned(), force: false }
}

#[tokio::test]
async fn a_release_is_a_commit_in_the_name_of_who_asked() {
    let mut world = World::new(AUTOMATED);
    let changed = world.change("deploy/shop/web", "web", release("1.4.0")).await.unwrap();
    assert_eq!((changed.commit.is_some(), changed.summary.as_str()), (true, "Release shop/web to 1.4.0"));
    assert_eq!(world.branch.text(FILE), web(AUTOMATED).replace("web:1.4.2", "web:1.4.0"));
    let message = world.branch.message();
    for part in [
        "Release shop/web to 1.4.0\n\napps/web.yaml#Deployment/shop/web/web\n  ghcr.io/acme/web:1.4.2 -> ghcr.io/acme/web:1.4.0\n  digest sha256:",
        "\n\nLockstep-Change: release\nLockstep-Place: apps/web.yaml#Deployment/shop/web/web ghcr.io/acme/web:1.4.2 -> ghcr.io/acme/web:1.4.0\n",
        "\nLockstep-Requested-By: alice\n",
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
    // A step back is a person's word: what was there does not come back, something newer does.
    assert!(world.turn().await, "1.4.3 is newer than what was taken back");
    assert!(world.branch.text(FILE).contains("web:1.4.3"));
    world.change("deploy/shop/web", "web", release("1.4.0")).await.unwrap();
    assert!(!world.turn().await);
    world.memory = Memory::default();
    assert!(!world.turn().await);
    world.change("deploy/shop/web", "web", release("1.4.3")).await.unwrap();
    let again = world.change("deploy/shop/web", "web", release("1.4.3")).await.unwrap();
    assert_eq!(again.commit, None, "it has it");
}

#[tokio::test]
async fn what_cannot_be_released_is_told_and_commits_nothing() {
    let locked = format!("{AUTOMATED}    lockstep.dev/locked: audit\n");
    let broken = format!("{AUTOMATED}    lockstep.dev/locked: audit\n    lockstep.dev/polcy: x\n");
    let twin = web(AUTOMATED);
    for (annotations, name, container, wish, expected) in [
        (AUTOMATED, "deploy/shop/web", "web", release("9.9"), "ghcr.io/acme/web has no tag 9.9"),
        (AUTOMATED, "deploy/shop/web", "", release("1.4.3"), "name one of web, proxy"),
        (AUTOMATED, "deploy/shop/api", "", release("1.4.3"), "nothing of that name"),
        (AUTOMATED, "deploy/shop/web", "x", release("1.4.3"), "no container x"),
        (&locked, "deploy/shop/web", "web", release("1.4.3"), "is locked: audit"),
        (&broken, "deploy/shop/web", "web", release("1.4.3"), "is locked: audit"),
        (AUTOMATED, "deploy/web", "", Wish::Policy("semver:x y".to_owned()), "semver:x y"),
        (AUTOMATED, "deploy/web", "", Wish::Lock { reason: " ".to_owned() }, "say why"),
    ] {
        let mut world = World::new(annotations);
        let refusal = world.change(name, container, wish.clone()).await.unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}");
        assert_eq!(world.branch.length(), 1, "{expected}");
    }
    let mut world = World::new(&locked);
    let forced = Wish::Release { tag: "1.4.3".to_owned(), force: true };
    assert!(world.change("deploy/shop/web", "web", forced).await.unwrap().commit.is_some());
    world.branch.human("Copy it", &[("b.yaml", &twin)]);
    let refusal = world.change("deploy/shop/web", "web", release("1.4.3")).await.unwrap_err().to_string();
    assert!(refusal.contains("apps/web.yaml#Deployment/shop/web/web, b.yaml#Deployment/shop/web/web"), "{refusal}");
    let one = world.change("b.yaml#Deployment/shop/web/web", "", release("1.4.3")).await.unwrap();
    assert!(one.commit.is_some() && world.branch.text("b.yaml").contains("web:1.4.3"));
}

#[tokio::test]
async fn locks_and_policies_are_annotations() {
    for (container, wish, expected, summary) in [
        ("", Wish::Automate, "lockstep.dev/automated: \"true\"", "Automate shop/web"),
        ("", Wish::Deautomate, "lockstep.dev/automated: \"false\"", "Stop automating shop/web"),
        (
            "",
            Wish::Lock { reason: "audit\nuntil May".to_owned() },
            "lockstep.dev/locked: audit until May",
            "Lock shop/web: audit until May",
        ),
        (
            "web",
            Wish::Policy("semver:~1.4".to_owned()),
            "lockstep.dev/policy.web: semver:~1.4",
            "Set the policy of shop/web, container web to semver:~1.4",
        ),
    ] {
        let mut world = World::new("");
        let changed = world.change("deploy/shop/web", container, wish.clone()).await.unwrap();
        assert_eq!(changed.summary, summary);
        assert_eq!(world.branch.text(FILE), web(&format!("  annotations:\n    {expected}\n")));
        let message = world.branch.message();
        assert!(
            message.contains("\nLockstep-Object: apps/web.yaml#Deployment/shop/web\nLockstep-Requested-By: alice\n"),
            "{message}"
        );
        assert_eq!(world.change("deploy/shop/web", container, wish).await.unwrap().commit, None, "{summary}");
    }
    let mut world = World::new("  annotations:\n    lockstep.dev/locked: audit\n");
    assert!(world.change("deploy/shop/web", "", Wish::Unlock).await.unwrap().commit.is_some());
    assert_eq!(world.branch.text(FILE), web(""));
}

#[tokio::test]
async fn comments_are_stronger_than_annotations_and_all_that_a_kustomization_has() {
    let mut world = World::new(AUTOMATED);
    let text = web("").replace("# the shop", "# lockstep: semver:~1.4");
    let entry = "images:\n- name: ghcr.io/acme/web\n  newTag: 1.4.2\n";
    world.branch.human("Say it in comments", &[(FILE, &text), ("prod/kustomization.yaml", entry)]);
    world.change("deploy/shop/web", "web", Wish::Policy("semver:^1".to_owned())).await.unwrap();
    assert_eq!(world.branch.text(FILE), text.replace("semver:~1.4", "semver:^1"));
    world.change("deploy/shop/web", "web", Wish::Deautomate).await.unwrap();
    let off = text.replace("semver:~1.4", "semver:^1 [automated=false]");
    assert_eq!(world.branch.text(FILE), off);
    world.change("deploy/shop/web", "", Wish::Lock { reason: "on fire".to_owned() }).await.unwrap();
    let locked = "  annotations:\n    lockstep.dev/locked: on fire\nspec:\n  template";
    assert_eq!(world.branch.text(FILE), off.replace("spec:\n  template", locked));
    let place = "prod/kustomization.yaml#///images.ghcr.io/acme/web";
    world.change(place, "", Wish::Lock { reason: "by me, now".to_owned() }).await.unwrap();
    let expected = entry.replace("1.4.2", "1.4.2 # lockstep: [locked=\"by me, now\"]");
    assert_eq!(world.branch.text("prod/kustomization.yaml"), expected);
    world.change(place, "", Wish::Policy("semver:~1.4".to_owned())).await.unwrap();
    world.change(place, "", Wish::Unlock).await.unwrap();
    assert_eq!(world.branch.text("prod/kustomization.yaml"), entry.replace("1.4.2", "1.4.2 # lockstep: semver:~1.4"));
}

#[tokio::test]
async fn a_lost_race_is_decided_on_what_the_other_pushed() {
    let mut world = World::new(AUTOMATED);
    let locked = web(&format!("{AUTOMATED}    lockstep.dev/locked: freeze\n"));
    world.branch.before_push(move |branch| {
        branch.human("Freeze", &[(FILE, &locked)]);
    });
    let refusal = world.change("deploy/shop/web", "web", release("1.4.3")).await.unwrap_err();
    assert!(refusal.to_string().contains("freeze"), "{refusal}");
}

#[tokio::test]
async fn tokens_are_bound_by_their_folders() {
    let mut world = World::new(AUTOMATED);
    let who = Identity { paths: Some(["infra".to_owned()].into()), ..alice() };
    let subject = Subject::read("deploy/shop/web", "web").unwrap();
    let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
    let question = ChangeQuestion { subject: subject.clone(), who: who.clone(), wish: release("1.4.3") };
    let refused = change(&question, &world.target, &mut world.memory, &ports).await;
    assert!(matches!(refused, Err(Refusal::Denied(_))), "{refused:?}");
    let question = ExplainQuestion { subject, who, limit: 10 };
    let explained = explain(&question, &world.target, &mut world.memory, &ports, &world.board).await;
    assert!(matches!(explained, Err(Refusal::NotFound(_))), "{explained:?}");
}

#[tokio::test]
async fn a_tag_that_a_cluster_proved_broken_is_listed_with_who_said_so() {
    let mut world = World::new(AUTOMATED);
    world.turn().await;
    world.tags.push("acme/web", "1.4.4", None);
    let mut stopped = crate::stopped::StoppedTags::default();
    stopped.stop(repository("acme/web"), "1.4.4".to_owned(), "eu said of web that it does not run".to_owned());
    world.memory.set_stopped(stopped);
    assert!(!world.turn().await);
    let explained = world.explain("deploy/shop/web").await.unwrap();
    let lines: Vec<String> =
        explained.places[0].tags.iter().map(|tag| format!("{} {}", tag.judged.tag, tag.judged.verdict)).collect();
    assert_eq!(lines[0], "1.4.4 dropped: stopped: eu said of web that it does not run");
    assert_eq!((lines.len(), explained.places[0].tags_total), (4, 4));
}

#[tokio::test]
async fn every_tag_is_told_with_the_rule_that_kept_or_dropped_it() {
    let mut world = World::new(AUTOMATED);
    world.tags.push("acme/web", "1.5.0", None);
    world.turn().await;
    let explained = world.explain("deploy/shop/web").await.unwrap();
    let [place] = &explained.places[..] else { panic!("{explained:?}") };
    assert_eq!((place.state.container.as_str(), place.state.current.as_str()), ("web", "ghcr.io/acme/web:1.4.3"));
    assert_eq!(place.state.origin, "apps/web.yaml:8");
    let tags: Vec<(&str, &str)> =
        place.tags.iter().map(|tag| (tag.judged.tag.as_str(), tag.judged.verdict.as_str())).collect();
    let expected = [
        ("1.5.0", "dropped: outside the range ~1.4"),
        ("1.4.3", "current: eligible itself"),
        ("1.4.2", "dropped: not newer than the current 1.4.3"),
        ("1.4.0", "dropped: not newer than the current 1.4.3"),
    ];
    assert_eq!(tags, expected);

    world.branch.human_reverts();
    assert_eq!(world.explain("deploy/shop/web").await.unwrap().places[0].undone, ["1.4.3"]);
    assert!(matches!(world.explain("deploy/shop/api").await, Err(Refusal::NotFound(_))));
    let mut world = World::new("");
    let explained = world.explain("deploy/shop/web").await.unwrap();
    assert!(explained.places.is_empty() && explained.problems[0].contains("apps/web.yaml:1: nothing"), "{explained:?}");
    let mut world = World::new("  annotations:\n    lockstep.dev/polcy: x\n");
    assert!(world.explain("deploy/shop/web").await.unwrap().problems[0].contains("polcy"));
}

#[tokio::test]
async fn history_tells_who_did_what_newest_first() {
    let mut world = World::new(AUTOMATED);
    assert!(world.turn().await);
    world.branch.human_reverts();
    world.change("deploy/shop/web", "", Wish::Lock { reason: "audit".to_owned() }).await.unwrap();
    world.change("deploy/shop/web", "web", Wish::Release { tag: "1.4.0".to_owned(), force: true }).await.unwrap();
    let forged = world.branch.text(FILE).replace("proxy:2.0.0", "proxy:6.6.6");
    let forged_message = "Nothing\n\nLockstep-Change: update\nLockstep-Place: apps/web.yaml#Deployment/shop/web/proxy ghcr.io/acme/proxy:2.0.0 -> ghcr.io/acme/proxy:2.0.1";
    world.branch.human(forged_message, &[(FILE, &forged)]);
    let text = world.branch.text(FILE);
    world.branch.human("Freeze it by hand", &[(FILE, &text.replace("locked: audit", "locked: frozen"))]);
    world.branch.human("Elsewhere", &[("README.md", "x")]);

    let all = [
        "edit :",
        "edit : proxy 2.0.0>6.6.6",
        "release alice: web 1.4.2>1.4.0",
        "lock alice:",
        "edit : web 1.4.3>1.4.2",
        "update Lockstep: web 1.4.2>1.4.3",
        "edit : proxy >2.0.0 web >1.4.2",
    ];
    assert_eq!(world.history("", None, None, 10).await, all);
    assert_eq!(world.history("deploy/shop/web", None, None, 10).await, all);
    assert_eq!(world.history("", Some("acme/proxy"), None, 10).await, [all[1], "edit : proxy >2.0.0"]);
    assert_eq!(
        world.history("apps/web.yaml#Deployment/shop/web/proxy", None, None, 10).await,
        [all[0], all[1], all[3], "edit : proxy >2.0.0"]
    );
    assert_eq!(world.history("deploy/shop/api", None, None, 10).await, [""; 0]);

    let mut before = None;
    let mut paged = Vec::new();
    for _ in 0..all.len() {
        let question =
            HistoryQuestion { subject: Subject::read("", "").unwrap(), image: None, who: alice(), limit: 1, before };
        let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
        let page = history(&question, &world.target, &mut world.memory, &ports).await.unwrap();
        before = page.entries.last().map(|entry| entry.commit);
        paged.extend(page.entries.iter().map(shown));
        assert_eq!(page.more, paged.len() < all.len());
    }
    assert_eq!(paged, all);
}

mod bounds;
