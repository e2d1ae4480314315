//! From what a Sync's actor knows to what stands on the Sync: counts, failures, and four conditions that kstatus
//! understands. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use lockstep_manifest::ObjectId;
use lockstep_plan::{Extra, FieldLoss, GroupKind, Health, Held, Rendered, Status, Withheld};

use crate::{
    board::{At, SyncKey},
    dependencies::Obstacle,
    drift::{Rewritten, manager, paths},
    mailbox::Claim,
    ports::{ClusterError, ObjectFailure, SourceError},
    render::line,
    resource::{
        ClaimSeen, CommitAt, DriftSeen, ExtraSeen, Failure, Failures, FightSeen, HeldPrune, ObjectCounts, SyncStatus,
        WaitingObject,
    },
};

mod conditions;
mod verdict;

use conditions::conditions;
pub(crate) use verdict::is_final;

/// So many failures are shown in words.
const SHOWN: usize = 20;
/// So long may each be; the object must stay small however much goes wrong.
const LONGEST_MESSAGE: usize = 600;

/// What an actor knows of its Sync.
pub(crate) struct Picture<'a> {
    pub(crate) key: &'a SyncKey,
    pub(crate) now: Timestamp,
    pub(crate) generation: Option<i64>,
    pub(crate) suspended: bool,
    /// The last turn knew another spec.
    pub(crate) outdated: bool,
    /// The work on it ended in a fault of the program.
    pub(crate) fault: Option<&'a str>,
    /// The Sync is being deleted, and this is how far it got.
    pub(crate) leaving: Option<&'a str>,
    /// The head of the branch when it was last read.
    pub(crate) fetched: Option<&'a At>,
    /// The commit that was last applied without an error.
    pub(crate) applied: Option<&'a At>,
    /// The commit whose objects are in `wanted`.
    pub(crate) commit: Option<&'a str>,
    pub(crate) wanted: &'a [Rendered],
    /// The commit has nothing at the Sync's path.
    pub(crate) path_missing: Option<&'a str>,
    /// A turn is going on, and this is how many objects it applies.
    pub(crate) applying: Option<(&'a str, usize)>,
    /// Why the head of the branch is not applied yet.
    pub(crate) obstacle: Option<&'a Obstacle>,
    pub(crate) fetch_error: Option<&'a SourceError>,
    pub(crate) cluster_error: Option<&'a ClusterError>,
    /// It is the Sync's own specification that is wrong.
    pub(crate) spec_invalid: bool,
    /// A commit that cannot be used, and why.
    pub(crate) invalid: Option<(&'a str, &'a [Failure])>,
    pub(crate) failed: &'a BTreeMap<ObjectId, ObjectFailure>,
    pub(crate) waiting: &'a BTreeMap<ObjectId, String>,
    pub(crate) undeleted: &'a BTreeMap<ObjectId, ClusterError>,
    pub(crate) unwatched: &'a BTreeMap<GroupKind, ClusterError>,
    pub(crate) held: Option<&'a Held>,
    pub(crate) withheld: Option<&'a Withheld>,
    pub(crate) unhealthy: &'a BTreeMap<ObjectId, Health>,
    /// The time within which all had to be healthy is over.
    pub(crate) late: bool,
    /// Objects that differ now, by other hands.
    pub(crate) drifted: usize,
    /// What admission makes of what is applied.
    pub(crate) rewritten: &'a BTreeMap<ObjectId, Rewritten>,
    pub(crate) drift: &'a [DriftSeen],
    /// What people added.
    pub(crate) extras: &'a BTreeMap<ObjectId, Vec<Extra>>,
    /// What other Syncs want of it.
    pub(crate) claims: &'a BTreeSet<Claim>,
    /// What others keep taking back, and whose fields they are.
    pub(crate) fights: BTreeMap<ObjectId, Vec<FieldLoss>>,
}

/// The status, with the times of conditions that did not change taken from `previous`.
pub(crate) fn status(picture: &Picture<'_>, previous: &SyncStatus) -> SyncStatus {
    let failures = failures(picture);
    SyncStatus {
        observed_generation: picture.generation,
        fetched: picture.fetched.map(commit_at),
        applied: picture.applied.map(commit_at),
        objects: picture.commit.map(|_| counts(picture)).or(previous.objects),
        held: picture.held.zip(picture.commit).map(|(held, commit)| HeldPrune {
            commit: commit.to_owned(),
            would_prune: number(held.would_prune),
            reason: held.to_string(),
            category: held.reason.category().to_owned(),
            objects: held.objects.iter().take(SHOWN).map(|id| id.short()).collect(),
        }),
        conditions: conditions(picture, &failures, &previous.conditions),
        waiting: picture.waiting.iter().take(SHOWN).map(waiting).collect(),
        drift: picture.drift.to_vec(),
        fights: picture.fights.iter().take(SHOWN).map(fight).collect(),
        claims: picture.claims.iter().take(SHOWN).map(claim).collect(),
        extras: picture.extras.iter().flat_map(extras).take(SHOWN).collect(),
        failures: (!failures.is_empty()).then(|| Failures {
            total: number(failures.len()),
            first: failures.into_iter().take(SHOWN).map(shortened).collect(),
        }),
    }
}

