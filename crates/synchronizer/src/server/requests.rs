//! What a person asks of a Sync: suspend it, resume it, let its deletions go. Each is a change of the Sync object, so that
//! it lasts and can be seen; the actor hears of it as of every other change.

use std::sync::Arc;

use lockstep_api::v1::AcknowledgeResponse;
use lockstep_manifest::ObjectId;
use lockstep_plan::{LiveMetadata, Owner, Ownership};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::SyncsService;
use super::refusal::{Reason, refusal, unchanged};
use crate::board::SyncKey;
use crate::inspect::{InspectError, names_a_commit};
use crate::mailbox::ACKNOWLEDGE;
use crate::ports::SyncRef;
use crate::resource::SyncObject;

/// Sets `spec.suspend`; answers with what could undo it.
pub(super) async fn suspend(service: &SyncsService, key: &SyncKey, suspend: bool) -> Result<String, Status> {
    let object = service.object(key)?;
    if object.spec.suspend != suspend {
        change(service, key, &object, &json!({"spec": {"suspend": suspend}})).await?;
        tracing::info!(sync = %key, suspend, "a person asked for it");
    }
    Ok(match manager(&object) {
        Some(owner) => format!(
            "{owner} manages this Sync; if spec.suspend stands in its source, that value comes back, so change it there too"
        ),
        None => String::new(),
    })
}

/// Lets the deletions of the held commit go.
pub(super) async fn acknowledge(
    service: &SyncsService,
    key: &SyncKey,
    commit: &str,
) -> Result<AcknowledgeResponse, Status> {
    if !names_a_commit(commit) {
        return Err(InspectError::Malformed(commit.to_owned()).into());
    }
    let snapshot = service.known(key)?;
    let object = service.object(key)?;
    let Some(held) = &snapshot.status.held else {
        return Err(refusal(Code::FailedPrecondition, Reason::NothingHeld, format!("the Sync {key} holds no commit")));
    };
    if !held.commit.starts_with(&commit.to_ascii_lowercase()) {
        let message = format!("the Sync {key} holds {}, not {commit}; look at what it would delete first", held.commit);
        return Err(refusal(Code::FailedPrecondition, Reason::AnotherCommitHeld, message));
    }
    change(service, key, &object, &json!({"metadata": {"annotations": {ACKNOWLEDGE: held.commit}}})).await?;
    tracing::info!(sync = %key, commit = held.commit, would_prune = held.would_prune, "a person lets the deletions go");
    Ok(AcknowledgeResponse { commit: held.commit.clone(), would_prune: held.would_prune })
}

async fn change(service: &SyncsService, key: &SyncKey, object: &Arc<SyncObject>, patch: &Value) -> Result<(), Status> {
    let sync = SyncRef { key: key.clone(), uid: object.metadata.uid.clone().unwrap_or_default() };
    service.inspector.cluster().request(&sync, patch).await.map_err(|error| unchanged(&error))
}

/// Who else decides what the Sync object is.
fn manager(object: &SyncObject) -> Option<Owner> {
    let id = ObjectId::new("lockstep.dev", "Sync", "", "");
    let live = LiveMetadata::from_object(id, &serde_json::to_value(object).unwrap_or_default());
    let nobody = Ownership { sync: String::new(), sync_namespace: String::new() };
    Some(nobody.owner_of(&live)).filter(|owner| *owner != Owner::Nobody)
}
