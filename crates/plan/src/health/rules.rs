//! Which rule judges which kind.

use jiff::Timestamp;
use serde_json::Value;

use super::conditions::Condition;
use super::{Assessed, Health, extension, jobs, network, pods, storage, workloads};

/// What a rule looks at.
pub(super) struct Subject<'a> {
    pub(super) object: &'a Value,
    pub(super) conditions: &'a [Condition<'a>],
    pub(super) now: Timestamp,
}

pub(super) type Rule = fn(&Subject<'_>) -> Assessed;

/// The rule for a kind, whatever its version; `None` leaves it to the `Ready` condition.
pub(super) fn rule(group: &str, kind: &str) -> Option<Rule> {
    let rule: Rule = match (group, kind) {
        ("apps" | "extensions", "Deployment") => workloads::deployment,
        ("apps", "StatefulSet") => workloads::stateful_set,
        ("apps" | "extensions", "DaemonSet") => workloads::daemon_set,
        ("apps" | "extensions", "ReplicaSet") => workloads::replica_set,
        ("", "Pod") => pods::pod,
        ("batch", "Job") => jobs::job,
        ("batch", "CronJob") => jobs::cron_job,
        ("", "PersistentVolumeClaim") => storage::claim,
        ("", "PersistentVolume") => storage::volume,
        ("", "Service") => network::service,
        ("networking.k8s.io" | "extensions", "Ingress") => network::ingress,
        ("", "Namespace") => extension::namespace,
        ("", "ConfigMap" | "Secret") => always_current,
        ("policy", "PodDisruptionBudget") => disruption_budget,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => extension::definition,
        ("apiregistration.k8s.io", "APIService") => extension::api_service,
        ("autoscaling", "HorizontalPodAutoscaler") => extension::autoscaler,
        _ => return None,
    };
    Some(rule)
}

fn always_current(_: &Subject<'_>) -> Assessed {
    Ok(Health::current("Resource is always ready"))
}

/// The generation check before every rule has already said that the controller has seen the budget.
fn disruption_budget(_: &Subject<'_>) -> Assessed {
    Ok(Health::current("AllowedDisruptions has been computed."))
}
