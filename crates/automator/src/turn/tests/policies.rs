//! Stories about what governs a place: rules, windows, groups, pins.

use lockstep_image::compat::Tool;

use crate::settings::{PlaceRule, PlaceSettings};

use super::*;

const PLAIN: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: NAME\nspec:\n  containers:\n  - name: main\n    image: ghcr.io/acme/NAME:1.0.0\n";

fn two(annotations: &str, tags: &[&str]) -> Story {
    let story = Story::new(annotations, "ghcr.io/acme/web:1.0.0", tags);
    let api = web(annotations, "ghcr.io/acme/api:1.0.0").replace("name: web", "name: api");
    story.branch.human("Add the API", &[("api.yaml", &api)]);
    tags.iter().for_each(|tag| story.tags.push("acme/api", tag, None));
    story
}

#[tokio::test]
async fn rules_of_the_settings_reach_what_has_no_annotation() {
    let mut story = Story::new("policy=semver:~1.0", "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1", "1.1.0"]);
    for name in ["api", "other"] {
        story.branch.human("More", &[(&format!("apps/{name}.yaml"), &PLAIN.replace("NAME", name))]);
        ["1.0.0", "1.0.1", "1.1.0"].iter().for_each(|tag| story.tags.push(&format!("acme/{name}"), tag, None));
    }
    let rules = vec![
        PlaceRule {
            path: Some("apps/*".to_owned()),
            image: Some("ghcr.io/acme/api".to_owned()),
            policy: Some("semver:~1.0".to_owned()),
            automated: Some(true),
            ..PlaceRule::default()
        },
        PlaceRule { locked: Some("freeze".to_owned()), path: Some("web*".to_owned()), ..PlaceRule::default() },
    ];
    story.target.places = Arc::new(PlaceSettings { rules, ..PlaceSettings::default() });
    let outcome = story.scan().await;
    assert_eq!((outcome.moved.len(), outcome.places), (1, 2), "{:?}", outcome.problems);
    assert!(story.branch.text("apps/api.yaml").contains("ghcr.io/acme/api:1.0.1"));
    let state = story.board.get(&story.target.branch).unwrap();
    let shown = state.places.iter().map(|place| format!("{} {} {:?}", place.file, place.origin, place.held));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["apps/api.yaml rules[0] None", "web.yaml web.yaml:7 Some(\"locked: freeze\")"]
    );
}

#[tokio::test]
async fn an_update_waits_for_its_window_and_says_when_that_is() {
    let annotations = format!("{AUTOMATED}; window=Mon 13:00-14:00 UTC");
    let mut story = Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1"]);
    let outcome = story.scan().await;
    assert_eq!((outcome.pushed, story.held().as_str()), (None, "window opens at Mon 2026-11-23 13:00 UTC"));
    assert_eq!(outcome.again_at, Some("2026-11-23T13:00:00Z".parse().unwrap()));
    story.clock.pass(3600);
    let outcome = story.turn(Wake::Git).await.unwrap();
    assert_eq!((outcome.pushed.is_some(), outcome.listed), (true, 0));
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.1");
}

#[tokio::test]
async fn a_tag_that_comes_of_age_is_taken_without_a_new_listing() {
    let annotations = format!("{AUTOMATED}; min-age=1h");
    let mut story = Story::new(&annotations, "ghcr.io/acme/web:1.0.0", &["1.0.0"]);
    story.scan().await;
    story.tags.push("acme/web", "1.0.1", None);
    let outcome = story.scan().await;
    assert!(outcome.pushed.is_none() && outcome.again_at.is_some());
    story.clock.pass(3600);
    assert_eq!(story.turn(Wake::Git).await.unwrap().listed, 0);
    assert_eq!(story.image(), "ghcr.io/acme/web:1.0.1");
}

#[tokio::test]
async fn a_group_moves_in_one_commit_when_all_can() {
    let mut story = two(&format!("{AUTOMATED}; group=shop"), &["1.0.0"]);
    story.tags.push("acme/web", "1.0.1", None);
    assert_eq!(story.scan().await.pushed, None, "the API has no 1.0.1 yet");
    story.tags.push("acme/api", "1.0.1", None);
    let outcome = story.scan().await;
    assert_eq!((outcome.moved.len(), story.branch.length()), (2, 3));
    assert!(story.branch.text("api.yaml").contains("acme/api:1.0.1"));
}

