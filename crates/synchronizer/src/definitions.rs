//! Custom resource definitions that come, change or go: what waits for a kind looks again, and what is of it is confirmed.

use std::collections::HashMap;

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::ApiResource;
use lockstep_cluster::Kind;
use lockstep_plan::Scope;

use crate::{
    mailbox::Mailboxes,
    nudge::Nudge,
    ports::{Cluster, News},
};

/// Follows the definitions of the whole cluster. Never ends. Without the right to see them, what waits for a kind looks
/// again at the pace of failures.
pub(crate) async fn follow(cluster: &dyn Cluster, mailboxes: &Mailboxes) {
    let kind = Kind { resource: ApiResource::erase::<CustomResourceDefinition>(&()), scope: Scope::Cluster };
    let mut versions = HashMap::new();
    let mut is_listed = false;
    let mut news = cluster.watch(&kind, "");
    while let Some(news) = news.next().await {
        let changed = match news {
            News::Applied(live) => {
                let version = live.resource_version.clone();
                let is_new = versions.insert(live.id.clone(), version.clone()).is_none_or(|known| known != version);
                is_new.then_some(live.id)
            }
            News::Deleted(live) => versions.remove(&live.id).map(|_| live.id),
            News::ListComplete => {
                is_listed = true;
                None
            }
            News::Restarted => None,
            News::Failed(error) => {
                tracing::debug!(%error, "cannot watch custom resource definitions; will retry");
                None
            }
        };
        if let Some(definition) = changed.filter(|_| is_listed) {
            mailboxes.nudge_all(&Nudge::Definition(definition.name.clone()));
        }
    }
}
