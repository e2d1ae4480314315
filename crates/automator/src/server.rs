//! The service `Updates`: what clusters run comes in, where branches are goes out.
//!
//! Whoever calls was authenticated before; here it is only seen what the caller may do. Nothing that a call carries becomes a
//! path, a command or a URL.

mod change;
mod exchange;
mod explain;
mod history;
mod images;
mod requested;
mod scan;

use std::sync::Arc;

use futures::stream::BoxStream;
use lockstep_api::v1::updates_server::Updates;
use lockstep_api::v1::{
    ChangeRequest, ChangeResponse, ClusterEvent, ExplainRequest, ExplainResponse, HistoryRequest, HistoryResponse,
    ListImagesRequest, ListImagesResponse, RepositoryEvent, ScanRequest, ScanResponse,
};
use lockstep_daemon::{Identity, Shutdown};
use tonic::{Request, Response, Status, Streaming};

use crate::bell::Bell;
use crate::board::{Board, BranchKey};
use crate::clusters::{Clusters, VOTE};
use crate::metrics::Metrics;
use crate::notes::Notes;
use crate::repository_name::normalised;

/// What a token may be good for, as `tokens-file` writes it.
pub(crate) const ROLES: [&str; 4] = [VOTE, "read", "scan", "release"];

/// The service.
#[derive(Clone)]
pub(crate) struct UpdatesService {
    pub(crate) board: Board,
    pub(crate) notes: Notes,
    pub(crate) clusters: Clusters,
    pub(crate) bells: Arc<[(BranchKey, Bell)]>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
}

#[tonic::async_trait]
impl Updates for UpdatesService {
    type ExchangeStream = BoxStream<'static, Result<RepositoryEvent, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<ClusterEvent>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let identity = Identity::of(&request)?.clone();
        identity.require(VOTE)?;
        Ok(Response::new(exchange::exchange(self.clone(), identity, request.into_inner())))
    }

    async fn scan(&self, request: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        let identity = Identity::of(&request)?.clone();
        identity.require("scan")?;
        scan::scan(self, &identity, &request.get_ref().image).await.map(Response::new)
    }

    async fn list_images(&self, request: Request<ListImagesRequest>) -> Result<Response<ListImagesResponse>, Status> {
        let identity = Identity::of(&request)?;
        identity.require("read")?;
        Ok(Response::new(images::list(self, identity)))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let identity = Identity::of(&request)?.clone();
        identity.require("read")?;
        explain::explain(self, identity, request.into_inner()).await.map(Response::new)
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Result<Response<HistoryResponse>, Status> {
        let identity = Identity::of(&request)?.clone();
        identity.require("read")?;
        history::history(self, identity, request.into_inner()).await.map(Response::new)
    }

    async fn change(&self, request: Request<ChangeRequest>) -> Result<Response<ChangeResponse>, Status> {
        let identity = Identity::of(&request)?.clone();
        identity.require("release")?;
        change::change(self, identity, request.into_inner()).await.map(Response::new)
    }
}

/// Whether the caller may speak of a repository, however it is spelled.
fn may_see(identity: &Identity, repository: &str) -> bool {
    let name = normalised(repository);
    identity.repositories.as_ref().is_none_or(|listed| listed.iter().any(|url| normalised(url) == name))
}

#[cfg(test)]
mod tests;
