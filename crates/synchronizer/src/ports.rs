//! What the daemon needs of the world, as small traits: a repository, a cluster, who watches health, who is told, a clock.
//!
//! `wiring.rs` implements them for the edge crates; fakes for tests are a few dozen lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use lockstep_cluster::{CallError, Deletion, Kind, Precondition, Resolution};
use lockstep_manifest::ObjectId;
use lockstep_plan::{
    Body, Class, FieldChange, GroupKind, Health, HealthChecks, LiveMetadata, ManagedFields, ParentMetadata, Rendered,
};
use serde_json::Value;

use crate::{
    board::{SyncKey, WorkloadState},
    resource::{SyncObject, SyncStatus},
};

mod happening;
mod source;

pub use happening::{Happening, Witness};
pub use source::{Branch, Head, Source, SourceError};

/// Everything that an actor works with.
#[derive(Clone)]
pub struct Ports {
    /// Repositories.
    pub source: Arc<dyn Source>,
    /// The API server.
    pub cluster: Arc<dyn Cluster>,
    /// The health of what was applied.
    pub observer: Arc<dyn Observer>,
    /// Who makes Events and metrics of what happens.
    pub witness: Arc<dyn Witness>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// A kind as a manifest (with its version) or a record (without) names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version; `None` for the one that the API server prefers.
    pub version: Option<String>,
    /// The kind.
    pub kind: String,
}

/// How old the picture of the served kinds may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The one in memory, if there is one.
    Cached,
    /// Asked for now.
    Fresh,
}

/// The API server, as the daemon itself.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// What is known about each of these kinds, in their order.
    async fn resolve(&self, kinds: &[KindName], freshness: Freshness) -> Result<Vec<Resolution>, ClusterError>;

    /// Every kind whose objects a namespace takes along when it is deleted, as it is served now; an error if that cannot be
    /// said of all.
    async fn namespaced_kinds(&self) -> Result<Vec<Kind>, ClusterError>;

    /// Whether a CustomResourceDefinition of the cluster is of this group and kind; an error is no answer.
    async fn is_defined(&self, kind: &GroupKind) -> Result<bool, ClusterError>;

    /// The objects of the cluster for this Sync, as a service account of its namespace or as the daemon itself.
    fn objects(&self, sync: &SyncKey, service_account: Option<&str>) -> Result<Arc<dyn Objects>, ClusterError>;

    /// Watches the metadata of all objects of `kind` that `selector` matches. Never ends.
    fn watch(&self, kind: &Kind, selector: &str) -> BoxStream<'static, News<LiveMetadata>>;

    /// Watches the Syncs that the daemon is to act on. Never ends.
    fn watch_syncs(&self) -> BoxStream<'static, News<Box<SyncObject>>>;

    /// Makes the Sync's status this one: what is absent in it is removed on the server (a merge patch with nulls, or the
    /// same by other means). Ends with a conflict when the Sync has another uid by now.
    async fn write_status(&self, sync: &SyncRef, status: &SyncStatus) -> Result<(), ClusterError>;

    /// Puts our finalizer on the Sync, or takes it away; those of others stay.
    async fn set_finalizer(&self, sync: &SyncRef, wanted: Finalizer) -> Result<(), ClusterError>;

    /// Takes an annotation with this value off the Sync; ends with a conflict when it has another one by now.
    async fn drop_annotation(&self, sync: &SyncRef, name: &str, value: &str) -> Result<(), ClusterError>;

    /// Merges these labels and annotations into the Sync's.
    async fn record_parent(&self, sync: &SyncRef, parent: &ParentMetadata) -> Result<(), ClusterError>;

    /// Merges what a person asks for into the Sync: its `spec.suspend`, an annotation.
    async fn request(&self, sync: &SyncRef, patch: &Value) -> Result<(), ClusterError>;
}

/// The objects of the cluster, as one identity. Each call is bounded in time and sent again after transient failures.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Applies by force with our field manager.
    async fn apply(&self, target: &Target, body: &Body, precondition: &Precondition) -> Result<Applied, ClusterError>;

    /// What an apply would make of the metadata.
    async fn dry_run(&self, target: &Target, body: &Body) -> Result<LiveMetadata, ClusterError>;

    /// Reads the metadata of one object; `None` when the API server says that this object does not exist.
    async fn lookup(&self, target: &Target) -> Result<Option<LiveMetadata>, ClusterError>;

    /// The metadata of every object of the kind that `keep` keeps, in one namespace or (`None`) in all, or an error.
    async fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        keep: Keep<'_>,
    ) -> Result<Vec<LiveMetadata>, ClusterError>;

    /// What an apply would make of the whole object; whoever shows it masks it.
    async fn preview(&self, target: &Target, body: &Body) -> Result<Value, ClusterError>;

    /// Whether the object could be created if nothing had its name: admission and validation let it through.
    async fn dry_run_create(&self, target: &Target, body: &Body) -> Result<(), ClusterError>;

    /// Makes `entries` the whole list of managed fields, if the object still is at `resource_version`.
    async fn set_managed_fields(
        &self,
        target: &Target,
        entries: &[ManagedFields],
        resource_version: &str,
    ) -> Result<LiveMetadata, ClusterError>;

    /// Takes our labels, annotations and entries of managed fields off the object, if it still is as it was seen.
    async fn release(&self, kind: &Kind, seen: &LiveMetadata) -> Result<LiveMetadata, ClusterError>;

    /// Deletes exactly the object that was seen: `seen.uid` at `seen.resource_version`.
    async fn delete(&self, kind: &Kind, seen: &LiveMetadata) -> Result<Deletion, ClusterError>;

    /// Reads one whole object; `None` when it does not exist.
    async fn read(&self, target: &Target) -> Result<Option<Value>, ClusterError>;
}

