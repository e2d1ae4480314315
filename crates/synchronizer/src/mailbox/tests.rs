use std::pin::pin;

use futures::FutureExt as _;
use serde_json::json;

use super::*;

fn sync(name: &str, spec: serde_json::Value) -> Arc<SyncObject> {
    let object = json!({
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync",
        "metadata": {"name": name, "namespace": "lockstep", "uid": name, "generation": 1}, "spec": spec
    });
    Arc::new(serde_json::from_value(object).unwrap())
}

fn key(name: &str) -> SyncKey {
    SyncKey { namespace: "lockstep".into(), name: name.into() }
}

#[tokio::test]
async fn nudges_are_gathered_and_status_wakes_nobody() {
    let mailboxes = Mailboxes::default();
    let object = sync("shop", json!({"source": {"repository": "https://git.example/c.git"}}));
    let mailbox = mailboxes.deliver(&key("shop"), object.clone()).unwrap();
    mailboxes.nudge(&key("shop"), Nudge::Fetch);
    mailboxes.nudge(&key("shop"), Nudge::Health(BTreeSet::new()));
    mailboxes.nudge(&key("other"), Nudge::Fetch);
    let mail = mailbox.take().await;
    assert!(mail.fetch && mail.health && !mail.changed);

    let mut reported = SyncObject::clone(&object);
    reported.status = Some(Default::default());
    reported.metadata.resource_version = Some("7".into());
    assert!(mailboxes.deliver(&key("shop"), Arc::new(reported.clone())).is_none());
    assert!(pin!(mailbox.take()).now_or_never().is_none());

    reported.metadata.annotations = Some([(ACKNOWLEDGE.to_owned(), "c".to_owned())].into());
    mailboxes.deliver(&key("shop"), Arc::new(reported));
    assert!(mailbox.take().await.changed);
}

#[test]
fn a_sync_that_comes_back_keeps_its_actor() {
    let mailboxes = Mailboxes::default();
    let object = sync("shop", json!({"source": {"repository": "https://git.example/c.git"}}));
    assert!(mailboxes.deliver(&key("shop"), object.clone()).is_some());
    mailboxes.close(&key("shop"));
    assert!(mailboxes.deliver(&key("shop"), object.clone()).is_none());
    assert!(!mailboxes.retire(&key("shop")));
    mailboxes.close(&key("shop"));
    assert!(mailboxes.retire(&key("shop")));
    assert!(mailboxes.deliver(&key("shop"), object).is_some());
}

#[test]
fn a_branch_is_found_however_its_repository_is_written() {
    let mailboxes = Mailboxes::default();
    for (name, url) in [
        ("a", "https://git.example/team/config.git"),
        ("b", "ssh://git@git.example:22/team/config"),
        ("c", "git@Git.Example:team/config.git"),
        ("d", "https://git.example/team/other.git"),
    ] {
        drop(mailboxes.deliver(&key(name), sync(name, json!({"source": {"repository": url}}))));
    }
    assert_eq!(mailboxes.nudge_branch("https://git.example/team/config", "main"), 3);
    assert_eq!(mailboxes.nudge_branch("https://git.example/team/config", "other"), 0);
}
