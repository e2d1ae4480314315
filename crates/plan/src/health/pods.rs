//! Pods and what goes wrong in their containers.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::conditions::{self, Condition};
use super::fields::{list, text};
use super::rules::Subject;
use super::{Assessed, Health, Malformed};

/// How long a pod may be without a node before that counts as failure.
const SCHEDULE_WINDOW: SignedDuration = SignedDuration::from_secs(15);

/// Reasons of the kubelet for a container that will not start as it is written.
const CANNOT_START: [&str; 9] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Reasons of a failed pod that speak of its node and not of what it runs.
const FAULT_OF_THE_NODE: [&str; 6] = ["Evicted", "NodeLost", "NodeShutdown", "NodeAffinity", "Shutdown", "Terminated"];

/// A container may leave four kilobytes.
const LAST_WORDS: usize = 200;

const CRASH_LOOP: &str = "CrashLoopBackOff";

/// Whose fault a pod's failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// What the pod runs does not work: it cannot be pulled, crashes, or exits with an error.
    Failed,
    /// The cluster could not run it: no node has room for it, or its node went away.
    Inconclusive,
}

/// The first failure found among the pods of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFailure {
    /// The pod's name.
    pub pod: String,
    /// The container's name; empty when no single container is to blame.
    pub container: String,
    /// The kubelet's or the scheduler's one word for it.
    pub reason: String,
    /// What it said about it.
    pub message: String,
    /// Whether it is the fault of what the pod runs.
    pub trouble: Trouble,
}

/// The first failure among `pods`; one that is the fault of what they run goes before one that is not. Pods that are
/// ready, done or being deleted are passed over.
#[must_use]
pub fn pods_failure(pods: &[Value]) -> Option<PodFailure> {
    let mut inconclusive = None;
    for failure in pods.iter().filter_map(pod_failure) {
        match failure.trouble {
            Trouble::Failed => return Some(failure),
            Trouble::Inconclusive => inconclusive = inconclusive.or(Some(failure)),
        }
    }
    inconclusive
}

fn pod_failure(pod: &Value) -> Option<PodFailure> {
    let conditions = conditions::of(pod).ok()?;
    let phase = text(pod, "/status/phase").unwrap_or_default();
    let deleted = text(pod, "/metadata/deletionTimestamp").is_some();
    if deleted || phase == "Succeeded" || (phase == "Running" && is_ready(&conditions)) {
        return None;
    }
    let name = text(pod, "/metadata/name").unwrap_or_default();
    let failure = |container: &str, reason: &str, message: &str, trouble| PodFailure {
        pod: name.to_owned(),
        container: container.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        trouble,
    };
    if phase == "Failed" {
        let (container, reason, message) = exited(pod);
        let of_node = FAULT_OF_THE_NODE.contains(&reason.as_str());
        let trouble = if of_node { Trouble::Inconclusive } else { Trouble::Failed };
        return Some(failure(&container, &reason, &message, trouble));
    }
    if let Some(stuck) = stuck_container(pod) {
        return Some(failure(stuck.name, stuck.reason, &stuck.message, Trouble::Failed));
    }
    let unscheduled = unschedulable(&conditions)?;
    Some(failure("", unscheduled.reason, unscheduled.message, Trouble::Inconclusive))
}

pub(super) fn pod(subject: &Subject<'_>) -> Assessed {
    let pod = subject.object;
    match text(pod, "/status/phase").unwrap_or_default() {
        "Succeeded" => Ok(Health::current("Pod has completed successfully")),
        "Failed" => {
            let (_, reason, message) = exited(pod);
            Ok(Health::failed(&reason, message))
        }
        "Running" if is_ready(subject.conditions) => Ok(Health::current("Pod is Ready")),
        "Running" => {
            let waiting = || Health::in_progress("PodRunningNotReady", "Pod is running but is not Ready");
            Ok(stuck(pod).unwrap_or_else(waiting))
        }
        "Pending" => Ok(pending(subject)),
        "" => Ok(Health::in_progress("PodNotObserved", "Pod phase not available")),
        phase => Err(Malformed(format!("unknown phase {phase}"))),
    }
}

