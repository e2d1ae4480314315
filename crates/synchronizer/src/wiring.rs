//! The ports on the real world: Git, the API server, Events and metrics, the clock. The one file that knows everybody.

mod api_server;
mod repositories;

use std::sync::Arc;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use lockstep_cluster::Cluster;

use crate::events::EventQueue;
use crate::metrics::Metrics;
use crate::ports::{Clock, Happening, Observer, Ports, SyncRef, Witness};
use api_server::ApiServer;
use repositories::Repositories;

/// The ports on the cluster and on the clones under `data`.
pub(crate) fn ports(
    cluster: Cluster,
    namespaces: Vec<String>,
    data: Utf8PathBuf,
    observer: Arc<dyn Observer>,
    events: EventQueue,
    metrics: Metrics,
) -> Ports {
    Ports {
        source: Arc::new(Repositories::new(data, cluster.clone())),
        cluster: Arc::new(ApiServer::new(cluster, namespaces)),
        observer,
        witness: Arc::new(Reporter { events, metrics }),
        clock: Arc::new(SystemClock),
    }
}

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
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