#[tokio::test]
async fn a_group_does_not_move_where_one_of_it_cannot_be_edited() {
    let mut story = two(&format!("{AUTOMATED}; group=shop"), &["1.0.0", "1.0.1"]);
    let api = story.branch.text("api.yaml");
    let api = api.replace("spec:\n  template", "x: &image ghcr.io/acme/api:1.0.0\nspec:\n  template");
    story.branch.human("Share it", &[("api.yaml", &api.replace("image: ghcr.io/acme/api:1.0.0", "image: *image"))]);
    let outcome = story.scan().await;
    assert_eq!((outcome.pushed, outcome.held), (None, 2));
    assert!(story.board.get(&story.target.branch).unwrap().places[1].held.as_ref().unwrap().contains("group shop"));
}

#[tokio::test]
async fn pin_says_whether_a_digest_is_written() {
    let old = format!("ghcr.io/acme/web:1.0.0@sha256:{}", "0".repeat(64));
    for (pin, image, digest) in [
        ("tag+digest", "ghcr.io/acme/web:1.0.0", true),
        ("as-found", "ghcr.io/acme/web:1.0.0", false),
        ("as-found", &old, true),
        ("tag", &old, false),
    ] {
        let mut story = Story::new(&format!("{AUTOMATED}; pin={pin}"), image, &["1.0.0", "1.0.1"]);
        story.scan().await;
        let image = story.image();
        assert!(image.starts_with("ghcr.io/acme/web:1.0.1") && image.contains("@sha256:") == digest, "{pin}: {image}");
    }
}

#[tokio::test]
async fn a_comment_governs_an_image_in_any_form() {
    let mut story = Story::new("policy=semver:~1.0", "ghcr.io/acme/web:1.0.0", &["1.0.0", "1.0.1", "1.1.0"]);
    let values = "web:\n  image:\n    repository: ghcr.io/acme/web\n    tag: 1.0.0 # lockstep: semver:~1.0\n  replicas: 2\nother:\n  image: {repository: redis, tag: 7.0.0}\nproxy:\n  image:\n    repository: acme/web\n    tag: 1.0.0 # lockstep: semver:*\n";
    let kustomization = "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: 1.0.0 # lockstep: semver:* [pin=tag+digest]\n- name: web2\n  newTag: 1.0.0 # lockstep: semver:* [image=ghcr.io/acme/web]\n";
    story.branch.human("More", &[("values.yaml", values), ("app/kustomization.yaml", kustomization)]);
    let outcome = story.scan().await;
    let written = story.branch.text("values.yaml");
    assert_eq!(written, values.replacen("tag: 1.0.0", "tag: 1.0.1", 1), "{:?}", outcome.problems);
    let written = story.branch.text("app/kustomization.yaml");
    assert!(written.ends_with("newTag: 1.1.0 # lockstep: semver:* [image=ghcr.io/acme/web]\n"), "{written}");
    assert!(written.contains("newTag: 1.0.0 # lockstep: semver:* [pin=tag+digest]"), "{written}");
    let state = story.board.get(&story.target.branch).unwrap();
    let shown: Vec<String> = state
        .places
        .iter()
        .map(|place| format!("{} {} {}", place.origin, place.current, place.held.as_deref().unwrap_or("-")))
        .collect();
    for (shown, wanted) in shown.iter().zip([
        "app/kustomization.yaml:4 ghcr.io/acme/web:1.0.0 no key is ever added: write `digest: sha256:",
        "app/kustomization.yaml:6 ghcr.io/acme/web:1.1.0 -",
        "values.yaml:4 ghcr.io/acme/web:1.0.1 -",
        "web.yaml:7 ghcr.io/acme/web:1.0.0 -",
    ]) {
        assert!(shown.starts_with(wanted), "{shown}\n{wanted}");
    }
    assert_eq!(shown.len(), 4, "{shown:?}");
    let problems: Vec<&str> = outcome.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(problems.len() == 1 && problems[0].starts_with("values.yaml:11: acme/web"), "{problems:?}");
    assert!(story.branch.message().contains("Lockstep-Place: values.yaml#///web.image ghcr.io/acme/web:1.0.0 -> "));

    story.branch.human_reverts();
    story.memory = Memory::default();
    assert_eq!(story.scan().await.pushed, None, "a revert sticks in these forms too");
}

