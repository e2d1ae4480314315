//! What the clusters run: the last report of each Sync, and the failures in them.
//!
//! A report is a whole state, so receiving one twice changes nothing. Reports outlive their connection: a cluster that cannot
//! reach us has not changed its mind. They are in memory only; after a restart every cluster says its state again, and until
//! then nothing is concluded. The one thing that is remembered across reports is for how long a container has been given its
//! reference, because other commits may come on top of the one that gave it.

mod report;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_repository::CommitId;
use tokio::sync::watch;

use crate::repository_name::normalised;

pub(crate) use report::{Report, Verdict, WorkloadKey};

/// More Syncs than one cluster has.
const MOST_SYNCS: usize = 1000;

/// The proof that a reference does not run somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    /// The name of the cluster's token.
    pub(crate) cluster: String,
    /// NAMESPACE/NAME of the Sync.
    pub(crate) sync: String,
    /// The folder that the Sync applies; empty for the whole repository.
    pub(crate) path: String,
    pub(crate) workload: WorkloadKey,
    /// What the container was given.
    pub(crate) reference: String,
    /// The commit that was applied before the container was given it, if that is known.
    pub(crate) before: Option<CommitId>,
    /// The commit that is applied.
    pub(crate) applied: CommitId,
    /// The cluster's words, on one line.
    pub(crate) message: String,
}

/// A report, and what earlier ones add to it.
#[derive(Debug)]
struct Known {
    report: Report,
    /// By workload: since which commit it has its reference, and whether it ever ran with it.
    history: BTreeMap<WorkloadKey, (Option<CommitId>, bool)>,
}

/// The last report of every Sync of every cluster.
#[derive(Clone, Debug)]
pub(crate) struct Clusters {
    known: Arc<Mutex<BTreeMap<(String, String), Known>>>,
    changes: watch::Sender<u64>,
}

impl Default for Clusters {
    fn default() -> Self {
        Self { known: Arc::default(), changes: watch::Sender::new(0) }
    }
}

impl Clusters {
    /// Takes a report of the cluster. False if there are too many Syncs to remember.
    pub(crate) fn apply(&self, cluster: &str, report: Report) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (cluster.to_owned(), report.sync.clone());
        if !known.contains_key(&key) && known.keys().filter(|(name, _)| name == cluster).count() >= MOST_SYNCS {
            return false;
        }
        let before = known.get(&key);
        if before.is_some_and(|before| before.report == report) {
            return true;
        }
        let history = report.workloads.iter().map(|(workload, now)| {
            let same = before.and_then(|before| {
                let was = before.report.workloads.get(workload)?;
                (was.reference == now.reference).then(|| before.history.get(workload).copied()).flatten()
            });
            let (since, ran) = same.unwrap_or((report.previous, false));
            (workload.clone(), (since, ran || now.verdict == Verdict::Live))
        });
        let history = history.collect();
        known.insert(key, Known { report, history });
        drop(known);
        self.changes.send_modify(|count| *count += 1);
        true
    }

    /// The failures on a branch, whichever way its repository is spelled, in a fixed order. Who ran once with its reference
    /// does not fail because of it.
    pub(crate) fn failures(&self, repository: &str, branch: &str) -> Vec<Failure> {
        let name = normalised(repository);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failures = Vec::new();
        for ((cluster, sync), Known { report, history }) in known.iter() {
            let Some(applied) = report.applied else { continue };
            if report.repository != name || report.branch != branch {
                continue;
            }
            for (workload, now) in &report.workloads {
                let (before, ran) = history.get(workload).copied().unwrap_or_default();
                if now.verdict == Verdict::Failed && !ran {
                    failures.push(Failure {
                        cluster: cluster.clone(),
                        sync: sync.clone(),
                        path: report.path.clone(),
                        workload: workload.clone(),
                        reference: now.reference.clone(),
                        before,
                        applied,
                        message: now.message.clone(),
                    });
                }
            }
        }
        failures
    }

    /// Wakes at each change; a count that means nothing else.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many clusters and how many Syncs are known.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut clusters: Vec<&String> = known.keys().map(|(cluster, _)| cluster).collect();
        clusters.dedup();
        (clusters.len(), known.len())
    }
}

#[cfg(test)]
mod tests;
