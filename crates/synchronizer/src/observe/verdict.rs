//! What became of a reference in a workload. Only `Failed` leads to a revert, so every doubt is `Inconclusive`.

use jiff::Timestamp;
use lockstep_plan::{Health, PodFailure, Status, Trouble};

use super::seen::Workload;
use crate::board::Verdict;
use crate::ports::ObjectFailure;

/// The kubelet tried more than once, or knows that no try can work. A first failed pull is neither.
const CANNOT_RUN: [&str; 4] = ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CrashLoopBackOff"];

/// One container, and all that is known about it.
pub(super) struct Question<'a> {
    /// The container.
    pub(super) container: &'a str,
    /// What the applied commit gives it.
    pub(super) reference: &'a str,
    /// The verdict so far on this very reference.
    pub(super) before: Option<Verdict>,
    /// Why the object is not as the commit wants it.
    pub(super) failure: Option<&'a ObjectFailure>,
    /// The workload in the cluster.
    pub(super) live: Option<Live<'a>>,
    /// When a CronJob's success begins to count: when this reference came.
    pub(super) since: Timestamp,
    /// Until when it must be healthy.
    pub(super) deadline: Timestamp,
    /// Now.
    pub(super) now: Timestamp,
    /// Over half of the objects that this change did not touch are not healthy either.
    pub(super) all_is_unwell: bool,
}

/// The workload in the cluster.
pub(super) struct Live<'a> {
    /// What runs.
    pub(super) workload: &'a Workload,
    /// Its own health.
    pub(super) health: &'a Health,
    /// Its controller could not make pods (quota, admission): its words.
    pub(super) cannot_create: Option<&'a str>,
    /// The watch has not shown the applied state yet.
    pub(super) stale: bool,
    /// It was healthy when this reference came.
    pub(super) healthy_before: bool,
    /// What keeps a pod of the present template from running.
    pub(super) pod: Option<&'a PodFailure>,
}

/// The verdict, and why in words.
pub(super) fn judge(question: &Question<'_>) -> (Verdict, String) {
    use Verdict::{Failed, Inconclusive, Live, Progressing};

    if question.before == Some(Live) {
        return (Live, String::new());
    }
    if let Some(ObjectFailure::Blocked(why)) = question.failure {
        return (Inconclusive, why.clone());
    }
    let in_time = if question.now < question.deadline { Progressing } else { Inconclusive };
    let Some(live) = &question.live else {
        return match question.failure {
            Some(failure) => (Inconclusive, words(failure)),
            None => (in_time, "it is not in the cluster".to_owned()),
        };
    };
    let runs = live.workload.references.get(question.container).map(String::as_str);
    if runs != Some(question.reference) {
        let well = live.health.status == Status::Current || live.workload.available;
        return match question.failure {
            Some(ObjectFailure::Refused(error)) if well && !error.class.is_transient() => (Failed, error.to_string()),
            Some(failure) => (Inconclusive, words(failure)),
            None => (in_time, format!("the cluster runs {}", runs.unwrap_or("no such container"))),
        };
    }
    if question.before == Some(Failed) && live.health.status != Status::Current {
        return (Failed, String::new());
    }
    if live.stale && question.failure.is_none() {
        return (Progressing, "the applied state has not been seen yet".to_owned());
    }
    if let Some(idle) = live.workload.idle {
        return (Inconclusive, idle.to_owned());
    }
    match live.health.status {
        Status::Current if !live.workload.scheduled => (Live, String::new()),
        Status::Current if live.workload.succeeded.is_some_and(|time| time > question.since) => (Live, String::new()),
        Status::Current => (Inconclusive, "the CronJob has not run with it yet".to_owned()),
        Status::InProgress | Status::Failed => unwell(question, live),
        Status::Suspended | Status::Terminating | Status::Unknown => (Inconclusive, live.health.message.clone()),
    }
}

/// The verdict on a workload that runs the reference and is not healthy.
fn unwell(question: &Question<'_>, live: &Live<'_>) -> (Verdict, String) {
    if let Some(words) = live.cannot_create {
        return (Verdict::Inconclusive, format!("its pods cannot be created: {words}"));
    }
    let sentence = live.pod.map_or_else(|| live.health.message.clone(), sentence);
    if live.pod.is_some_and(|pod| pod.trouble == Trouble::Inconclusive) {
        return (Verdict::Inconclusive, sentence);
    }
    let cannot_run = live.pod.is_some_and(|pod| CANNOT_RUN.contains(&pod.reason.as_str()));
    let gave_up = live.health.reason == "ProgressDeadlineExceeded";
    if !cannot_run && !gave_up {
        if question.now < question.deadline {
            return (Verdict::Progressing, sentence);
        }
        // What kept it until the time was over was not the reference's fault: being late proves nothing any more.
        if question.before == Some(Verdict::Inconclusive) {
            return (Verdict::Inconclusive, sentence);
        }
    }
    let culprit = live.pod.map_or("", |pod| pod.container.as_str());
    if !culprit.is_empty() && culprit != question.container {
        return (Verdict::Inconclusive, format!("another container fails: {sentence}"));
    }
    if !live.healthy_before {
        return (Verdict::Inconclusive, format!("it was not healthy before either: {sentence}"));
    }
    if question.all_is_unwell {
        let message = format!("most objects that this change did not touch are not healthy either: {sentence}");
        return (Verdict::Inconclusive, message);
    }
    (Verdict::Failed, sentence)
}

/// Pod, container, reason and message as one sentence.
pub(super) fn sentence(failure: &PodFailure) -> String {
    let PodFailure { pod, container, reason, message, .. } = failure;
    let place = if container.is_empty() { format!("pod {pod}") } else { format!("pod {pod}, container {container}") };
    if message.is_empty() { format!("{place}: {reason}") } else { format!("{place}: {reason}: {message}") }
}

fn words(failure: &ObjectFailure) -> String {
    match failure {
        ObjectFailure::Refused(error) => error.to_string(),
        ObjectFailure::Blocked(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests;
