//! Kubernetes Events on the Sync, one per change of what there is to say.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use lockstep_cluster::{Events, Notice, Severity};
use lockstep_daemon::Shutdown;
use lockstep_plan::{FieldChange, FieldLoss};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::drift::manager;
use crate::ports::{Happening, SyncRef};
use crate::resource::SyncObject;

/// More notices than this that wait for a slow API server are dropped: events are for people, status is the record.
const MOST_WAITING: usize = 1000;
/// As long may an event take that is sent while the daemon stops.
const LAST_WORD: Duration = Duration::from_secs(2);
/// So many problems or objects are named in one note.
const MOST_NAMED: usize = 5;

/// Where notices are handed in.
#[derive(Clone)]
pub(crate) struct EventQueue {
    queue: mpsc::Sender<(SyncRef, Notice)>,
}

/// Sends what was handed in.
pub(crate) struct EventSender {
    queue: mpsc::Receiver<(SyncRef, Notice)>,
    events: Events,
}

/// A queue and who empties it.
#[must_use]
pub(crate) fn queue(events: Events) -> (EventQueue, EventSender) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    (EventQueue { queue: sender }, EventSender { queue: receiver, events })
}

impl EventQueue {
    /// Hands in what there is to say about a happening, if anything.
    pub(crate) fn tell(&self, sync: &SyncRef, happening: &Happening) {
        if let Some(notice) = notice(happening)
            && self.queue.try_send((sync.clone(), notice)).is_err()
        {
            tracing::debug!(sync = %sync.key, "an event is dropped: too many wait to be sent");
        }
    }
}

impl EventSender {
    /// Sends until nobody can hand anything in any more. Once the daemon stops, an API server that is away is waited for
    /// no longer.
    ///
    /// # Errors
    /// None: an event that cannot be sent is logged.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Infallible> {
        while let Some((sync, notice)) = self.queue.recv().await {
            let too_late = async {
                shutdown.requested().await;
                tokio::time::sleep(LAST_WORD).await;
            };
            tokio::select! {
                () = self.send(&sync, &notice) => {}
                () = too_late => return Ok(()),
            }
        }
        Ok(())
    }

    async fn send(&self, sync: &SyncRef, notice: &Notice) {
        if let Err(error) = self.events.publish(&reference(sync), notice).await {
            tracing::warn!(sync = %sync.key, reason = notice.reason, %error, "the event could not be sent");
        }
    }
}

fn reference(sync: &SyncRef) -> ObjectReference {
    ObjectReference {
        api_version: Some(SyncObject::api_version(&()).into_owned()),
        kind: Some(SyncObject::kind(&()).into_owned()),
        namespace: Some(sync.key.namespace.clone()),
        name: Some(sync.key.name.clone()),
        uid: Some(sync.uid.clone()),
        ..ObjectReference::default()
    }
}

