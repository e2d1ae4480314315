//! `Ready`, `Reconciling`, `Stalled`, `Healthy`: what `kubectl wait` and kstatus read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use lockstep_plan::Status;

use super::{
    Picture, health_in_words, is_sick,
    verdict::{Progress, verdict},
};
use crate::resource::Failure;

/// The conditions; one whose status is as before keeps its time.
pub(super) fn conditions(picture: &Picture<'_>, failures: &[Failure], before: &[Condition]) -> Vec<Condition> {
    let verdict = verdict(picture, failures);
    let word = |holds: bool| if holds { "True" } else { "False" };
    let (healthy, why, message) = health(picture);
    let all = [
        ("Ready", word(verdict.progress == Progress::Ready), verdict.reason, verdict.message.as_str()),
        ("Reconciling", word(verdict.progress == Progress::Moving), verdict.reason, verdict.message.as_str()),
        ("Stalled", word(verdict.progress == Progress::Stuck), verdict.reason, verdict.message.as_str()),
        ("Healthy", healthy, why, message.as_str()),
    ];
    let make = |(kind, status, reason, message): (&str, &str, &str, &str)| {
        let known = before.iter().find(|known| known.type_ == kind && known.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: picture.generation,
            last_transition_time: known.map_or(Time(picture.now), |known| known.last_transition_time.clone()),
        }
    };
    all.into_iter().map(make).collect()
}

/// The health of what is in the cluster, whatever else is the matter.
fn health(picture: &Picture<'_>) -> (&'static str, &'static str, String) {
    if picture.applied.is_none() && picture.commit.is_none() {
        return ("Unknown", "Pending", "nothing has been applied yet".to_owned());
    }
    if picture.commit.is_none() {
        return ("Unknown", "Pending", "the commit has not been read again since the start".to_owned());
    }
    let mut unhealthy: Vec<_> =
        picture.unhealthy.iter().filter(|(_, health)| health.status != Status::Suspended).collect();
    unhealthy.sort_by_key(|(_, health)| !is_sick(picture, health));
    match unhealthy.first() {
        None => ("True", "Healthy", format!("all {} objects are healthy", picture.wanted.len())),
        Some((id, health)) => {
            let reason = if is_sick(picture, health) { "Unhealthy" } else { "Progressing" };
            let count = unhealthy.len();
            ("False", reason, super::cut(format!("{count} objects; {}: {}", id.short(), health_in_words(health))))
        }
    }
}
