//! What extends or arranges the cluster itself: namespaces, custom resource definitions, aggregated APIs, autoscalers.

use serde_json::Value;

use super::conditions::{self, Condition};
use super::fields::text;
use super::rules::Subject;
use super::{Assessed, Health, Malformed, Status};

/// Where autoscaling/v1, which has no conditions of its own, keeps them.
const CONDITIONS_OF_V1: &str = "/metadata/annotations/autoscaling.alpha.kubernetes.io~1conditions";

pub(super) fn namespace(subject: &Subject<'_>) -> Assessed {
    if text(subject.object, "/status/phase") == Some("Terminating") {
        return Ok(Health::new(Status::Terminating, "", "Namespace is being deleted"));
    }
    Ok(Health::current("Resource is current"))
}

/// Beyond kstatus: the verdict does not depend on the order in which the conditions are listed.
pub(super) fn definition(subject: &Subject<'_>) -> Assessed {
    if let Some(names) = conditions::find(subject.conditions, "NamesAccepted").filter(|names| names.is_false()) {
        return Ok(Health::failed(names.reason, names.message));
    }
    Ok(match conditions::find(subject.conditions, "Established") {
        Some(established) if established.is_true() => Health::current("CRD is established"),
        Some(established) if established.is_false() && established.reason != "Installing" => {
            Health::failed(established.reason, established.message)
        }
        _ => Health::in_progress("Installing", "Install in progress"),
    })
}

pub(super) fn api_service(subject: &Subject<'_>) -> Assessed {
    Ok(match conditions::find(subject.conditions, "Available") {
        Some(available) if available.is_true() => Health::current("APIService is available"),
        Some(available) => Health::in_progress(available.reason, available.message),
        None => Health::in_progress("NotObserved", "APIService has not been checked yet"),
    })
}

pub(super) fn autoscaler(subject: &Subject<'_>) -> Assessed {
    let annotation = match text(subject.object, CONDITIONS_OF_V1) {
        Some(json) if subject.conditions.is_empty() => serde_json::from_str::<Value>(json)
            .map_err(|error| Malformed(format!("the conditions in the annotation are not JSON: {error}")))?,
        _ => Value::Array(Vec::new()),
    };
    let of_v1 = conditions::in_list(&annotation)?;
    let conditions = if subject.conditions.is_empty() { &of_v1 } else { subject.conditions };
    Ok(judge_autoscaler(conditions))
}

fn judge_autoscaler(conditions: &[Condition]) -> Health {
    let broken = |condition: &&Condition| {
        matches!(condition.kind, "AbleToScale" | "ScalingActive")
            && (condition.reason.starts_with("Failed") || condition.reason.starts_with("Invalid"))
    };
    if let Some(broken) = conditions.iter().find(broken) {
        return Health::failed(broken.reason, broken.message);
    }
    let scales =
        |condition: &Condition| matches!(condition.kind, "AbleToScale" | "ScalingLimited") && condition.is_true();
    if let Some(condition) = conditions.iter().find(|condition| scales(condition)) {
        return Health::current(condition.message);
    }
    Health::in_progress("WaitingToAutoscale", "HorizontalPodAutoscaler has not yet been able to scale")
}
