//! One synchronizer: reports in, heads out, in one stream without a queue between.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use lockstep_api::v1::{ClusterEvent, RepositoryEvent};
use lockstep_daemon::Identity;
use lockstep_repository::CommitId;
use tokio::sync::watch;
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::{UpdatesService, may_see};
use crate::board::Heads;
use crate::clusters::Report;
use crate::repository_name::normalised;

/// More branches than one cluster follows.
const MOST_FOLLOWED: usize = 1000;

/// What is told to the cluster, and what it said last.
struct Connection {
    service: UpdatesService,
    identity: Identity,
    /// None once the cluster has no more to say.
    reports: Option<Streaming<ClusterEvent>>,
    heads: watch::Receiver<Heads>,
    /// By repository as the cluster spells it and branch: the head that it was told.
    followed: BTreeMap<(String, String), Option<CommitId>>,
    _open: Box<dyn Send>,
}

/// The answers to a cluster. They end when it hangs up, breaks the contract, or the daemon stops.
pub(super) fn exchange(
    service: UpdatesService,
    identity: Identity,
    reports: Streaming<ClusterEvent>,
) -> BoxStream<'static, Result<RepositoryEvent, Status>> {
    info!(cluster = identity.name, "connected");
    service.clusters.hear(&identity.name);
    let connection = Connection {
        heads: service.board.heads(),
        _open: Box::new(service.metrics.stream()),
        reports: Some(reports),
        followed: BTreeMap::new(),
        service,
        identity,
    };
    stream::unfold(Some(connection), |connection| async {
        let mut connection = connection?;
        match connection.next().await {
            Some(Ok(event)) => Some((Ok(event), Some(connection))),
            Some(Err(status)) => Some((Err(status), None)),
            None => None,
        }
    })
    .boxed()
}

impl Connection {
    /// The next head to tell. Reports are taken in while waiting for it.
    async fn next(&mut self) -> Option<Result<RepositoryEvent, Status>> {
        loop {
            if let Some(event) = self.news() {
                return Some(Ok(event));
            }
            tokio::select! {
                report = receive(&mut self.reports) => match report {
                    Ok(Some(event)) => {
                        if let Err(status) = self.take(event) {
                            return Some(Err(status));
                        }
                    }
                    Ok(None) => self.reports = None,
                    Err(status) => {
                        debug!(cluster = self.identity.name, %status, "disconnected");
                        return Some(Err(status));
                    }
                },
                changed = self.heads.changed() => changed.ok()?,
            }
        }
    }

    /// Takes a report in. Syncs of repositories that are none of ours, or of which this cluster may not speak, count nothing.
    fn take(&mut self, event: ClusterEvent) -> Result<(), Status> {
        let cluster = &self.identity.name;
        let (repository, branch) = (event.repository.clone(), event.branch.clone());
        let report = Report::read(event).map_err(|problem| {
            warn!(cluster, problem, "refused a report");
            Status::invalid_argument(format!("this report cannot be read: {problem}"))
        })?;
        if !self.service.bells.iter().any(|(ours, _)| normalised(&ours.repository) == report.repository) {
            debug!(cluster, repository, "a report about a repository that is not configured here");
            return Ok(());
        }
        if !may_see(&self.identity, &repository) {
            warn!(cluster, repository, "its token does not list this repository; the report counts nothing");
            return Ok(());
        }
        if !self.identity.may_touch(&report.path) {
            let path = report.path;
            warn!(cluster, repository, path, "its token does not list this folder; the report counts nothing");
            return Ok(());
        }
        if self.followed.len() < MOST_FOLLOWED {
            self.followed.entry((repository, branch)).or_default();
        }
        let sync = report.sync.clone();
        if !self.service.clusters.apply(cluster, report) {
            warn!(cluster, sync, "this cluster reports more Syncs than are remembered; this one counts nothing");
            return Ok(());
        }
        self.service.metrics.clusters(&self.service.clusters);
        Ok(())
    }

    /// A head that a followed branch has and that was not told yet.
    fn news(&mut self) -> Option<RepositoryEvent> {
        let heads = self.heads.borrow_and_update();
        for ((repository, branch), told) in &mut self.followed {
            let name = normalised(repository);
            let ours = heads.iter().find(|(key, _)| key.branch == *branch && normalised(&key.repository) == name);
            let Some((_, head)) = ours else { continue };
            if told.as_ref() != Some(head) {
                *told = Some(*head);
                let (repository, branch) = (repository.clone(), branch.clone());
                return Some(RepositoryEvent { repository, branch, commit: head.to_string() });
            }
        }
        None
    }
}

/// The next report. A cluster that has said all it wants still listens.
async fn receive(reports: &mut Option<Streaming<ClusterEvent>>) -> Result<Option<ClusterEvent>, Status> {
    match reports {
        Some(reports) => reports.message().await,
        None => std::future::pending().await,
    }
}
