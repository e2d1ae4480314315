use lockstep_api::v1;
use lockstep_daemon::Readiness;
use lockstep_repository::CommitId;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;

use super::*;
use crate::bell::Answer;
use crate::board::BranchKey;
use crate::clusters::{QUIET, Report};
use crate::fakes::{FakeBranch, FakeClock, FakeTags, repository};
use crate::rhythm::Pace;

const FILE: &str = "web.yaml";

fn manifest(tag: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  annotations:
    lockstep.dev/automated: \"true\"
    lockstep.dev/policy: semver:~1.4
    lockstep.dev/on-failure: revert
spec:
  containers:
    - name: web
      image: ghcr.io/acme/web:{tag}
"
    )
}

/// A running loop and the world that it looks at. Its intervals are long: only what happens wakes it.
struct World {
    branch: Arc<FakeBranch>,
    tags: Arc<FakeTags>,
    bell: Bell,
    board: Board,
    clusters: Clusters,
    readiness: Readiness,
    shutdown: Shutdown,
    registry: Registry,
    running: JoinSet<Result<(), Infallible>>,
}

impl World {
    fn start() -> Self {
        Self::with(Clusters::default(), &["1.4.2"])
    }

    fn with(clusters: Clusters, tags: &[&str]) -> Self {
        let key = BranchKey { repository: "https://git.example/config".to_owned(), branch: "main".to_owned() };
        let mut registry = Registry::default();
        let day = Duration::from_secs(24 * 60 * 60);
        let branch = Arc::new(FakeBranch::with(&[(FILE, &manifest("1.4.2"))]));
        let tags = Arc::new(FakeTags::with("acme/web", tags));
        let (bell, board) = (Bell::default(), Board::default());
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
        let looking = BranchLoop {
            target: Target { pace: Pace { shortest: day, longest: day }, ..Target::new(key) },
            branch: Arc::clone(&branch) as Arc<dyn Branch>,
            tags: Arc::clone(&tags) as Arc<dyn Tags>,
            clock: Arc::new(FakeClock::at("2026-11-23T12:00:00Z")),
            bell: bell.clone(),
            board: board.clone(),
            notes: Notes::default(),
            clusters: clusters.clone(),
            metrics: Metrics::register(&mut registry),
            git_interval: day,
            grace: Duration::from_secs(20),
        };
        let mut running = JoinSet::new();
        running.spawn(looking.keep(readiness.wait_for("branch"), shutdown.clone()));
        Self { branch, tags, bell, board, clusters, readiness, shutdown, registry, running }
    }

    /// Asks for a look at one image and waits for the turn.
    async fn scan(&self) -> Answer {
        self.bell.scan(Some(repository("acme/web"))).unwrap().await.unwrap()
    }

