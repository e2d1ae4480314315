use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::bed::{Bed, Way};

const AUTOMATED: [&str; 2] = ["automated: \"true\"", "policy: semver:~1.4"];
pub(super) const FILE: &str = "clusters/prod/web.yaml";

/// Moves `main` to the branch `waiting` while the first push is being received.
const OVERTAKING_HOOK: &str = "#!/bin/sh
[ -e overtaken ] && exit 0
: > overtaken
unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
git update-ref refs/heads/main refs/heads/waiting
";

pub(super) async fn bed(way: Way) -> Bed {
    let bed = Bed::new(way).await;
    bed.registry.push_image("shop/web", "1.4.2", None).await.unwrap();
    bed.human.write(FILE, &bed.deployment(&AUTOMATED, "1.4.2")).unwrap();
    bed.human.commit("Deploy the shop").unwrap();
    bed
}

async fn a_push_becomes_a_commit_of_one_line(way: Way) {
    let mut bed = bed(way).await;
    bed.start().await;
    bed.registry.push_image("shop/web", "1.5.0", None).await.unwrap();
    let digest = bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    bed.until_tag(FILE, "1.4.3").await;

    let head = bed.human.head().unwrap();
    let diff = bed.human.diff(&head).unwrap();
    let changed: Vec<&str> = diff
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
        .collect();
    let line = |sign: char, tag: &str| format!("{sign}          image: '{}'   # moves", bed.image(tag));
    assert_eq!(changed, [line('-', "1.4.2"), line('+', "1.4.3")]);
    let message = bed.human.message(&head).unwrap();
    let place =
        format!("Lockstep-Place: {FILE}#Deployment/shop/web/web {} -> {}", bed.image("1.4.2"), bed.image("1.4.3"));
    let digest = format!("Lockstep-Digest: {} {digest}", bed.image("1.4.3"));
    for part in ["Update shop/web to 1.4.3\n", "Lockstep-Change: update", &place, &digest, "policy semver:~1.4"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn a_push_becomes_a_commit_over_http() {
    a_push_becomes_a_commit_of_one_line(Way::Http).await;
}

#[tokio::test]
async fn a_push_becomes_a_commit_over_ssh() {
    a_push_becomes_a_commit_of_one_line(Way::Ssh).await;
}

#[tokio::test]
async fn a_persons_revert_sticks_without_any_database_and_a_newer_tag_goes_on() {
    let mut bed = bed(Way::Http).await;
    bed.start().await;
    bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    bed.until_tag(FILE, "1.4.3").await;
    bed.human.revert(&bed.human.head().unwrap()).unwrap();

    bed.stop_and_forget().await;
    bed.start().await;
    // Another workload of the same image: the turn that moves it has seen the tag, and left the shop alone.
    let other = bed.deployment(&AUTOMATED, "1.4.2").replace("name: web\n  namespace", "name: api\n  namespace");
    bed.human.write("clusters/prod/api.yaml", &other).unwrap();
    bed.human.commit("Deploy the API").unwrap();
    bed.until_tag("clusters/prod/api.yaml", "1.4.3").await;
    assert!(bed.human.show(FILE).unwrap().contains(&bed.image("1.4.2")));

    bed.registry.push_image("shop/web", "1.4.4", None).await.unwrap();
    bed.until_tag(FILE, "1.4.4").await;
    let ours = bed.our_commits();
    assert_eq!(ours.iter().filter(|subject| subject.contains("to 1.4.3")).count(), 2, "{ours:?}");
}

#[tokio::test]
async fn a_lost_race_decides_again_on_what_the_person_pushed() {
    let mut bed = bed(Way::Http).await;
    // Before our push arrives, a person allows 1.5 and more replicas.
    let overtaking = bed.deployment(&["automated: \"true\"", "policy: semver:~1"], "1.4.2");
    bed.human.write(FILE, &overtaking.replace("replicas: 2", "replicas: 3")).unwrap();
    bed.human.git(&["commit", "-q", "-a", "-m", "Allow more"]).unwrap();
    bed.human.git(&["push", "-q", "origin", "HEAD:refs/heads/waiting"]).unwrap();
    let hook = bed.git.repository().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, OVERTAKING_HOOK).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();

    bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    bed.registry.push_image("shop/web", "1.5.0", None).await.unwrap();
    bed.start().await;
    bed.until_tag(FILE, "1.5.0").await;
    assert!(bed.git.repository().join("overtaken").exists());
    assert_eq!(bed.our_commits(), ["Update shop/web to 1.5.0"]);
    assert!(bed.human.show(FILE).unwrap().contains("replicas: 3"));
    let log = bed.human.log().unwrap();
    assert!(log[1].ends_with("Hanna Human: Allow more"), "{log:?}");
}
