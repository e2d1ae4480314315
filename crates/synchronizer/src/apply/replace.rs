//! Deletes and makes anew what cannot be changed: only where Git asks for it, and only when the new one would be taken.

use std::time::Duration;

use lockstep_cluster::{Deletion, Precondition};
use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, Rendered, immutable_field};
use tokio::time::{Instant, sleep};

use super::{Hands, send::Sent};
use crate::ports::{Applied, ClusterError, ObjectFailure, Target};

/// How long a turn waits for the old object to be gone. Later turns go on where it stopped.
const PATIENCE: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// After the refusal of an apply because a field is immutable. What the object owns goes with it, in the background.
pub(super) async fn replace(
    hands: &Hands<'_>,
    target: &Target,
    rendered: &Rendered,
    action: &Action,
    refusal: ClusterError,
) -> Result<Sent, ObjectFailure> {
    let is_asked = rendered.instructions.as_ref().is_some_and(|asked| asked.replace_on_immutable);
    // What is not ours yet is not ours to delete.
    if !is_asked || !matches!(action, Action::Update(_)) {
        return Err(ObjectFailure::Refused(explained(target, refusal)));
    }
    if let Some(why) = must_stay(hands, &rendered.object.id) {
        let message = format!("{}; it is not deleted and made anew: {why}", what_is_refused(target, &refusal));
        return Err(ObjectFailure::Refused(ClusterError { message, ..refusal }));
    }
    let kept = |error: ClusterError| {
        let message = format!("{}; {target} has to be made anew for this, and was not deleted", error.message);
        ObjectFailure::Refused(ClusterError { message, ..error })
    };
    hands.objects.dry_run_create(target, &rendered.body).await.map_err(kept)?;
    if let Some(seen) = hands.objects.lookup(target).await.map_err(ObjectFailure::Refused)? {
        if !hands.ownership.is_proven_on(&seen) {
            return Err(ObjectFailure::Refused(changed(target)));
        }
        match hands.objects.delete(&target.kind, &seen).await.map_err(ObjectFailure::Refused)? {
            Deletion::Changed => return Err(ObjectFailure::Refused(changed(target))),
            Deletion::Deleted | Deletion::Deleting | Deletion::Gone => {
                tracing::info!(object = %rendered.object.id.short(), "deleted, to be made anew: a field of it cannot change");
            }
        }
        if !is_gone(hands, target, &seen.uid).await {
            return Ok(Sent::Waits(what_holds(hands, target).await));
        }
        hands.watches.index().deleted(&seen);
    }
    let made = hands.objects.apply(target, &rendered.body, &Precondition::None).await;
    let made = made.map_err(ObjectFailure::Refused)?;
    let Applied { live, created, rewritten } = made;
    Ok(Sent::Applied { live: Box::new(live), created, changed: true, replaced: true, rewritten })
}

/// Why an object is not deleted even so. The daemon would end with what it runs on, and nobody would make it anew; with a
/// namespace, a definition or a Sync goes what others have put into it.
fn must_stay(hands: &Hands<'_>, id: &ObjectId) -> Option<&'static str> {
    let is_holder = matches!(
        (id.group.as_str(), id.kind.as_str()),
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition") | ("lockstep.dev", "Sync")
    );
    match (hands.protected.covers(id), is_holder) {
        (true, _) => Some("the synchronizer itself needs it"),
        (false, true) => Some("all that is in it would go with it"),
        (false, false) => None,
    }
}

fn changed(target: &Target) -> ClusterError {
    let message = format!("replace {target}: somebody changed it in the meantime; looking at it again");
    ClusterError { class: lockstep_plan::Class::Conflict, code: Some(409), message, retry_after: None }
}

fn what_is_refused(target: &Target, refusal: &ClusterError) -> String {
    match immutable_field(&refusal.message) {
        Some(field) => format!("apply {target}: immutable: {field}"),
        None => refusal.message.clone(),
    }
}

fn explained(target: &Target, refusal: ClusterError) -> ClusterError {
    let what = what_is_refused(target, &refusal);
    let message = format!(
        "{what}; change it back, or set lockstep.dev/replace: on-immutable to have the object deleted and made anew"
    );
    ClusterError { message, ..refusal }
}

async fn is_gone(hands: &Hands<'_>, target: &Target, uid: &str) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        match hands.objects.lookup(target).await {
            Ok(found) if found.as_ref().is_none_or(|live| live.uid != uid) => return true,
            _ if Instant::now() >= deadline || hands.shutdown.is_requested() => return false,
            _ => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why an object that is being deleted is still there.
pub(crate) async fn what_holds(hands: &Hands<'_>, target: &Target) -> String {
    let finalizers = match hands.objects.read(target).await {
        Ok(Some(object)) => {
            let all = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            all.iter().filter_map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
        }
        Ok(None) | Err(_) => String::new(),
    };
    match finalizers.as_str() {
        "" => "it is being deleted; it is made again when it is gone".to_owned(),
        names => format!("it is being deleted and waits for its finalizers {names}; it is made again when it is gone"),
    }
}
