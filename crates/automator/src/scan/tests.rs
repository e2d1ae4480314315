use std::sync::Mutex;

use async_trait::async_trait;
use futures::future::{BoxFuture, ready};
use lockstep_image::Platform;
use lockstep_registry::{TagNames, Verification};

use crate::board::BranchKey;
use crate::fakes::{FakeBranch, FakeClock, FakeTags, repository};
use crate::ports::{Clock as _, Sights};

use super::*;

mod slow;

fn target() -> Target {
    Target {
        pace: Pace { shortest: Duration::from_secs(60), longest: Duration::from_secs(6 * 3600) },
        ..Target::new(BranchKey { repository: "https://git.example/config".to_owned(), branch: "main".to_owned() })
    }
}

struct World {
    branch: FakeBranch,
    tags: FakeTags,
    clock: FakeClock,
    listings: Listings,
}

impl World {
    fn new(tags: &[&str]) -> Self {
        Self {
            branch: FakeBranch::default(),
            tags: FakeTags::with("a", tags),
            clock: FakeClock::at("2026-11-23T12:00:00Z"),
            listings: Listings::default(),
        }
    }

    /// Scans for a place that has `current`, and says what is known: a count of tags, or why nothing.
    async fn scan(&mut self, current: &str, wake: Wake) -> String {
        let wanted = Wanted::from([(repository("a"), BTreeSet::from([current.to_owned()]))]);
        let target = target();
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        self.listings.look(&wanted, &wake, &target, &ports).await;
        match self.listings.facts(&repository("a"), &target.allowed) {
            Ok(facts) => facts.len().to_string(),
            Err(reason) if reason.contains("in doubt") => "doubt".to_owned(),
            Err(reason) => reason,
        }
    }
}

/// Registries as several branches share them: a listing serves all who are content with one that began then.
struct Shared<'a> {
    tags: &'a FakeTags,
    clock: &'a FakeClock,
    last: Mutex<Option<Listed>>,
}

#[async_trait]
impl Tags for Shared<'_> {
    fn list(&self, repository: &Repository, not_before: Timestamp) -> BoxFuture<'static, Result<Listed, PortError>> {
        if let Some(last) = self.last.lock().unwrap().as_ref().filter(|last| last.began >= not_before) {
            return Box::pin(ready(Ok(last.clone())));
        }
        let listed = self.tags.answer(repository).map(|listed| Listed { began: self.clock.now(), ..listed });
        *self.last.lock().unwrap() = listed.clone().ok();
        Box::pin(ready(listed))
    }

    async fn recorded(&self, repository: &Repository) -> Result<usize, PortError> {
        self.tags.recorded(repository).await
    }

    fn moves(&self) -> u64 {
        self.tags.moves()
    }

    async fn record(&self, repository: &Repository, tags: &Arc<TagNames>, now: Timestamp) -> Result<Sights, PortError> {
        self.tags.record(repository, tags, now).await
    }

    fn digest(&self, repository: &Repository, tag: &str) -> BoxFuture<'static, Result<Option<String>, PortError>> {
        self.tags.digest(repository, tag)
    }

    async fn first_seen(&self, repository: &Repository, tag: &str) -> Result<Option<Timestamp>, PortError> {
        self.tags.first_seen(repository, tag).await
    }

    async fn created(&self, repository: &Repository, digest: &str) -> Result<Option<Timestamp>, PortError> {
        self.tags.created(repository, digest).await
    }

    async fn platforms(&self, repository: &Repository, digest: &str) -> Result<Vec<Platform>, PortError> {
        self.tags.platforms(repository, digest).await
    }

    async fn verify(&self, repository: &Repository, digest: &str, key: &str) -> Result<Verification, PortError> {
        self.tags.verify(repository, digest, key).await
    }
}

#[tokio::test]
async fn branches_that_name_one_repository_list_it_once() {
    let (branch, tags, clock) =
        (FakeBranch::default(), FakeTags::with("a", &["1.0.0"]), FakeClock::at("2026-11-23T12:00:00Z"));
    let shared = Shared { tags: &tags, clock: &clock, last: Mutex::default() };
    let ports = Ports { branch: &branch, tags: &shared, clock: &clock };
    let wanted = Wanted::from([(repository("a"), BTreeSet::from(["1.0.0".to_owned()]))]);
    let target = target();
    let mut branches = [Listings::default(), Listings::default(), Listings::default()];
    // Each of three looks a few seconds after the other, for ten hours.
    let look = async |listings: &mut Listings, wake: Wake| {
        listings.begin_turn(clock.now());
        let count = listings.look(&wanted, &wake, &target, &ports).await;
        clock.pass(7);
        count
    };
    let (mut scans, mut listed) = (0, Vec::new());
    for minute in 0..600 {
        for listings in &mut branches {
            scans += look(listings, Wake::Git).await;
        }
        clock.pass(60 - 21);
        let digests_left_out = tags.asked().iter().filter(|asked| asked.starts_with("list")).count();
        listed.extend(vec![minute; digests_left_out]);
    }
    assert!((8..=14).contains(&listed.len()), "about as often as ten hours can be halved: {listed:?}");
    assert_eq!(scans, listed.len() * 3, "and each branch took each of them");

    // All are told of a push; the first one who looks lists, and the others looked later.
    let image = || Wake::Images([repository("a")].into());
    branches.iter_mut().for_each(|listings| listings.begin_turn(clock.now()));
    for listings in &mut branches {
        listings.look(&wanted, &image(), &target, &ports).await;
        clock.pass(1);
    }
    let lists = |asked: Vec<String>| asked.iter().filter(|asked| asked.starts_with("list")).count();
    assert_eq!(lists(tags.asked()), 1);
    // A push that is told later is not in that listing.
    assert_eq!(look(&mut branches[0], image()).await, 1);
    assert_eq!(lists(tags.asked()), 1);
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("1.0.{number}")).collect()
}

