//! A Sync as people and programs see it.

use jiff::Timestamp;
use lockstep_api::v1;
use serde::Serialize;

use super::look::{Held, Problem};
use crate::connection::time;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) repository: String,
    pub(super) branch: String,
    pub(super) path: String,
    pub(super) suspended: bool,
    pub(super) fetched_commit: Option<String>,
    pub(super) applied_commit: Option<String>,
    pub(super) applied_at: Option<Timestamp>,
    pub(super) objects: Objects,
    pub(super) held: Option<Held>,
    pub(super) conditions: Vec<Condition>,
    pub(super) drift: Vec<Drift>,
    pub(super) extras: Vec<Extra>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) claims: Vec<Claim>,
    pub(super) failures: Vec<Problem>,
    pub(super) failures_total: u32,
}

#[derive(Serialize)]
pub(super) struct Objects {
    pub(super) total: u32,
    pub(super) healthy: u32,
    pub(super) drifted: u32,
    pub(super) failed: u32,
    pub(super) extras: u32,
    pub(super) waiting: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) last_transition_time: Option<Timestamp>,
}

#[derive(Serialize)]
pub(super) struct Drift {
    pub(super) object: String,
    fields: Vec<String>,
    pub(super) manager: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) repaired: bool,
    pub(super) changes: Vec<DriftField>,
}

#[derive(Serialize)]
pub(super) struct DriftField {
    pub(super) path: String,
    pub(super) manager: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) git: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Extra {
    pub(super) object: String,
    pub(super) path: String,
    pub(super) manager: Option<String>,
    pub(super) at: Option<Timestamp>,
}

#[derive(Serialize)]
pub(super) struct Waiting {
    pub(super) object: String,
    pub(super) reason: String,
}

/// An object of this Sync that another one wants.
#[derive(Serialize)]
pub(super) struct Claim {
    pub(super) object: String,
    pub(super) by: String,
}

impl From<v1::SyncState> for State {
    fn from(state: v1::SyncState) -> Self {
        let objects = state.objects.unwrap_or_default();
        Self {
            namespace: state.namespace,
            name: state.name,
            repository: state.repository,
            branch: state.branch,
            path: state.path,
            suspended: state.suspended,
            fetched_commit: some(state.fetched_commit),
            applied_commit: some(state.applied_commit),
            applied_at: state.applied_at.as_ref().and_then(time),
            objects: Objects {
                total: objects.total,
                healthy: objects.healthy,
                drifted: objects.drifted,
                failed: objects.failed,
                extras: objects.extras,
                waiting: objects.waiting,
            },
            held: state.held.map(Held::from),
            conditions: state.conditions.into_iter().map(Condition::from).collect(),
            drift: state.drift.into_iter().map(Drift::from).collect(),
            extras: state.extras.into_iter().map(Extra::from).collect(),
            waiting: state.waiting.into_iter().map(|one| Waiting { object: one.object, reason: one.reason }).collect(),
            claims: state.claims.into_iter().map(|claim| Claim { object: claim.object, by: claim.by }).collect(),
            failures: state.failures.into_iter().map(Problem::from).collect(),
            failures_total: state.failures_total,
        }
    }
}

impl From<v1::Condition> for Condition {
    fn from(condition: v1::Condition) -> Self {
        Self {
            kind: condition.r#type,
            status: condition.status,
            reason: condition.reason,
            message: condition.message,
            last_transition_time: condition.last_transition_at.as_ref().and_then(time),
        }
    }
}

impl From<v1::Drift> for Drift {
    fn from(drift: v1::Drift) -> Self {
        Self {
            object: drift.object,
            fields: drift.fields,
            manager: some(drift.manager),
            at: drift.at.as_ref().and_then(time),
            repaired: drift.repaired,
            changes: drift.changes.into_iter().map(DriftField::from).collect(),
        }
    }
}

impl From<v1::DriftField> for DriftField {
    fn from(field: v1::DriftField) -> Self {
        Self {
            path: field.path,
            manager: some(field.manager),
            at: field.at.as_ref().and_then(time),
            git: some(field.git),
        }
    }
}

impl From<v1::Extra> for Extra {
    fn from(extra: v1::Extra) -> Self {
        Self {
            object: extra.object,
            path: extra.path,
            manager: some(extra.manager),
            at: extra.at.as_ref().and_then(time),
        }
    }
}

impl State {
    /// The one condition that says it all.
    pub(super) fn ready(&self) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == "Ready")
    }

    /// What the Sync is doing, in a word or two.
    pub(super) fn word(&self) -> String {
        match (self.suspended, &self.held, self.objects.waiting) {
            (true, ..) => "Suspended".to_owned(),
            (_, Some(held), _) => format!("Held {}", held.would_prune),
            (.., 0) => self.ready().map(|ready| ready.reason.clone()).unwrap_or_default(),
            (.., waiting) => format!("Waiting {waiting}"),
        }
    }

    /// The sentence of the condition `Ready`, or what there is in its place.
    pub(super) fn message(&self) -> &str {
        let Some(ready) = self.ready() else { return "" };
        if ready.message.is_empty() { &ready.reason } else { &ready.message }
    }
}

/// As much of a commit as people compare.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
