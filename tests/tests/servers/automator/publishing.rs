//! How commits come to the branch: signed, on trusted heads, worded, or as change requests.

use std::process::Command;

use lockstep_forge::ForgeKind;
use lockstep_testkit::eventually;
use tokio::task::JoinSet;

use super::bed::{Bed, SOON, Way};
use super::stories::{FILE, bed};

#[path = "../../../../crates/forge/tests/forges/scripted.rs"]
mod scripted;

use scripted::{Scripted, TOKEN};

impl Bed {
    /// Makes an SSH key, and answers the path of its private half and the line of its public one.
    fn key(&self, name: &str) -> (String, String) {
        let path = self.folder.path().join(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", "", "-t", "ed25519", "-C", name, "-f"]).arg(&path);
        assert!(command.status().unwrap().success());
        (path.display().to_string(), std::fs::read_to_string(path.with_extension("pub")).unwrap())
    }
}

#[tokio::test]
async fn commits_are_signed_and_made_on_signed_heads_only() {
    let mut bed = bed(Way::Http).await;
    let (ours, our_line) = bed.key("ours");
    let (persons, persons_line) = bed.key("person");
    let signers = bed.file(
        "signers",
        &format!("bot@example.com namespaces=\"git\" {our_line}# people\nhanna@example.com {persons_line}"),
    );
    bed.more = format!(
        ", author: {{name: Lockstep, email: bot@example.com}}, sign-off: true, message: 'deploy: {{{{ summary }}}}', signing: {{key-file: {ours}}}, verify-head: {{allowed-signers-file: {signers}}}"
    );
    bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    bed.start().await;
    bed.until_metric("lockstep_automator_errors_total{category=\"untrusted\"}").await;
    assert_eq!(bed.our_commits(), [""; 0], "the head is not signed");

    let key = format!("user.signingkey={persons}");
    let commit = ["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S", "--allow-empty", "-m", "Sign"];
    bed.human.git(&commit).unwrap();
    bed.human.git(&["push", "-q", "origin", "HEAD:main"]).unwrap();
    bed.until_tag(FILE, "1.4.3").await;
    bed.registry.push_image("shop/web", "1.4.4", None).await.unwrap();
    bed.until_tag(FILE, "1.4.4").await;

    bed.human.pull().unwrap();
    let allowed = format!("gpg.ssh.allowedSignersFile={signers}");
    bed.human.git(&["-c", "gpg.format=ssh", "-c", &allowed, "verify-commit", "HEAD", "HEAD~1"]).unwrap();
    let message = bed.human.message("HEAD").unwrap();
    assert!(message.starts_with("deploy: Update shop/web to 1.4.4\n"), "{message}");
    assert!(message.trim_end().ends_with("\nSigned-off-by: Lockstep <bot@example.com>"), "{message}");
}

#[tokio::test]
async fn a_change_is_proposed_updated_merged_and_may_be_rejected() {
    let mut servers = JoinSet::new();
    let forge = Scripted::start(ForgeKind::GitHub, &mut servers).await;
    let mut bed = bed(Way::Http).await;
    let token = bed.file("token", TOKEN);
    bed.more = format!(
        ", pull-requests: {{forge: github, api: '{}', project: acme/config, token-file: {token}, labels: [images], auto-merge: true}}",
        forge.api
    );
    let main = bed.human.head().unwrap();
    bed.start().await;
    let titles = || forge.inside().requests.iter().map(|request| request.title.clone()).collect::<Vec<_>>();
    let until = async |wanted: &[&str]| {
        let there = async || titles() == wanted;
        if let Err(error) = eventually(SOON, "the requests", there).await {
            let forge = forge.inside();
            panic!("{error}: {:?} {:?} {:?}", forge.requests, forge.calls, forge.wrong);
        }
    };
    bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    until(&["Update shop/web to 1.4.3"]).await;
    bed.registry.push_image("shop/web", "1.4.4", None).await.unwrap();
    until(&["Update shop/web to 1.4.4"]).await;
    assert_eq!(bed.human.head().unwrap(), main, "nothing is pushed to the branch itself");
    let equipped = async || {
        let inside = forge.inside();
        inside.requests[0].labels == ["images"] && inside.requests[0].merges_itself.is_some()
    };
    eventually(SOON, "labels and auto-merge", equipped).await.unwrap();

    // A person merges it, as the page of the forge does.
    bed.human.git(&["fetch", "-q", "origin", "lockstep/updates"]).unwrap();
    bed.human
        .git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #1 from acme/lockstep/updates", "FETCH_HEAD"])
        .unwrap();
    forge.inside().requests[0].merged = true;
    bed.human.git(&["push", "-q", "origin", "HEAD:main"]).unwrap();
    assert!(bed.human.show(FILE).unwrap().contains(&bed.image("1.4.4")));

    bed.registry.push_image("shop/web", "1.4.5", None).await.unwrap();
    until(&["Update shop/web to 1.4.4", "Update shop/web to 1.4.5"]).await;
    forge.inside().requests[1].closed = true;
    bed.stop_and_forget().await;
    bed.start().await;
    let calls = forge.inside().calls.len();
    let looked = async || forge.inside().calls[calls..].iter().filter(|call| call.contains("state=open")).count() > 1;
    eventually(SOON, "two looks at the forge", looked).await.unwrap();
    assert_eq!(titles().len(), 2, "what was rejected is not proposed again");
    bed.registry.push_image("shop/web", "1.4.6", None).await.unwrap();
    until(&["Update shop/web to 1.4.4", "Update shop/web to 1.4.5", "Update shop/web to 1.4.6"]).await;
    assert_eq!(forge.inside().wrong, [""; 0]);
    assert_eq!(bed.human.git(&["ls-remote", "--heads", "origin"]).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn a_protected_branch_is_told() {
    let mut bed = bed(Way::Http).await;
    bed.git.set_rejecting(true).unwrap();
    bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    bed.start().await;
    bed.until_metric("lockstep_automator_errors_total{category=\"rejected\"}").await;
    bed.git.set_rejecting(false).unwrap();
    bed.until_tag(FILE, "1.4.3").await;
    assert_eq!(bed.our_commits(), ["Update shop/web to 1.4.3"]);
}