/// What there is to say; `None` where status and metrics say it better.
fn notice(happening: &Happening) -> Option<Notice> {
    use Severity::{Normal, Warning};

    let (severity, reason, action, note) = match happening {
        Happening::TurnEnded { .. } => return None,
        Happening::Faulted => {
            let note = "The synchronizer failed at the work on this Sync, by a fault of its own, and begins it anew; its log says where";
            (Warning, "InternalError", "Begin", note.to_owned())
        }
        Happening::Applied { commit, created, changed } => {
            (Normal, "Applied", "Apply", format!("Applied {}: {created} created, {changed} changed", short(commit)))
        }
        Happening::Adopted { object } => (Normal, "Adopted", "Adopt", format!("{object} belongs to this Sync now")),
        Happening::Released { object } => {
            let note = format!("{object} left Git and is never to be deleted: it lives on, and belongs to no Sync");
            (Normal, "Released", "Prune", note)
        }
        Happening::KindLost { kind } => {
            let note = format!(
                "the definition of {kind} was deleted, and all its objects with it; Git wants none any more, and the record \
                 of this Sync has forgotten the kind"
            );
            (Warning, "KindLost", "Prune", note)
        }
        Happening::Replaced { object } => {
            let note = format!("{object} was deleted and made anew: a field of it cannot change");
            (Normal, "Replaced", "Apply", note)
        }
        Happening::Claimed { claims } => {
            let note = format!("{}, which belongs to this Sync; remove it there or here", named(claims));
            (Warning, "Claimed", "Apply", note)
        }
        Happening::Pruned { commit, objects } => {
            let note = format!("Deleted {} that left Git with {}: {}", count(objects), short(commit), named(objects));
            (Normal, "Pruned", "Prune", note)
        }
        Happening::Held { commit, message, .. } => {
            let note = format!(
                "{message}; nothing is deleted until the Sync is annotated with lockstep.dev/acknowledge={commit}"
            );
            (Warning, "PruneHeld", "Prune", note)
        }
        Happening::Drifted { object, fields, repaired } => {
            let manager = manager(fields);
            let what = if fields.is_empty() {
                "was deleted".to_owned()
            } else {
                format!("changed at {}", named(&with_git(fields)))
            };
            let who = if manager.is_empty() { String::new() } else { format!(" by {manager}") };
            match repaired {
                true => (Normal, "DriftRepaired", "Repair", format!("{object} {what}{who}, and changed back")),
                false => (Warning, "DriftSeen", "Repair", format!("{object} {what}{who}")),
            }
        }
        Happening::Fighting { object, fields, pause } => {
            let manager = manager(fields);
            let who = if manager.is_empty() { "somebody" } else { &manager };
            let note = format!(
                "{who} changes {object} at {} as often as it is changed back; the next repair waits {pause:?}. Let one of the two own the field",
                named(&with_git(fields))
            );
            (Warning, "Fighting", "Repair", note)
        }
        Happening::NotKept { object, fields } => {
            let note = format!(
                "the API server did not keep {} of {object}: a webhook or the schema removes it",
                named(fields)
            );
            (Warning, "NotKept", "Apply", note)
        }
        Happening::AdmissionRewrote { objects } => {
            let fields = objects.iter().flat_map(|(object, fields)| fields.iter().map(move |field| (object, field)));
            let note = format!(
                "admission rewrites what is applied: {}; it is left so. Change the webhook or policy, or write its value in Git",
                named(&fields.map(rewritten_in_words).collect::<Vec<_>>())
            );
            (Warning, "Rewritten", "Apply", note)
        }
        Happening::FetchFailed(error) => (Warning, "FetchFailed", "Fetch", error.message.clone()),
        Happening::Rewritten(from, to) => {
            let note = format!(
                "The branch was rewritten: {} is not in its history any more; {} is followed",
                short(from),
                short(to)
            );
            (Warning, "BranchRewritten", "Fetch", note)
        }
        Happening::Invalid { commit, problems } => {
            let note = format!("Nothing of {} was applied: {}", short(commit), named(problems));
            (Warning, "CommitInvalid", "Render", note)
        }
        Happening::ApplyFailed { commit, problems } => {
            (Warning, "ApplyFailed", "Apply", format!("{}: {}", short(commit), named(problems)))
        }
        Happening::Healthy { commit } => {
            (Normal, "Healthy", "Observe", format!("Everything of {} is healthy", short(commit)))
        }
        Happening::Unhealthy { commit, problems } => {
            (Warning, "Unhealthy", "Observe", format!("{}: {}", short(commit), named(problems)))
        }
        Happening::Orphaned { objects } => {
            let note = format!("The Sync was deleted; its {objects} objects stay in the cluster");
            (Warning, "Orphaned", "Delete", note)
        }
        Happening::Dismantled { objects, staying } if staying.is_empty() => {
            (Normal, "Dismantled", "Delete", format!("The Sync was deleted, and its {objects} objects with it"))
        }
        Happening::Dismantled { objects, staying } => {
            let note = format!("The Sync and {objects} objects were deleted; these stay: {}", named(staying));
            (Warning, "Dismantled", "Delete", note)
        }
        Happening::Abandoned { reason, left } => {
            let note = format!("The Sync is let go though objects of it stay, since {reason}: {}", named(left));
            (Warning, "DeletionAbandoned", "Delete", note)
        }
    };
    Some(Notice { severity, reason: reason.to_owned(), action: action.to_owned(), note })
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn count(objects: &[String]) -> String {
    if let [_] = objects { "1 object".to_owned() } else { format!("{} objects", objects.len()) }
}

/// Each field, and what Git says.
fn with_git(fields: &[FieldLoss]) -> Vec<String> {
    fields.iter().map(|loss| format!("{} (Git says {})", loss.path, loss.git)).collect()
}

/// One field, the stored value and Git's.
fn rewritten_in_words((object, field): (&String, &FieldChange)) -> String {
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    format!("{object} at {} is {} (Git says {})", field.path, value(&field.before), value(&field.after))
}

/// The first few, and how many more there are.
fn named(all: &[String]) -> String {
    let mut text = all.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if all.len() > MOST_NAMED {
        let _ = write!(text, "; and {} more", all.len() - MOST_NAMED);
    }
    text
}

#[cfg(test)]
mod tests;
