//! Several updates in a row of which the first was never judged.

use super::*;

/// 1.4.4 came before anybody could say that 1.4.3 does not run; then 1.4.4 fails.
async fn after_two_quick_updates(live: &[&str], knows_live: bool) -> (World, Reaction) {
    let mut world = World::new(REVERT).await;
    world.tags.push("acme/web", "1.4.4", None);
    let (first, second) = (world.update, world.turn().await.pushed.unwrap());
    let image = |tag: &&str| format!("ghcr.io/acme/web:{tag}");
    let failure = Failure {
        reference: image(&"1.4.4"),
        before: Some(first),
        applied: second,
        live: live.iter().map(image).collect(),
        knows_live,
        ..world.failure()
    };
    let reaction = world.react(failure).await;
    (world, reaction)
}

#[tokio::test]
async fn what_never_ran_is_no_value_to_go_back_to() {
    for (story, live, knows_live, tag) in [
        ("1.4.2 ran last", &["1.4.2"][..], true, "1.4.2"),
        ("1.4.3 ran, if only elsewhere", &["1.4.2", "1.4.3"], true, "1.4.3"),
        ("something that is not in Git any more ran last", &["1.3.9"], true, "1.4.2"),
        ("nothing is known, which proves nothing about 1.4.3", &[], false, "1.4.3"),
        ("only another cluster knows", &["1.4.2"], false, "1.4.2"),
    ] {
        let (mut world, reaction) = after_two_quick_updates(live, knows_live).await;
        assert!(reaction.pushed.is_some(), "{story}");
        assert_eq!(world.branch.text(FILE), manifest(REVERT, tag), "{story}");
        world.memory = Memory::default();
        assert_eq!(world.turn().await.pushed, None, "{story}: none of them comes back");
    }
}

#[tokio::test]
async fn a_failure_that_stands_is_told_once_however_many_commits_come() {
    let mut world = World::new("").await;
    let failure = world.failure();
    let first = world.react(failure.clone()).await.judged.remove(0);
    let applied = world.branch.human("Elsewhere", &[("README.md", "x")]);
    let later = Failure { applied, message: "pod web-2: the same".to_owned(), ..failure };
    let again = world.react(later.clone()).await.judged.remove(0);
    assert!(again != first && again.repeats(&first));
    let elsewhere = world.react(Failure { cluster: "prod-us".to_owned(), ..later.clone() }).await.judged.remove(0);
    assert!(!elsewhere.repeats(&first));
    world.edit("web:1.4.3", "web:1.4.9");
    assert!(!world.react(later).await.judged.remove(0).repeats(&first), "it was decided otherwise");
}

#[tokio::test]
async fn a_revert_over_two_updates_names_both_and_neither_comes_back() {
    let (mut world, reaction) = after_two_quick_updates(&["1.4.2"], true).await;
    let message = world.branch.message();
    assert!(message.contains(&world.update.to_string()) && message.contains("none of which is known to have run"));
    let [stopped, also] =
        ["1.4.3", "1.4.4"].map(|tag| reaction.stopped.of(&repository("acme/web")).any(|(stopped, _)| stopped == tag));
    assert!(stopped && also, "they go to no further place");
    let text = world.branch.text(FILE);
    world.branch.human(
        "Allow older ones",
        &[(FILE, &text.replace("semver:~1.4", "semver:~1.4\n    lockstep.dev/allow-downgrade: \"true\""))],
    );
    assert_eq!(world.turn().await.pushed, None, "1.4.3 was never the tag that a revert took away, and is undone too");
}