#[tokio::test]
async fn a_listing_that_lost_the_current_tag_is_believed_at_the_second_reading() {
    let mut world = World::new(&["1.0.0", "1.0.1"]);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "2");
    world.tags.delete("a", "1.0.0");
    assert_eq!(world.scan("1.0.0", Wake::Registries).await, "doubt");
    assert_eq!(world.listings.next_look(&target().pace, world.clock.now()), Some(world.clock.now() + SECOND_LOOK));
    world.clock.pass(10);
    assert_eq!(world.scan("1.0.0", Wake::Registries).await, "doubt", "a hint is no second look");
    world.tags.asked();
    world.clock.pass(10);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "doubt");
    assert_eq!(world.tags.asked(), [""; 0]);
    world.clock.pass(10);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "1");
    assert_eq!(world.scan("1.0.0", Wake::Registries).await, "1", "what was believed stays believed");
    assert_eq!(world.listings.next_look(&target().pace, world.clock.now()), None);
}

#[tokio::test]
async fn two_readings_that_differ_are_no_truth() {
    let mut world = World::new(&["1.0.0", "1.0.1", "1.0.2"]);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "3");
    world.tags.delete("a", "1.0.0");
    assert_eq!(world.scan("1.0.0", Wake::Registries).await, "doubt");
    world.clock.pass(40);
    world.tags.delete("a", "1.0.1");
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "doubt");
    world.tags.push("a", "1.0.0", None);
    world.tags.push("a", "1.0.1", None);
    assert_eq!(world.scan("1.0.0", Wake::Registries).await, "3", "all is back: no doubt is left");
}

#[tokio::test]
async fn a_listing_may_shrink_by_a_twentieth() {
    for (gone, expected) in [(5, "95"), (6, "doubt")] {
        let tags = many(100);
        let mut world = World::new(&tags.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(world.scan("1.0.0", Wake::Git).await, "100");
        for tag in &tags[100 - gone..] {
            world.tags.delete("a", tag);
        }
        assert_eq!(world.scan("1.0.0", Wake::Registries).await, expected, "{gone} gone");
    }
}

#[tokio::test]
async fn after_a_start_a_current_tag_that_is_not_listed_is_doubted_too() {
    let mut world = World::new(&["1.0.1"]);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "doubt");
    world.clock.pass(30);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "1");
    // A person moves on to a tag that nobody pushed yet: nothing was lost.
    assert_eq!(world.scan("9.9.9", Wake::Registries).await, "1");
}

#[tokio::test]
async fn a_failure_is_tried_again_after_a_minute_or_at_a_hint() {
    let mut world = World::new(&["1.0.0"]);
    world.tags.fail(Some("down"));
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "down");
    world.tags.fail(None);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "down");
    assert_eq!(world.listings.problems().count(), 1);
    assert_eq!(world.scan("1.0.0", Wake::Images([repository("b")].into())).await, "down");
    assert_eq!(world.scan("1.0.0", Wake::Images([repository("a")].into())).await, "1");
    assert_eq!(world.listings.problems().count(), 0);

    world.tags.fail(Some("down"));
    assert_eq!(world.scan("1.0.0", Wake::Registries).await, "down");
    world.tags.fail(None);
    world.clock.pass(60);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "1");
}

#[tokio::test]
async fn after_a_restart_a_listing_that_shrank_is_doubted_too() {
    let tags = many(100);
    let mut world = World::new(&tags.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "100");
    tags[50..].iter().for_each(|tag| world.tags.delete("a", tag));
    world.listings = Listings::default();
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "doubt");
    world.clock.pass(30);
    assert_eq!(world.scan("1.0.0", Wake::Git).await, "50");
}

