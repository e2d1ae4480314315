//! What the clusters run: the last report of each Sync, and the failures in them.
//!
//! A report is a whole state, so receiving one twice changes nothing. Reports outlive their connection: a cluster that cannot
//! reach us has not changed its mind. They are in memory only; after a restart every cluster says its state again. What a
//! cluster held back before is not known until then, so no update is made while clusters are still silent, for some time.
//! Remembered across reports are for how long a container has been given its reference, because
//! other commits may come on top of the one that gave it, and with which references it was live or failed.

mod report;
mod silence;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_daemon::TokenFile;
use lockstep_repository::CommitId;
use tokio::sync::watch;

use crate::repository_name::normalised;

pub(crate) use report::{Report, Verdict, WorkloadKey};
#[cfg(test)]
pub(crate) use silence::QUIET;
use silence::Silence;
pub(crate) use silence::Unheard;

/// What a token must be good for, that its cluster is believed.
pub(crate) const VOTE: &str = "vote";

/// More Syncs than one cluster has.
const MOST_SYNCS: usize = 1000;

/// As many references are remembered with which a container failed, and with which it was live.
const MOST_REFERENCES: usize = 20;

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
    /// References that failed there earlier.
    pub(crate) failed_before: Vec<String>,
    /// References with which it was live before, in any cluster that applies the same folder.
    pub(crate) live: BTreeSet<String>,
    /// It is known with which reference it was live before in this cluster.
    pub(crate) knows_live: bool,
    /// The cluster's words, on one line.
    pub(crate) message: String,
}

/// A report, and what earlier ones add to it.
#[derive(Debug)]
struct Known {
    report: Report,
    history: BTreeMap<WorkloadKey, History>,
}

impl Known {
    /// The commit that was applied before what is new in the next report. After a start nothing is known of that: the update
    /// may have come long before, with other commits on top.
    fn applied_before(&self, next: &Report) -> Option<CommitId> {
        if self.report.applied == next.applied { next.previous } else { self.report.applied }
    }
}

/// What earlier reports said of a container.
#[derive(Clone, Debug, Default)]
struct History {
    /// The commit that was applied before it was given its reference, if that was seen.
    before: Option<CommitId>,
    /// It ran with its reference.
    ran: bool,
    /// Other references with which it failed, oldest first.
    failed: Vec<String>,
    /// References with which it was live, oldest first.
    live: Vec<String>,
}

impl History {
    /// The history after one more report.
    fn next(report: &Report, workload: &WorkloadKey, known: Option<&Known>) -> Self {
        let now = report.workloads.get(workload);
        let was = known.and_then(|known| known.report.workloads.get(workload));
        let mut history = known.and_then(|known| known.history.get(workload)).cloned().unwrap_or_default();
        if was.map(|was| &was.reference) != now.map(|now| &now.reference) {
            if let Some(was) = was.filter(|was| was.verdict == Verdict::Failed && !history.ran) {
                remember(&mut history.failed, &was.reference);
            }
            history.before = known.and_then(|known| known.applied_before(report));
            history.ran = false;
        }
        if let Some(now) = now {
            now.last_live.iter().for_each(|reference| remember(&mut history.live, reference));
            if now.verdict == Verdict::Live {
                remember(&mut history.live, &now.reference);
                history.ran = true;
            }
        }
        history
    }
}

/// Puts a reference at the end of those that are remembered.
fn remember(references: &mut Vec<String>, reference: &str) {
    references.retain(|known| known != reference);
    references.push(reference.to_owned());
    let surplus = references.len().saturating_sub(MOST_REFERENCES);
    references.drain(..surplus);
}

/// By cluster and Sync.
type KnownSyncs = BTreeMap<(String, String), Known>;

/// The references with which any cluster that applies the same files was live.
fn live(known: &KnownSyncs, report: &Report, workload: &WorkloadKey) -> BTreeSet<String> {
    let same = known.values().filter(|other| {
        let Report { repository, branch, path, .. } = &other.report;
        *repository == report.repository
            && *branch == report.branch
            && (is_below(path, &report.path) || is_below(&report.path, path))
    });
    same.filter_map(|other| other.history.get(workload)).flat_map(|history| history.live.iter().cloned()).collect()
}

