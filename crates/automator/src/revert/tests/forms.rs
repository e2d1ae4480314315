//! Images that stand elsewhere than in a container, comments, groups, and updates that others overtook.

use super::*;

const COMMENT: &str = "# lockstep: semver:~1.4 [on-failure=revert]";

/// Each path with its text.
type Files<'a> = &'a [(&'a str, &'a str)];

/// A branch on which TAG is 1.4.2, and then an update of ours wrote 1.4.3.
async fn updated(files: Files<'_>) -> World {
    let world = World::new(REVERT).await;
    let filled: Vec<(&str, String)> =
        files.iter().map(|(path, text)| (*path, text.replace("TAG", "1.4.2").replace("COMMENT", COMMENT))).collect();
    let filled: Vec<(&str, &str)> = filled.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let mut world = World { branch: FakeBranch::with(&filled), memory: Memory::default(), ..world };
    world.begin = head(&world);
    let outcome = world.turn().await;
    world.update = outcome.pushed.unwrap_or_else(|| panic!("{filled:?}: {outcome:?}"));
    world
}

#[tokio::test]
async fn whatever_an_image_is_written_in_it_is_taken_back() {
    let deployment =
        |name: &str| manifest(REVERT, "TAG").replace("name: web\n  namespace", &format!("name: {name}\n  namespace"));
    let group = |name: &str| {
        let text = deployment(name);
        let (text, _) = text.split_once("        - name: proxy").unwrap();
        text.replace("    lockstep.dev/on-failure", "    lockstep.dev/group: shop\n    lockstep.dev/on-failure")
    };
    let (one, two) = (group("web"), group("worker"));
    let commented = "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: ghcr.io/acme/web:TAG COMMENT\n";
    let values = "web:\n  image:\n    repository: ghcr.io/acme/web\n    tag: \"TAG\" COMMENT\n";
    let bare = "image:\n  tag: TAG # lockstep: semver:~1.4 [on-failure=revert, image=ghcr.io/acme/web]\n";
    let kustomization = "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: TAG COMMENT\n";
    let stories: [(&str, Files<'_>, &[&str]); 7] = [
        ("a comment in an object", &[("clusters/prod/web.yaml", commented)], &["clusters/prod/web.yaml"]),
        ("values of a chart", &[("clusters/prod/values.yaml", values)], &["clusters/prod/values.yaml"]),
        ("values without a name", &[("clusters/prod/values.yaml", bare)], &["clusters/prod/values.yaml"]),
        (
            "a kustomization",
            &[("clusters/prod/kustomization.yaml", kustomization)],
            &["clusters/prod/kustomization.yaml"],
        ),
        (
            "values of another cluster stay",
            &[("clusters/prod/values.yaml", values), ("clusters/test/values.yaml", values)],
            &["clusters/prod/values.yaml"],
        ),
        (
            "two places that may be the cause",
            &[("clusters/prod/values.yaml", values), ("clusters/prod/kustomization.yaml", kustomization)],
            &["clusters/prod/values.yaml", "clusters/prod/kustomization.yaml"],
        ),
        (
            "a group, whatever the folder",
            &[("clusters/prod/web.yaml", &one), ("clusters/test/worker.yaml", &two)],
            &["clusters/prod/web.yaml", "clusters/test/worker.yaml"],
        ),
    ];
    for (story, files, back) in stories {
        let mut world = updated(files).await;
        let text = |path: &str, tag: &str| {
            let (_, text) = files.iter().find(|(known, _)| *known == path).unwrap();
            text.replace("TAG", tag).replace("COMMENT", COMMENT)
        };
        for (path, _) in files {
            assert_eq!(world.branch.text(path), text(path, "1.4.3"), "{story}");
        }
        let failure = world.failure();
        let reaction = world.react(failure.clone()).await;
        assert_eq!(reaction.judged[0].judgement.word(), "revert", "{story}: {:?}", reaction.judged);
        let (place, holds) = reaction.judged[0].place.clone().unwrap();
        assert!(back.contains(&place.file.as_str()) && holds.contains("1.4.3"), "{story}: {place} {holds}");
        for (path, _) in files {
            let tag = if back.contains(path) { "1.4.2" } else { "1.4.3" };
            assert_eq!(world.branch.text(path), text(path, tag), "{story}: {path}");
        }
        assert!(world.react(failure).await.pushed.is_none(), "{story}: once");
        world.memory = Memory::default();
        assert_eq!(world.turn().await.pushed, None, "{story}: it does not come back");
        world.tags.push("acme/web", "1.4.4", None);
        assert!(world.turn().await.pushed.is_some(), "{story}: what is newer goes on");
    }
}

#[tokio::test]
async fn values_that_a_person_changed_since_are_left_to_a_person() {
    let values = "image:\n  repository: ghcr.io/acme/web\n  tag: TAG COMMENT\nreplicas: 1\n";
    let mut world = updated(&[("clusters/prod/values.yaml", values)]).await;
    let text = world.branch.text("clusters/prod/values.yaml");
    world.branch.human("Two of them", &[("clusters/prod/values.yaml", &text.replace("replicas: 1", "replicas: 2"))]);
    let failure = world.failure();
    let reaction = world.react(failure).await;
    assert_eq!((reaction.pushed, reaction.judged[0].judgement.word()), (None, "person"));
}

#[tokio::test]
async fn a_chart_may_spell_an_image_in_its_own_way() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let pinned = format!("nginx:1.27@{digest}");
    for (written, runs, same) in [
        ("nginx:1.27", "docker.io/library/nginx:1.27", true),
        ("docker.io/library/nginx:1.27", "nginx:1.27", true),
        (&pinned, "nginx:1.27", true),
        ("nginx:1.27", &pinned, true),
        (&pinned, &pinned.replace('a', "b").replace("nginb", "nginx"), false),
        ("nginx:1.27", "nginx:1.28", false),
        ("nginx:1.27", "ghcr.io/library/nginx:1.27", false),
        ("nginx:1.27", "NGINX", false),
    ] {
        assert_eq!(attribute::is_same_image(&written.parse().unwrap(), runs), same, "{written} {runs}");
    }
}

