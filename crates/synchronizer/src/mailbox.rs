//! The mailboxes of the actors: nudges are gathered until the actor looks, so that a hundred of them cost one turn.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lockstep_manifest::ObjectId;
use tokio::sync::Notify;

use crate::{
    board::SyncKey,
    nudge::{Nudge, Nudges},
    resource::{Source, SyncObject},
};

mod claims;

pub(crate) use claims::Claim;

/// The mailboxes of all Syncs.
#[derive(Default)]
pub(crate) struct Mailboxes {
    boxes: Mutex<Boxes>,
}

#[derive(Default)]
struct Boxes {
    of: BTreeMap<SyncKey, Arc<Mailbox>>,
    /// Which Syncs depend on a Sync, whether it exists or not.
    dependents: BTreeMap<SyncKey, BTreeSet<SyncKey>>,
    claims: claims::Claims,
}

/// What has arrived for one Sync since its actor last looked.
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
    arrived: Notify,
}

/// All nudges so far, and the Sync object as it stands.
#[derive(Clone)]
pub(crate) struct Mail {
    /// The Sync.
    pub(crate) object: Arc<SyncObject>,
    /// The Sync object is gone.
    pub(crate) closed: bool,
    /// The object changed.
    pub(crate) changed: bool,
    /// The branch may have moved.
    pub(crate) fetch: bool,
    /// Objects that drifted, or no longer do.
    pub(crate) drift: BTreeSet<ObjectId>,
    /// Health changed.
    pub(crate) health: bool,
    /// Kinds came, changed or went.
    pub(crate) kinds: BTreeSet<String>,
    /// A Sync that this one depends on stands otherwise than before.
    pub(crate) dependency: bool,
    /// Another Sync wants objects of this one, or no longer does.
    pub(crate) claim: bool,
}

impl Mail {
    fn new(object: Arc<SyncObject>) -> Self {
        Self {
            object,
            closed: false,
            changed: false,
            fetch: false,
            drift: BTreeSet::new(),
            health: false,
            kinds: BTreeSet::new(),
            dependency: false,
            claim: false,
        }
    }

    fn is_empty(&self) -> bool {
        !self.closed
            && !self.changed
            && !self.fetch
            && self.drift.is_empty()
            && !self.health
            && self.kinds.is_empty()
            && !self.dependency
            && !self.claim
    }
}

impl Mailbox {
    pub(crate) fn new(object: Arc<SyncObject>) -> Self {
        Self { mail: Mutex::new(Mail::new(object)), arrived: Notify::new() }
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Sync object as it stands.
    pub(crate) fn object(&self) -> Arc<SyncObject> {
        self.mail().object.clone()
    }

    /// Puts the present Sync object in; the actor hears of it only if a turn could come out differently.
    pub(crate) fn replace(&self, object: Arc<SyncObject>) {
        let mut mail = self.mail();
        mail.changed |= mail.closed || asks_differently(&mail.object, &object);
        mail.closed = false;
        mail.object = object;
        let wake = mail.changed;
        drop(mail);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Tells the actor that its Sync is gone.
    pub(crate) fn close(&self) {
        self.mail().closed = true;
        self.arrived.notify_one();
    }

    pub(crate) fn put(&self, nudge: Nudge) {
        let mut mail = self.mail();
        match nudge {
            Nudge::Fetch => mail.fetch = true,
            Nudge::Drift(objects) => mail.drift.extend(objects),
            Nudge::Health(_) => mail.health = true,
            Nudge::Definition(name) => drop(mail.kinds.insert(name)),
            Nudge::Dependency => mail.dependency = true,
            Nudge::Claim => mail.claim = true,
            Nudge::Object => mail.changed = true,
        }
        drop(mail);
        self.arrived.notify_one();
    }

    /// Waits until there is mail, and takes it.
    pub(crate) async fn take(&self) -> Mail {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut mail = self.mail();
                if !mail.is_empty() {
                    let mut empty = Mail::new(mail.object.clone());
                    empty.closed = mail.closed;
                    return mem::replace(&mut *mail, empty);
                }
            }
            arrived.await;
        }
    }
}

/// Whether spec, identity, deletion or annotations differ. Status, labels and managed fields wake nobody: they are mostly our own.
fn asks_differently(before: &SyncObject, after: &SyncObject) -> bool {
    let acknowledged = |object: &SyncObject| object.metadata.annotations.as_ref()?.get(ACKNOWLEDGE).cloned();
    before.spec != after.spec
        || before.metadata.uid != after.metadata.uid
        || before.metadata.generation != after.metadata.generation
        || before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        || acknowledged(before) != acknowledged(after)
}

/// Annotation on the Sync: the commit whose deletions a person lets go.
pub(crate) const ACKNOWLEDGE: &str = "lockstep.dev/acknowledge";