/// Whether a path lies below a folder, or is it; the empty folder is the whole repository.
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The last report of every Sync of every cluster.
#[derive(Clone, Debug)]
pub(crate) struct Clusters {
    known: Arc<Mutex<KnownSyncs>>,
    silence: Arc<Mutex<Silence>>,
    /// Whose clusters may vote; all may where there is none.
    tokens: Option<Arc<TokenFile>>,
    changes: watch::Sender<u64>,
}

impl Default for Clusters {
    fn default() -> Self {
        let (known, silence, tokens) = Default::default();
        Self { known, silence, tokens, changes: watch::Sender::new(0) }
    }
}

impl Clusters {
    /// The clusters whose tokens may vote. Until all have spoken they are waited for, and no longer than that.
    pub(crate) fn of(tokens: Arc<TokenFile>, longest: Duration) -> Self {
        let clusters = tokens.named(VOTE).unwrap_or_default();
        Self { tokens: Some(tokens), ..Self::awaiting(clusters, longest) }
    }

    /// These clusters are waited for, and no longer than that.
    pub(crate) fn awaiting(clusters: impl IntoIterator<Item = String>, longest: Duration) -> Self {
        Self { silence: Arc::new(Mutex::new(Silence::begin(clusters, longest))), ..Self::default() }
    }

    /// The cluster is there, and says what it runs.
    pub(crate) fn hear(&self, cluster: &str) {
        if self.silence.lock().unwrap_or_else(PoisonError::into_inner).hear(cluster) {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// What is still to be heard after the start; none once all have spoken, or have been waited for long enough.
    pub(crate) fn unheard(&self) -> Option<Unheard> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner).unheard()
    }

    /// The clusters that have said nothing since the start.
    pub(crate) fn silent(&self) -> Vec<String> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner).silent()
    }

    /// Takes a report of the cluster. False if there are too many Syncs to remember. A Sync of which nothing runs is not
    /// remembered: it may be gone.
    pub(crate) fn apply(&self, cluster: &str, report: Report) -> bool {
        self.hear(cluster);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (cluster.to_owned(), report.sync.clone());
        if report.applied.is_none() && report.workloads.is_empty() {
            if known.remove(&key).is_some() {
                self.changes.send_modify(|count| *count += 1);
            }
            return true;
        }
        if !known.contains_key(&key) && known.keys().filter(|(name, _)| name == cluster).count() >= MOST_SYNCS {
            return false;
        }
        let before = known.get(&key);
        if before.is_some_and(|before| before.report == report) {
            return true;
        }
        let history =
            report.workloads.keys().map(|workload| (workload.clone(), History::next(&report, workload, before)));
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
        // While the file cannot be read, nobody has lost a vote.
        let voters = self.tokens.as_ref().and_then(|tokens| tokens.named(VOTE).ok());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(voters) = voters {
            known.retain(|(cluster, _), _| voters.contains(cluster));
        }
        let mut failures = Vec::new();
        for ((cluster, sync), Known { report, history }) in known.iter() {
            let Some(applied) = report.applied else { continue };
            if report.repository != name || report.branch != branch {
                continue;
            }
            for (workload, now) in &report.workloads {
                let Some(history) = history.get(workload) else { continue };
                if now.verdict == Verdict::Failed && !history.ran {
                    let mut live = live(&known, report, workload);
                    live.remove(&now.reference);
                    failures.push(Failure {
                        cluster: cluster.clone(),
                        sync: sync.clone(),
                        path: report.path.clone(),
                        workload: workload.clone(),
                        reference: now.reference.clone(),
                        before: history.before,
                        applied,
                        failed_before: history.failed.clone(),
                        live,
                        knows_live: history.live.iter().any(|reference| *reference != now.reference),
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
