//! What the watches told, and what follows from it for each Sync: health by object, a verdict by container.
//!
//! A reducer: fed with what turns left and what watches saw, asked for what there is to report. It does not wait, watch
//! or look at the clock.

mod known;
mod pods;
mod refusals;
mod track;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_cluster::Kind;
use lockstep_manifest::ObjectId;
use lockstep_plan::{ApplyMode, GroupKind, Health, HealthChecks, PodFailure, Status, Trouble, depends_on_status};

use super::seen::Seen;
use super::template::{self, References};
use super::verdict::sentence;
use crate::board::{SyncKey, WorkloadState};
use crate::ports::{Enforced, NOT_OBSERVED, ObjectFailure};
use known::Known;
pub(super) use known::Told;
pub(super) use pods::PodsOf;
use pods::{Pods, failing_pod, stuck_pod};
use refusals::Refusals;
use track::{Circumstances, Track};

/// Which objects of which Sync have something new to report.
pub(super) type Changes = BTreeMap<SyncKey, BTreeSet<ObjectId>>;

/// How a kind should be watched; the watch begins anew when this changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToWatch {
    pub(super) kind: Kind,
    checked: bool,
}

#[derive(Default)]
pub(super) struct Index {
    turns: u64,
    syncs: BTreeMap<SyncKey, Watched>,
    owners: HashMap<ObjectId, SyncKey>,
    kinds: HashMap<GroupKind, Known<Seen>>,
    pods: Pods,
    refusals: Refusals,
}

/// What a turn of one Sync has left.
struct Watched {
    enforced_at: Timestamp,
    timeout: Duration,
    failed: BTreeMap<ObjectId, ObjectFailure>,
    wanted: HashMap<ObjectId, Wanted>,
    checks: HealthChecks,
    kinds: BTreeMap<GroupKind, Kind>,
    unhealthy: BTreeMap<ObjectId, Health>,
    tracks: BTreeMap<ObjectId, Track>,
}

struct Wanted {
    /// `None` when it is not kept as Git has it now.
    hash: Option<Arc<str>>,
    references: References,
    changed_at: Option<Timestamp>,
    /// The latest turn that changed it; 0 for those before our start.
    touched: u64,
    overdue: bool,
}

impl Index {
    /// A turn ended: these are the Sync's objects from now on.
    pub(super) fn applied(&mut self, sync: &SyncKey, enforced: &Enforced, now: Timestamp) -> Changes {
        self.turns += 1;
        let mut before = self.syncs.remove(sync);
        let mut wanted = HashMap::with_capacity(enforced.wanted.len());
        for rendered in enforced.wanted.iter() {
            let id = &rendered.object.id;
            if rendered.apply_mode() == ApplyMode::Ignore || enforced.found.contains(id) {
                continue;
            }
            if !depends_on_status(&id.group, &id.kind) && !enforced.checks.has(&GroupKind::of(id)) {
                continue;
            }
            let known = before.as_ref().and_then(|before| before.wanted.get(id));
            let (changed_at, touched) = match enforced.changed.get(id) {
                Some(at) => (Some(*at), self.turns),
                None => known.map_or((None, 0), |known| (known.changed_at, known.touched)),
            };
            let references = template::references(id, &rendered.body.value());
            let hash = (rendered.apply_mode() == ApplyMode::Always).then(|| rendered.hash.clone());
            wanted.insert(id.clone(), Wanted { hash, references, changed_at, touched, overdue: false });
            // What another Sync owns stays with it, whoever else wants it.
            let refused = matches!(enforced.failed.get(id), Some(ObjectFailure::Blocked(_)));
            if !refused || !self.owners.contains_key(id) {
                self.owners.insert(id.clone(), sync.clone());
            }
        }
        let left = before.iter().flat_map(|before| before.wanted.keys());
        for id in left.filter(|id| !wanted.contains_key(*id)) {
            self.disowned(sync, id);
        }
        let mut tracks = before.as_mut().map(|before| std::mem::take(&mut before.tracks)).unwrap_or_default();
        tracks.retain(|id, _| wanted.contains_key(id));
        let ids: Vec<ObjectId> = wanted.keys().cloned().collect();
        let watched = Watched {
            enforced_at: enforced.at,
            timeout: enforced.timeout,
            failed: enforced.failed.clone(),
            wanted,
            checks: enforced.checks.clone(),
            kinds: enforced.kinds.clone(),
            unhealthy: before.map(|before| before.unhealthy).unwrap_or_default(),
            tracks,
        };
        self.syncs.insert(sync.clone(), watched);
        if let Some(watched) = self.syncs.get_mut(sync) {
            let wanted = &watched.wanted;
            watched.unhealthy.retain(|id, _| wanted.contains_key(id));
        }
        let mut changes = Changes::new();
        for id in ids {
            if self.refresh(sync, &id, now) {
                changes.entry(sync.clone()).or_default().insert(id);
            }
        }
        changes
    }

