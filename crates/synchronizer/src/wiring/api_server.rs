//! The API server for the actors and the controller.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future;
use futures::stream::{BoxStream, StreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::ApiResource;
use lockstep_cluster::{Cluster, Deletion, Discovery, Kind, Lookup, Precondition, Resolution, WatchEvent};
use lockstep_plan::{Body, Class, GroupKind, LiveMetadata, ManagedFields, ParentMetadata, Scope};
use serde_json::Value;
use tokio::sync::RwLock;

use crate::board::SyncKey;
use crate::ports::{
    self, Applied, ClusterError, FINALIZER, Finalizer, Freshness, Keep, KindName, News, Objects, SyncRef, Target,
};
use crate::resource::{self, SyncObject, SyncStatus};

/// The API server as the daemon itself.
pub(super) struct ApiServer {
    cluster: Cluster,
    followed: Followed,
    discovery: RwLock<Option<Arc<Discovery>>>,
}

/// Which Syncs are acted on, and as whom.
#[derive(Clone, Default)]
pub(crate) struct Followed {
    /// Only those of these namespaces; none means all.
    pub(crate) namespaces: BTreeSet<String>,
    /// The service account of those that name none; without it, the daemon's own rights.
    pub(crate) account: Option<String>,
}

/// Its objects as one identity.
struct ApiObjects(Cluster);

impl ApiServer {
    pub(super) fn new(cluster: Cluster, followed: Followed) -> Self {
        Self { cluster, followed, discovery: RwLock::default() }
    }

    async fn discovery(&self, freshness: Freshness) -> Result<Arc<Discovery>, ClusterError> {
        if freshness == Freshness::Cached
            && let Some(known) = &*self.discovery.read().await
        {
            return Ok(known.clone());
        }
        let mut slot = self.discovery.write().await;
        let fresh = Arc::new(self.cluster.discover().await?);
        *slot = Some(fresh.clone());
        Ok(fresh)
    }
}

/// The field manager of what people ask for through the API: it tells them apart from what the daemon does by itself.
const REQUESTER: &str = "lockstep-api";

/// The kind of the Syncs.
pub(crate) fn sync_kind() -> Kind {
    Kind { resource: ApiResource::erase::<SyncObject>(&()), scope: Scope::Namespaced }
}

#[async_trait]
impl ports::Cluster for ApiServer {
    async fn resolve(&self, kinds: &[KindName], freshness: Freshness) -> Result<Vec<Resolution>, ClusterError> {
        let discovery = self.discovery(freshness).await?;
        let resolve = |kind: &KindName| match &kind.version {
            Some(version) => discovery.resolve(&kind.group, version, &kind.kind),
            None => discovery.served(&kind.group, &kind.kind),
        };
        Ok(kinds.iter().map(resolve).collect())
    }

    async fn namespaced_kinds(&self) -> Result<Vec<Kind>, ClusterError> {
        let discovery = self.discovery(Freshness::Fresh).await?;
        if let Some(silent) = discovery.unavailable().into_iter().find(|version| !is_computed(group_of(version))) {
            let message = format!("the API {silent} does not answer");
            return Err(ClusterError { class: Class::Transient, code: None, message, retry_after: None });
        }
        let all = discovery.stored_kinds().into_iter();
        Ok(all.filter(|kind| kind.scope == Scope::Namespaced).collect())
    }

    async fn is_defined(&self, kind: &GroupKind) -> Result<bool, ClusterError> {
        let definitions = Kind { resource: ApiResource::erase::<CustomResourceDefinition>(&()), scope: Scope::Cluster };
        let ending = format!(".{}", kind.group);
        let of_group = |live: &LiveMetadata| live.id.name.ends_with(&ending);
        for live in self.cluster.list_metadata(&definitions, None, "", &of_group).await? {
            let definition = self.cluster.object(&definitions, "", &live.id.name).await?;
            if definition
                .is_some_and(|it| it["spec"]["group"] == kind.group && it["spec"]["names"]["kind"] == kind.kind)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn objects(&self, sync: &SyncKey, service_account: Option<&str>) -> Result<Arc<dyn Objects>, ClusterError> {
        let cluster =
            match service_account {
                None => self.cluster.clone(),
                Some(account) => self.cluster.impersonating(&sync.namespace, account).map_err(|error| {
                    ClusterError { class: Class::Invalid, code: None, message: error.to_string(), retry_after: None }
                })?,
            };
        Ok(Arc::new(ApiObjects(cluster.on_behalf_of(&sync.to_string()))))
    }

    fn watch(&self, kind: &Kind, selector: &str) -> BoxStream<'static, News<LiveMetadata>> {
        self.cluster.watch_metadata(kind, selector).map(news).boxed()
    }

    fn watch_syncs(&self) -> BoxStream<'static, News<Box<SyncObject>>> {
        let followed = self.followed.clone();
        // With one namespace the right to see it is enough; with more, one watch of all is still one watch.
        let only = followed.namespaces.iter().next().filter(|_| followed.namespaces.len() == 1).cloned();
        let events = self.cluster.watch_objects(&sync_kind(), only.as_deref(), None);
        events.filter_map(move |event| future::ready(sync_news(&followed, event))).boxed()
    }

    async fn write_status(&self, sync: &SyncRef, status: &SyncStatus) -> Result<(), ClusterError> {
        let status = serde_json::to_value(status).map_err(|error| unwritable(&error))?;
        let key = &sync.key;
        Ok(self.cluster.replace_status(&sync_kind(), &key.namespace, &key.name, &sync.uid, &status).await?)
    }

    async fn set_finalizer(&self, sync: &SyncRef, wanted: Finalizer) -> Result<(), ClusterError> {
        let key = &sync.key;
        let finalizer = (wanted == Finalizer::Present).then_some(FINALIZER);
        Ok(self.cluster.hold(&sync_kind(), &key.namespace, &key.name, &sync.uid, finalizer).await?)
    }

    async fn drop_annotation(&self, sync: &SyncRef, name: &str, value: &str) -> Result<(), ClusterError> {
        let key = &sync.key;
        Ok(self.cluster.drop_annotation(&sync_kind(), &key.namespace, &key.name, &sync.uid, (name, value)).await?)
    }

    async fn record_parent(&self, sync: &SyncRef, parent: &ParentMetadata) -> Result<(), ClusterError> {
        let key = &sync.key;
        let ParentMetadata { labels, annotations } = parent;
        let kind = sync_kind();
        Ok(self.cluster.annotate(&kind, &key.namespace, &key.name, &sync.uid, labels, annotations).await?)
    }

    async fn request(&self, sync: &SyncRef, patch: &Value) -> Result<(), ClusterError> {
        let key = &sync.key;
        Ok(self.cluster.merge(&sync_kind(), &key.namespace, &key.name, &sync.uid, REQUESTER, patch).await?)
    }
}

/// Metrics are computed when they are asked for: nothing of them is stored in a namespace.
fn is_computed(group: &str) -> bool {
    group == "metrics.k8s.io" || group.ends_with(".metrics.k8s.io")
}

fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

fn unwritable(error: &serde_json::Error) -> ClusterError {
    let message = format!("write the status of a Sync: {error}");
    ClusterError { class: Class::Invalid, code: None, message, retry_after: None }
}

fn news<T>(event: WatchEvent<T>) -> News<T> {
    match event {
        WatchEvent::Restarted => News::Restarted,
        WatchEvent::Applied(object) => News::Applied(object),
        WatchEvent::ListComplete => News::ListComplete,
        WatchEvent::Deleted(object) => News::Deleted(object),
        WatchEvent::Failed(error) => News::Failed(error.into()),
    }
}

/// A Sync that cannot be read stands still, and the others go on.
fn sync_news(followed: &Followed, event: WatchEvent<Value>) -> Option<News<Box<SyncObject>>> {
    let sync = |object: Value| {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if !followed.namespaces.is_empty() && !followed.namespaces.contains(namespace) {
            return None;
        }
        let mut sync = resource::read(object)?;
        if let Some(error) = &sync.spec.unreadable {
            let (namespace, name) = (&sync.metadata.namespace, &sync.metadata.name);
            tracing::error!(namespace, name, error, "the Sync cannot be understood and stands still; correct its spec");
        }
        sync.spec.service_account_name = sync.spec.service_account_name.or_else(|| followed.account.clone());
        Some(Box::new(sync))
    };
    Some(match event {
        WatchEvent::Applied(object) => News::Applied(sync(object)?),
        WatchEvent::Deleted(object) => News::Deleted(sync(object)?),
        WatchEvent::Restarted => News::Restarted,
        WatchEvent::ListComplete => News::ListComplete,
        WatchEvent::Failed(error) => News::Failed(error.into()),
    })
}

#[async_trait]
impl Objects for ApiObjects {
    async fn apply(&self, target: &Target, body: &Body, precondition: &Precondition) -> Result<Applied, ClusterError> {
        let Target { kind, namespace, name } = target;
        let applied = self.0.apply(kind, namespace, name, body, precondition).await?;
        Ok(Applied { live: applied.live, created: applied.created, rewritten: applied.rewritten })
    }

    async fn dry_run(&self, target: &Target, body: &Body) -> Result<LiveMetadata, ClusterError> {
        Ok(self.0.dry_run(&target.kind, &target.namespace, &target.name, body).await?)
    }

    async fn lookup(&self, target: &Target) -> Result<Option<LiveMetadata>, ClusterError> {
        match self.0.lookup(&target.kind, &target.namespace, &target.name).await {
            Lookup::Absent => Ok(None),
            Lookup::Present(live) => Ok(Some(*live)),
            Lookup::Unknown(error) => Err(error.into()),
        }
    }

    async fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        keep: Keep<'_>,
    ) -> Result<Vec<LiveMetadata>, ClusterError> {
        Ok(self.0.list_metadata(kind, namespace, "", keep).await?)
    }

    async fn preview(&self, target: &Target, body: &Body) -> Result<Value, ClusterError> {
        Ok(self.0.preview(&target.kind, &target.namespace, &target.name, body).await?)
    }

    async fn dry_run_create(&self, target: &Target, body: &Body) -> Result<(), ClusterError> {
        Ok(self.0.dry_run_create(&target.kind, &target.namespace, &target.name, body).await?)
    }

    async fn set_managed_fields(
        &self,
        target: &Target,
        entries: &[ManagedFields],
        resource_version: &str,
    ) -> Result<LiveMetadata, ClusterError> {
        let Target { kind, namespace, name } = target;
        Ok(self.0.set_managed_fields(kind, namespace, name, entries, resource_version).await?)
    }

    async fn release(&self, kind: &Kind, seen: &LiveMetadata) -> Result<LiveMetadata, ClusterError> {
        Ok(self.0.release(kind, seen).await?)
    }

    async fn delete(&self, kind: &Kind, seen: &LiveMetadata) -> Result<Deletion, ClusterError> {
        Ok(self.0.delete(kind, seen).await?)
    }

    async fn read(&self, target: &Target) -> Result<Option<Value>, ClusterError> {
        Ok(self.0.object(&target.kind, &target.namespace, &target.name).await?)
    }
}