#[tokio::test]
async fn other_tools_words_are_acted_on_where_the_settings_name_the_tool() {
    let flux = web(AUTOMATED, "ghcr.io/acme/web:1.4.0")
        .replace("lockstep.dev/automated", "fluxcd.io/automated")
        .replace("lockstep.dev/policy", "filter.fluxcd.io/web")
        .replace("semver:~1\n", "semver:~1.4\n");
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.4.0", &["1.4.0", "1.4.1", "1.5.0"]);
    story.branch.human("Use Flux", &[("web.yaml", &flux)]);
    let outcome = story.scan().await;
    assert_eq!(
        (outcome.places, outcome.listed, outcome.pushed),
        (1, 0, None),
        "it is listed, and no registry is asked"
    );
    let state = story.board.get(&story.target.branch).unwrap();
    let place = &state.places[0];
    assert_eq!((place.policy.as_str(), place.origin.as_str()), ("semver:~1.4 (flux1)", "web.yaml:8"));
    assert!(!place.automated);

    story.target.places = Arc::new(PlaceSettings { compat: [Tool::Flux1].into(), ..PlaceSettings::default() });
    story.memory = Memory::default();
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.4.1");
    assert!(story.branch.message().contains("\n  policy semver:~1.4 (flux1)\n"), "{}", story.branch.message());
    story.branch.human_reverts();
    assert_eq!(story.scan().await.pushed, None, "what was undone stays undone");
}

#[tokio::test]
async fn a_setter_is_moved_by_the_image_policy_of_the_branch() {
    let policy = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: web, namespace: flux}\nspec:\n  imageRepositoryRef: {name: web}\n  policy: {semver: {range: 1.4.x}}\n---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: web, namespace: flux}\nspec: {image: ghcr.io/acme/web}\n";
    let values = "web:\n  repository: ghcr.io/acme/web\n  tag: 1.4.0 # {\"$imagepolicy\": \"flux:web:tag\"}\n";
    let mut story = Story::new("policy=semver:~1.4", "ghcr.io/acme/web:1.4.0", &["1.4.0", "1.4.1", "1.5.0"]);
    story.branch.human("Use Flux", &[("flux.yaml", policy), ("values.yaml", values)]);
    story.target.places = Arc::new(PlaceSettings { compat: [Tool::Flux2].into(), ..PlaceSettings::default() });
    let outcome = story.scan().await;
    let text = story.branch.text("values.yaml");
    assert_eq!(text, values.replace("tag: 1.4.0", "tag: 1.4.1"), "{:?}", outcome.problems);
}

#[tokio::test]
async fn what_keel_wants_approved_waits_for_a_person() {
    let keel = web(AUTOMATED, "ghcr.io/acme/web:1.4.0")
        .replace("lockstep.dev/automated: \"true\"", "keel.sh/approvals: \"1\"")
        .replace("lockstep.dev/policy: semver:~1\n", "keel.sh/policy: patch\n");
    let mut story = Story::new(AUTOMATED, "ghcr.io/acme/web:1.4.0", &["1.4.0", "1.4.1"]);
    story.branch.human("Use Keel", &[("web.yaml", &keel)]);
    let settings = PlaceSettings { compat: [Tool::Keel].into(), ..PlaceSettings::default() };
    story.target.places = Arc::new(settings.clone());
    assert_eq!(story.scan().await.pushed, None);
    let state = story.board.get(&story.target.branch).unwrap();
    let place = &state.places[0];
    assert_eq!(place.selected.as_deref(), Some("1.4.1"), "{:?}", state.problems);
    assert!(place.held.as_deref().is_some_and(|held| held.starts_with("keel.sh/approvals: 1: a person")), "{place:?}");
    // Whoever merges the change approves it.
    story.target.places = Arc::new(PlaceSettings { reviewed: true, ..settings });
    story.scan().await;
    assert_eq!(story.image(), "ghcr.io/acme/web:1.4.1");
}
