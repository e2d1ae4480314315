//! What a person may not do, or not without saying so.

use lockstep_registry::Verification;

use super::*;

fn only(folder: &str) -> Identity {
    Identity { paths: Some([folder.to_owned()].into()), ..alice() }
}

#[tokio::test]
async fn a_link_is_no_file_to_write_to() {
    let mut world = World::new("");
    world.branch = FakeBranch::with(&[("linked/web.yaml", &web(AUTOMATED))]);
    let place = "linked/web.yaml#Deployment/shop/web/web";
    for wish in [
        release("1.4.3"),
        Wish::Lock { reason: "audit".to_owned() },
        Wish::Unlock,
        Wish::Policy("semver:^1".to_owned()),
        Wish::Automate,
        Wish::Deautomate,
    ] {
        for (name, container) in [("deploy/shop/web", "web"), (place, "")] {
            let refusal = world.change(name, container, wish.clone()).await.unwrap_err().to_string();
            assert!(refusal.contains("linked/web.yaml: it is reached through a link"), "{wish:?}: {refusal}");
        }
    }
    assert_eq!(world.branch.length(), 1);
    // Beside the file itself, the link is nothing.
    world.branch = FakeBranch::with(&[(FILE, &web(AUTOMATED)), ("linked/web.yaml", &web(AUTOMATED))]);
    assert!(world.change("deploy/shop/web", "web", release("1.4.3")).await.unwrap().commit.is_some());
    assert!(world.branch.text(FILE).contains("web:1.4.3"));
}

#[tokio::test]
async fn a_release_is_verified_unless_it_is_forced() {
    let signed = format!("{AUTOMATED}    lockstep.dev/verify: cosign:build\n    lockstep.dev/platforms: linux/amd64\n");
    // It is no place while one of its words is wrong.
    let broken = format!("{signed}    lockstep.dev/polcy: x\n");
    let arm: &[&str] = &["linux/arm64"];
    let amd: &[&str] = &["linux/amd64"];
    for (verification, platforms, refused) in [
        (Verification::NotSigned, amd, Some("acme/web:1.4.3 is not signed by cosign:build: there is no signature")),
        (Verification::Wrong("by another key".to_owned()), amd, Some("cosign:build: by another key")),
        (Verification::Signed, arm, Some("acme/web:1.4.3 does not run where it has to: not on linux/amd64")),
        (Verification::Signed, amd, None),
    ] {
        for annotations in [&signed, &broken] {
            let mut world = World::new(annotations);
            world.tags.describe("acme/web", "1.4.3", platforms, verification.clone());
            let changed = world.change("deploy/shop/web", "web", release("1.4.3")).await;
            let Some(reason) = refused else {
                changed.unwrap();
                assert!(world.branch.text(FILE).contains("web:1.4.3@sha256:"), "what was verified is what is written");
                assert!(world.branch.message().contains("signed by cosign:build"), "{}", world.branch.message());
                continue;
            };
            let refusal = changed.unwrap_err().to_string();
            assert!(refusal.contains(reason) && refusal.contains("--force"), "{refusal}");
            assert_eq!(world.branch.length(), 1);
            let forced = Wish::Release { tag: "1.4.3".to_owned(), force: true };
            let changed = world.change("deploy/shop/web", "web", forced).await.unwrap();
            assert!(changed.summary.contains("by force: ") && changed.summary.contains(reason), "{}", changed.summary);
            assert!(
                world.branch.message().contains("\n  by force: ghcr.io/acme/web:1.4.3 "),
                "{}",
                world.branch.message()
            );
            assert!(world.branch.text(FILE).contains("web:1.4.3@sha256:"), "what was looked at is what is written");
        }
    }
}

#[tokio::test]
async fn an_unreadable_word_about_signatures_is_no_leave_to_go_without() {
    let annotations = format!("{AUTOMATED}    lockstep.dev/verify: build\n");
    let mut world = World::new(&annotations);
    let refusal = world.change("deploy/shop/web", "web", release("1.4.3")).await.unwrap_err().to_string();
    assert!(refusal.contains("lockstep.dev/verify") && refusal.contains("cosign:KEYNAME"), "{refusal}");
}

#[tokio::test]
async fn nothing_is_told_of_folders_that_a_token_does_not_list() {
    let mut world = World::new(AUTOMATED);
    let (twin, broken) = (web(AUTOMATED), "kind: Deployment\nmetadata: {name: web\n");
    world.branch.human("More", &[("infra/web.yaml", &twin), ("secret/a.yaml", &twin), ("secret/b.yaml", broken)]);
    let subject = Subject::read("deploy/shop/web", "web").unwrap();
    let ports = Ports { branch: &world.branch, tags: &world.tags, clock: &world.clock };
    let question = ExplainQuestion { subject: subject.clone(), who: only("infra"), limit: 10 };
    let explained = explain(&question, &world.target, &mut world.memory, &ports, &world.board).await.unwrap();
    assert_eq!((explained.places.len(), explained.problems), (1, vec![]));
    let question = ChangeQuestion { subject: subject.clone(), who: only("infra"), wish: release("1.4.3") };
    assert!(change(&question, &world.target, &mut world.memory, &ports).await.unwrap().commit.is_some());
    assert!(world.branch.text("infra/web.yaml").contains("web:1.4.3"), "the name fits one file of its folders");
    let question = ChangeQuestion { subject, who: only("elsewhere"), wish: release("1.4.3") };
    let refusal = change(&question, &world.target, &mut world.memory, &ports).await.unwrap_err();
    assert_eq!(refusal.to_string(), "there is nothing of that name in the folders that the token of alice lists");
}
