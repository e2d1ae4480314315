//! Kubernetes Events about an object: one per change of what there is to say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Resource, core::Request, core::params::PostParams};

use crate::{call::Call, client::Cluster, error::CallError};

/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;
/// Above this many remembered notices all are forgotten; some events are then sent twice.
const MOST_REMEMBERED: usize = 10_000;

/// Whether a notice needs attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Things go their way.
    Normal,
    /// Somebody should look.
    Warning,
}

/// What there is to say about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// One CamelCase word: `Applied`, `PruneHeld`.
    pub reason: String,
    /// What was being done: `Apply`.
    pub action: String,
    /// A sentence for people, without secrets.
    pub note: String,
}

/// Sends notices as Events, each only when its reason or note differs from the last one about the same object with the
/// same action. kube's own recorder is not used: it would keep the first note of a reason for ever.
#[derive(Clone, Debug)]
pub struct Events {
    cluster: Cluster,
    controller: String,
    instance: String,
    last: Arc<Mutex<HashMap<Subject, Said>>>,
}

/// The uid of an object, and an action.
type Subject = (String, String);
/// A reason and a note.
type Said = (String, String);

impl Events {
    /// `controller` names the program (`lockstep.dev/synchronizer`), `instance` the pod.
    pub fn new(cluster: Cluster, controller: &str, instance: &str) -> Self {
        Self { cluster, controller: controller.to_owned(), instance: instance.to_owned(), last: Arc::default() }
    }

    /// Sends the notice unless it was the last one of its action about this object. Says whether it was sent.
    pub async fn publish(&self, regarding: &ObjectReference, notice: &Notice) -> Result<bool, CallError> {
        let subject = (regarding.uid.clone().unwrap_or_default(), notice.action.clone());
        let said = (notice.reason.clone(), notice.note.clone());
        if self.last().get(&subject) == Some(&said) {
            return Ok(false);
        }
        self.send(regarding, notice).await?;
        let mut last = self.last();
        if last.len() >= MOST_REMEMBERED {
            last.clear();
        }
        last.insert(subject, said);
        Ok(true)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, HashMap<Subject, Said>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, regarding: &ObjectReference, notice: &Notice) -> Result<(), CallError> {
        let namespace = regarding.namespace.clone().filter(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        let kind = regarding.kind.as_deref().unwrap_or_default();
        let name = regarding.name.as_deref().unwrap_or_default();
        let event = Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", subdomain(name))),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            action: Some(notice.action.clone()),
            event_time: Some(MicroTime(jiff::Timestamp::now())),
            note: Some(shortened(&notice.note)),
            reason: Some(notice.reason.clone()),
            regarding: Some(regarding.clone()),
            reporting_controller: Some(self.controller.clone()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(match notice.severity {
                Severity::Normal => "Normal".to_owned(),
                Severity::Warning => "Warning".to_owned(),
            }),
            ..Event::default()
        };
        let target = format!("Event about {kind} {namespace}/{name}");
        let body =
            serde_json::to_vec(&event).map_err(|error| CallError::unsendable("create", &target, error.to_string()))?;
        let request = Request::new(Event::url_path(&(), Some(&namespace))).create(&PostParams::default(), body);
        self.cluster.call(&Call::new("create", target, request)?).await?;
        Ok(())
    }
}

/// Names of RBAC objects can hold what the name of an Event cannot.
fn subdomain(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let name: String = name.chars().take(200).map(|c| if allowed(c) { c } else { '-' }).collect();
    match name.trim_matches('-') {
        "" => "lockstep".to_owned(),
        name => name.to_owned(),
    }
}

fn shortened(note: &str) -> String {
    if note.len() <= LONGEST_NOTE {
        return note.to_owned();
    }
    let end = note.floor_char_boundary(LONGEST_NOTE - '…'.len_utf8());
    format!("{}…", &note[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_end_at_a_character() {
        let note = shortened(&"ü".repeat(600));
        assert!(note.len() <= LONGEST_NOTE && note.ends_with("ü…"));
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn event_names_are_subdomains() {
        for (name, wanted) in
            [("shop", "shop"), ("system:node", "system-node"), (":", "lockstep"), ("a.B", "a--"), ("-x-", "x")]
        {
            assert_eq!(subdomain(name), wanted.trim_matches('-'), "{name}");
        }
    }
}
