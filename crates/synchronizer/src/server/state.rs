//! From what is known of a Sync to what callers see of it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use lockstep_api::v1;
use lockstep_api::v1::{Claim, Drift, DriftField, Extra, Held, Objects, Problem, SyncState, Waiting};
use prost_types::Timestamp as ProtoTimestamp;

use crate::board::SyncSnapshot;
use crate::resource::{ClaimSeen, DriftSeen, ExtraSeen, Failure, FieldSeen, HeldPrune, WaitingObject};

/// A time as it is sent.
pub(crate) fn proto_time(time: Timestamp) -> ProtoTimestamp {
    lockstep_api::timestamp(time.as_second(), time.subsec_nanosecond())
}

/// A repository's URL without what could be a credential: for HTTP nothing belongs before the `@`.
pub(crate) fn shown_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        _ => url.to_owned(),
    }
}

/// The state of a Sync as callers see it.
pub(super) fn sync_state(snapshot: &SyncSnapshot) -> SyncState {
    let status = &snapshot.status;
    let source = &snapshot.spec.source;
    let commit = |at: &Option<crate::resource::CommitAt>| at.as_ref().map(|at| at.commit.clone()).unwrap_or_default();
    SyncState {
        namespace: snapshot.key.namespace.clone(),
        name: snapshot.key.name.clone(),
        repository: shown_url(&source.repository),
        branch: source.branch.clone(),
        path: source.path.clone(),
        fetched_commit: commit(&status.fetched),
        applied_commit: commit(&status.applied),
        applied_at: status.applied.as_ref().map(|applied| proto_time(applied.at.0)),
        objects: status.objects.map(|counts| Objects {
            total: counts.total,
            healthy: counts.healthy,
            drifted: counts.drifted,
            failed: counts.failed,
            extras: counts.extras,
            waiting: counts.waiting,
        }),
        held: status.held.as_ref().map(held),
        conditions: status.conditions.iter().map(condition).collect(),
        drift: status.drift.iter().map(drift).collect(),
        suspended: snapshot.spec.suspend,
        extras: status.extras.iter().map(extra).collect(),
        waiting: status.waiting.iter().map(waiting).collect(),
        failures: status.failures.iter().flat_map(|failures| &failures.first).map(problem).collect(),
        failures_total: status.failures.as_ref().map_or(0, |failures| failures.total),
        claims: status.claims.iter().map(claim).collect(),
    }
}

fn held(held: &HeldPrune) -> Held {
    Held {
        commit: held.commit.clone(),
        would_prune: held.would_prune,
        reason: held.reason.clone(),
        objects: held.objects.clone(),
    }
}

fn waiting(waiting: &WaitingObject) -> Waiting {
    Waiting { object: waiting.object.clone(), reason: waiting.why.clone() }
}

fn claim(claim: &ClaimSeen) -> Claim {
    Claim { object: claim.object.clone(), by: claim.by.clone() }
}

/// What is wrong with an object or a file.
pub(crate) fn problem(failure: &Failure) -> Problem {
    Problem {
        object: failure.object.clone(),
        file: failure.file.clone(),
        line: failure.line,
        message: failure.message.clone(),
    }
}

fn condition(condition: &Condition) -> v1::Condition {
    v1::Condition {
        r#type: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        last_transition_at: Some(proto_time(condition.last_transition_time.0)),
    }
}

fn drift(drift: &DriftSeen) -> Drift {
    Drift {
        object: drift.object.clone(),
        fields: drift.fields.iter().map(|field| field.path.clone()).collect(),
        manager: drift.manager.clone(),
        at: Some(proto_time(drift.at.0)),
        repaired: drift.repaired,
        changes: drift.fields.iter().map(field).collect(),
    }
}

fn field(field: &FieldSeen) -> DriftField {
    DriftField {
        path: field.path.clone(),
        manager: field.manager.clone(),
        at: field.at.as_ref().map(|at| proto_time(at.0)),
        git: field.git.clone(),
    }
}

fn extra(extra: &ExtraSeen) -> Extra {
    Extra {
        object: extra.object.clone(),
        path: extra.path.clone(),
        manager: extra.manager.clone(),
        at: extra.at.as_ref().map(|at| proto_time(at.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::shown_url;

    #[test]
    fn a_credential_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("https://git.example/a/b.git", "https://git.example/a/b.git"),
            ("https://canary@git.example/a@b.git", "https://git.example/a@b.git"),
            ("https://me:canary@git.example", "https://git.example"),
            ("ssh://git@git.example/a.git", "ssh://git@git.example/a.git"),
            ("git@git.example:a.git", "git@git.example:a.git"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }
}
