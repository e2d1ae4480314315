use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

const HEAD: &str = "c0ffee0000000000000000000000000000000000";
const OLDER: &str = "0bad000000000000000000000000000000000000";
const REPOSITORY: &str = "https://git.example/c.git";

/// Syncs in one namespace and what the board says of them.
#[derive(Default)]
struct Town {
    mailboxes: Mailboxes,
    board: Board,
}

fn key(name: &str) -> SyncKey {
    SyncKey { namespace: "lockstep".into(), name: name.into() }
}

fn object(name: &str, repository: &str, depends_on: &[&str]) -> SyncObject {
    let named: Vec<Value> = depends_on.iter().map(|name| json!({"name": name})).collect();
    serde_json::from_value(json!({
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync",
        "metadata": {"name": name, "namespace": "lockstep", "uid": name, "generation": 2},
        "spec": {"source": {"repository": repository}, "dependsOn": named},
    }))
    .unwrap()
}

impl Town {
    fn with(self, name: &str, repository: &str, depends_on: &[&str]) -> Self {
        drop(self.mailboxes.deliver(&key(name), Arc::new(object(name, repository, depends_on))));
        self
    }

    /// What stands on a Sync: its generation, whether it is ready, its commit.
    fn saying(self, name: &str, generation: i64, ready: &str, commit: &str, turns: u64) -> Self {
        let at = json!({"commit": commit, "at": "2026-01-01T00:00:00Z"});
        let condition = json!({
            "type": "Ready", "status": ready, "reason": "Because", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let status = json!({"observedGeneration": generation, "fetched": at, "applied": at, "conditions": [condition]});
        self.board.publish(SyncSnapshot {
            key: key(name),
            spec: object(name, REPOSITORY, &[]).spec,
            status: serde_json::from_value(status).unwrap(),
            previous_commit: None,
            workloads: Vec::new(),
            turns,
        });
        self
    }

    fn leave(&self, name: &str) -> Leave {
        let object = self.mailboxes.object(&key(name)).unwrap();
        leave(&key(name), &object, HEAD.parse().unwrap(), &self.mailboxes, &self.board)
    }
}

#[test]
fn a_dependency_must_be_ready_as_it_stands_and_at_the_same_commit_of_the_same_branch() {
    let other = "https://git.example/other.git";
    // repository, generation that the status is about, ready, its commit, turns → may apply, and why not
    let cases = [
        (REPOSITORY, 2, "True", HEAD, 1, Some(HEAD), ""),
        ("git@git.example:c.git", 2, "True", HEAD, 1, Some(HEAD), ""),
        (other, 2, "True", OLDER, 1, Some(HEAD), ""),
        (
            REPOSITORY,
            2,
            "True",
            OLDER,
            1,
            Some(OLDER),
            "the Sync base is ready at commit 0bad000000, not at c0ffee0000",
        ),
        (REPOSITORY, 2, "False", HEAD, 1, None, "the Sync base is not ready: Because"),
        (REPOSITORY, 1, "True", HEAD, 1, None, "the Sync base has changed"),
        (REPOSITORY, 2, "True", HEAD, 0, None, "the Sync base has not been looked at yet"),
    ];
    for (repository, generation, ready, commit, turns, wanted, why) in cases {
        let town = Town::default().with("shop", REPOSITORY, &["base"]).with("base", repository, &[]);
        let leave = town.saying("base", generation, ready, commit, turns).leave("shop");
        let case = (repository, generation, ready, commit, turns);
        assert_eq!(leave.commit, wanted.map(|commit| commit.parse().unwrap()), "{case:?}");
        assert_eq!(leave.wait.map(|wait| wait.message).unwrap_or_default(), why, "{case:?}");
        let is_behind = repository != other && commit != HEAD;
        assert_eq!(!leave.behind.is_empty(), is_behind, "{case:?}");
    }
}

#[test]
fn dependencies_at_different_commits_are_waited_for() {
    let town =
        Town::default().with("shop", REPOSITORY, &["a", "b"]).with("a", REPOSITORY, &[]).with("b", REPOSITORY, &[]);
    let leave = town.saying("a", 2, "True", HEAD, 1).saying("b", 2, "True", OLDER, 1).leave("shop");
    assert_eq!((leave.commit, leave.behind), (None, vec![key("b")]));
}

#[test]
fn a_missing_dependency_is_named() {
    let town = Town::default().with("shop", REPOSITORY, &["base"]);
    let wait = town.leave("shop").wait.unwrap();
    assert_eq!((wait.why, wait.message.as_str()), (Why::NotReady, "the Sync base does not exist"));
}

#[test]
fn a_cycle_is_named_by_those_who_are_in_it() {
    let town =
        Town::default().with("a", REPOSITORY, &["b"]).with("b", REPOSITORY, &["c"]).with("c", REPOSITORY, &["a"]);
    let town = town.with("outside", REPOSITORY, &["a"]).with("self", REPOSITORY, &["self"]);
    let wait = |name: &str| town.leave(name).wait.unwrap();
    assert_eq!(wait("b").why, Why::Cycle);
    assert!(wait("b").message.contains("b → c → a → b"), "{}", wait("b").message);
    assert!(wait("self").message.contains("self → self"), "{}", wait("self").message);
    assert_eq!(wait("outside").why, Why::NotReady);
}

#[test]
fn a_sync_of_another_namespace_is_refused() {
    let mut shop = object("shop", REPOSITORY, &["base"]);
    shop.spec.depends_on[0].namespace = Some("elsewhere".into());
    let town = Town::default();
    let refused = leave(&key("shop"), &shop, HEAD.parse().unwrap(), &town.mailboxes, &town.board);
    let wait = refused.wait.unwrap();
    assert_eq!((refused.commit, wait.why), (None, Why::Refused));
    assert!(wait.message.contains("elsewhere/base"), "{}", wait.message);
    shop.spec.depends_on[0].namespace = Some("lockstep".into());
    let own = leave(&key("shop"), &shop, HEAD.parse().unwrap(), &town.mailboxes, &town.board);
    assert_eq!(own.wait.unwrap().why, Why::NotReady);
}
