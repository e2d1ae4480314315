//! Custom resource definitions take a moment until their objects can be applied.

use std::{collections::BTreeSet, time::Duration};

use lockstep_manifest::ObjectId;
use lockstep_plan::{Plan, Status, assess};
use tokio::time::{Instant, sleep};

use super::{Applies, Hands, Stage, apply, target};
use crate::{
    ports::{Cluster, Freshness, KindName, ObjectFailure},
    render::{Manifests, kind_name},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long the API server may take to read objects by a schema that was just changed.
const SCHEMA_PATIENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Waits until the definitions that were just applied are established and their kinds are served. Says whether kinds that
/// were missing are there now; what is not there in time waits for the next turn.
pub(crate) async fn await_definitions(
    hands: &Hands<'_>,
    cluster: &dyn Cluster,
    manifests: &Manifests,
    applies: &Applies,
) -> bool {
    if manifests.unserved.is_empty() {
        return false;
    }
    let deadline = Instant::now() + PATIENCE;
    let applied = |id: &ObjectId| applies.applied.contains(id) && id.kind == "CustomResourceDefinition";
    for rendered in manifests.wanted.iter().filter(|rendered| applied(&rendered.object.id)) {
        let Some(kind) = manifests.kind_of(&rendered.object) else { continue };
        let target = target(kind, &rendered.object.id);
        let mut pause = FIRST_PAUSE;
        while !is_established(hands, &target).await && Instant::now() < deadline && !hands.shutdown.is_requested() {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    // Discovery follows the definitions with a delay of its own.
    let missing: Vec<KindName> = manifests
        .wanted
        .iter()
        .filter(|rendered| manifests.unserved.contains_key(&rendered.object.id))
        .map(|rendered| kind_name(&rendered.object))
        .collect();
    let expected = !applies.applied.iter().any(applied);
    let mut pause = FIRST_PAUSE;
    loop {
        let served = match cluster.resolve(&missing, Freshness::Fresh).await {
            Ok(resolutions) => {
                resolutions.iter().filter(|kind| matches!(kind, lockstep_cluster::Resolution::Resolved(_))).count()
            }
            Err(_) => 0,
        };
        if served == missing.len() || expected || Instant::now() >= deadline || hands.shutdown.is_requested() {
            return served > 0;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The API server takes a moment until it reads objects by a definition that was just changed. Until then it refuses the
/// fields that are new in it as if Git were wrong: what was refused so is applied again.
pub(crate) async fn apply_in_new_schemas(hands: &Hands<'_>, plan: &Plan, manifests: &Manifests, applies: &mut Applies) {
    let changed = applies.changed.keys().filter(|id| id.kind == "CustomResourceDefinition");
    let groups: BTreeSet<String> = changed.filter_map(|id| Some(id.name.split_once('.')?.1.to_owned())).collect();
    let deadline = Instant::now() + SCHEMA_PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        let is_early =
            |(id, failure): &(&ObjectId, &ObjectFailure)| groups.contains(&id.group) && is_unknown_field(failure);
        let early: Vec<ObjectId> = applies.failed.iter().filter(is_early).map(|(id, _)| id.clone()).collect();
        if early.is_empty() || Instant::now() >= deadline || hands.shutdown.is_requested() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        early.iter().for_each(|id| drop(applies.failed.remove(id)));
        apply(hands, plan, manifests, Stage::All, applies).await;
    }
}

fn is_unknown_field(failure: &ObjectFailure) -> bool {
    matches!(failure, ObjectFailure::Refused(error) if error.message.contains("field not declared in schema"))
}

async fn is_established(hands: &Hands<'_>, target: &crate::ports::Target) -> bool {
    match hands.objects.read(target).await {
        Ok(Some(object)) => assess(&object, hands.clock.now()).status == Status::Current,
        Ok(None) => true, // Gone again: there is nothing to wait for.
        Err(_) => false,
    }
}