    async fn head(&self) -> CommitId {
        self.branch.head().await.unwrap()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    async fn stop(mut self) {
        self.shutdown.request();
        self.running.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_looks_at_the_start_and_at_every_hint_and_ends_when_asked() {
    let world = World::start();
    assert_eq!(world.readiness.waiting(), ["branch"]);
    assert_eq!(world.scan().await.as_ref().as_ref().unwrap().pushed, None);
    assert!(world.readiness.waiting().is_empty());

    world.tags.push("acme/web", "1.4.3", None);
    let mut heads = world.board.heads();
    heads.mark_unchanged();
    world.bell.images([repository("acme/web")]);
    heads.changed().await.unwrap();
    assert_eq!(world.branch.text(FILE), manifest("1.4.3"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_hint_is_answered_at_once_and_those_after_it_together() {
    let world = World::start();
    world.scan().await.as_ref().as_ref().unwrap();
    sleep(REST).await;
    let begin = Instant::now();
    world.scan().await.as_ref().as_ref().unwrap();
    assert!(begin.elapsed() < REST, "{:?}", begin.elapsed());

    let begin = Instant::now();
    let image = || Some(repository("acme/web"));
    let (one, other) = (world.bell.scan(image()).unwrap(), world.bell.scan(None).unwrap());
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    assert!((REST..REST * 2).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_looked_at_is_looked_at_again_by_itself() {
    let world = World::start();
    world.scan().await.as_ref().as_ref().unwrap();
    world.tags.push("acme/web", "1.4.3", None);
    world.branch.reject(true);
    assert!(matches!(world.scan().await.as_ref(), Err(TurnError::Rejected { .. })));
    world.branch.reject(false);
    let mut heads = world.board.heads();
    heads.mark_unchanged();
    heads.changed().await.unwrap();
    assert_eq!(world.branch.text(FILE), manifest("1.4.3"));
    assert!(
        world.metrics().contains("lockstep_automator_errors_total{category=\"rejected\"} 1"),
        "{}",
        world.metrics()
    );
    world.stop().await;
}

/// A cluster cannot run what an update of ours brought.
fn failed(update: CommitId, before: CommitId, message: &str) -> Report {
    let workload = v1::Workload {
        kind: "Pod".to_owned(),
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        container: "web".to_owned(),
        reference: "ghcr.io/acme/web:1.4.3".to_owned(),
        verdict: v1::Verdict::Failed.into(),
        message: message.to_owned(),
        ..v1::Workload::default()
    };
    Report::read(v1::ClusterEvent {
        sync: "lockstep/shop".to_owned(),
        repository: "git@git.example:config.git".to_owned(),
        branch: "main".to_owned(),
        applied_commit: update.to_string(),
        previous_commit: before.to_string(),
        workloads: vec![workload],
        ..v1::ClusterEvent::default()
    })
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_holds_up_neither_the_start_nor_a_hint_nor_a_revert() {
    let world = World::start();
    world.branch.human("More", &[("api.yaml", &manifest("1.4.2").replace("acme/web", "acme/api"))]);
    world.tags.push("acme/api", "1.4.2", None);
    let slow = world.tags.hold("list ghcr.io/acme/api");
    let begin = Instant::now();
    world.scan().await.as_ref().as_ref().unwrap();
    assert!(world.readiness.waiting().is_empty());

    let before = world.head().await;
    world.tags.push("acme/web", "1.4.3", None);
    let update = world.scan().await.as_ref().as_ref().unwrap().pushed.unwrap();
    let mut heads = world.board.heads();
    heads.mark_unchanged();
    world.clusters.apply("prod-eu", failed(update, before, "cannot pull"));
    heads.changed().await.unwrap();
    assert_eq!(world.branch.text(FILE), manifest("1.4.2"));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());

    // Who asks for everything gets everything.
    world.tags.push("acme/web", "1.4.4", None);
    let mut everything = world.bell.scan(None).unwrap();
    heads.changed().await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert!(everything.try_recv().is_err());
    drop(slow);
    let everything = everything.await.unwrap();
    let outcome = everything.as_ref().as_ref().unwrap();
    assert_eq!((outcome.pushed, outcome.listed, outcome.held), (Some(world.head().await), 2, 0));

    let slow = world.tags.hold("list ghcr.io/acme/api");
    world.bell.images([repository("acme/api")]);
    sleep(Duration::from_secs(1)).await;
    assert!(!slow.is_closed());
    world.stop().await;
    assert!(slow.is_closed(), "nothing goes on behind the loop");
}

#[tokio::test(start_paused = true)]
async fn a_proven_failure_is_taken_back_at_once_and_counted_once() {
    let world = World::start();
    world.scan().await.as_ref().as_ref().unwrap();
    let before = world.head().await;
    world.tags.push("acme/web", "1.4.3", None);
    let update = world.scan().await.as_ref().as_ref().unwrap().pushed.unwrap();
    let report = |message: &str| failed(update, before, message);
    let mut heads = world.board.heads();
    heads.mark_unchanged();
    world.clusters.apply("prod-eu", report("cannot pull"));
    heads.changed().await.unwrap();
    assert_eq!(world.branch.text(FILE), manifest("1.4.2"));

    world.clusters.apply("prod-eu", report("still cannot pull"));
    assert_eq!(world.scan().await.as_ref().as_ref().unwrap().pushed, None);
    assert_eq!(world.branch.length(), 3);
    let counted = world.metrics();
    for line in ["decision=\"revert\"} 1", "kind=\"revert\"} 1", "kind=\"update\"} 1"] {
        assert!(counted.contains(line), "{line}\n{counted}");
    }
    world.stop().await;
}

/// Looks until an update is made; how long after `begin` that was.
async fn updated(world: &World, begin: Instant) -> Duration {
    let mut heads = world.board.heads();
    heads.mark_unchanged();
    while world.branch.text(FILE) != manifest("1.4.3") {
        heads.changed().await.unwrap();
    }
    begin.elapsed()
}

#[tokio::test(start_paused = true)]
async fn after_a_start_no_update_is_made_until_clusters_have_spoken() {
    let longest = Duration::from_secs(90);
    let awaiting = || Clusters::awaiting(["eu", "us"].map(str::to_owned), longest);
    let begin = Instant::now();
    let world = World::with(awaiting(), &["1.4.2", "1.4.3"]);
    assert_eq!(world.scan().await.as_ref().as_ref().unwrap().pushed, None);
    let [place] = &world.board.all()[0].1.places[..] else { panic!("one place") };
    let held = place.held.clone().unwrap();
    assert_eq!(held, "not all clusters have said what they run since the start; until 2026-11-23T12:01:30Z");
    world.clusters.hear("eu");
    assert_eq!(updated(&world, begin).await.as_secs(), longest.as_secs(), "one cluster stays silent");
    world.stop().await;

    let world = World::with(awaiting(), &["1.4.2", "1.4.3"]);
    assert_eq!(world.scan().await.as_ref().as_ref().unwrap().pushed, None);
    world.clusters.hear("eu");
    sleep(Duration::from_secs(10)).await;
    world.clusters.hear("us");
    let begin = Instant::now();
    let waited = updated(&world, begin).await;
    assert!((QUIET..QUIET * 2).contains(&waited), "{waited:?}");
    world.stop().await;
}

#[test]
fn pauses_grow_to_five_minutes_and_are_never_shorter_than_the_interval() {
    for (interval, failed, wanted) in
        [(30, 1, 30), (30, 2, 60), (30, 4, 240), (30, 5, 300), (30, 1000, 300), (900, 3, 900)]
    {
        assert_eq!(backoff(Duration::from_secs(interval), failed), Duration::from_secs(wanted), "{interval} {failed}");
    }
}
