//! Stories about facts that are looked up for a decision: platforms, signatures, digests.

use lockstep_registry::Verification;

use crate::ports::Clock as _;

use super::*;

const WHERE: &str = "acme/web";

fn signed(story: &Story, tag: &str) {
    story.tags.describe(WHERE, tag, &["linux/amd64"], Verification::Signed);
}

#[tokio::test]
async fn an_image_that_does_not_run_everywhere_is_passed_over() {
    let annotations = format!("{AUTOMATED}; platforms=linux/amd64, linux/arm64");
    let mut story = Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1", "1.0.2"]);
    story.tags.describe(WHERE, "1.0.1", &["linux/amd64", "linux/arm64/v8"], Verification::NotSigned);
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.1", "{}", story.held());
    story.scan().await;
    assert!(story.held().is_empty() && story.branch.length() == 2, "{}", story.held());
}

#[tokio::test]
async fn a_signature_is_waited_for_and_what_was_verified_is_what_is_written() {
    let annotations = format!("{AUTOMATED}; verify=cosign:main");
    let mut story = Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &["1.0.0"]);
    story.scan().await;
    story.tags.push(WHERE, "1.0.1", None);
    let outcome = story.scan().await;
    assert!(outcome.pushed.is_none() && story.held().contains("not signed yet"), "{}", story.held());
    let again = outcome.again_at.unwrap();

    signed(&story, "1.0.1");
    story.clock.pass(60);
    assert!(again <= story.clock.now());
    let outcome = story.turn(Wake::Git).await.unwrap();
    assert_eq!((outcome.moved.len(), outcome.listed), (1, 0));
    assert!(story.image().starts_with("ghcr.io/acme/web:1.0.1@sha256:"), "{}", story.image());
    assert!(story.branch.message().contains("\n  signed by cosign:main\n"), "{}", story.branch.message());

    story.tags.push(WHERE, "1.0.2", None);
    story.tags.describe(WHERE, "1.0.2", &[], Verification::Wrong("another key".to_owned()));
    let outcome = story.scan().await;
    assert!(outcome.problems[0].message.ends_with("no place gets it: another key"), "{:?}", outcome.problems);
    assert!(story.image().contains(":1.0.1@"), "{}", story.image());
}

#[tokio::test]
async fn a_fact_that_cannot_be_read_holds_the_place_and_is_tried_again() {
    let annotations = format!("{AUTOMATED}; platforms=linux/amd64");
    let mut story = Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    story.tags.fail_facts(Some("the registry is down"));
    let outcome = story.scan().await;
    assert!(outcome.pushed.is_none() && story.held().ends_with(": the registry is down"), "{}", story.held());
    story.tags.fail_facts(None);
    story.clock.pass(60);
    assert!(story.turn(Wake::Git).await.unwrap().pushed.is_some());
}

#[tokio::test]
async fn only_five_tags_are_looked_up() {
    let annotations = format!("{AUTOMATED}; platforms=linux/arm64");
    let tags: Vec<String> = (0..10).map(|patch| format!("1.0.{patch}")).collect();
    let mut story =
        Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &tags.iter().map(String::as_str).collect::<Vec<_>>());
    story.scan().await;
    let asked = story.tags.asked().iter().filter(|asked| *asked == "platforms").count();
    assert_eq!(asked, 5, "{}", story.held());
    assert!(!story.held().is_empty());
}

#[tokio::test]
async fn a_digest_that_moves_is_written_and_one_that_was_taken_back_stays_away() {
    let annotations = "automated=\"true\"; policy=digest:stable";
    let mut story = Story::new(annotations, "ghcr.io/acme/web:stable", &["stable", "other"]);
    story.scan().await;
    let first = story.image();
    assert!(first.starts_with("ghcr.io/acme/web:stable@sha256:"), "{first}");
    assert_eq!(story.scan().await.pushed, None);

    story.tags.point(WHERE, "stable", "b");
    story.scan().await;
    let second = story.image();
    assert!(second != first && second.contains(":stable@sha256:bbbb"), "{second}");

    story.branch.human_reverts();
    assert_eq!(story.scan().await.pushed, None, "a person took it back");
    assert_eq!(story.image(), first);
    story.tags.point(WHERE, "stable", "c");
    story.scan().await;
    assert!(story.image().contains(":stable@sha256:cccc"), "{}", story.image());
}

#[tokio::test]
async fn a_group_waits_for_what_is_not_known_of_one() {
    let annotations = format!("{AUTOMATED}; verify=cosign:main; group=shop");
    let mut story = Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &["1.0.0"]);
    let api = web(&annotations, "ghcr.io/acme/api:1.0.0").replace("name: web", "name: api");
    story.branch.human("Add the API", &[("api.yaml", &api)]);
    story.tags.push("acme/api", "1.0.0", None);
    story.scan().await;
    for name in ["acme/web", "acme/api"] {
        story.tags.push(name, "1.0.1", None);
    }
    signed(&story, "1.0.1");
    assert_eq!(story.scan().await.pushed, None);
    assert!(story.held().contains("group shop") && story.held().contains("not signed yet"), "{}", story.held());
    story.tags.describe("acme/api", "1.0.1", &[], Verification::Signed);
    assert_eq!(story.scan().await.moved.len(), 2, "{}", story.held());
}

#[tokio::test]
async fn a_tag_that_is_pushed_again_is_as_young_as_that() {
    let hour = 60 * 60;
    let annotations = format!("{AUTOMATED}; min-age=1d");
    let mut story = Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &["1.0.0"]);
    story.scan().await;
    story.tags.push(WHERE, "1.0.1", None);
    story.tags.asked();
    story.scan().await;
    let asked = story.tags.asked();
    assert!(asked.contains(&"digest 1.0.1".to_owned()), "it is on record what the young tag is: {asked:?}");
    story.clock.pass(hour);
    story.scan().await;
    let asked = story.tags.asked();
    assert!(!asked.contains(&"digest 1.0.1".to_owned()), "once: {asked:?}");

    story.clock.pass(23 * hour);
    story.tags.point(WHERE, "1.0.1", "b");
    let outcome = story.scan().await;
    assert!(outcome.pushed.is_none(), "{}", story.image());
    assert_eq!(story.held(), "1.0.1 was pushed again just now, and its age counts from then");
    let again = outcome.again_at.unwrap();
    story.clock.pass(60);
    assert!(again <= story.clock.now());
    assert!(story.turn(Wake::Git).await.unwrap().pushed.is_none());
    assert_eq!(story.held(), "", "the old tag is the newest that is old enough");
    story.clock.pass(24 * hour);
    assert!(story.scan().await.pushed.is_some());
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.1");
}
