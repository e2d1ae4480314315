//! What an actor remembers between turns. All of it can be lost: a restart learns it again from Git and the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use lockstep_cluster::Kind;
use lockstep_manifest::ObjectId;
use lockstep_plan::{Class, Extra, FieldLoss, GroupKind, Health, Held, HoldReason, Rendered, Withheld};
use lockstep_repository::CommitId;

use crate::{
    board::At,
    dependencies::Obstacle,
    drift::{Audit, Doubts, Fights, Rewritten, manager},
    mailbox::Claim,
    ports::{ClusterError, Finalizer, ObjectFailure, SourceError},
    render::Manifests,
    resource::{CommitAt, DriftSeen, Failure, FieldSeen, SyncObject, SyncSpec, SyncStatus},
    status::is_final,
    turn::Record,
};

/// So many changes by other hands are kept on the status.
const DRIFTS_KEPT: usize = 20;
/// So many fields of each of them.
const FIELDS_KEPT: usize = 10;

/// What an answer was given to: the same question needs no second answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) commit: CommitId,
    pub(super) spec: SyncSpec,
    pub(super) acknowledged: Option<String>,
}

/// What matters of a Sync to those that depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) ready: bool,
    pub(super) generation: Option<i64>,
    pub(super) applied: Option<String>,
    /// Since this start of the daemon.
    pub(super) looked: bool,
}

/// The deletion of a Sync that takes its objects along.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    /// When it was first seen here.
    pub(super) since: tokio::time::Instant,
    pub(super) deleted: usize,
    pub(super) message: String,
    /// All is said and done.
    pub(super) over: bool,
}

/// What an actor remembers.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) record: Record,
    /// The commit that is enforced: the last one that could be used.
    pub(super) manifests: Option<Manifests>,
    /// The same as text.
    pub(super) commit: Option<String>,
    /// The spec that it was enforced under.
    pub(super) spec: Option<SyncSpec>,
    pub(super) kinds: BTreeMap<GroupKind, Kind>,
    /// When it was first applied.
    pub(super) enforced_at: Option<Timestamp>,
    /// What the last turn was about, unless something of it must be tried again.
    pub(super) answered: Option<Question>,
    pub(super) fetched: Option<At>,
    pub(super) applied: Option<At>,
    pub(super) previous_commit: Option<String>,
    /// The work ended in a fault of the program, and begins anew soon.
    pub(super) fault: Option<String>,
    /// Why the head of the branch is not applied yet.
    pub(super) obstacle: Option<Obstacle>,
    /// The account that was found, which the calls are made as.
    pub(super) account: Option<String>,
    /// The head that those that have not seen it were told of.
    pub(super) urged: Option<CommitId>,
    /// What those that depend on this Sync were last told.
    pub(super) standing: Option<Standing>,
    pub(super) fetch_error: Option<SourceError>,
    pub(super) cluster_error: Option<ClusterError>,
    pub(super) invalid: Option<(String, Vec<Failure>)>,
    pub(super) failed: BTreeMap<ObjectId, ObjectFailure>,
    pub(super) waiting: BTreeMap<ObjectId, String>,
    /// Some of them wait for the health of others.
    pub(super) waits_for_others: bool,
    /// There without our label, and only to be created.
    pub(super) found: BTreeSet<ObjectId>,
    pub(super) undeleted: BTreeMap<ObjectId, ClusterError>,
    pub(super) unwatched: BTreeMap<GroupKind, ClusterError>,
    pub(super) held: Option<Held>,
    pub(super) withheld: Option<Withheld>,
    /// Objects that others changed and that are left so, and what is known of it.
    pub(super) reported: BTreeMap<ObjectId, Vec<FieldLoss>>,
    /// The commit that a turn is applying, and how many of its objects.
    pub(super) applying: Option<(String, usize)>,
    pub(super) late: bool,
    pub(super) drift: Vec<DriftSeen>,
    pub(super) fights: Fights,
    /// The finalizer was put on the Sync since the start.
    pub(super) finalizer: Option<Finalizer>,
    /// The Sync is being deleted.
    pub(super) leaving: Option<Leaving>,
    pub(super) doubts: Doubts,
    pub(super) audit: Audit,
    /// Objects that differ though their managed fields say nothing of it, by the hash of what is wanted.
    pub(super) hidden: BTreeMap<ObjectId, (Arc<str>, Vec<FieldLoss>)>,
    /// What admission makes of what is applied.
    pub(super) rewritten: BTreeMap<ObjectId, Rewritten>,
    /// What people added.
    pub(super) extras: BTreeMap<ObjectId, Vec<Extra>>,
    /// Objects of which each apply is stored anew, by the hash of what is wanted.
    pub(super) restless: BTreeMap<ObjectId, Arc<str>>,
    /// What other Syncs want of the objects of this one.
    pub(super) claims: BTreeSet<Claim>,
    /// Somebody waits to hear that the branch was looked at.
    pub(super) asked: bool,
    pub(super) turns: u64,
    /// The status as it stands on the Sync.
    pub(super) status: SyncStatus,
    pub(super) status_at: Option<tokio::time::Instant>,
    /// The last that was said about health: the commit, and whether it was good.
    pub(super) health_told: Option<(String, bool)>,
    /// The last failures that were told.
    pub(super) problems_told: Vec<String>,
    pub(super) unhealthy: BTreeMap<ObjectId, Health>,
}

