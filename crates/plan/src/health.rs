//! Is an object healthy? kstatus' answers, rule by rule, and answers where kstatus has none.
//!
//! The order is kstatus': deletion, generation, the `Reconciling` and `Stalled` conditions, the rule of the kind
//! ([`rules`], and [`known`] for well-known custom resources), the `Ready` condition, else current. Where Lockstep answers differently (a running Job, a container that
//! cannot pull, a load balancer without an address, suspension), `tests/health_conformance.rs` lists the case and why.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

mod checks;
mod conditions;
mod extension;
mod fields;
mod jobs;
mod known;
mod network;
mod pods;
mod rules;
mod storage;
mod workloads;

pub use checks::{HealthCheckError, HealthCheckText, HealthChecks, assess_with};
pub use pods::{PodFailure, Trouble, pods_failure};

use conditions::Condition;

/// Where an object is on its way to what its specification asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// What was asked for is there.
    Current,
    /// On its way; may become any other status.
    InProgress,
    /// Will not get there without a change from outside.
    Failed,
    /// Being deleted.
    Terminating,
    /// Somebody asked for it to stand still (a suspended Job or CronJob, a paused Deployment).
    Suspended,
    /// The object cannot be understood; the message says what is wrong with it.
    Unknown,
}

impl Status {
    /// The status as one word, as people and JSON see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::Suspended => "Suspended",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The health of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The verdict.
    pub status: Status,
    /// One CamelCase word, kstatus' own where it has one; empty when current, terminating or unknown.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
}

impl Health {
    fn new(status: Status, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), message: message.into() }
    }

    fn current(message: impl Into<String>) -> Self {
        Self::new(Status::Current, "", message)
    }

    fn in_progress(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Status::InProgress, reason, message)
    }

    fn failed(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Status::Failed, reason, message)
    }

    fn suspended(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Status::Suspended, reason, message)
    }
}

/// Why an object cannot be assessed: something in it has a shape that the API does not give it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Malformed(String);

type Assessed = Result<Health, Malformed>;

/// The health of `object` as it was read at `now`.
///
/// ```
/// let claim = serde_json::json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Bound"}});
/// let health = lockstep_plan::assess(&claim, jiff::Timestamp::UNIX_EPOCH);
/// assert_eq!(health.status, lockstep_plan::Status::Current);
/// ```
#[must_use]
pub fn assess(object: &Value, now: Timestamp) -> Health {
    try_assess(object, now).unwrap_or_else(|Malformed(message)| Health::new(Status::Unknown, "", message))
}

/// Whether the health of objects of a kind can change while nobody changes their specification. Of the other kinds an object
/// that exists is healthy, so nobody needs to watch them for that.
#[must_use]
pub fn depends_on_status(group: &str, kind: &str) -> bool {
    let still = match group {
        "" => matches!(kind, "ConfigMap" | "Secret" | "ServiceAccount" | "LimitRange" | "ResourceQuota" | "Endpoints"),
        "networking.k8s.io" => matches!(kind, "NetworkPolicy" | "IngressClass"),
        "storage.k8s.io" => matches!(kind, "StorageClass" | "CSIDriver"),
        "admissionregistration.k8s.io" => kind.ends_with("WebhookConfiguration") || kind.ends_with("Binding"),
        "rbac.authorization.k8s.io" | "scheduling.k8s.io" | "coordination.k8s.io" | "discovery.k8s.io" => true,
        "node.k8s.io" => kind == "RuntimeClass",
        _ => false,
    };
    !still
}

fn try_assess(object: &Value, now: Timestamp) -> Assessed {
    let conditions = conditions::of(object)?;
    if let Some(health) = generic(object, &conditions)? {
        return Ok(health);
    }
    let api_version = fields::text(object, "/apiVersion").unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = fields::text(object, "/kind").unwrap_or_default();
    let subject = rules::Subject { object, conditions: &conditions, now };
    match rules::rule(group, kind) {
        Some(rule) => rule(&subject),
        None => known::assess(group, kind, &subject).unwrap_or_else(|| Ok(ready(&conditions))),
    }
}

/// What holds for every kind and comes before the kind's own rule.
fn generic(object: &Value, conditions: &[Condition]) -> Result<Option<Health>, Malformed> {
    if let Some(health) = unsettled(object)? {
        return Ok(Some(health));
    }
    Ok(conditions.iter().filter(|condition| condition.is_true()).find_map(|condition| match condition.kind {
        "Reconciling" => Some(Health::in_progress(condition.reason, condition.message)),
        "Stalled" => Some(Health::failed(condition.reason, condition.message)),
        _ => None,
    }))
}

/// Being deleted, or with a status that speaks of an older specification.
fn unsettled(object: &Value) -> Result<Option<Health>, Malformed> {
    match object.pointer("/metadata/deletionTimestamp") {
        None | Some(Value::Null) => {}
        Some(Value::String(time)) if time.is_empty() => {}
        Some(Value::String(_)) => {
            return Ok(Some(Health::new(Status::Terminating, "", "Resource scheduled for deletion")));
        }
        Some(_) => return Err(Malformed("metadata.deletionTimestamp is not a string".to_owned())),
    }
    let generation = fields::whole(object, "/metadata/generation")?;
    // Argo's Rollout has it as a text, which in old versions was a hash.
    let (observed, as_text) = match fields::text(object, "/status/observedGeneration") {
        Some(text) => (text.parse().ok(), true),
        None => (fields::whole(object, "/status/observedGeneration")?, false),
    };
    if let (Some(generation), Some(observed)) = (generation, observed)
        && (generation > observed || (generation != observed && !as_text))
    {
        let kind = fields::text(object, "/kind").unwrap_or_default();
        let message = format!("{kind} generation is {generation}, but latest observed generation is {observed}");
        return Ok(Some(Health::in_progress("LatestGenerationNotObserved", message)));
    }
    Ok(None)
}

/// The verdict for kinds without a rule of their own: the first usable `Ready` condition, else current.
fn ready(conditions: &[Condition]) -> Health {
    conditions
        .iter()
        .filter(|condition| condition.kind == "Ready")
        .find_map(|condition| match condition.status {
            "True" => Some(Health::current("Resource is Ready")),
            "False" | "Unknown" => Some(Health::in_progress(condition.reason, condition.message)),
            _ => None,
        })
        .unwrap_or_else(|| Health::current("Resource is current"))
}
