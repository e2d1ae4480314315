//! The state of one Sync, as it is read from the wire. Nothing in it is trusted to be well formed.

use std::collections::BTreeMap;
use std::fmt;

use lockstep_api::v1;
use lockstep_repository::{CommitId, check_path};

use crate::repository_name::normalised;

/// Longer names, references and messages are cut or refused.
const LONGEST_NAME: usize = 1024;
const LONGEST_MESSAGE: usize = 500;

/// What became of a reference in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Healthy with it.
    Live,
    /// Proven not to run.
    Failed,
    /// Nothing can be concluded.
    Open,
}

/// One container of one workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkloadKey {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) container: String,
}

/// For people: `Deployment shop/web, container web`.
impl fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, container, .. } = self;
        write!(f, "{kind} {namespace}/{name}, container {container}")
    }
}

/// How a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkloadReport {
    pub(crate) reference: String,
    pub(crate) verdict: Verdict,
    /// One line without control characters.
    pub(crate) message: String,
    /// The reference with which it was last live, if the cluster knows one.
    pub(crate) last_live: Option<String>,
}

/// The state of one Sync. Times are left out: a report that differs in them only is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) sync: String,
    /// As [`normalised`] spells it.
    pub(crate) repository: String,
    pub(crate) branch: String,
    pub(crate) path: String,
    pub(crate) applied: Option<CommitId>,
    pub(crate) previous: Option<CommitId>,
    pub(crate) workloads: BTreeMap<WorkloadKey, WorkloadReport>,
}

impl Report {
    /// Reads an event.
    ///
    /// # Errors
    /// The field that cannot be meant, in words for the cluster's log.
    pub(crate) fn read(event: v1::ClusterEvent) -> Result<Self, String> {
        let names = [&event.sync, &event.repository, &event.branch, &event.path];
        if names.iter().any(|name| name.len() > LONGEST_NAME) {
            return Err(format!("a name is longer than {LONGEST_NAME} bytes"));
        }
        let is_name = event.sync.split_once('/').is_some_and(|(namespace, name)| {
            !namespace.is_empty() && !name.is_empty() && !name.contains('/') && !event.sync.contains(char::is_control)
        });
        if !is_name {
            return Err("sync is not NAMESPACE/NAME".to_owned());
        }
        check_path(&event.path).map_err(|error| error.to_string())?;
        let path = event.path.split('/').filter(|name| !matches!(*name, "" | ".")).collect::<Vec<_>>().join("/");
        let workloads = event.workloads.into_iter().map(workload).collect::<Result<_, _>>()?;
        Ok(Self {
            sync: event.sync,
            repository: normalised(&event.repository),
            branch: event.branch,
            path,
            applied: commit("applied_commit", &event.applied_commit)?,
            previous: commit("previous_commit", &event.previous_commit)?,
            workloads,
        })
    }
}

fn commit(field: &str, text: &str) -> Result<Option<CommitId>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("{field} is neither empty nor 40 hexadecimal digits"))
}

fn workload(workload: v1::Workload) -> Result<(WorkloadKey, WorkloadReport), String> {
    let verdict = match workload.verdict() {
        v1::Verdict::Live => Verdict::Live,
        v1::Verdict::Failed => Verdict::Failed,
        v1::Verdict::Unspecified | v1::Verdict::Inconclusive | v1::Verdict::Progressing => Verdict::Open,
    };
    let v1::Workload { group, kind, namespace, name, container, reference, message, last_live, .. } = workload;
    let texts = [&group, &kind, &namespace, &name, &container, &reference, &last_live];
    if texts.iter().any(|text| text.len() > LONGEST_NAME || text.contains(char::is_control)) {
        return Err("a workload has a name or reference that is too long or holds a control character".to_owned());
    }
    let key = WorkloadKey { group, kind, namespace, name, container };
    let last_live = Some(last_live).filter(|reference| !reference.is_empty());
    Ok((key, WorkloadReport { reference, verdict, message: one_line(&message), last_live }))
}

/// The message ends up in commits and logs: it must not begin a line there, where a trailer could stand.
fn one_line(message: &str) -> String {
    let plain = message.split(|letter: char| letter.is_control() || letter.is_whitespace());
    let line = plain.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
