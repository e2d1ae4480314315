//! The ports on the real world: Git, the API server, Events and metrics, the clock. The one file that knows everybody.

mod api_server;
mod repositories;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp};
use lockstep_cluster::Cluster;
use lockstep_manifest::ObjectId;
use lockstep_plan::Health;

use crate::board::{SyncKey, WorkloadState};
use crate::events::EventQueue;
use crate::metrics::Metrics;
use crate::ports::{Clock, Enforced, Happening, Observer, Ports, Source, SyncRef, Witness};
use api_server::ApiServer;
pub(crate) use api_server::{Followed, sync_kind};
use repositories::Repositories;

/// The ports on the cluster and on the clones under `data`.
pub(crate) fn ports(
    cluster: Cluster,
    followed: Followed,
    data: Utf8PathBuf,
    observer: Arc<dyn Observer>,
    events: EventQueue,
    metrics: Metrics,
) -> Ports {
    Ports {
        source: Arc::new(Repositories::new(data, cluster.clone())),
        cluster: Arc::new(ApiServer::new(cluster, followed)),
        observer,
        witness: Arc::new(Reporter { events, metrics }),
        clock: Arc::new(SystemClock::start()),
    }
}

/// The ports for somebody who looks from outside of the daemon: nobody is told, and nobody's health is watched.
pub(crate) fn looking_ports(cluster: Cluster, source: Arc<dyn Source>) -> Ports {
    Ports {
        source,
        cluster: Arc::new(ApiServer::new(cluster, Followed::default())),
        observer: Arc::new(Nobody),
        witness: Arc::new(Nobody),
        clock: Arc::new(SystemClock::start()),
    }
}

/// Watches nothing and tells nobody.
struct Nobody;

impl Observer for Nobody {
    fn applied(&self, _: &SyncKey, _: &Enforced) {}

    fn unhealthy(&self, _: &SyncKey) -> BTreeMap<ObjectId, Health> {
        BTreeMap::new()
    }

    fn workloads(&self, _: &SyncKey) -> Vec<WorkloadState> {
        Vec::new()
    }

    fn forget(&self, _: &SyncKey) {}
}

impl Witness for Nobody {
    fn happened(&self, _: &SyncRef, _: &Happening) {}
}

/// The system's clocks: the one that can be set, and how far the other one got since the start.
pub(crate) struct SystemClock {
    began: Timestamp,
    running: Instant,
}

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self { began: Timestamp::now(), running: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn steady(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.running.elapsed()).unwrap_or(SignedDuration::MAX);
        self.began.saturating_add(since).unwrap_or(Timestamp::MAX)
    }
}

/// Tells people by Events and machines by metrics.
struct Reporter {
    events: EventQueue,
    metrics: Metrics,
}

impl Witness for Reporter {
    fn happened(&self, sync: &SyncRef, happening: &Happening) {
        self.metrics.count(sync, happening);
        self.events.tell(sync, happening);
    }
}