#[tokio::test]
async fn a_failure_that_was_overtaken_takes_nothing_back_and_its_tag_goes_nowhere_else() {
    let mut world = World::new(REVERT).await;
    world.tags.push("acme/web", "1.4.4", None);
    let newer = world.turn().await.pushed.unwrap();
    // The cluster has not applied 1.4.4 yet.
    let failure = world.failure();
    let reaction = world.react(failure.clone()).await;
    assert_eq!((reaction.pushed, reaction.judged[0].judgement.word()), (None, "none"));
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.4"), "nothing is known of it yet");
    let other = manifest(REVERT, "1.4.2").replace("name: web\n  namespace", "name: worker\n  namespace");
    let other = other.replace("policy: semver:~1.4", "policy: semver:<1.4.4");
    world.branch.human("Add a worker", &[("clusters/prod/worker.yaml", &other)]);
    assert_eq!(world.turn().await.pushed, None, "1.4.3 is proven not to run");

    // Then it has, and 1.4.4 does not run either.
    let failure = Failure {
        reference: "ghcr.io/acme/web:1.4.4".to_owned(),
        before: Some(world.update),
        applied: newer,
        failed_before: vec![failure.reference],
        live: ["ghcr.io/acme/web:1.4.2".to_owned()].into(),
        knows_live: true,
        ..world.failure()
    };
    assert!(world.react(failure).await.pushed.is_some());
    assert_eq!(world.branch.text(FILE), manifest(REVERT, "1.4.2"), "over both");
}

#[tokio::test]
async fn a_digest_that_its_registry_has_no_more_is_gone_whatever_the_tag_is_now() {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let before = format!("1.4.2@{}", digest("a"));
    for (is_there, expected) in [(true, "revert"), (false, "person")] {
        let world = World::new(REVERT).await;
        world.tags.point("acme/web", "1.4.2", "a");
        world.tags.point("acme/web", "1.4.3", "b");
        let branch = FakeBranch::with(&[(FILE, &manifest(REVERT, &before))]);
        let mut world = World { branch, memory: Memory::default(), ..world };
        world.begin = head(&world);
        world.update = world.turn().await.pushed.unwrap();
        if !is_there {
            world.tags.point("acme/web", "1.4.2", "c");
        }
        let reference = format!("ghcr.io/acme/web:1.4.3@{}", digest("b"));
        let failure = Failure { reference, ..world.failure() };
        let reaction = world.react(failure).await;
        let [judged] = &reaction.judged[..] else { panic!("{reaction:?}") };
        assert_eq!(judged.judgement.word(), expected, "{judged:?}");
    }
}
