//! Registries that take their time.

use lockstep_image::Want;

use super::*;
use crate::facts::LookUp;

fn both() -> Wanted {
    ["a", "b"].map(|name| (repository(name), BTreeSet::from(["1.0.0".to_owned()]))).into()
}

#[tokio::test(start_paused = true)]
async fn a_slow_listing_holds_up_no_other_and_is_looked_at_when_it_comes() {
    let mut world = World::new(&["1.0.0"]);
    world.tags.push("b", "1.0.0", None);
    let (wanted, target) = (both(), target());
    let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
    let listings = &mut world.listings;
    let slow = world.tags.hold("list ghcr.io/a");
    let begin = Instant::now();
    listings.look(&wanted, &Wake::Git, &target, &ports).await;
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
    let count = |listings: &Listings, name| listings.facts(&repository(name), &target.allowed).map(Facts::len);
    assert_eq!(count(listings, "b"), Ok(1));
    assert_eq!(count(listings, "a"), Err("ghcr.io/a was not listed yet".to_owned()));
    assert_eq!(listings.under_way_since(), Some(world.clock.now()));
    assert_eq!(listings.next_look(&target.pace, world.clock.now()), Some(world.clock.now() + MEANWHILE));
    assert!(!listings.is_any_due(world.clock.now()));

    // A hint about the other one is not held up, and what is under way is not asked for again.
    let hint = Wake::Images([repository("b")].into());
    let begin = Instant::now();
    listings.look(&wanted, &hint, &target, &ports).await;
    assert_eq!((begin.elapsed(), listings.awaited()), (Duration::ZERO, 0));
    assert_eq!(world.tags.asked(), ["list ghcr.io/a", "list ghcr.io/b", "list ghcr.io/b"]);

    drop(slow);
    listings.answered(&world.tags).await;
    assert!(listings.is_any_due(world.clock.now()), "else no turn would look at it");
    assert_eq!(listings.look(&wanted, &Wake::Git, &target, &ports).await, 0);
    assert_eq!((count(listings, "a"), listings.under_way_since()), (Ok(1), None));
    assert_eq!(world.tags.asked(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_hint_about_what_is_under_way_lists_it_once_more() {
    let mut world = World::new(&["1.0.0"]);
    let (wanted, target) = (Wanted::from([(repository("a"), BTreeSet::new())]), target());
    let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
    let listings = &mut world.listings;
    let slow = world.tags.hold("list ghcr.io/a");
    listings.look(&wanted, &Wake::Git, &target, &ports).await;
    world.tags.push("a", "1.0.1", None);
    listings.look(&wanted, &Wake::Registries, &target, &ports).await;
    assert_eq!(world.tags.asked().len(), 1, "not beside itself: the older answer could come last");
    drop(slow);
    listings.answered(&world.tags).await;
    listings.look(&wanted, &Wake::Git, &target, &ports).await;
    assert_eq!(world.tags.asked().len(), 1);
    assert_eq!(listings.facts(&repository("a"), &target.allowed).map(Facts::len), Ok(2));
}

#[tokio::test]
async fn a_slow_registry_holds_up_no_look_up_at_another() {
    let mut world = World::new(&["1.0.0"]);
    let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
    let look_up = |host: &str, tag: &str| LookUp {
        repository: Repository { host: host.to_owned(), name: "a".to_owned() },
        want: Want::Digest { tag: tag.to_owned() },
        key: None,
    };
    let held = ["1", "2", "3", "4"].map(|tag| world.tags.hold(&format!("digest {tag}")));
    let mut wanted: Vec<LookUp> = ["1", "2", "3", "4"].map(|tag| look_up("a.example", tag)).into();
    wanted.push(look_up("b.example", "5"));
    let mut looking = Box::pin(world.listings.look_up(wanted, &ports));
    assert!(futures::poll!(&mut looking).is_pending());
    assert!(world.tags.asked().contains(&"digest 5".to_owned()));
    drop(held);
    assert_eq!(looking.await.len(), 5, "there is none of these images");
}
