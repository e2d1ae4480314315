//! Custom resource definitions that come, change or go: what waits for a kind looks again.

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
        let is_new = match news {
            News::Applied(live) => {
                let version = live.resource_version.clone();
                versions.insert(live.id, version.clone()).is_none_or(|known| known != version)
            }
            News::Deleted(live) => versions.remove(&live.id).is_some(),
            News::ListComplete => {
                is_listed = true;
                false
            }
            News::Restarted => false,
            News::Failed(error) => {
                tracing::debug!(%error, "cannot watch custom resource definitions; will retry");
                false
            }
        };
        if is_new && is_listed {
            mailboxes.nudge_all(&Nudge::Kinds);
        }
    }
}
