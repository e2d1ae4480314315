//! The health of what was applied, and what became of each image reference in it.
//!
//! ```text
//! Enforced (what a turn left) ──┐
//! watch per kind with a status ─┼─► Index ─► health by object, verdict by container ─► Nudge::Health
//! pods of what is coming up ────┘     (pure)
//! ```
//!
//! Nothing is asked for twice: the index knows what the watches told, and a timer runs only while something is on its way.

mod index;
mod seen;
mod template;
mod verdict;
mod watches;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_cluster::Cluster;
use lockstep_daemon::Shutdown;
use lockstep_manifest::ObjectId;
use lockstep_plan::Health;
use tokio::sync::Notify;

use crate::board::{SyncKey, WorkloadState};
use crate::nudge::{Nudge, Nudges};
use crate::ports::{Clock, Enforced, Observer};
use index::{Changes, Index};

/// Watches the health of what was applied.
pub(crate) struct HealthObserver {
    index: Mutex<Index>,
    /// Said when there may be something else to watch.
    wake: Notify,
    nudges: Arc<dyn Nudges>,
    clock: Arc<dyn Clock>,
}

impl HealthObserver {
    /// Knows nothing yet; [`HealthObserver::follow`] makes it learn.
    pub(crate) fn new(nudges: Arc<dyn Nudges>, clock: Arc<dyn Clock>) -> Self {
        Self { index: Mutex::default(), wake: Notify::new(), nudges, clock }
    }

    /// Watches until the daemon stops.
    ///
    /// # Errors
    /// None; failing watches go on by themselves.
    pub(crate) async fn follow(self: Arc<Self>, cluster: Cluster, shutdown: Shutdown) -> Result<(), Infallible> {
        watches::follow(&self, cluster, shutdown).await
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock.steady()
    }

    async fn woken(&self) {
        self.wake.notified().await;
    }

    fn next_tick(&self) -> Option<Duration> {
        let now = self.now();
        let next = self.index().next_tick(now)?;
        // A little later, so that the time has passed by every clock.
        Duration::try_from(next.duration_since(now)).ok().map(|pause| pause + Duration::from_millis(10))
    }

    fn report(&self, changes: Changes) {
        for (sync, objects) in changes {
            self.nudges.nudge(&sync, Nudge::Health(objects));
        }
    }
}

impl Observer for HealthObserver {
    fn applied(&self, sync: &SyncKey, enforced: &Enforced) {
        // The caller is the actor itself, which reads the outcome right after this.
        self.index().applied(sync, enforced, self.now());
        self.wake.notify_one();
    }

    fn unhealthy(&self, sync: &SyncKey) -> BTreeMap<ObjectId, Health> {
        self.index().unhealthy(sync)
    }

    fn workloads(&self, sync: &SyncKey) -> Vec<WorkloadState> {
        self.index().workloads(sync)
    }

    fn forget(&self, sync: &SyncKey) {
        self.index().forget(sync);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use lockstep_cluster::Kind;
    use lockstep_manifest::Object;
    use lockstep_plan::{Body, GroupKind, HealthChecks, Rendered, Scope};

    use super::*;
    use crate::board::Verdict;

    #[derive(Default)]
    struct Jumpy(AtomicI64);

    impl Clock for Jumpy {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_800_000_000 + self.0.load(Ordering::Relaxed)).unwrap()
        }

        fn steady(&self) -> Timestamp {
            Timestamp::from_second(1_800_000_000).unwrap()
        }
    }

    impl Nudges for Jumpy {
        fn nudge(&self, _: &SyncKey, _: Nudge) {}

        fn nudge_branch(&self, _: &str, _: &str) -> usize {
            0
        }
    }

    /// D8: a rollout is not late, and not to be reverted, because somebody set the clock.
    #[test]
    fn nothing_is_late_because_a_clock_was_set() {
        let clock = Arc::new(Jumpy::default());
        let observer = HealthObserver::new(clock.clone(), clock.clone());
        let value = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "shop/web:1"}]}}},
        });
        let (id, body) = ("apps/Deployment/shop/web".parse::<ObjectId>().unwrap(), Body::of(&value));
        let file = Arc::from("a.yaml");
        let object = Object { id: id.clone(), api_version: "apps/v1".into(), value, file, line: 1 };
        let resource = kube::core::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
        let enforced = Enforced {
            commit: "commit".into(),
            at: clock.steady(),
            timeout: Duration::from_secs(300),
            wanted: Arc::new(vec![Rendered { object, body, hash: "hash".into(), instructions: None }]),
            checks: HealthChecks::default(),
            kinds: [(GroupKind::of(&id), Kind { resource, scope: Scope::Namespaced })].into(),
            changed: BTreeMap::from([(id, clock.steady())]),
            failed: BTreeMap::new(),
            found: Default::default(),
        };
        let sync = SyncKey { namespace: "lockstep".into(), name: "shop".into() };
        for jump in [0, 3600, -3600] {
            clock.0.store(jump, Ordering::Relaxed);
            observer.applied(&sync, &enforced);
            let verdicts: Vec<Verdict> = observer.workloads(&sync).into_iter().map(|state| state.verdict).collect();
            assert_eq!(verdicts, [Verdict::Progressing], "{jump}");
        }
    }
}
