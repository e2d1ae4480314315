//! The verdicts on one workload over time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_manifest::ObjectId;
use lockstep_plan::{PodFailure, Status};

use crate::board::{Verdict, WorkloadState};
use crate::observe::seen::Seen;
use crate::observe::template::References;
use crate::observe::verdict::{Live, Question, judge};
use crate::ports::ObjectFailure;

/// What is known about a workload now.
pub(super) struct Circumstances<'a> {
    pub(super) failure: Option<&'a ObjectFailure>,
    pub(super) seen: Option<&'a Seen>,
    pub(super) pod: Option<&'a PodFailure>,
    /// Why its controller could not make pods.
    pub(super) refusal: Option<&'a str>,
    pub(super) stale: bool,
    pub(super) deadline: Timestamp,
    pub(super) now: Timestamp,
    pub(super) changed_at: Timestamp,
    pub(super) all_is_unwell: bool,
}

/// What became of the references of one workload.
#[derive(Default)]
pub(super) struct Track {
    /// What the template ran when it was last seen.
    running: Option<References>,
    /// It was healthy when `running` came.
    healthy_before: bool,
    /// It is healthy, or serves while it is being changed, and nothing of it has failed.
    well: bool,
    /// `running` was found to have failed.
    failed: bool,
    containers: BTreeMap<String, Judged>,
    /// By container: the reference with which it was last found live.
    last_live: BTreeMap<String, String>,
}

struct Judged {
    reference: String,
    verdict: Verdict,
    since: Timestamp,
    message: String,
}

impl Track {
    /// Judges each container anew; says whether anything there is to report has changed.
    pub(super) fn update(&mut self, wanted: &References, now: &Circumstances<'_>) -> bool {
        self.remember(now.seen);
        let count = self.containers.len();
        self.containers.retain(|container, _| wanted.contains_key(container));
        self.last_live.retain(|container, _| wanted.contains_key(container));
        let mut changed = count != self.containers.len();
        for (container, reference) in wanted {
            let before = self.containers.get(container).filter(|judged| judged.reference == *reference);
            let live = now.seen.and_then(|seen| {
                let workload = seen.workload.as_deref()?;
                let healthy_before = self.healthy_before;
                let cannot_create = workload.cannot_create.as_deref().or(now.refusal);
                let (health, stale, pod) = (&seen.health, now.stale, now.pod);
                Some(Live { workload, health, cannot_create, stale, healthy_before, pod })
            });
            let (verdict, message) = judge(&Question {
                container,
                reference,
                before: before.map(|judged| judged.verdict),
                failure: now.failure,
                live,
                since: now.changed_at,
                deadline: now.deadline,
                now: now.now,
                all_is_unwell: now.all_is_unwell,
            });
            let next = match before {
                // A verdict that stands keeps its words.
                Some(judged) if judged.verdict == verdict && (message.is_empty() || judged.message == message) => {
                    continue;
                }
                Some(judged) if judged.verdict == verdict => {
                    Judged { reference: reference.clone(), verdict, since: judged.since, message }
                }
                _ => Judged { reference: reference.clone(), verdict, since: now.now, message },
            };
            if next.verdict == Verdict::Live {
                self.last_live.insert(container.clone(), reference.clone());
            }
            self.containers.insert(container.clone(), next);
            changed = true;
        }
        self.failed |= self.has_failed();
        self.well = self.is_well(now);
        changed
    }

    /// Notes when the template runs something else than before, and how the workload was until then.
    fn remember(&mut self, seen: Option<&Seen>) {
        let Some(workload) = seen.and_then(|seen| seen.workload.as_deref()) else { return };
        match &self.running {
            Some(running) if *running == workload.references => return,
            Some(_) => self.healthy_before = self.well,
            // After a restart of ours the cluster has to tell.
            None => self.healthy_before = workload.old_pods_serve,
        }
        self.running = Some(workload.references.clone());
        self.failed = false;
    }

    /// Whether what runs was found to have failed; a verdict on what is only wanted yet does not count.
    fn has_failed(&self) -> bool {
        let runs = |container: &String, judged: &Judged| {
            self.running.as_ref().is_some_and(|running| running.get(container) == Some(&judged.reference))
        };
        self.containers.iter().any(|(name, judged)| judged.verdict == Verdict::Failed && runs(name, judged))
    }

    fn is_well(&mut self, now: &Circumstances<'_>) -> bool {
        let Some(seen) = now.seen else { return false };
        let current = seen.health.status == Status::Current;
        self.failed &= !current;
        let serves = seen.workload.as_deref().is_some_and(|workload| workload.available);
        // On the way from a healthy state to another: as well as it was.
        let changing = self.healthy_before && seen.health.status == Status::InProgress && now.pod.is_none();
        current || (!self.failed && (serves || changing))
    }

    pub(super) fn states<'a>(&'a self, id: &'a ObjectId) -> impl Iterator<Item = WorkloadState> + 'a {
        self.containers.iter().map(|(container, judged)| WorkloadState {
            object: id.clone(),
            container: container.clone(),
            reference: judged.reference.clone(),
            verdict: judged.verdict,
            since: judged.since,
            message: judged.message.clone(),
            last_live: self.last_live.get(container).cloned(),
        })
    }
}
