//! How often registries are asked: exactly.

use super::*;

#[tokio::test]
async fn a_cycle_lists_each_repository_once_and_a_move_costs_one_look_up() {
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.4.2", &["1.4.2"]);
    story.tags.push("acme/api", "1.0.0", None);
    let more = [("other.yaml", "ghcr.io/acme/web:1.4.2"), ("api.yaml", "ghcr.io/acme/api:1.0.0")];
    for (file, image) in more {
        story.branch.human("More", &[(file, &web(AUTOMATED, image))]);
    }
    let listings = ["list ghcr.io/acme/api", "list ghcr.io/acme/web"];
    for cycle in 1..=3 {
        let outcome = story.scan().await;
        assert_eq!((outcome.places, outcome.listed, outcome.pushed), (3, 2, None), "{cycle}");
        let mut asked = story.tags.asked();
        asked.sort();
        assert_eq!(asked, listings, "{cycle}");
    }
    story.tags.push("acme/web", "1.4.3", None);
    let outcome = story.scan().await;
    assert_eq!(outcome.moved.len(), 2);
    let mut asked = story.tags.asked();
    asked.sort();
    assert_eq!(asked, [&["digest 1.4.3"], listings.as_slice()].concat());

    story.tags.push("acme/web", "1.4.4", None);
    story.clock.pass(60);
    story.turn(Wake::Images([repository("acme/web")].into())).await.unwrap();
    assert_eq!(story.tags.asked(), ["list ghcr.io/acme/web", "digest 1.4.4"], "a hint asks about nothing else");
}