#[tokio::test]
async fn failures_in_a_row_are_tried_less_and_less_often_until_something_happens() {
    for (category, expected) in
        [("unreachable", vec![1, 3, 7, 12, 17, 22, 27]), ("unauthorised", vec![1, 3, 7, 15, 31, 63])]
    {
        let mut world = World::new(&["1.0.0"]);
        world.scan("1.0.0", Wake::Git).await;
        world.tags.fail_with(category);
        world.scan("1.0.0", Wake::Registries).await;
        let mut tries = Vec::new();
        for minute in 1..=30 * expected.len() as i64 {
            world.clock.pass(60);
            world.tags.asked();
            world.scan("1.0.0", Wake::Git).await;
            tries.extend(world.tags.asked().first().map(|_| minute));
        }
        assert_eq!(tries[..expected.len()], expected, "{category}");
        let gaps = tries.windows(2).map(|pair| pair[1] - pair[0]);
        assert_eq!(gaps.max(), Some(if category == "unreachable" { 5 } else { 60 }), "{category}");

        // A hint tries at once, and then it begins anew; so does a change in Git.
        for (current, wake) in [("1.0.0", Wake::Registries), ("1.0.1", Wake::Git)] {
            world.scan(current, wake).await;
            world.clock.pass(60);
            world.scan(current, Wake::Git).await;
            world.tags.asked();
            world.clock.pass(120);
            world.scan(current, Wake::Git).await;
            assert_eq!(world.tags.asked().first().map(String::as_str), Some("list ghcr.io/a"), "{category} {current}");
        }
    }
}

#[tokio::test]
async fn what_a_registry_confirms_is_not_recorded_again_unless_a_tag_moved() {
    let mut world = World::new(&["1.0.0"]);
    for (what, records) in [("", 1), ("", 1), ("push", 2), ("", 2), ("move", 3), ("", 3)] {
        match what {
            "push" => world.tags.push("a", "1.0.1", None),
            "move" => *world.tags.moves.lock().unwrap() += 1,
            _ => {}
        }
        world.scan("1.0.0", Wake::Registries).await;
        assert_eq!(*world.tags.records.lock().unwrap(), records, "{what}");
    }
    // A current tag that was lost with the confirmed listing is none that is lost now.
    assert_eq!(world.scan("9.9.9", Wake::Registries).await, "2");
}

#[tokio::test]
async fn a_repository_that_is_not_allowed_is_never_contacted() {
    let mut world = World::new(&["1.0.0"]);
    let wanted = Wanted::from([(repository("a"), BTreeSet::new())]);
    let target = Target { allowed: AllowedRepositories::new(["nobody/*".to_owned()], []), ..target() };
    let due = world.listings.due(&wanted, &Wake::Registries, &target, world.clock.now());
    assert_eq!(due, []);
    assert!(world.listings.facts(&repository("a"), &target.allowed).unwrap_err().contains("may not be contacted"));
}

#[tokio::test]
async fn a_repository_is_listed_less_often_until_something_speaks_of_it() {
    let mut world = World::new(&["1.0.0"]);
    world.scan("1.0.0", Wake::Git).await;
    let mut listed = Vec::new();
    for minute in 1..=120 {
        world.clock.pass(60);
        world.tags.asked();
        world.scan("1.0.0", Wake::Git).await;
        if !world.tags.asked().is_empty() {
            listed.push(minute);
        }
    }
    assert!((6..=9).contains(&listed.len()), "about as often as two hours can be halved down to a minute: {listed:?}");

    // A person moves the place on: what is there may have changed.
    world.scan("1.0.1", Wake::Git).await;
    assert_eq!(world.tags.asked(), [""; 0], "but it was listed within the last hour");
    world.clock.pass(61);
    world.scan("1.0.1", Wake::Git).await;
    assert_eq!(world.tags.asked().len(), 1);

    // A hint lists it now, and soon again.
    world.clock.pass(1800);
    world.scan("1.0.1", Wake::Images([repository("a")].into())).await;
    world.tags.asked();
    world.clock.pass(70);
    world.scan("1.0.1", Wake::Git).await;
    assert_eq!(world.tags.asked().len(), 1);
}

#[tokio::test]
async fn a_restart_keeps_the_rhythm() {
    let mut world = World::new(&["1.0.0"]);
    world.scan("1.0.0", Wake::Git).await;
    world.clock.pass(10 * 3600);
    world.listings = Listings::default();
    world.scan("1.0.0", Wake::Git).await;
    world.clock.pass(5 * 3600);
    assert!(!world.listings.is_any_due(world.clock.now()), "nothing came to it in ten hours");
    world.clock.pass(2 * 3600);
    assert!(world.listings.is_any_due(world.clock.now()));
}

#[tokio::test]
async fn what_failed_is_not_due_before_its_next_try() {
    let mut world = World::new(&["1.0.0"]);
    world.scan("1.0.0", Wake::Git).await;
    world.clock.pass(7 * 3600);
    assert!(world.listings.is_any_due(world.clock.now()));
    world.tags.fail(Some("down"));
    world.scan("1.0.0", Wake::Git).await;
    assert!(!world.listings.is_any_due(world.clock.now()), "else every look would decide all places again");
    assert_eq!(
        world.listings.next_look(&target().pace, world.clock.now()),
        Some(world.clock.now() + SignedDuration::from_secs(60))
    );
}
