//! Tags that a cluster proved broken: they stay where they are, and go to no further place.

use std::collections::BTreeMap;

use lockstep_registry::Repository;

use crate::survey::Place;

/// Image repositories and tags, each with the reason. It follows from what clusters report, which is nothing after a start
/// until they have reported, and from what Git says that was reverted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoppedTags {
    tags: BTreeMap<Repository, BTreeMap<String, String>>,
}

impl StoppedTags {
    /// Stops a tag.
    pub fn stop(&mut self, repository: Repository, tag: String, reason: String) {
        self.tags.entry(repository).or_default().insert(tag, reason);
    }

    /// These, and what a revert of ours took away from a place and nobody released there.
    pub(crate) fn with_reverted(&self, places: &[Place]) -> Self {
        let mut all = self.clone();
        for place in places {
            for (repository, tag) in place.history.reverted() {
                all.stop(repository.clone(), tag.clone(), format!("it was reverted at {}", place.id));
            }
        }
        all
    }

    /// What is stopped of one image repository: each tag with the reason.
    pub fn of<'a>(&'a self, repository: &Repository) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.tags.get(repository).into_iter().flatten().map(|(tag, reason)| (tag.as_str(), reason.as_str()))
    }
}