    /// The Sync is gone.
    pub(super) fn forget(&mut self, sync: &SyncKey) {
        if let Some(watched) = self.syncs.remove(sync) {
            for id in watched.wanted.keys() {
                self.disowned(sync, id);
            }
        }
    }

    fn disowned(&mut self, sync: &SyncKey, id: &ObjectId) {
        if self.owners.get(id) == Some(sync) {
            self.owners.remove(id);
        }
    }

    /// What the watch of a kind told.
    pub(super) fn kind_told(&mut self, kind: &GroupKind, told: Told, now: Timestamp) -> Changes {
        let whole = matches!(told, Told::ListComplete | Told::Failed(_));
        let keep = self.is_checked(kind);
        let known = self.kinds.entry(kind.clone()).or_default();
        let mut ids = known.tell(told, |id, object| Seen::of(id, object, keep, now));
        if whole {
            ids.extend(self.owners.keys().filter(|id| GroupKind::of(id) == *kind).cloned());
        }
        self.refreshed(ids, now)
    }

    /// Time has passed.
    pub(super) fn ticked(&mut self, now: Timestamp) -> Changes {
        let waiting = self.syncs.values().flat_map(|watched| watched.unhealthy.keys().cloned());
        let ids: Vec<ObjectId> = waiting.collect();
        self.refreshed(ids, now)
    }

    /// When time alone changes something next; `None` while nothing is on its way.
    pub(super) fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        let mut consider = |time: Option<Timestamp>| {
            let later = time.filter(|time| *time > now);
            next = next.into_iter().chain(later).min();
        };
        for watched in self.syncs.values() {
            for id in watched.unhealthy.keys() {
                consider(watched.deadline(id));
                consider(self.seen(id).and_then(Seen::due));
                self.seen(id).into_iter().flat_map(|seen| self.pods.of(id, seen)).for_each(|pod| consider(pod.due()));
            }
        }
        next
    }

    /// The kinds to watch, as they are served.
    pub(super) fn kinds_to_watch(&self) -> BTreeMap<GroupKind, ToWatch> {
        let all = self.syncs.values().flat_map(|watched| {
            let kinds: BTreeSet<GroupKind> = watched.wanted.keys().map(GroupKind::of).collect();
            kinds.into_iter().filter_map(|name| {
                let to_watch = ToWatch { kind: watched.kinds.get(&name)?.clone(), checked: self.is_checked(&name) };
                Some((name, to_watch))
            })
        });
        all.collect()
    }

    /// Whether some Sync brings expressions for this kind, which are evaluated on whole objects.
    fn is_checked(&self, kind: &GroupKind) -> bool {
        self.syncs.values().any(|watched| watched.checks.has(kind))
    }

    /// A kind is watched no more.
    pub(super) fn kind_forgotten(&mut self, kind: &GroupKind) {
        self.kinds.remove(kind);
    }

    pub(super) fn unhealthy(&self, sync: &SyncKey) -> BTreeMap<ObjectId, Health> {
        self.syncs.get(sync).map(|watched| watched.unhealthy.clone()).unwrap_or_default()
    }

    pub(super) fn workloads(&self, sync: &SyncKey) -> Vec<WorkloadState> {
        let tracks = self.syncs.get(sync).into_iter().flat_map(|watched| &watched.tracks);
        tracks.flat_map(|(id, track)| track.states(id)).collect()
    }

    fn seen(&self, id: &ObjectId) -> Option<&Seen> {
        self.kinds.get(&GroupKind::of(id))?.objects.get(id)
    }

    /// Derives anew what there is to report of these objects.
    fn refreshed(&mut self, ids: impl IntoIterator<Item = ObjectId>, now: Timestamp) -> Changes {
        let mut changes = Changes::new();
        for id in ids {
            let Some(sync) = self.owners.get(&id).cloned() else { continue };
            if self.refresh(&sync, &id, now) {
                changes.entry(sync).or_default().insert(id);
            }
        }
        changes
    }

    fn refresh(&mut self, sync: &SyncKey, id: &ObjectId, now: Timestamp) -> bool {
        let Self { syncs, kinds, pods, refusals, owners, .. } = self;
        let Some(watched) = syncs.get_mut(sync) else { return false };
        let name = GroupKind::of(id);
        let seen = kinds.get_mut(&name).and_then(|kind| kind.objects.get_mut(id));
        if let Some(seen) = seen.filter(|_| owners.get(id) == Some(sync)) {
            seen.judge(&watched.checks, now);
        }
        let kind = kinds.get(&name);
        let seen = kind.and_then(|kind| kind.objects.get(id));
        let pod = seen.and_then(|seen| failing_pod(id, seen, pods, now));
        let stuck = seen.filter(|_| pod.is_none()).and_then(|seen| stuck_pod(id, seen, pods, now));
        let Some(wanted) = watched.wanted.get(id) else { return false };
        let failure = watched.failed.get(id);
        let stale = seen.is_some_and(|seen| wanted.hash.as_ref().is_some_and(|hash| *seen.applied != **hash))
            && failure.is_none();
        let unjudged = seen.is_some_and(|seen| !seen.is_whole()) && watched.checks.has(&name);
        let changed_at = wanted.changed_at.unwrap_or(watched.enforced_at);
        let refusal = seen.and_then(|seen| refusals.of(id, seen, changed_at));
        let health = match seen {
            Some(seen) if !stale && !unjudged => with_refusal(with_stuck(with_pod(&seen.health, pod), stuck), refusal),
            Some(_) => in_progress(NOT_OBSERVED, "what was applied has not been seen by the watch yet"),
            None => unseen(kind),
        };
        let deadline = watched.deadline(id).unwrap_or(now);
        let mut changed = false;
        if !wanted.references.is_empty() {
            let circumstances = Circumstances {
                failure,
                seen,
                pod,
                refusal,
                stale,
                deadline,
                now,
                changed_at,
                // Counted only where it can matter: it looks at every object.
                all_is_unwell: health.status != Status::Current && watched.all_is_unwell(wanted.touched),
            };
            let track = watched.tracks.entry(id.clone()).or_default();
            changed |= track.update(&wanted.references, &circumstances);
        }
        let overdue = health.status != Status::Current && now >= deadline;
        let current = health.status == Status::Current;
        if let Some(wanted) = watched.wanted.get_mut(id) {
            changed |= overdue && !wanted.overdue;
            wanted.overdue = overdue;
        }
        let before = if current { watched.unhealthy.remove(id) } else { watched.unhealthy.insert(id.clone(), health) };
        changed | (before.as_ref() != watched.unhealthy.get(id))
    }
}