/// Which objects of a list are of use to the caller. It may be asked about an object twice, when a list begins again.
pub type Keep<'a> = &'a (dyn Fn(&LiveMetadata) -> bool + Sync);

/// One object as a call names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its kind as it is served.
    pub kind: Kind,
    /// Its namespace; empty in the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, name) = (&self.kind.resource.kind, &self.name);
        match self.namespace.as_str() {
            "" => write!(f, "{kind} {name}"),
            namespace => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}

/// What an apply did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The metadata after it, our entry of managed fields included.
    pub live: LiveMetadata,
    /// The object did not exist before.
    pub created: bool,
    /// The fields that admission stored otherwise: the stored value before, Git's after.
    pub rewritten: Vec<FieldChange>,
}

/// What a watch tells: `Restarted`, an `Applied` for each object, `ListComplete`, then changes.
#[derive(Clone, Debug)]
pub enum News<T> {
    /// A full list begins; what was known stays valid until it is complete.
    Restarted,
    /// An object exists in this state.
    Applied(T),
    /// What was not in the list is gone.
    ListComplete,
    /// An object is gone or no longer matches, last seen in this state.
    Deleted(T),
    /// The kind could not be listed or watched; the watch goes on by itself.
    Failed(ClusterError),
}

/// A call to the API server that did not do what it was for. No text holds a value that the server echoed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// What it means for the next try.
    pub class: Class,
    /// The HTTP status; `None` when no answer came.
    pub code: Option<u16>,
    /// What was being done, to what, what the server said, status and reason.
    pub message: String,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl ClusterError {
    /// It says that somebody is busy or not reachable, and nothing about rights or kinds.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.class, Class::Transient | Class::Throttled | Class::Expired | Class::Conflict)
    }
}

impl From<CallError> for ClusterError {
    fn from(error: CallError) -> Self {
        Self { class: error.class, code: error.code, message: error.to_string(), retry_after: error.retry_after }
    }
}

/// A Sync object, and that it is this very one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRef {
    /// Its name.
    pub key: SyncKey,
    /// Its uid.
    pub uid: String,
}

/// The finalizer that keeps a Sync until its objects are deleted.
pub const FINALIZER: &str = "lockstep.dev/sync";

/// Whether the Sync is to have our finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// Its deletion waits for us.
    Present,
    /// It goes when it is deleted.
    Absent,
}

/// The reason of a health that no watch has shown yet.
pub(crate) const NOT_OBSERVED: &str = "NotObserved";

/// Watches the health of what was applied, and nudges the Sync by [`crate::nudge::Nudge::Health`] when it changes.
pub trait Observer: Send + Sync {
    /// A turn ended: from now on these are the Sync's objects. Never blocks.
    fn applied(&self, sync: &SyncKey, enforced: &Enforced);

    /// The health of the Sync's objects that are not simply current, by object. What is absent is current; what is not
    /// known yet is [`lockstep_plan::Status::InProgress`].
    fn unhealthy(&self, sync: &SyncKey) -> BTreeMap<ObjectId, Health>;

    /// What became of each container of each workload.
    fn workloads(&self, sync: &SyncKey) -> Vec<WorkloadState>;

    /// The Sync is gone.
    fn forget(&self, sync: &SyncKey);
}

/// What a turn has left in the cluster.
#[derive(Clone, Debug)]
pub struct Enforced {
    /// The commit.
    pub commit: String,
    /// When the turn that first applied this commit ended.
    pub at: Timestamp,
    /// Within how much time of an object's own apply it must be healthy.
    pub timeout: Duration,
    /// Its objects, those included that could not be applied.
    pub wanted: Arc<Vec<Rendered>>,
    /// How the Sync wants the health of kinds to be judged.
    pub checks: HealthChecks,
    /// Their kinds as they are served; a kind that is not served is absent.
    pub kinds: BTreeMap<GroupKind, Kind>,
    /// The objects that this very turn changed in the cluster, and when. A repair that changes nothing is not among them.
    pub changed: BTreeMap<ObjectId, Timestamp>,
    /// The objects that are not in the cluster as the commit wants them, and why.
    pub failed: BTreeMap<ObjectId, ObjectFailure>,
    /// The objects that are there without our label and are left so: their health is not known.
    pub found: BTreeSet<ObjectId>,
}

/// Why an object is not as the commit wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectFailure {
    /// The API server refused the apply, or could not be asked.
    Refused(ClusterError),
    /// It was not tried: somebody else owns it, its kind is not served, it is being deleted.
    Blocked(String),
}

/// The time of day, for people. Pauses are measured by tokio's clock, never by this one.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// The time by which it is decided what is late: it begins as the time of day and goes on evenly, whoever sets the clock
    /// in the meantime.
    fn steady(&self) -> Timestamp {
        self.now()
    }
}
