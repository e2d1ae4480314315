//! What is kept of an object and of a pod once they were looked at: their health, and what a verdict needs.

use jiff::{SignedDuration, Timestamp};
use lockstep_manifest::ObjectId;
use lockstep_plan::{APPLIED_ANNOTATION, Health, HealthChecks, PodFailure, Status, Trouble, assess_with, pods_failure};
use serde_json::Value;

use super::template::{self, References};

/// How long a pod may be without a node before that counts.
const SCHEDULE_WINDOW: SignedDuration = SignedDuration::from_secs(15);

/// An object as the watch last told of it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Its health at that time.
    pub(super) health: Health,
    /// The hash that it says was applied.
    pub(super) applied: String,
    /// More, if it runs pods.
    pub(super) workload: Option<Box<Workload>>,
    /// The object itself, while its health changes by the passing of time, and if a Sync brings expressions for its kind.
    object: Option<Box<Value>>,
}

/// What the verdict on a workload needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Workload {
    /// What its template runs.
    pub(super) references: References,
    /// How its pods are found; `None` when they are not watched.
    pub(super) selector: Option<String>,
    /// Whether any pod of the present template is there or wanted: why not, in words.
    pub(super) idle: Option<&'static str>,
    /// Pods of an older template still serve as they should.
    pub(super) old_pods_serve: bool,
    /// It serves as it should, whatever its rollout does.
    pub(super) available: bool,
    /// The controller could not make pods (quota, admission): its words.
    pub(super) cannot_create: Option<String>,
    /// Its controller has made fewer pods than it should, and no condition says why.
    pub(super) lacks_pods: bool,
    /// When a CronJob last succeeded.
    pub(super) succeeded: Option<Timestamp>,
    /// Its runs come by a schedule.
    pub(super) scheduled: bool,
    /// It is a pod itself.
    pub(super) pod: Option<PodSeen>,
}

impl Seen {
    /// Looks at an object; `keep`: it will be judged again by other rules.
    pub(super) fn of(id: &ObjectId, object: Value, keep: bool, now: Timestamp) -> Self {
        let health = judged(&HealthChecks::default(), &object, now);
        let applied = object.pointer("/metadata/annotations").and_then(|all| all.get(APPLIED_ANNOTATION));
        let applied = applied.and_then(Value::as_str).unwrap_or_default().to_owned();
        let references = template::references(id, &object);
        let workload = (!references.is_empty()).then(|| Box::new(Workload::of(id, &object, references)));
        let keep = keep || is_unscheduled(&health);
        Self { health, applied, workload, object: keep.then(|| Box::new(object)) }
    }

    /// When it must be looked at again though nothing happens to it.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let object = self.object.as_deref().filter(|_| is_unscheduled(&self.health))?;
        created(object)?.checked_add(SCHEDULE_WINDOW).ok()
    }

    /// Judges it anew if it can be: at a later time, by the expressions of its Sync.
    pub(super) fn judge(&mut self, checks: &HealthChecks, now: Timestamp) {
        if let Some(object) = &self.object {
            self.health = judged(checks, object, now);
        }
    }

    /// Whether expressions can be evaluated on it.
    pub(super) fn is_whole(&self) -> bool {
        self.object.is_some()
    }
}

fn judged(checks: &HealthChecks, object: &Value, now: Timestamp) -> Health {
    let mut health = assess_with(checks, object, now);
    if health.status == Status::Current {
        // Ten thousand of these sentences would be most of the memory.
        health.message = String::new();
    }
    health
}

fn is_unscheduled(health: &Health) -> bool {
    health.status == Status::InProgress && health.reason == "PodNotScheduled"
}

