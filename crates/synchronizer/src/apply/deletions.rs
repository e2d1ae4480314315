//! Deletes what left Git, with leave from the plan for each object.

use std::collections::BTreeMap;

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use lockstep_cluster::{Deletion as Answer, Kind};
use lockstep_manifest::ObjectId;
use lockstep_plan::{Class, Deletion, GroupKind, LiveMetadata, Release};
use tokio::time::Instant;

use super::{Hands, target};
use crate::ports::ClusterError;

/// What became of the deletions.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// Gone, or going.
    pub(crate) objects: Vec<ObjectId>,
    /// No longer what was seen, or not begun in time; looked at again in the next turn.
    pub(crate) changed: Vec<ObjectId>,
    /// Let go: they live on, and are nobody's.
    pub(crate) released: Vec<ObjectId>,
    pub(crate) failed: BTreeMap<ObjectId, ClusterError>,
}

/// Deletes the objects of one wave.
pub(crate) async fn delete(
    hands: &Hands<'_>,
    wave: Vec<Deletion>,
    kinds: &BTreeMap<GroupKind, Kind>,
    deleted: &mut Deleted,
) {
    let calls: Vec<BoxFuture<'_, _>> =
        wave.iter().map(|deletion| async move { (deletion, call(hands, deletion, kinds).await) }.boxed()).collect();
    let mut answers = stream::iter(calls).buffer_unordered(hands.concurrency.max(1));
    while let Some((deletion, answer)) = answers.next().await {
        let id = deletion.id();
        match answer {
            Some(Ok(Answer::Changed)) | None => deleted.changed.push(id.clone()),
            Some(Ok(answer)) => {
                tracing::info!(object = %id.short(), ?answer, "deleted: it left Git");
                deleted.objects.push(id.clone());
            }
            Some(Err(error)) => {
                tracing::warn!(object = %id.short(), %error, "cannot delete");
                deleted.failed.insert(id.clone(), error);
            }
        }
    }
}

/// Takes our marks off what left Git and is never to be deleted.
pub(crate) async fn release(
    hands: &Hands<'_>,
    releases: &[Release],
    kinds: &BTreeMap<GroupKind, Kind>,
    deleted: &mut Deleted,
) {
    for release in releases {
        let id = release.id();
        let Some(kind) = kinds.get(&GroupKind::of(id)) else { continue };
        if hands.shutdown.is_requested() || Instant::now() >= hands.deadline {
            deleted.changed.push(id.clone());
            continue;
        }
        // The marks and entries to take off are those of the state that the leave was given for.
        let seen = match hands.objects.lookup(&target(kind, id)).await {
            Ok(Some(seen)) if seen.resource_version == release.resource_version() => seen,
            Ok(_) => {
                deleted.changed.push(id.clone());
                continue;
            }
            Err(error) => {
                deleted.failed.insert(id.clone(), error);
                continue;
            }
        };
        match hands.objects.release(kind, &seen).await {
            Ok(_) => {
                tracing::info!(object = %id.short(), "let go: it left Git and is never to be deleted");
                hands.watches.index().deleted(&seen);
                deleted.released.push(id.clone());
            }
            Err(error) if error.class == Class::Conflict => deleted.changed.push(id.clone()),
            Err(error) => {
                tracing::warn!(object = %id.short(), %error, "cannot let go");
                deleted.failed.insert(id.clone(), error);
            }
        }
    }
}

/// `None`: nothing is begun any more, or the object is no longer the one that the leave was given for.
async fn call(
    hands: &Hands<'_>,
    deletion: &Deletion,
    kinds: &BTreeMap<GroupKind, Kind>,
) -> Option<Result<Answer, ClusterError>> {
    if hands.shutdown.is_requested() || Instant::now() >= hands.deadline {
        return None;
    }
    let kind = kinds.get(&GroupKind::of(deletion.id()))?;
    let (id, uid, version) = (deletion.id(), deletion.uid(), deletion.resource_version());
    if !hands.watches.index().is_still(id, uid, version) {
        return None;
    }
    let seen = LiveMetadata::identified(id.clone(), uid, version);
    let answer = hands.objects.delete(kind, &seen).await;
    if matches!(answer, Ok(Answer::Deleted | Answer::Gone)) {
        hands.watches.index().deleted(&seen);
    }
    Some(answer)
}
