//! What an event tells when the managed fields tell nothing: that another hand wrote an object at all.
//!
//! A client that writes our own entry back, applies under our name, changes the order of a list, or runs into a webhook
//! that rewrites a field, leaves our entry as it was. But the object's generation changes, or its resource version where
//! a kind has neither generation nor status.

use std::collections::HashMap;

use lockstep_manifest::ObjectId;
use lockstep_plan::LiveMetadata;

/// When and what was last written, as far as metadata shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    generation: Option<i64>,
    /// When our own entry was last written, in seconds.
    written: Option<i64>,
}

impl Stamp {
    pub(crate) fn of(live: &LiveMetadata) -> Self {
        let time = live.own_entry().and_then(|own| own.time.as_deref()?.parse::<jiff::Timestamp>().ok());
        Self { generation: live.generation, written: time.map(jiff::Timestamp::as_second) }
    }

    /// Whether the answer of a dry run shows that an apply would write something. Times in entries are set by the server
    /// when, and only when, an apply changes the object.
    pub(crate) fn would_change(self, shown: &LiveMetadata) -> bool {
        let shown = Self::of(shown);
        shown.written != self.written || shown.generation != self.generation
    }
}

/// The last stamp of each object with our label.
#[derive(Default)]
pub(crate) struct Traces {
    stamps: HashMap<ObjectId, Stamp>,
}

/// Kinds without a generation and without a status: each write is one of content.
const CONTENT_ONLY: [(&str, &str); 9] = [
    ("", "ConfigMap"),
    ("", "LimitRange"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("storage.k8s.io", "StorageClass"),
];

impl Traces {
    /// Takes in a newer state of an object; says whether another hand may have changed it without a trace in our entry.
    pub(crate) fn seen(&mut self, live: &LiveMetadata) -> bool {
        let stamp = Stamp::of(live);
        let Some(known) = self.stamps.insert(live.id.clone(), stamp) else { return false };
        let kind = (live.id.group.as_str(), live.id.kind.as_str());
        match stamp.generation {
            Some(_) => stamp.generation != known.generation,
            None => CONTENT_ONLY.contains(&kind),
        }
    }

    /// Takes in the answer to our own write.
    pub(crate) fn wrote(&mut self, live: &LiveMetadata) {
        self.stamps.insert(live.id.clone(), Stamp::of(live));
    }

    pub(crate) fn gone(&mut self, id: &ObjectId) {
        self.stamps.remove(id);
    }

    pub(crate) fn get(&self, id: &ObjectId) -> Option<Stamp> {
        self.stamps.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(id: &str, generation: Option<i64>, time: &str) -> LiveMetadata {
        let entries = json!([{"manager": "lockstep", "operation": "Apply", "time": time, "fieldsV1": {"f:a": {}}}]);
        let object = json!({"metadata": {"generation": generation, "managedFields": entries}});
        LiveMetadata::from_object(id.parse().unwrap(), &object)
    }

    const THEN: &str = "2026-01-01T00:00:00Z";
    const NOW: &str = "2026-01-01T00:00:05Z";

    #[test]
    fn a_write_that_leaves_our_entry_alone_is_told_by_generation_or_at_all() {
        let table = [
            ("apps/Deployment/a/x", Some(1), Some(1), false),
            ("apps/Deployment/a/x", Some(1), Some(2), true),
            ("/ConfigMap/a/x", None, None, true),
            ("/Service/a/x", None, None, false),
        ];
        for (id, before, after, expected) in table {
            let mut traces = Traces::default();
            assert!(!traces.seen(&live(id, before, THEN)), "{id}: the first sight tells nothing");
            assert_eq!(traces.seen(&live(id, after, THEN)), expected, "{id}");
            traces.gone(&id.parse().unwrap());
            assert_eq!(traces.get(&id.parse().unwrap()), None);
        }
        let mut traces = Traces::default();
        traces.wrote(&live("apps/Deployment/a/x", Some(3), THEN));
        assert!(!traces.seen(&live("apps/Deployment/a/x", Some(3), THEN)), "our own write, and then its status");
    }

    #[test]
    fn a_dry_run_that_would_write_has_another_time_or_generation() {
        let stamp = Stamp::of(&live("/ConfigMap/a/x", Some(1), THEN));
        assert!(!stamp.would_change(&live("/ConfigMap/a/x", Some(1), THEN)));
        assert!(stamp.would_change(&live("/ConfigMap/a/x", Some(1), NOW)));
        assert!(stamp.would_change(&live("/ConfigMap/a/x", Some(2), THEN)));
    }
}