impl Watched {
    /// Until when an object must be healthy.
    fn deadline(&self, id: &ObjectId) -> Option<Timestamp> {
        let from = self.wanted.get(id)?.changed_at.unwrap_or(self.enforced_at);
        from.checked_add(SignedDuration::try_from(self.timeout).ok()?).ok()
    }

    /// Whether over half of the objects that were last changed before this turn are unhealthy. Two make no half.
    fn all_is_unwell(&self, turn: u64) -> bool {
        let untouched = || self.wanted.iter().filter(|(_, wanted)| wanted.touched < turn);
        let unwell = untouched().filter(|(id, _)| self.unhealthy.get(*id).is_some_and(is_unwell)).count();
        let all = untouched().count();
        all > 2 && unwell * 2 > all
    }
}

fn is_unwell(health: &Health) -> bool {
    matches!(health.status, Status::InProgress | Status::Failed) && health.reason != NOT_OBSERVED
}

/// A workload whose pods cannot run has failed, though its controller still hopes.
fn with_pod(health: &Health, pod: Option<&PodFailure>) -> Health {
    match pod {
        Some(pod) if health.status == Status::InProgress => {
            let status = if pod.trouble == Trouble::Failed { Status::Failed } else { Status::InProgress };
            Health { status, reason: pod.reason.clone(), message: sentence(pod) }
        }
        _ => health.clone(),
    }
}

/// What only a person can put right.
fn with_stuck(health: Health, stuck: Option<String>) -> Health {
    match stuck {
        Some(message) if health.status == Status::InProgress => in_progress("PodToDelete", &message),
        _ => health,
    }
}

/// What its controller was told when it wanted to make pods says more than that they are missing.
fn with_refusal(health: Health, refusal: Option<&str>) -> Health {
    match refusal {
        Some(refusal) if health.status == Status::InProgress => {
            in_progress("FailedCreate", &format!("{}; {refusal}", health.message))
        }
        _ => health,
    }
}

fn unseen(kind: Option<&Known<Seen>>) -> Health {
    match kind {
        Some(Known { failure: Some(message), .. }) => in_progress("NotWatched", message),
        Some(Known { complete: true, .. }) => in_progress("NotFound", "it is not in the cluster"),
        _ => in_progress(NOT_OBSERVED, "the watch of its kind has not listed it yet"),
    }
}

fn in_progress(reason: &str, message: &str) -> Health {
    Health { status: Status::InProgress, reason: reason.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