impl Memory {
    /// What stands on the Sync.
    pub(super) fn of(object: &SyncObject) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let at = |at: &Option<CommitAt>| at.as_ref().map(|at| At { commit: at.commit.clone(), at: at.at.0 });
        let applied = at(&status.applied);
        let was_healthy = status.conditions.iter().any(|known| known.type_ == "Healthy" && known.status == "True");
        Self {
            record: Record::of(object),
            fetched: at(&status.fetched),
            health_told: applied.as_ref().filter(|_| was_healthy).map(|applied| (applied.commit.clone(), true)),
            applied,
            drift: status.drift.clone(),
            status,
            ..Self::default()
        }
    }

    /// The commit that the last turn held because it would prune every object.
    pub(super) fn held_whole(&self) -> Option<String> {
        self.held.as_ref().filter(|held| held.reason == HoldReason::EveryObject).and(self.commit.clone())
    }

    /// The commit to go on with while the branch cannot be read.
    pub(super) fn last_good(&self) -> Option<CommitId> {
        let enforced = self.manifests.as_ref().map(|manifests| manifests.commit);
        enforced.or_else(|| self.applied.as_ref()?.commit.parse().ok())
    }

    pub(super) fn total(&self) -> usize {
        self.manifests.as_ref().map_or(0, |manifests| manifests.wanted.len())
    }

    pub(super) fn wanted(&self) -> Arc<Vec<Rendered>> {
        self.manifests.as_ref().map(|manifests| manifests.wanted.clone()).unwrap_or_default()
    }

    /// The objects that are not in the cluster as wanted, as far as is known, or cannot be watched there.
    pub(super) fn unsettled(&self) -> BTreeSet<ObjectId> {
        self.failed.keys().chain(self.waiting.keys()).chain(&self.found).cloned().collect()
    }

    /// What the API server refused of this commit, and will refuse again.
    pub(super) fn refused(&self, commit: CommitId) -> BTreeMap<ObjectId, ObjectFailure> {
        let is_known = self.commit.as_deref() == Some(commit.to_string().as_str());
        let refused = self.failed.iter().filter(|(_, failure)| is_known && is_final(failure));
        refused.map(|(id, failure)| (id.clone(), failure.clone())).collect()
    }

    /// Whether kinds that come may change what a turn can do.
    pub(super) fn waits_for_kinds(&self) -> bool {
        let unserved = self.manifests.as_ref().is_some_and(|manifests| !manifests.unserved.is_empty());
        unserved || self.has_lost_kinds()
    }

    /// Whether one of these definitions may be of a kind that the Sync once had objects of and cannot see now.
    pub(super) fn misses_kinds_of(&self, definitions: &BTreeSet<String>) -> bool {
        let of_group = |name: &String, group: &str| name.split_once('.').is_some_and(|(_, of)| of == group);
        let mut missing = self.record.kinds().iter().filter(|kind| !self.kinds.contains_key(*kind));
        missing.any(|kind| definitions.iter().any(|name| of_group(name, &kind.group)))
    }

    /// Whether the server did not find a kind where it was before.
    pub(super) fn has_lost_kinds(&self) -> bool {
        let is_missing = |failure: &ObjectFailure| matches!(failure, ObjectFailure::Refused(error) if error.class == Class::NotFound);
        self.failed.values().any(is_missing)
    }

    /// Adds a change by another hand, the newest first.
    pub(super) fn saw_drift(&mut self, seen: DriftSeen) {
        self.drift.insert(0, seen);
        self.drift.truncate(DRIFTS_KEPT);
    }
}

/// A change by another hand, as it stands on the status.
pub(super) fn seen(id: &ObjectId, fields: &[FieldLoss], now: Timestamp, repaired: bool) -> DriftSeen {
    let field = |loss: &FieldLoss| FieldSeen {
        path: loss.path.clone(),
        manager: loss.manager.clone().unwrap_or_default(),
        at: loss.time.as_deref().and_then(|time| time.parse().ok()).map(Time),
        git: loss.git.clone(),
    };
    let shown = fields.iter().take(FIELDS_KEPT).map(field).collect();
    DriftSeen { object: id.short(), fields: shown, manager: manager(fields), at: Time(now), repaired }
}