fn commit_at(at: &At) -> CommitAt {
    CommitAt { commit: at.commit.clone(), at: Time(at.at) }
}

fn extras((id, extras): (&ObjectId, &Vec<Extra>)) -> Vec<ExtraSeen> {
    let seen = |extra: &Extra| ExtraSeen {
        object: id.short(),
        path: extra.path.clone(),
        manager: extra.manager.clone(),
        at: extra.time.as_deref().and_then(|time| time.parse().ok()).map(Time),
    };
    extras.iter().map(seen).collect()
}

fn fight((id, fields): (&ObjectId, &Vec<FieldLoss>)) -> FightSeen {
    let fields_shown = paths(fields).into_iter().take(SHOWN).map(str::to_owned).collect();
    FightSeen { object: id.short(), manager: manager(fields), fields: fields_shown }
}

fn claim(claim: &Claim) -> ClaimSeen {
    ClaimSeen { object: claim.object.short(), by: claim.by.to_string() }
}

fn waiting((id, why): (&ObjectId, &String)) -> WaitingObject {
    WaitingObject { object: id.short(), why: cut(why.clone()) }
}

fn counts(picture: &Picture<'_>) -> ObjectCounts {
    let total = picture.wanted.len();
    let troubled = |rendered: &&Rendered| {
        let id = &rendered.object.id;
        picture.failed.contains_key(id)
            || picture.waiting.contains_key(id)
            || picture.unhealthy.get(id).is_some_and(|health| health.status != Status::Suspended)
    };
    let troubled = picture.wanted.iter().filter(troubled).count();
    let sick =
        picture.unhealthy.iter().filter(|(id, health)| is_sick(picture, health) && !picture.failed.contains_key(id));
    ObjectCounts {
        total: number(total),
        healthy: number(total - troubled),
        drifted: number(picture.drifted + picture.rewritten.len()),
        failed: number(picture.failed.len() + sick.count()),
        waiting: number(picture.waiting.len()),
        extras: number(picture.extras.values().map(Vec::len).sum()),
    }
}

/// Whether an object will not become healthy by itself, or took too long.
pub(crate) fn is_sick(picture: &Picture<'_>, health: &Health) -> bool {
    match health.status {
        Status::Failed => true,
        Status::InProgress | Status::Unknown | Status::Terminating => picture.late,
        Status::Current | Status::Suspended => false,
    }
}

/// Everything that is wrong, the causes before their consequences.
fn failures(picture: &Picture<'_>) -> Vec<Failure> {
    let mut all: Vec<Failure> = picture.invalid.map(|(_, failures)| failures.to_vec()).unwrap_or_default();
    let places: BTreeMap<&ObjectId, &Rendered> = if picture.failed.is_empty() && picture.unhealthy.is_empty() {
        BTreeMap::new()
    } else {
        picture.wanted.iter().map(|rendered| (&rendered.object.id, rendered)).collect()
    };
    let of = |id: &ObjectId, message: String| {
        let place = places.get(id).map(|rendered| &rendered.object);
        Failure {
            object: id.short(),
            file: place.map(|object| object.file.to_string()).unwrap_or_default(),
            line: place.map(|object| line(object.line)).unwrap_or_default(),
            message,
        }
    };
    all.extend(picture.failed.iter().map(|(id, failure)| of(id, told(failure))));
    all.extend(picture.undeleted.iter().map(|(id, error)| of(id, error.to_string())));
    all.extend(picture.unwatched.iter().map(|(kind, error)| Failure {
        message: format!("objects of kind {kind} cannot be watched: {error}"),
        ..Failure::default()
    }));
    let sick =
        picture.unhealthy.iter().filter(|(id, health)| is_sick(picture, health) && !picture.failed.contains_key(id));
    all.extend(sick.map(|(id, health)| of(id, health_in_words(health))));
    all
}

/// Why an object is not as the commit wants it.
pub(crate) fn told(failure: &ObjectFailure) -> String {
    match failure {
        ObjectFailure::Refused(error) => error.to_string(),
        ObjectFailure::Blocked(why) => why.clone(),
    }
}

/// `ReasonWord: message`.
pub(crate) fn health_in_words(health: &Health) -> String {
    match (health.reason.as_str(), health.message.as_str()) {
        ("", "") => health.status.to_string(),
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn shortened(mut failure: Failure) -> Failure {
    failure.message = cut(failure.message);
    failure
}

pub(crate) fn cut(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        message.push('…');
    }
    message
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