fn pending(subject: &Subject<'_>) -> Health {
    if let Some(unscheduled) = unschedulable(subject.conditions) {
        let created =
            text(subject.object, "/metadata/creationTimestamp").and_then(|time| time.parse::<Timestamp>().ok());
        let young = created.is_some_and(|created| subject.now.duration_since(created) < SCHEDULE_WINDOW);
        let or =
            |own: &str| if unscheduled.message.is_empty() { own.to_owned() } else { unscheduled.message.to_owned() };
        return if young {
            Health::in_progress("PodNotScheduled", or("Pod has not been scheduled"))
        } else {
            Health::failed("PodUnschedulable", or("Pod could not be scheduled"))
        };
    }
    stuck(subject.object).unwrap_or_else(|| Health::in_progress("PodPending", "Pod is in the Pending phase"))
}

fn is_ready(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.kind == "Ready" && condition.is_true())
}

fn unschedulable<'a>(conditions: &'a [Condition<'a>]) -> Option<&'a Condition<'a>> {
    let unscheduled = conditions.iter().find(|condition| condition.kind == "PodScheduled" && condition.is_false())?;
    (unscheduled.reason == "Unschedulable").then_some(unscheduled)
}

struct StuckContainer<'a> {
    name: &'a str,
    reason: &'a str,
    message: String,
}

/// The first container, init containers first, that waits for something that will not come by itself.
fn stuck_container(pod: &Value) -> Option<StuckContainer<'_>> {
    let init = list(pod, "/status/initContainerStatuses");
    init.iter().chain(list(pod, "/status/containerStatuses")).find_map(|container| {
        let reason = text(container, "/state/waiting/reason")?;
        (reason == CRASH_LOOP || CANNOT_START.contains(&reason)).then(|| StuckContainer {
            name: text(container, "/name").unwrap_or_default(),
            reason,
            message: with_last_end(container, text(container, "/state/waiting/message").unwrap_or_default()),
        })
    })
}

/// What the kubelet says, and how the container ended last: out of memory, or with its own last words.
fn with_last_end(container: &Value, message: &str) -> String {
    let Some(reason) = text(container, "/lastState/terminated/reason") else { return message.to_owned() };
    let code = container.pointer("/lastState/terminated/exitCode").and_then(Value::as_i64).unwrap_or_default();
    let end = format!("it last ended with {reason}, exit code {code}");
    let end = match text(container, "/lastState/terminated/message") {
        Some(words) => format!("{end}: {}", words.trim().chars().take(LAST_WORDS).collect::<String>()),
        None => end,
    };
    if message.is_empty() { end } else { format!("{message}; {end}") }
}

fn stuck(pod: &Value) -> Option<Health> {
    let container = stuck_container(pod)?;
    let or = |own: String| if container.message.is_empty() { own } else { container.message.clone() };
    if container.reason != CRASH_LOOP {
        let message = or(format!("Container {} cannot start: {}", container.name, container.reason));
        return Some(Health::failed(container.reason, message));
    }
    let looping: Vec<_> = list(pod, "/status/containerStatuses")
        .iter()
        .filter(|status| text(status, "/state/waiting/reason") == Some(CRASH_LOOP))
        .filter_map(|status| text(status, "/name"))
        .collect();
    let message = if looping.is_empty() {
        or(format!("Init container {} crashes again and again", container.name))
    } else {
        super::workloads::with_detail(
            &format!("Containers in CrashLoop state: {}", looping.join(",")),
            &container.message,
        )
    };
    Some(Health::failed("ContainerCrashLooping", message))
}

/// Container, reason and message of a pod in the phase `Failed`.
fn exited(pod: &Value) -> (String, String, String) {
    let of_pod = (text(pod, "/status/reason"), text(pod, "/status/message"));
    let init = list(pod, "/status/initContainerStatuses");
    let culprit = init.iter().chain(list(pod, "/status/containerStatuses")).find_map(|container| {
        let code = container.pointer("/state/terminated/exitCode").and_then(Value::as_i64).filter(|code| *code != 0)?;
        Some((container, code))
    });
    let sentence = "Pod has completed, but not successfully";
    let Some((container, code)) = culprit else {
        let reason = of_pod.0.unwrap_or("PodFailed").to_owned();
        return (String::new(), reason, of_pod.1.unwrap_or(sentence).to_owned());
    };
    let name = text(container, "/name").unwrap_or_default();
    let said = of_pod.1.or_else(|| text(container, "/state/terminated/message"));
    let message = said.map_or_else(|| format!("{sentence}: container {name} exited with code {code}"), str::to_owned);
    (name.to_owned(), of_pod.0.unwrap_or("PodFailed").to_owned(), message)
}
