//! Tags that a cluster proved broken: they stay where they are, and go to no further place.

use std::collections::BTreeMap;

use lockstep_registry::Repository;

/// Image repositories and tags, each with the reason. It follows from what clusters report, and is empty after a start until
/// they have reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoppedTags {
    tags: BTreeMap<(Repository, String), String>,
}

impl StoppedTags {
    /// Stops a tag.
    pub fn stop(&mut self, repository: Repository, tag: String, reason: String) {
        self.tags.insert((repository, tag), reason);
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
