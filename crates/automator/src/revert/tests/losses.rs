//! Two clusters, and an automator that is killed with all that it knows between any two steps: Git comes out the same.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use lockstep_api::v1;

use super::*;
use crate::clusters::{Clusters, QUIET, Report};
use crate::ports::Clock as _;

/// What happens, one after the other.
#[derive(Clone, Debug)]
enum Step {
    /// A tag appears in the registry.
    Push(&'static str),
    /// The automator looks.
    Look,
    /// A cluster applies the head, and says what became of it.
    Apply(&'static str),
    /// A person writes a tag for a workload; with another edit of it.
    Write(&'static str, &'static str),
    /// A person commits something else.
    Elsewhere,
    /// A person undoes the newest commit.
    GitRevert,
}

use Step::{Apply, Elsewhere, GitRevert, Look, Push, Write};

/// A cluster as far as it reports.
#[derive(Default)]
struct Cluster {
    applied: Option<CommitId>,
    previous: Option<CommitId>,
    workloads: BTreeMap<String, v1::Workload>,
}

struct Play {
    /// The annotations of every workload.
    asked: &'static str,
    world: World,
    clusters: Clusters,
    known: BTreeMap<&'static str, Cluster>,
    /// `CLUSTER/WORKLOAD TAG`: it cannot run there; with a `?`, the cluster has no room for it.
    bad: Vec<&'static str>,
}

fn file(cluster: &str, workload: &str) -> String {
    format!("clusters/{cluster}/{workload}.yaml")
}

fn deployment(asked: &str, workload: &str, tag: &str) -> String {
    manifest(asked, tag).replace("name: web\n  namespace", &format!("name: {workload}\n  namespace"))
}

const PLACES: [(&str, &str); 10] = [
    ("eu", "a"),
    ("eu", "b"),
    ("eu", "c"),
    ("eu", "d"),
    ("eu", "e"),
    ("us", "a"),
    ("us", "b"),
    ("us", "c"),
    ("us", "d"),
    ("us", "e"),
];

/// No revert; one workload gets nothing until a person writes it.
const HOLD: &str = "";
const LOCKED: (&str, &str) = ("us", "e");

impl Play {
    fn new(asked: &'static str, bad: &[&'static str]) -> Self {
        let annotations = |place: &(&str, &str)| match *place {
            LOCKED if asked == HOLD => "\n    lockstep.dev/locked: later",
            _ => asked,
        };
        let text = |place: &(&str, &str)| deployment(annotations(place), place.1, "1.4.2");
        let files: Vec<(String, String)> = PLACES.iter().map(|place| (file(place.0, place.1), text(place))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let branch = FakeBranch::with(&files);
        let begin = futures::FutureExt::now_or_never(branch.head()).unwrap().unwrap();
        let tags = FakeTags::with("acme/web", &["1.4.2"]);
        tags.push("acme/proxy", "1.4.0", None);
        let world = World {
            branch,
            tags,
            clock: FakeClock::at("2026-11-23T12:00:00Z"),
            board: Board::default(),
            memory: Memory::default(),
            begin,
            update: begin,
        };
        Self { asked, world, clusters: Clusters::default(), known: BTreeMap::new(), bad: bad.to_vec() }
    }

    /// As the loop of a branch looks.
    async fn look(&mut self) {
        let world = &mut self.world;
        let branch = target().branch;
        let failures = self.clusters.failures(&branch.repository, &branch.branch);
        let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
        let reaction = react(&target(), &ports, &mut world.memory, &world.board, failures).await.unwrap();
        world.memory.set_stopped(reaction.stopped);
        let later = world.clock.now() + SignedDuration::from_hours(1);
        world.memory.set_unheard(self.clusters.unheard().map(|_| later));
        world.turn().await;
    }

    fn apply(&mut self, name: &'static str) {
        let head = head(&self.world);
        let cluster = self.known.entry(name).or_default();
        if cluster.applied != Some(head) {
            cluster.previous = cluster.applied.replace(head);
        }
        for (_, workload) in PLACES.iter().filter(|(of, _)| *of == name) {
            let text = self.world.branch.text(&file(name, workload));
            let tag = tag_of(&text);
            let reference = format!("ghcr.io/acme/web:{tag}");
            let before = cluster.workloads.get(*workload);
            if before.is_some_and(|before| before.reference == reference) {
                continue;
            }
            let last_live = before.map(|before| before.last_live.clone()).unwrap_or_default();
            let is = |sign: &str| self.bad.contains(&format!("{name}/{workload} {tag}{sign}").as_str());
            let was_live = before.is_some_and(|before| before.verdict() == v1::Verdict::Live);
            let (verdict, last_live) = match (is(""), is("?")) {
                (true, _) if was_live => (v1::Verdict::Failed, last_live),
                (true, _) | (_, true) => (v1::Verdict::Inconclusive, last_live),
                _ => (v1::Verdict::Live, reference.clone()),
            };
            let reported = v1::Workload {
                group: "apps".to_owned(),
                kind: "Deployment".to_owned(),
                namespace: "shop".to_owned(),
                name: (*workload).to_owned(),
                container: "web".to_owned(),
                reference,
                verdict: verdict.into(),
                last_live,
                ..v1::Workload::default()
            };
            cluster.workloads.insert((*workload).to_owned(), reported);
        }
        self.report(name);
    }

    fn report(&self, name: &str) {
        let Some(cluster) = self.known.get(name) else { return };
        let id = |commit: Option<CommitId>| commit.map(|commit| commit.to_string()).unwrap_or_default();
        let event = v1::ClusterEvent {
            sync: "lockstep/shop".to_owned(),
            repository: target().branch.repository,
            branch: "main".to_owned(),
            path: format!("clusters/{name}"),
            applied_commit: id(cluster.applied),
            previous_commit: id(cluster.previous),
            workloads: cluster.workloads.values().cloned().collect(),
            observed_at: None,
        };
        assert!(self.clusters.apply(name, Report::read(event).unwrap()));
    }

    /// Killed, its folder deleted, started again: it looks before anybody has spoken to it.
    async fn lose_everything(&mut self) {
        self.world.memory = Memory::default();
        self.world.tags.forget();
        self.clusters = Clusters::awaiting(["eu", "us"].map(str::to_owned), Duration::from_secs(90));
        self.look().await;
        for cluster in ["eu", "us"] {
            self.clusters.hear(cluster);
            self.report(cluster);
            self.look().await;
        }
        tokio::time::advance(QUIET).await;
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Push(tag) => self.world.tags.push("acme/web", tag, None),
            Look => self.look().await,
            Apply(cluster) => self.apply(cluster),
            Write(place, tag) => {
                let (cluster, workload) = place.split_once('/').unwrap();
                self.world
                    .branch
                    .human("By hand", &[(&file(cluster, workload), &deployment(self.asked, workload, tag))]);
            }
            Elsewhere => drop(self.world.branch.human("Elsewhere", &[("README.md", "x")])),
            GitRevert => drop(self.world.branch.human_reverts()),
        }
    }

    /// Each place that has another tag than most, and that tag.
    fn outcome(&self) -> String {
        let tags: Vec<(String, String)> = PLACES
            .iter()
            .map(|(cluster, name)| (format!("{cluster}/{name}"), tag_of(&self.world.branch.text(&file(cluster, name)))))
            .collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        tags.iter().for_each(|(_, tag)| *counts.entry(tag).or_default() += 1);
        let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(tag, _)| tag.to_owned()).unwrap();
        let others = tags.iter().filter(|(_, tag)| *tag != most).map(|(place, tag)| format!(" {place}={tag}"));
        format!("{most}{}", others.collect::<String>())
    }
}

