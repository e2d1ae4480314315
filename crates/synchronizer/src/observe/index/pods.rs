//! The pods of what is coming up: which are watched, and what is known of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use lockstep_manifest::ObjectId;
use lockstep_plan::{PodFailure, Status, Trouble};

use super::known::{Known, Told};
use super::{Changes, Index};
use crate::observe::seen::{PodSeen, Seen};

/// So many workloads of a namespace have a watch of their own for their pods; more share one for the namespace.
const OWN_POD_WATCHES: usize = 5;

/// Pods that should be watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::observe) enum PodsOf {
    /// Those of one workload, and how they are selected.
    Workload(ObjectId, String),
    /// All of a namespace.
    Namespace(String),
}

/// What the watches of pods told.
#[derive(Default)]
pub(super) struct Pods {
    pub(super) known: HashMap<PodsOf, Known<PodSeen>>,
    /// The pods that a workload made, of those that the watch of a namespace told of.
    owned: HashMap<ObjectId, HashSet<ObjectId>>,
}

impl Pods {
    /// The pods of a workload, from its own watch or from that of its namespace.
    pub(super) fn of(&self, id: &ObjectId, seen: &Seen) -> Vec<&PodSeen> {
        let selector = seen.workload.as_ref().and_then(|workload| workload.selector.clone());
        let own = selector.and_then(|selector| self.known.get(&PodsOf::Workload(id.clone(), selector)));
        let all = self.known.get(&PodsOf::Namespace(id.namespace.clone()));
        let all = all.into_iter().flat_map(|known| {
            let owned = self.owned.get(id).into_iter().flatten();
            owned.filter_map(|pod| known.objects.get(pod)).filter(|pod| pod.owner.as_ref() == Some(id))
        });
        own.into_iter().flat_map(|known| known.objects.values()).chain(all).collect()
    }
}

impl Index {
    /// What a watch of pods told.
    pub(in crate::observe) fn pods_told(&mut self, pods: &PodsOf, told: Told, now: Timestamp) -> Changes {
        let known = self.pods.known.entry(pods.clone()).or_default();
        let PodsOf::Namespace(namespace) = pods else {
            known.tell(told, |_, pod| PodSeen::of(&pod));
            let PodsOf::Workload(workload, _) = pods else { return Changes::new() };
            return self.refreshed([workload.clone()], now);
        };
        let pod = match &told {
            Told::Applied(id, _) | Told::Deleted(id) => Some(id.clone()),
            Told::Restarted | Told::ListComplete | Told::Failed(_) => None,
        };
        let owner = |known: &Known<PodSeen>| known.objects.get(pod.as_ref()?)?.owner.clone();
        let mut workloads: BTreeSet<ObjectId> = owner(known).into_iter().collect();
        let whole = matches!(told, Told::ListComplete);
        known.tell(told, |_, pod| PodSeen::of(&pod));
        workloads.extend(owner(known));
        if let Some(pod) = pod {
            for workload in &workloads {
                self.pods.owned.entry(workload.clone()).or_default().insert(pod.clone());
            }
        }
        if whole {
            let unhealthy = self.syncs.values().flat_map(|watched| watched.unhealthy.keys());
            workloads.extend(unhealthy.filter(|id| id.namespace == *namespace).cloned());
        }
        self.refreshed(workloads, now)
    }

    /// The workloads whose pods are to be watched: those that are not current.
    pub(in crate::observe) fn pods_to_watch(&self) -> BTreeSet<PodsOf> {
        let unhealthy = self.syncs.values().flat_map(|watched| watched.unhealthy.iter());
        let waiting = unhealthy.filter(|(_, health)| matches!(health.status, Status::InProgress | Status::Failed));
        let mut namespaces: BTreeMap<&str, BTreeSet<PodsOf>> = BTreeMap::new();
        for (id, _) in waiting {
            let Some(seen) = self.seen(id).filter(|seen| seen.health.status != Status::Current) else { continue };
            let Some(selector) = seen.workload.as_ref().and_then(|workload| workload.selector.clone()) else {
                continue;
            };
            namespaces.entry(&id.namespace).or_default().insert(PodsOf::Workload(id.clone(), selector));
        }
        let pods = namespaces.into_iter().flat_map(|(namespace, own)| {
            let all = PodsOf::Namespace(namespace.to_owned());
            let shared = self.pods.known.get(&all);
            if own.len() <= OWN_POD_WATCHES && shared.is_none() {
                return own;
            }
            // What is known goes on to be known until the namespace's watch knows it too.
            let complete = shared.is_some_and(|shared| shared.complete);
            let mut pods: BTreeSet<PodsOf> =
                own.into_iter().filter(|own| !complete && self.pods.known.contains_key(own)).collect();
            pods.insert(all);
            pods
        });
        pods.collect()
    }

    /// Pods are watched no more.
    pub(in crate::observe) fn pods_forgotten(&mut self, pods: &PodsOf) {
        self.pods.known.remove(pods);
        let known = &self.pods.known;
        let is_known = |pod: &ObjectId| known.values().any(|pods| pods.objects.contains_key(pod));
        self.pods.owned.retain(|_, pods| {
            pods.retain(is_known);
            !pods.is_empty()
        });
    }
}

/// A pod of an earlier template that cannot run, where the controller waits for it: a StatefulSet does not replace what is
/// broken, even when its template is good again (kubernetes/kubernetes#67250).
pub(super) fn stuck_pod(id: &ObjectId, seen: &Seen, pods: &Pods, now: Timestamp) -> Option<String> {
    if id.kind != "StatefulSet" {
        return None;
    }
    let workload = seen.workload.as_deref()?;
    let is_old = |pod: &&PodSeen| {
        workload.references.iter().any(|(name, image)| pod.references.get(name).is_some_and(|runs| runs != image))
    };
    let failures = pods.of(id, seen).into_iter().filter(is_old).filter_map(|pod| pod.failure(now));
    let stuck = failures.filter(|failure| failure.trouble == Trouble::Failed).min_by_key(|failure| &failure.pod)?;
    let (namespace, pod) = (&id.namespace, &stuck.pod);
    Some(format!(
        "pod {pod} of an earlier version cannot run ({}), and a StatefulSet waits for it; delete it: kubectl --namespace {namespace} delete pod {pod}",
        stuck.reason
    ))
}

/// The first failure among the pods that run what the workload's template says.
pub(super) fn failing_pod<'a>(id: &ObjectId, seen: &'a Seen, pods: &'a Pods, now: Timestamp) -> Option<&'a PodFailure> {
    let workload = seen.workload.as_deref()?;
    let of_template =
        |pod: &&PodSeen| workload.references.iter().all(|(name, image)| pod.references.get(name) == Some(image));
    let pods = pods.of(id, seen).into_iter().filter(of_template).chain(&workload.pod);
    let failures = pods.filter_map(|pod| pod.failure(now));
    failures.min_by_key(|failure| (failure.trouble == Trouble::Inconclusive, &failure.pod))
}
