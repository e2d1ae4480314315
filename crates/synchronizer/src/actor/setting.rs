//! What the Sync object asks for, in the words of the other crates.

use lockstep_plan::{DriftMode, Ownership, Pruning, SyncPolicy};

use crate::{
    board::SyncKey,
    mailbox::ACKNOWLEDGE,
    ports::{Branch, SyncRef},
    resource::{Drift, SyncObject, SyncSpec},
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    pub(super) sync: SyncRef,
    pub(super) generation: Option<i64>,
    pub(super) spec: SyncSpec,
    pub(super) branch: Branch,
    pub(super) ownership: Ownership,
    pub(super) policy: SyncPolicy,
    /// The commit whose deletions a person lets go.
    pub(super) acknowledged: Option<String>,
}

impl Setting {
    pub(super) fn of(key: &SyncKey, object: &SyncObject) -> Self {
        let spec = object.spec.clone();
        let policy = SyncPolicy {
            prune: if spec.prune.enabled { Pruning::Enabled } else { Pruning::Disabled },
            max_objects: spec.prune.max_objects as usize,
            max_percent: spec.prune.max_percent as usize,
            drift: match spec.drift {
                Drift::Repair => DriftMode::Repair,
                Drift::Report => DriftMode::Report,
                Drift::Strict => DriftMode::Strict,
            },
        };
        Self {
            sync: SyncRef { key: key.clone(), uid: object.metadata.uid.clone().unwrap_or_default() },
            generation: object.metadata.generation,
            branch: Branch { namespace: key.namespace.clone(), source: spec.source.clone() },
            ownership: Ownership { sync: key.name.clone(), sync_namespace: key.namespace.clone() },
            acknowledged: object.metadata.annotations.as_ref().and_then(|all| all.get(ACKNOWLEDGE)).cloned(),
            policy,
            spec,
        }
    }
}