impl Workload {
    fn of(id: &ObjectId, object: &Value, references: References) -> Self {
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
        let count = |pointer: &str| number(pointer).unwrap_or(0);
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let flag = |pointer: &str| object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
        let mut this = Self { references, ..Self::default() };
        let on_delete = text("/spec/updateStrategy/type") == "OnDelete";
        match id.kind.as_str() {
            "Deployment" => {
                this.selector = template::selector(object);
                let available = condition(object, "Available").is_some_and(|(status, _)| status == "True");
                this.available = available && count("/status/availableReplicas") > 0;
                this.old_pods_serve = this.available && count("/status/replicas") > count("/status/updatedReplicas");
                this.idle = match number("/spec/replicas") {
                    _ if flag("/spec/paused") => Some("the Deployment is paused"),
                    Some(0) => Some("it is scaled to zero"),
                    _ => None,
                };
            }
            "StatefulSet" => {
                this.selector = template::selector(object);
                let wanted = number("/spec/replicas").unwrap_or(1);
                let ready = count("/status/readyReplicas");
                let differs = text("/status/currentRevision") != text("/status/updateRevision");
                this.lacks_pods = count("/status/replicas") < wanted;
                // One pod at a time is replaced; the others are those of before.
                this.available = ready > 0 && ready >= wanted - 1;
                this.old_pods_serve = differs && this.available;
                this.idle = match wanted {
                    0 => Some("it is scaled to zero"),
                    _ if on_delete && count("/status/updatedReplicas") == 0 => {
                        Some("pods are replaced on deletion only")
                    }
                    _ if !differs || count("/status/updatedReplicas") > 0 => None,
                    wanted if count("/spec/updateStrategy/rollingUpdate/partition") >= wanted => {
                        Some("the partition lets no pod be replaced")
                    }
                    _ => None,
                };
            }
            "DaemonSet" => {
                this.selector = template::selector(object);
                let wanted = count("/status/desiredNumberScheduled");
                let ready = count("/status/numberAvailable");
                let updated = count("/status/updatedNumberScheduled");
                this.lacks_pods = count("/status/currentNumberScheduled") < wanted;
                this.available = ready > 0 && ready >= wanted - 1;
                this.old_pods_serve = updated < wanted && this.available;
                this.idle = match wanted {
                    0 => Some("no node wants a pod of it"),
                    _ if on_delete && updated == 0 => Some("pods are replaced on deletion only"),
                    _ => None,
                };
            }
            "ReplicaSet" => {
                this.selector = template::selector(object);
                this.idle = (number("/spec/replicas") == Some(0)).then_some("it is scaled to zero");
            }
            "Job" => {
                this.selector = template::selector(object);
                this.lacks_pods = count("/status/active") == 0;
                this.idle = flag("/spec/suspend").then_some("the Job is suspended");
            }
            "CronJob" => {
                this.scheduled = true;
                this.succeeded = text("/status/lastSuccessfulTime").parse().ok();
                this.idle = flag("/spec/suspend").then_some("the CronJob is suspended");
            }
            "Pod" => this.pod = Some(PodSeen::of(object)),
            _ => {}
        }
        this.cannot_create = condition(object, "ReplicaFailure")
            .filter(|(status, _)| *status == "True")
            .map(|(_, message)| message.to_owned());
        this
    }
}

/// A pod of a workload that is not current.
#[derive(Debug, Clone)]
pub(super) struct PodSeen {
    /// What it runs.
    pub(super) references: References,
    /// What keeps it from running.
    pub(super) failure: Option<PodFailure>,
    /// The workload that made it.
    pub(super) owner: Option<ObjectId>,
    created: Option<Timestamp>,
}

impl PodSeen {
    /// Looks at a pod.
    pub(super) fn of(pod: &Value) -> Self {
        let references = pod.get("spec").map(template::of_pod).unwrap_or_default();
        let failure = pods_failure(std::slice::from_ref(pod));
        Self { references, failure, owner: owner(pod), created: created(pod) }
    }

    /// When what the scheduler says about it begins to count; `None` when nothing waits for that.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.failure.as_ref().filter(|failure| failure.trouble == Trouble::Inconclusive)?;
        self.created?.checked_add(SCHEDULE_WINDOW).ok()
    }

    /// What keeps it from running, unless it is too young to tell.
    pub(super) fn failure(&self, now: Timestamp) -> Option<&PodFailure> {
        let young = self.due().is_some_and(|due| now < due);
        self.failure.as_ref().filter(|_| !young)
    }
}

/// The controller of a pod; for the ReplicaSet of a Deployment the Deployment, which stands in its name before the hash.
fn owner(pod: &Value) -> Option<ObjectId> {
    let metadata = pod.get("metadata")?;
    let owners = metadata.get("ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let (mut kind, mut name) = (owner["kind"].as_str()?, owner["name"].as_str()?);
    let hash = metadata.pointer("/labels/pod-template-hash").and_then(Value::as_str);
    let deployment = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    if let (Some(deployment), "ReplicaSet") = (deployment, kind) {
        (kind, name) = ("Deployment", deployment);
    }
    let group = owner["apiVersion"].as_str()?.split_once('/').map_or("", |(group, _)| group);
    Some(ObjectId::new(group, kind, metadata.get("namespace")?.as_str()?, name))
}

fn created(object: &Value) -> Option<Timestamp> {
    object.pointer("/metadata/creationTimestamp")?.as_str()?.parse().ok()
}

/// Status and message of a condition.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some((found["status"].as_str().unwrap_or_default(), found["message"].as_str().unwrap_or_default()))
}
