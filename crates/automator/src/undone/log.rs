//! The audit trail: what each commit did to places.

use std::collections::BTreeMap;

use lockstep_repository::CommitId;

use super::{Commit, History};
use crate::asks::{HistoryEntry, HistoryPage, PlaceChange};
use crate::places::PlaceId;

/// What stands for a commit that says nothing of itself, or says what is not so.
const EDIT: &str = "edit";

/// A place that held something else after a commit.
#[derive(Debug)]
pub(super) struct Logged {
    /// Where the commit stands among the commits.
    pub(super) commit: usize,
    pub(super) place: PlaceId,
    pub(super) change: PlaceChange,
}

impl History {
    /// The newest `limit` commits before `before` that changed a wanted place of a followed file, or that say in a trailer
    /// that they changed a wanted object. None if `before` is not on the branch.
    pub(crate) fn log(
        &self,
        wanted: impl Fn(&str, &PlaceId, &PlaceChange) -> bool,
        of_object: impl Fn(&str) -> bool,
        before: Option<CommitId>,
        limit: usize,
    ) -> Option<HistoryPage> {
        let end = match before {
            Some(before) => self.commits.iter().rposition(|commit| commit.id == before)?,
            None => self.commits.len(),
        };
        let mut by_commit: BTreeMap<usize, Vec<PlaceChange>> = BTreeMap::new();
        for (path, file) in &self.files {
            for Logged { commit, place, change } in &file.log {
                if *commit < end && wanted(path, place, change) {
                    by_commit.entry(*commit).or_default().push(change.clone());
                }
            }
        }
        for (number, commit) in self.commits.iter().enumerate().take(end) {
            if commit.objects.iter().any(|object| of_object(object)) {
                by_commit.entry(number).or_default();
            }
        }
        let more = by_commit.len() > limit;
        let newest = by_commit.into_iter().rev().take(limit);
        let entries = newest.filter_map(|(number, mut changes)| {
            changes.sort_by(|left, right| left.place.cmp(&right.place));
            Some(entry(self.commits.get(number)?, changes))
        });
        Some(HistoryPage { entries: entries.collect(), more })
    }
}

fn entry(commit: &Commit, changes: Vec<PlaceChange>) -> HistoryEntry {
    let said = |change: &PlaceChange| {
        commit.moved.iter().any(|moved| {
            moved.place == change.place
                && Some(&moved.from) == change.from.as_ref()
                && Some(&moved.to) == change.to.as_ref()
        })
    };
    let kind = commit.word.as_deref().filter(|_| changes.iter().all(said));
    HistoryEntry {
        commit: commit.id,
        at: commit.time,
        author: commit.author.clone(),
        requested_by: commit.requested_by.clone(),
        kind: kind.unwrap_or(EDIT).to_owned(),
        subject: commit.subject.clone(),
        changes,
    }
}
