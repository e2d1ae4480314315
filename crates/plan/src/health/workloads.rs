//! Deployments, StatefulSets, DaemonSets and ReplicaSets: counters, in kstatus' order.

use super::conditions;
use super::fields::{count, flag, number, text, whole};
use super::rules::Subject;
use super::{Assessed, Health};

/// What the API server stores for "no deadline"; the controller then never writes `Progressing`.
const NO_DEADLINE: i64 = i32::MAX as i64;

/// Answers with `reason` while `have` is less than `want`.
fn lacking(reason: &str, word: &str, have: i64, want: i64) -> Option<Health> {
    (want > have).then(|| Health::in_progress(reason, format!("{word}: {have}/{want}")))
}

fn extra(have: i64, want: i64) -> Option<Health> {
    (have > want).then(|| Health::in_progress("ExtraPods", format!("Pending termination: {}", have - want)))
}

pub(super) fn deployment(subject: &Subject<'_>) -> Assessed {
    let object = subject.object;
    if flag(object, "/spec/paused") {
        return Ok(Health::suspended("DeploymentPaused", "Deployment is paused"));
    }
    let deadline = number(object, "/spec/progressDeadlineSeconds").unwrap_or(NO_DEADLINE);
    let mut progressing = deadline == NO_DEADLINE;
    let mut available = false;
    for condition in subject.conditions {
        match condition.kind {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                let message = with_detail("Progress deadline exceeded", condition.message);
                return Ok(Health::failed(condition.reason, message));
            }
            "Progressing" => progressing |= condition.is_true() && condition.reason == "NewReplicaSetAvailable",
            "Available" => available |= condition.is_true(),
            _ => {}
        }
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let replicas = count(object, "/status/replicas");
    let updated = count(object, "/status/updatedReplicas");
    let unready = lacking("LessReplicas", "Replicas", replicas, wanted)
        .or_else(|| lacking("LessUpdated", "Updated", updated, wanted))
        .or_else(|| extra(replicas, wanted))
        .or_else(|| lacking("LessAvailable", "Available", count(object, "/status/availableReplicas"), updated))
        .or_else(|| lacking("LessReady", "Ready", count(object, "/status/readyReplicas"), wanted))
        .or_else(|| (!progressing).then(|| Health::in_progress("ReplicaSetNotAvailable", "ReplicaSet not Available")))
        .or_else(|| (!available).then(|| Health::in_progress("DeploymentNotAvailable", "Deployment not Available")));
    // Beyond kstatus: quota and admission have their words here, and no pod that could tell.
    let refused = conditions::find(subject.conditions, "ReplicaFailure").filter(|failure| failure.is_true());
    Ok(match (unready, refused) {
        (Some(_), Some(refused)) => {
            Health::in_progress("ReplicaFailure", with_detail("Pods cannot be created", refused.message))
        }
        (Some(unready), None) => unready,
        (None, _) => Health::current(format!("Deployment is available. Replicas: {replicas}")),
    })
}

/// Beyond kstatus: with OnDelete the pods must still be there and ready (only their revision is the user's business), and
/// a partition of 0, which the API server writes into every StatefulSet, is an ordinary rollout up to its end.
pub(super) fn stateful_set(subject: &Subject<'_>) -> Assessed {
    let object = subject.object;
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let replicas = count(object, "/status/replicas");
    let updated = count(object, "/status/updatedReplicas");
    let unready = lacking("LessReplicas", "Replicas", replicas, wanted)
        .or_else(|| lacking("LessReady", "Ready", count(object, "/status/readyReplicas"), wanted))
        .or_else(|| extra(replicas, wanted));
    if let Some(unready) = unready {
        return Ok(unready);
    }
    if text(object, "/spec/updateStrategy/type") == Some("OnDelete") {
        return Ok(Health::current("StatefulSet is using the ondelete update strategy"));
    }
    let mismatch = || {
        let differs = text(object, "/status/currentRevision") != text(object, "/status/updateRevision");
        differs.then(|| Health::in_progress("RevisionMismatch", "Waiting for updated revision to match current"))
    };
    if let Some(partition) = number(object, "/spec/updateStrategy/rollingUpdate/partition").filter(|part| *part >= 0) {
        let unfinished = lacking("PartitionRollout", "updated", updated, wanted - partition)
            .or_else(|| if partition == 0 { mismatch() } else { None });
        let complete = || Health::current(format!("Partition rollout complete. updated: {updated}"));
        return Ok(unfinished.unwrap_or_else(complete));
    }
    let unfinished =
        lacking("LessCurrent", "current", count(object, "/status/currentReplicas"), wanted).or_else(mismatch);
    let complete = || Health::current(format!("All replicas scheduled as expected. Replicas: {replicas}"));
    Ok(unfinished.unwrap_or_else(complete))
}

pub(super) fn daemon_set(subject: &Subject<'_>) -> Assessed {
    let object = subject.object;
    // The generic check skips absent generations; a DaemonSet that its controller has seen always has both.
    if whole(object, "/metadata/generation")?.is_none() {
        return Ok(Health::in_progress("NoGeneration", "DaemonSet metadata.generation not found"));
    }
    if whole(object, "/status/observedGeneration")?.is_none() {
        return Ok(Health::in_progress("NoObservedGeneration", "DaemonSet status.observedGeneration not found"));
    }
    let Some(wanted) = number(object, "/status/desiredNumberScheduled") else {
        return Ok(Health::in_progress("NoDesiredNumber", "Missing .status.desiredNumberScheduled"));
    };
    let on_delete = text(object, "/spec/updateStrategy/type") == Some("OnDelete");
    let updated = if on_delete { wanted } else { count(object, "/status/updatedNumberScheduled") };
    let unready = lacking("LessCurrent", "Current", count(object, "/status/currentNumberScheduled"), wanted)
        .or_else(|| lacking("LessUpdated", "Updated", updated, wanted))
        .or_else(|| lacking("LessAvailable", "Available", count(object, "/status/numberAvailable"), wanted))
        .or_else(|| lacking("LessReady", "Ready", count(object, "/status/numberReady"), wanted));
    let complete = || Health::current(format!("All replicas scheduled as expected. Replicas: {wanted}"));
    Ok(unready.unwrap_or_else(complete))
}

pub(super) fn replica_set(subject: &Subject<'_>) -> Assessed {
    let object = subject.object;
    if let Some(failure) = conditions::find(subject.conditions, "ReplicaFailure").filter(|failure| failure.is_true()) {
        let message = with_detail("Replica Failure condition. Check Pods", failure.message);
        return Ok(Health::in_progress("ReplicaFailure", message));
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let replicas = count(object, "/status/replicas");
    let unready = lacking("LessLabelled", "Labelled", count(object, "/status/fullyLabeledReplicas"), wanted)
        .or_else(|| lacking("LessAvailable", "Available", count(object, "/status/availableReplicas"), wanted))
        .or_else(|| lacking("LessReady", "Ready", count(object, "/status/readyReplicas"), wanted))
        .or_else(|| extra(replicas, wanted));
    Ok(unready.unwrap_or_else(|| Health::current(format!("ReplicaSet is available. Replicas: {replicas}"))))
}

/// kstatus' sentence, and behind it what the controller itself said, if it said anything.
pub(super) fn with_detail(sentence: &str, detail: &str) -> String {
    if detail.is_empty() { sentence.to_owned() } else { format!("{sentence}: {detail}") }
}