fn tag_of(text: &str) -> String {
    let (_, rest) = text.split_once("- name: web\n          image: ghcr.io/acme/web:").unwrap();
    rest.lines().next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn whatever_is_lost_between_two_steps_git_comes_out_the_same() {
    let held = vec![Look, Apply("eu"), Look, Write("us/e", "1.4.2"), Look];
    play_with_losses("what is held goes to no further place", HOLD, &["eu/c 1.4.3"], held, "1.4.3 us/e=1.4.2").await;
    let stories: [(&str, &[&'static str], Vec<Step>, &str); 11] = [
        ("one of ten fails", &["eu/c 1.4.3"], vec![], "1.4.3 eu/c=1.4.2"),
        ("one has no room", &["eu/c 1.4.3?"], vec![], "1.4.3"),
        ("one fails in each cluster", &["eu/c 1.4.3", "us/a 1.4.3"], vec![], "1.4.3 eu/c=1.4.2 us/a=1.4.2"),
        (
            "the newest fails, and so does the next best, which is not tried",
            &["eu/c 1.4.4", "eu/c 1.4.3"],
            vec![Push("1.4.4")],
            "1.4.4 eu/c=1.4.2",
        ),
        (
            "a newer one mends it",
            &["eu/c 1.4.3"],
            vec![Look, Apply("eu"), Look, Push("1.4.4"), Look, Apply("eu"), Apply("us")],
            "1.4.4",
        ),
        (
            "a later commit on top",
            &["eu/c 1.4.3"],
            vec![Look, Elsewhere, Apply("eu"), Elsewhere, Apply("us")],
            "1.4.3 eu/c=1.4.2",
        ),
        (
            "later commits are applied too before anybody looks",
            &["eu/c 1.4.3"],
            vec![Look, Apply("eu"), Elsewhere, Apply("eu"), Elsewhere, Apply("eu")],
            "1.4.3 eu/c=1.4.2",
        ),
        (
            "what was taken back goes to no further place",
            &["eu/c 1.4.3"],
            vec![Look, Apply("eu"), Look, Write("us/b", "1.4.1"), Look, Write("us/b", "1.4.2"), Look],
            "1.4.3 eu/c=1.4.2 us/b=1.4.2",
        ),
        (
            "a person was faster",
            &["eu/c 1.4.3"],
            vec![Look, Apply("eu"), Write("eu/c", "1.4.1"), Look, Apply("eu"), Apply("us")],
            "1.4.3 eu/c=1.4.1",
        ),
        (
            "a person takes the revert back: that tag is now the person's",
            &["eu/c 1.4.3"],
            vec![Look, Apply("eu"), Look, GitRevert, Look, Apply("eu"), Look],
            "1.4.3",
        ),
        (
            "a person takes the update back before anybody could judge it",
            &["eu/c 1.4.3"],
            vec![Look, GitRevert, Look, Apply("eu"), Apply("us"), Look],
            "1.4.2",
        ),
    ];
    for (story, bad, more, expected) in stories {
        play_with_losses(story, REVERT, bad, more, expected).await;
    }
}

/// Everything is lost before one of the steps, whichever it is; and before each of them.
async fn play_with_losses(story: &str, asked: &'static str, bad: &[&'static str], more: Vec<Step>, expected: &str) {
    let mut steps = vec![Look, Apply("eu"), Apply("us"), Push("1.4.3")];
    steps.extend(more);
    steps.extend([Look, Apply("eu"), Apply("us"), Look, Apply("eu"), Apply("us"), Look, Look]);
    let nowhere = usize::MAX;
    let mut commits = None;
    for lost in (0..steps.len()).chain([nowhere]).rev() {
        let mut play = Play::new(asked, bad);
        for (number, step) in steps.iter().enumerate() {
            if number == lost {
                play.lose_everything().await;
            }
            play.step(step).await;
        }
        assert_eq!(play.outcome(), expected, "{story}, lost before step {lost}");
        // Clusters that speak one after the other may make two reverts of one.
        let made = play.world.branch.length();
        assert!(made <= *commits.get_or_insert(made) + 1, "{story}, lost before step {lost}: {made} commits");
    }
    let mut play = Play::new(asked, bad);
    for step in &steps {
        play.lose_everything().await;
        play.step(step).await;
    }
    assert_eq!(play.outcome(), expected, "{story}, lost before every step");
}
