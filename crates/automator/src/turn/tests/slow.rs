//! What becomes of changes while a registry takes its time.

use super::*;
use crate::ports::Clock as _;

/// A newer tag for one place, and another place whose registry does not answer.
fn half_answered() -> (Story, impl Drop) {
    let story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.4.2", &["1.4.2", "1.4.3"]);
    story.tags.push("acme/api", "1.0.0", None);
    story.branch.human("More", &[("api.yaml", &web(AUTOMATED, "ghcr.io/acme/api:1.0.0"))]);
    let slow = story.tags.hold("list ghcr.io/acme/api");
    (story, slow)
}

#[tokio::test(start_paused = true)]
async fn changes_wait_for_listings_under_way_but_not_longer_than_for_other_changes() {
    let (mut story, _slow) = half_answered();
    let outcome = story.turn(Wake::Git).await.unwrap();
    let batch = SignedDuration::from_secs(10);
    assert_eq!((outcome.pushed, outcome.held, outcome.again_at), (None, 1, Some(story.clock.now() + batch)));
    story.clock.pass(10);
    let outcome = story.turn(Wake::Git).await.unwrap();
    assert_eq!((outcome.moved.len(), outcome.held), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_time_is_one_commit() {
    let (mut story, slow) = half_answered();
    story.tags.push("acme/api", "1.0.1", None);
    assert_eq!(story.turn(Wake::Git).await.unwrap().pushed, None);
    drop(slow);
    story.memory.listings.answered(&story.tags).await;
    assert_eq!(story.turn(Wake::Git).await.unwrap().moved.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_spoke_of_does_not_wait_for_other_listings() {
    let (mut story, _slow) = half_answered();
    let outcome = story.turn(Wake::Images([repository("acme/web")].into())).await.unwrap();
    assert_eq!((outcome.moved.len(), outcome.unanswered), (1, 0));
    story.clock.pass(60);
    assert_eq!(story.turn(Wake::Images([repository("acme/api")].into())).await.unwrap().unanswered, 1);
}
