//! What the Syncs that a Sync depends on let it apply. Pure: it reads the board and the Sync objects in memory.

use std::collections::BTreeSet;

use lockstep_repository::CommitId;

use crate::{
    board::{Board, SyncKey, SyncSnapshot},
    mailbox::{Mailboxes, dependencies, is_same_branch},
    resource::SyncObject,
};

/// What a Sync may apply now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leave {
    /// The head; or, while that is waited for, the commit that the dependencies of the same branch are ready at.
    pub(crate) commit: Option<CommitId>,
    /// Why it is not the head.
    pub(crate) wait: Option<Obstacle>,
    /// Dependencies of the same branch that have not seen the head.
    pub(crate) behind: Vec<SyncKey>,
}

/// Why a Sync does not apply the head of its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) why: Why,
    pub(crate) message: String,
}

/// Whether waiting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A Sync that this one depends on is not ready yet.
    NotReady,
    /// Syncs wait for each other.
    Cycle,
    /// One of them is of another namespace.
    Refused,
    /// The account that the calls are to be made as does not exist.
    NoAccount,
}

impl Why {
    /// The reason of the conditions.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NotReady => "DependencyNotReady",
            Self::Cycle => "DependencyCycle",
            Self::Refused => "DependencyRefused",
            Self::NoAccount => "AccountMissing",
        }
    }
}

/// What a Sync may apply when the head of its branch is this one.
pub(crate) fn leave(
    sync: &SyncKey,
    object: &SyncObject,
    head: CommitId,
    mailboxes: &Mailboxes,
    board: &Board,
) -> Leave {
    let mut leave = Leave { commit: None, wait: None, behind: Vec::new() };
    let own = |namespace: &String| *namespace == sync.namespace;
    if let Some(foreign) = object.spec.depends_on.iter().find(|one| !one.namespace.as_ref().is_none_or(own)) {
        let namespace = foreign.namespace.as_deref().unwrap_or_default();
        let message = format!(
            "dependsOn names the Sync {namespace}/{}; only Syncs of the namespace {} can be waited for",
            foreign.name, sync.namespace
        );
        leave.wait = Some(Obstacle { why: Why::Refused, message });
        return leave;
    }
    if let Some(cycle) = cycle(sync, object, mailboxes) {
        let names: Vec<&str> = cycle.iter().map(|key| key.name.as_str()).collect();
        let message =
            format!("these Syncs wait for each other: {}; take one of the dependencies away", names.join(" → "));
        leave.wait = Some(Obstacle { why: Why::Cycle, message });
        return leave;
    }
    let mut waits = Vec::new();
    let mut reached = Vec::new();
    for key in dependencies(sync, object) {
        let Some(dependency) = mailboxes.object(&key) else {
            waits.push(format!("the Sync {} does not exist", key.name));
            continue;
        };
        let snapshot = board.get(&key);
        let status = snapshot.as_ref().map(|snapshot| &snapshot.status);
        let is_same_branch = is_same_branch(&object.spec.source, &dependency.spec.source);
        let fetched = status.and_then(|status| status.fetched.as_ref()).map(|at| at.commit.as_str());
        if is_same_branch && fetched != Some(head.to_string().as_str()) {
            leave.behind.push(key.clone());
        }
        match why_not_ready(&dependency, snapshot.as_deref()) {
            Some(why) => waits.push(format!("the Sync {} {why}", key.name)),
            None if is_same_branch => {
                let applied = status.and_then(|status| status.applied.as_ref());
                reached.push((key.name, applied.and_then(|at| at.commit.parse::<CommitId>().ok())));
            }
            None => {}
        }
    }
    // What follows the same branch is to be ready at the same commit: the head, or one that all have reached.
    let common = reached.first().map_or(Some(head), |(_, commit)| *commit);
    if waits.is_empty() && reached.iter().all(|(_, commit)| *commit == common) {
        leave.commit = common;
    }
    if let Some((name, commit)) = reached.into_iter().find(|(_, commit)| *commit != Some(head)) {
        let at = commit.map_or("no commit".to_owned(), |commit| format!("commit {}", commit.short()));
        waits.push(format!("the Sync {name} is ready at {at}, not at {}", head.short()));
    }
    if !waits.is_empty() {
        leave.wait = Some(Obstacle { why: Why::NotReady, message: waits.join("; ") });
    }
    leave
}

/// `None` when it is ready, at the generation of its spec and since this start of the daemon.
fn why_not_ready(object: &SyncObject, snapshot: Option<&SyncSnapshot>) -> Option<String> {
    if object.metadata.deletion_timestamp.is_some() {
        return Some("is being deleted".to_owned());
    }
    let Some(snapshot) = snapshot.filter(|snapshot| snapshot.turns > 0) else {
        return Some("has not been looked at yet".to_owned());
    };
    if snapshot.status.observed_generation != object.metadata.generation {
        return Some("has changed".to_owned());
    }
    let ready = snapshot.status.conditions.iter().find(|condition| condition.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => None,
        Some(ready) => Some(format!("is not ready: {}", ready.reason)),
        None => Some("is not ready".to_owned()),
    }
}

/// The Syncs on the way from this one back to it.
fn cycle(sync: &SyncKey, object: &SyncObject, mailboxes: &Mailboxes) -> Option<Vec<SyncKey>> {
    let mut known = BTreeSet::new();
    let mut ways: Vec<Vec<SyncKey>> =
        dependencies(sync, object).into_iter().map(|next| vec![sync.clone(), next]).collect();
    while let Some(way) = ways.pop() {
        let Some(last) = way.last().filter(|last| !known.contains(*last)).cloned() else { continue };
        if last == *sync {
            return Some(way);
        }
        known.insert(last.clone());
        let Some(object) = mailboxes.object(&last) else { continue };
        for next in dependencies(&last, &object) {
            ways.push(way.iter().cloned().chain([next]).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests;
