//! From what is known of a Sync to what callers see of it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use lockstep_api::v1;
use lockstep_api::v1::{Drift, Held, Objects, SyncState};
use prost_types::Timestamp as ProtoTimestamp;

use crate::board::SyncSnapshot;
use crate::resource::DriftSeen;

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
        }),
        held: status.held.as_ref().map(|held| Held { commit: held.commit.clone(), would_prune: held.would_prune }),
        conditions: status.conditions.iter().map(condition).collect(),
        drift: status.drift.iter().map(drift).collect(),
        suspended: snapshot.spec.suspend,
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