impl Mailboxes {
    fn boxes(&self) -> MutexGuard<'_, Boxes> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers the present Sync object. A mailbox that had to be made for it comes back: it needs an actor.
    pub(crate) fn deliver(&self, key: &SyncKey, object: Arc<SyncObject>) -> Option<Arc<Mailbox>> {
        let mut boxes = self.boxes();
        let wanted = dependencies(key, &object);
        if let Some(mailbox) = boxes.of.get(key).cloned() {
            let before = dependencies(key, &mailbox.object());
            boxes.depend(key, before, wanted);
            mailbox.replace(object);
            return None;
        }
        boxes.depend(key, Vec::new(), wanted);
        let mailbox = Arc::new(Mailbox::new(object));
        boxes.of.insert(key.clone(), mailbox.clone());
        Some(mailbox)
    }

    /// Tells the actor of a Sync that it is gone.
    pub(crate) fn close(&self, key: &SyncKey) {
        if let Some(mailbox) = self.boxes().of.get(key) {
            mailbox.close();
        }
    }

    /// Ends a mailbox that is closed. `false`: the Sync was made anew in the meantime and its actor must go on.
    pub(crate) fn retire(&self, key: &SyncKey) -> bool {
        let mut boxes = self.boxes();
        let closed = boxes.of.get(key).is_none_or(|mailbox| mailbox.mail().closed);
        closed && {
            if let Some(mailbox) = boxes.of.remove(key) {
                boxes.depend(key, dependencies(key, &mailbox.object()), Vec::new());
            }
            true
        }
    }

    /// The Syncs that have a mailbox.
    pub(crate) fn keys(&self) -> Vec<SyncKey> {
        self.boxes().of.keys().cloned().collect()
    }

    /// The Sync object as it stands; `None` when there is none.
    pub(crate) fn object(&self, key: &SyncKey) -> Option<Arc<SyncObject>> {
        self.boxes().of.get(key).filter(|mailbox| !mailbox.mail().closed).map(|mailbox| mailbox.object())
    }

    /// Wakes the others that follow the same branch.
    pub(crate) fn nudge_siblings(&self, key: &SyncKey, source: &Source) {
        let boxes = self.boxes();
        let others = boxes.of.iter().filter(|(other, _)| *other != key).map(|(_, mailbox)| mailbox);
        for mailbox in others.filter(|mailbox| is_same_branch(&mailbox.object().spec.source, source)) {
            mailbox.put(Nudge::Fetch);
        }
    }

    /// Wakes every Sync.
    pub(crate) fn nudge_all(&self, nudge: &Nudge) {
        self.boxes().of.values().for_each(|mailbox| mailbox.put(nudge.clone()));
    }

    /// Wakes those that depend on a Sync.
    pub(crate) fn nudge_dependents(&self, key: &SyncKey) {
        let boxes = self.boxes();
        for dependent in boxes.dependents.get(key).into_iter().flatten().filter_map(|key| boxes.of.get(key)) {
            dependent.put(Nudge::Dependency);
        }
    }
}

impl Boxes {
    fn depend(&mut self, key: &SyncKey, before: Vec<SyncKey>, now: Vec<SyncKey>) {
        for dependency in before {
            if let Some(dependents) = self.dependents.get_mut(&dependency) {
                dependents.remove(key);
                if dependents.is_empty() {
                    self.dependents.remove(&dependency);
                }
            }
        }
        for dependency in now {
            self.dependents.entry(dependency).or_default().insert(key.clone());
        }
    }
}

/// The Syncs that a Sync names; those of other namespaces are refused elsewhere.
pub(crate) fn dependencies(key: &SyncKey, object: &SyncObject) -> Vec<SyncKey> {
    let named = object.spec.depends_on.iter();
    named.map(|one| SyncKey { namespace: key.namespace.clone(), name: one.name.clone() }).collect()
}

impl Nudges for Mailboxes {
    fn nudge(&self, sync: &SyncKey, nudge: Nudge) {
        if let Some(mailbox) = self.boxes().of.get(sync) {
            mailbox.put(nudge);
        }
    }

    fn nudge_branch(&self, repository: &str, branch: &str) -> usize {
        let wanted = place(repository);
        let boxes: Vec<_> = self.boxes().of.values().cloned().collect();
        let followers = boxes.iter().filter(|mailbox| {
            let object = mailbox.object();
            object.spec.source.branch == branch && place(&object.spec.source.repository) == wanted
        });
        followers.map(|mailbox| mailbox.put(Nudge::Fetch)).count()
    }
}

/// Whether two Syncs follow the same branch, however they reach it.
pub(crate) fn is_same_branch(one: &Source, other: &Source) -> bool {
    one.branch == other.branch && place(&one.repository) == place(&other.repository)
}

/// Host and path of a repository, however it is reached: one side may use SSH and the other HTTPS.
fn place(repository: &str) -> String {
    let rest = repository.split_once("://").map_or(repository, |(_, rest)| rest);
    let is_short = !repository.contains("://");
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let rest = if is_short { rest.replacen(':', "/", 1) } else { rest.to_owned() };
    let rest = rest.trim_end_matches('/');
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.split_once(':').map_or(host, |(name, _)| name);
    format!("{}/{}", host.to_lowercase(), path.trim_matches('/').trim_end_matches(".git"))
}

#[cfg(test)]
mod tests;
