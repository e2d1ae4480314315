//! What the Sync object asks for, in the words of the other crates.

use lockstep_plan::{DriftMode, HealthCheckText, HealthChecks, HoldReason, Ownership, Pruning, SyncPolicy};

use crate::{
    board::SyncKey,
    mailbox::ACKNOWLEDGE,
    ports::{Branch, SyncRef},
    resource::{Drift, Failure, SyncObject, SyncSpec, SyncStatus},
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) sync: SyncRef,
    pub(super) generation: Option<i64>,
    pub(crate) spec: SyncSpec,
    pub(crate) branch: Branch,
    pub(super) ownership: Ownership,
    pub(super) policy: SyncPolicy,
    pub(super) checks: HealthChecks,
    /// What is wrong with the specification: the commit of before is kept in force then, and nothing is deleted.
    pub(super) unusable: Vec<Failure>,
    /// The Sync is being deleted, and somebody's finalizer keeps it.
    pub(super) deleted: bool,
    /// The commit whose deletions a person lets go.
    pub(super) acknowledged: Option<String>,
    /// The commit that stands on the status as held because it would prune every object.
    pub(super) held_whole: Option<String>,
}

impl Setting {
    pub(crate) fn of(key: &SyncKey, object: &SyncObject) -> Self {
        let spec = object.spec.clone();
        let (checks, unusable) = health_checks(key, &spec);
        let policy = SyncPolicy {
            prune: if spec.prune.enabled && unusable.is_empty() { Pruning::Enabled } else { Pruning::Disabled },
            max_objects: spec.prune.max_objects as usize,
            max_percent: spec.prune.max_percent as usize,
            drift: match spec.drift {
                Drift::Repair => DriftMode::Repair,
                Drift::Report => DriftMode::Report,
                Drift::Strict => DriftMode::Strict,
            },
        };
        Self {
            checks,
            unusable,
            sync: SyncRef { key: key.clone(), uid: object.metadata.uid.clone().unwrap_or_default() },
            generation: object.metadata.generation,
            branch: Branch { namespace: key.namespace.clone(), source: spec.source.clone() },
            ownership: Ownership { sync: key.name.clone(), sync_namespace: key.namespace.clone() },
            deleted: object.metadata.deletion_timestamp.is_some(),
            held_whole: object.status.as_ref().and_then(held_whole),
            acknowledged: object.metadata.annotations.as_ref().and_then(|all| all.get(ACKNOWLEDGE)).cloned(),
            policy,
            spec,
        }
    }
}

/// What the specification says of health, and what is wrong with it.
fn health_checks(key: &SyncKey, spec: &SyncSpec) -> (HealthChecks, Vec<Failure>) {
    let texts = spec.health_checks.iter().map(|check| HealthCheckText {
        api_version: check.api_version.clone(),
        kind: check.kind.clone(),
        current: check.current.clone(),
        in_progress: check.in_progress.clone(),
        failed: check.failed.clone(),
    });
    let (checks, errors) = HealthChecks::compile(&texts.collect::<Vec<_>>());
    let object = format!("Sync {}/{}", key.namespace, key.name);
    let failure = |message| Failure { object: object.clone(), message, ..Failure::default() };
    let unreadable =
        spec.unreadable.iter().map(|why| format!("{why}; nothing is applied, repaired or deleted meanwhile"));
    (checks, unreadable.chain(errors.iter().map(ToString::to_string)).map(failure).collect())
}

fn held_whole(status: &SyncStatus) -> Option<String> {
    let held = status.held.as_ref().filter(|held| held.category == HoldReason::EveryObject.category());
    held.map(|held| held.commit.clone())
}
