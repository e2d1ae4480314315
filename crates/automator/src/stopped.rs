//! Tags that a cluster proved broken: they stay where they are, and go to no further place.

use std::collections::BTreeMap;

use lockstep_registry::Repository;

use crate::survey::Place;

/// Image repositories and tags, each with the reason. It follows from what clusters report, which is nothing after a start
/// until they have reported, and from what Git says that was reverted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoppedTags {
    tags: BTreeMap<(Repository, String), String>,
}

impl StoppedTags {
    /// Stops a tag.
    pub fn stop(&mut self, repository: Repository, tag: String, reason: String) {
        self.tags.insert((repository, tag), reason);
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

    /// Whether the tag may go to no further place.
    pub fn contains(&self, repository: &Repository, tag: &str) -> bool {
        self.tags.contains_key(&(repository.clone(), tag.to_owned()))
    }

    /// What is stopped of one image repository.
    pub fn of<'a>(&'a self, repository: &'a Repository) -> impl Iterator<Item = &'a str> {
        self.tags.keys().filter(move |(of, _)| of == repository).map(|(_, tag)| tag.as_str())
    }

    /// Every image repository and tag, with the reason.
    pub fn iter(&self) -> impl Iterator<Item = (&Repository, &str, &str)> {
        self.tags.iter().map(|((repository, tag), reason)| (repository, tag.as_str(), reason.as_str()))
    }
}
