//! What one watch has told so far.

use std::collections::{HashMap, HashSet};

use lockstep_manifest::ObjectId;
use serde_json::Value;

/// What a watch tells of a kind or of a workload's pods, by the identity of the object.
#[derive(Debug)]
pub(in crate::observe) enum Told {
    /// A list begins.
    Restarted,
    /// An object exists.
    Applied(ObjectId, Value),
    /// The list is complete.
    ListComplete,
    /// An object is gone.
    Deleted(ObjectId),
    /// The watch does not work at present.
    Failed(String),
}

/// What is known from one watch.
pub(super) struct Known<T> {
    pub(super) complete: bool,
    pub(super) failure: Option<String>,
    pub(super) objects: HashMap<ObjectId, T>,
    listed: Option<HashSet<ObjectId>>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { complete: false, failure: None, objects: HashMap::new(), listed: None }
    }
}

impl<T> Known<T> {
    /// Takes in what the watch told and answers whose state changed by it.
    pub(super) fn tell(&mut self, told: Told, look: impl Fn(&ObjectId, Value) -> T) -> Vec<ObjectId> {
        match told {
            Told::Restarted => self.listed = Some(HashSet::new()),
            Told::Applied(id, object) => {
                if let Some(listed) = &mut self.listed {
                    listed.insert(id.clone());
                }
                let seen = look(&id, object);
                self.objects.insert(id.clone(), seen);
                return vec![id];
            }
            Told::ListComplete => {
                let listed = self.listed.take().unwrap_or_default();
                let gone: Vec<ObjectId> = self.objects.keys().filter(|id| !listed.contains(*id)).cloned().collect();
                self.objects.retain(|id, _| listed.contains(id));
                (self.complete, self.failure) = (true, None);
                return gone;
            }
            Told::Deleted(id) => {
                self.objects.remove(&id);
                return vec![id];
            }
            Told::Failed(message) => self.failure = Some(message),
        }
        Vec::new()
    }
}
