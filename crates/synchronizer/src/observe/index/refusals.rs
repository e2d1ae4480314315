//! Why a controller could not make pods, where only its Events say so: StatefulSets, DaemonSets and Jobs have no condition for
//! a quota or an admission that stands in the way.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use lockstep_manifest::ObjectId;
use lockstep_plan::Status;
use serde_json::Value;

use super::known::{Known, Told};
use super::{Changes, Index};
use crate::observe::seen::Seen;

/// An Event's time has whole seconds.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The Events of namespaces where something lacks pods.
#[derive(Default)]
pub(super) struct Refusals(HashMap<String, Known<Refusal>>);

struct Refusal {
    about: ObjectId,
    message: String,
    at: Option<Timestamp>,
}

impl Refusals {
    /// What the controller of this workload was told last, since it was changed.
    pub(super) fn of(&self, id: &ObjectId, seen: &Seen, changed_at: Timestamp) -> Option<&str> {
        seen.workload.as_ref().filter(|workload| workload.lacks_pods)?;
        let known = self.0.get(&id.namespace)?;
        let since = changed_at - SECOND;
        let about =
            known.objects.values().filter(|refusal| refusal.about == *id && refusal.at.is_some_and(|at| at >= since));
        about.max_by_key(|refusal| refusal.at).map(|refusal| refusal.message.as_str())
    }
}

impl Refusal {
    fn of(event: &Value) -> Self {
        let about = &event["involvedObject"];
        let text = |field: &str| about[field].as_str().unwrap_or_default();
        let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
        let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"];
        Self {
            about: ObjectId::new(group, text("kind"), text("namespace"), text("name")),
            message: event["message"].as_str().unwrap_or_default().to_owned(),
            at: times.iter().find_map(|place| event.pointer(place)?.as_str()?.parse().ok()),
        }
    }
}

impl Index {
    /// The namespaces in which something that is not current lacks pods.
    pub(in crate::observe) fn namespaces_of_refusals(&self) -> BTreeSet<String> {
        let unhealthy = self.syncs.values().flat_map(|watched| &watched.unhealthy);
        let waiting = unhealthy.filter(|(_, health)| matches!(health.status, Status::InProgress | Status::Failed));
        let lacking = waiting.filter(|(id, _)| {
            self.seen(id).and_then(|seen| seen.workload.as_ref()).is_some_and(|workload| workload.lacks_pods)
        });
        lacking.map(|(id, _)| id.namespace.clone()).collect()
    }

    /// What the watch of a namespace's Events told.
    pub(in crate::observe) fn refusals_told(&mut self, namespace: &str, told: Told, now: Timestamp) -> Changes {
        let known = self.refusals.0.entry(namespace.to_owned()).or_default();
        let events = known.tell(told, |_, event| Refusal::of(&event));
        let about: BTreeSet<ObjectId> =
            events.iter().filter_map(|event| Some(known.objects.get(event)?.about.clone())).collect();
        self.refreshed(about, now)
    }

    /// The Events of a namespace are watched no more.
    pub(in crate::observe) fn refusals_forgotten(&mut self, namespace: &str) {
        self.refusals.0.remove(namespace);
    }
}
