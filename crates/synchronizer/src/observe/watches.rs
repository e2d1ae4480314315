//! The watches behind the index: one per kind whose health depends on status, one per workload that is coming up.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Pod;
use kube::core::ApiResource;
use lockstep_cluster::{Cluster, Kind, WatchEvent};
use lockstep_daemon::Shutdown;
use lockstep_manifest::ObjectId;
use lockstep_plan::{GroupKind, SYNC_LABEL, Scope};
use serde_json::Value;
use tokio::time::Instant;
use tokio_stream::StreamMap;

use super::HealthObserver;
use super::index::{Changes, PodsOf, ToWatch, Told};

/// What happens within this time is reported together, and the watches are looked over once.
const SETTLE: Duration = Duration::from_millis(50);

type Events = BoxStream<'static, WatchEvent<Value>>;

/// Follows what there is to watch until the daemon stops.
pub(super) async fn follow(observer: &HealthObserver, cluster: Cluster, shutdown: Shutdown) -> Result<(), Infallible> {
    let mut watches = Watches {
        cluster,
        kinds: BTreeMap::new(),
        objects: StreamMap::new(),
        pods: StreamMap::new(),
        refusals: StreamMap::new(),
    };
    let mut pending = Changes::new();
    let mut kinds_may_differ = false;
    let mut settle: Option<Instant> = None;
    let mut tick: Option<Instant> = None;
    let stopped = shutdown.requested();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return Ok(()),
            () = observer.woken() => kinds_may_differ = true,
            Some((kind, event)) = watches.objects.next(), if !watches.objects.is_empty() => {
                let told = told(&kind, event);
                merge(&mut pending, observer.index().kind_told(&kind, told, observer.now()));
            }
            Some((pods, event)) = watches.pods.next(), if !watches.pods.is_empty() => {
                let told = told(&pod_kind(), event);
                merge(&mut pending, observer.index().pods_told(&pods, told, observer.now()));
            }
            Some((namespace, event)) = watches.refusals.next(), if !watches.refusals.is_empty() => {
                let told = told(&event_kind(), event);
                merge(&mut pending, observer.index().refusals_told(&namespace, told, observer.now()));
            }
            () = until(tick), if tick.is_some() => {
                tick = None;
                merge(&mut pending, observer.index().ticked(observer.now()));
            }
            () = until(settle), if settle.is_some() => {
                settle = None;
                observer.report(std::mem::take(&mut pending));
                if std::mem::take(&mut kinds_may_differ) {
                    watches.look_over_kinds(observer);
                }
                watches.look_over_pods(observer);
                watches.look_over_refusals(observer);
                tick = observer.next_tick().map(|pause| Instant::now() + pause);
                continue;
            }
        }
        settle = settle.or_else(|| Some(Instant::now() + SETTLE));
    }
}

async fn until(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time).await;
    }
}

fn merge(pending: &mut Changes, more: Changes) {
    for (sync, objects) in more {
        pending.entry(sync).or_default().extend(objects);
    }
}

struct Watches {
    cluster: Cluster,
    kinds: BTreeMap<GroupKind, ToWatch>,
    objects: StreamMap<GroupKind, Events>,
    pods: StreamMap<PodsOf, Events>,
    /// By namespace.
    refusals: StreamMap<String, Events>,
}

impl Watches {
    /// Starts the watches of kinds that are missing and ends those that nobody needs.
    fn look_over_kinds(&mut self, observer: &HealthObserver) {
        let mut index = observer.index();
        let kinds = index.kinds_to_watch();
        for kind in self.kinds.keys().filter(|kind| !kinds.contains_key(*kind)) {
            self.objects.remove(kind);
            index.kind_forgotten(kind);
        }
        for (name, to_watch) in kinds.iter().filter(|(name, to_watch)| self.kinds.get(*name) != Some(*to_watch)) {
            let events = self.cluster.watch_objects(&to_watch.kind, None, Some(SYNC_LABEL)).boxed();
            self.objects.insert(name.clone(), events);
        }
        self.kinds = kinds;
    }

    /// The same for the pods of what is coming up.
    fn look_over_pods(&mut self, observer: &HealthObserver) {
        let mut index = observer.index();
        let pods = index.pods_to_watch();
        let ended: Vec<PodsOf> = self.pods.keys().filter(|watched| !pods.contains(*watched)).cloned().collect();
        for watched in ended {
            self.pods.remove(&watched);
            index.pods_forgotten(&watched);
        }
        for pods in pods {
            if !self.pods.contains_key(&pods) {
                let (namespace, selector) = match &pods {
                    PodsOf::Workload(workload, selector) => (workload.namespace.as_str(), Some(selector.as_str())),
                    PodsOf::Namespace(namespace) => (namespace.as_str(), None),
                };
                let events = self.cluster.watch_objects(&pod(), Some(namespace), selector).boxed();
                self.pods.insert(pods, events);
            }
        }
    }

    /// The same for the Events that say why pods could not be made.
    fn look_over_refusals(&mut self, observer: &HealthObserver) {
        let mut index = observer.index();
        let namespaces = index.namespaces_of_refusals();
        let ended: Vec<String> =
            self.refusals.keys().filter(|watched| !namespaces.contains(*watched)).cloned().collect();
        for namespace in ended {
            self.refusals.remove(&namespace);
            index.refusals_forgotten(&namespace);
        }
        for namespace in namespaces {
            if !self.refusals.contains_key(&namespace) {
                let events = self.cluster.watch_events(&namespace, "FailedCreate").boxed();
                self.refusals.insert(namespace, events);
            }
        }
    }
}

fn pod() -> Kind {
    Kind { resource: ApiResource::erase::<Pod>(&()), scope: Scope::Namespaced }
}

fn pod_kind() -> GroupKind {
    GroupKind { group: String::new(), kind: "Pod".to_owned() }
}

fn event_kind() -> GroupKind {
    GroupKind { group: String::new(), kind: "Event".to_owned() }
}

fn told(kind: &GroupKind, event: WatchEvent<Value>) -> Told {
    match event {
        WatchEvent::Restarted => Told::Restarted,
        WatchEvent::Applied(object) => Told::Applied(id(kind, &object), object),
        WatchEvent::ListComplete => Told::ListComplete,
        WatchEvent::Deleted(object) => Told::Deleted(id(kind, &object)),
        WatchEvent::Failed(error) => {
            tracing::warn!(kind = %kind, %error, "health cannot be watched; trying again");
            Told::Failed(error.to_string())
        }
    }
}

fn id(kind: &GroupKind, object: &Value) -> ObjectId {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    ObjectId::new(kind.group.clone(), kind.kind.clone(), text("namespace"), text("name"))
}
