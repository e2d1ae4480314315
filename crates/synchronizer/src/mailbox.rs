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
    resource::SyncObject,
};

/// The mailboxes of all Syncs.
#[derive(Default)]
pub(crate) struct Mailboxes {
    boxes: Mutex<BTreeMap<SyncKey, Arc<Mailbox>>>,
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
}

impl Mail {
    fn new(object: Arc<SyncObject>) -> Self {
        Self { object, closed: false, changed: false, fetch: false, drift: BTreeSet::new(), health: false }
    }

    fn is_empty(&self) -> bool {
        !self.closed && !self.changed && !self.fetch && self.drift.is_empty() && !self.health
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

/// Whether spec, identity or annotations differ. Status, labels and managed fields wake nobody: they are mostly our own.
fn asks_differently(before: &SyncObject, after: &SyncObject) -> bool {
    let acknowledged = |object: &SyncObject| object.metadata.annotations.as_ref()?.get(ACKNOWLEDGE).cloned();
    before.spec != after.spec
        || before.metadata.uid != after.metadata.uid
        || before.metadata.generation != after.metadata.generation
        || acknowledged(before) != acknowledged(after)
}

/// Annotation on the Sync: the commit whose deletions a person lets go.
pub(crate) const ACKNOWLEDGE: &str = "lockstep.dev/acknowledge";

impl Mailboxes {
    fn boxes(&self) -> MutexGuard<'_, BTreeMap<SyncKey, Arc<Mailbox>>> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers the present Sync object. A mailbox that had to be made for it comes back: it needs an actor.
    pub(crate) fn deliver(&self, key: &SyncKey, object: Arc<SyncObject>) -> Option<Arc<Mailbox>> {
        let mut boxes = self.boxes();
        if let Some(mailbox) = boxes.get(key) {
            mailbox.replace(object);
            return None;
        }
        let mailbox = Arc::new(Mailbox::new(object));
        boxes.insert(key.clone(), mailbox.clone());
        Some(mailbox)
    }

    /// Tells the actor of a Sync that it is gone.
    pub(crate) fn close(&self, key: &SyncKey) {
        if let Some(mailbox) = self.boxes().get(key) {
            mailbox.close();
        }
    }

    /// Ends a mailbox that is closed. `false`: the Sync was made anew in the meantime and its actor must go on.
    pub(crate) fn retire(&self, key: &SyncKey) -> bool {
        let mut boxes = self.boxes();
        let closed = boxes.get(key).is_none_or(|mailbox| mailbox.mail().closed);
        closed && {
            boxes.remove(key);
            true
        }
    }

    /// The Syncs that have a mailbox.
    pub(crate) fn keys(&self) -> Vec<SyncKey> {
        self.boxes().keys().cloned().collect()
    }
}

impl Nudges for Mailboxes {
    fn nudge(&self, sync: &SyncKey, nudge: Nudge) {
        if let Some(mailbox) = self.boxes().get(sync) {
            mailbox.put(nudge);
        }
    }

    fn nudge_branch(&self, repository: &str, branch: &str) -> usize {
        let wanted = place(repository);
        let boxes: Vec<_> = self.boxes().values().cloned().collect();
        let followers = boxes.iter().filter(|mailbox| {
            let object = mailbox.object();
            object.spec.source.branch == branch && place(&object.spec.source.repository) == wanted
        });
        followers.map(|mailbox| mailbox.put(Nudge::Fetch)).count()
    }
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
mod tests {
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
}
