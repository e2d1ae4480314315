//! Custom resource definitions take a moment until their objects can be applied.

use std::time::Duration;

use lockstep_manifest::ObjectId;
use lockstep_plan::{Status, assess};
use tokio::time::{Instant, sleep};

use super::{Applies, Hands, target};
use crate::{
    ports::{Cluster, Freshness, KindName},
    render::{Manifests, kind_name},
};

const PATIENCE: Duration = Duration::from_secs(30);
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

async fn is_established(hands: &Hands<'_>, target: &crate::ports::Target) -> bool {
    match hands.objects.read(target).await {
        Ok(Some(object)) => assess(&object, hands.clock.now()).status == Status::Current,
        Ok(None) => true, // Gone again: there is nothing to wait for.
        Err(_) => false,
    }
}
