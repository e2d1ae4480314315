//! What is known of every Sync, for whoever reports it: the gRPC service, the stream to the automator, metrics.
//!
//! The actor of a Sync is the only writer of its entry. Readers see whole values and are told of changes; a slow
//! reader misses intermediate states, never the last one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_manifest::ObjectId;
use tokio::sync::watch;

/// A Sync's name in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SyncKey {
    /// The namespace of the Sync object.
    pub namespace: String,
    /// The name of the Sync object.
    pub name: String,
}

impl SyncKey {
    /// Reads `namespace/name`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        Some(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl std::fmt::Display for SyncKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What became of a reference in a workload; the words are those of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Healthy with that reference. Final.
    Live,
    /// Was healthy before, and the pods of this reference cannot run.
    Failed,
    /// Not healthy, for a reason that is not the reference's.
    Inconclusive,
    /// Still rolling out.
    Progressing,
}

/// One container of one workload, as the applied commit wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadState {
    /// The workload.
    pub object: ObjectId,
    /// The container's name.
    pub container: String,
    /// The image reference that the applied commit gives it.
    pub reference: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
    /// The pod, the container and its message, where there is one.
    pub message: String,
    /// The reference with which it was last live, since our start.
    pub last_live: Option<String>,
}

/// A commit and when it was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// 40 hex digits.
    pub commit: String,
    /// When.
    pub at: Timestamp,
}

/// One Sync, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncSnapshot {
    /// Which.
    pub key: SyncKey,
    /// The spec that this state belongs to.
    pub spec: crate::resource::SyncSpec,
    /// The status as it stands on the object.
    pub status: crate::resource::SyncStatus,
    /// The commit that was applied before the present one.
    pub previous_commit: Option<String>,
    /// Every container of every workload.
    pub workloads: Vec<WorkloadState>,
    /// How many turns have ended since the start; `Trigger` waits by it.
    pub turns: u64,
}

type Entries = Arc<BTreeMap<SyncKey, Arc<SyncSnapshot>>>;

/// The entries of all Syncs.
#[derive(Clone)]
pub struct Board {
    entries: watch::Sender<Entries>,
}

impl Default for Board {
    fn default() -> Self {
        Self { entries: watch::Sender::new(Entries::default()) }
    }
}

impl Board {
    /// Puts a Sync's state up; tells the readers only if it changed.
    pub fn publish(&self, snapshot: SyncSnapshot) {
        self.entries.send_if_modified(|entries| {
            if entries.get(&snapshot.key).is_some_and(|present| **present == snapshot) {
                return false;
            }
            Arc::make_mut(entries).insert(snapshot.key.clone(), Arc::new(snapshot));
            true
        });
    }

    /// Takes a Sync down that no longer exists.
    pub fn remove(&self, key: &SyncKey) {
        self.entries
            .send_if_modified(|entries| entries.contains_key(key) && Arc::make_mut(entries).remove(key).is_some());
    }

    /// One Sync, if it is known.
    pub fn get(&self, key: &SyncKey) -> Option<Arc<SyncSnapshot>> {
        self.entries.borrow().get(key).cloned()
    }

    /// All Syncs, in the order of namespace and name.
    pub fn all(&self) -> Vec<Arc<SyncSnapshot>> {
        self.entries.borrow().values().cloned().collect()
    }

    /// A receiver that is woken at every change; its present value counts as unseen.
    pub fn subscribe(&self) -> watch::Receiver<Entries> {
        let mut receiver = self.entries.subscribe();
        receiver.mark_changed();
        receiver
    }
}
