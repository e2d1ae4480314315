//! The audit trail: what each commit did to places.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lockstep_manifest::{ImagePlace, Names, ObjectId, PlaceComment};
use lockstep_repository::CommitId;

use super::{Commit, History};
use crate::asks::{HistoryEntry, HistoryPage, PlaceChange};
use crate::places::{self, PlaceId};

/// What stands for a commit that says nothing of itself, or says what is not so.
const EDIT: &str = "edit";

/// How annotations for us begin.
const OURS: &str = "lockstep.dev/";

/// A place that held something else after a commit.
#[derive(Debug)]
pub(super) struct Logged {
    /// Where the commit stands among the commits.
    pub(super) commit: usize,
    pub(super) place: PlaceId,
    pub(super) change: PlaceChange,
}

/// What annotations and comments for us said of each object, and when that changed.
#[derive(Debug, Default)]
pub(super) struct Said {
    now: HashMap<ObjectId, Words>,
    changed: Vec<(usize, ObjectId)>,
}

/// Our annotations, and what the comment of each image says.
type Words = BTreeSet<(String, String)>;

impl Said {
    /// Takes in a version of the file. An object that comes or goes is told by its images.
    pub(super) fn take(&mut self, images: &[ImagePlace], commit: usize) {
        let mut now: HashMap<ObjectId, Words> = HashMap::new();
        for image in images {
            let words = now.entry(places::owner(image)).or_default();
            let ours = image.annotations.iter().filter(|(key, _)| key.starts_with(OURS));
            words.extend(ours.map(|(key, value)| (key.clone(), value.clone())));
            if let Some(PlaceComment { policy, options, .. }) = &image.comment {
                words.insert((image.container.clone(), format!("{policy} {options:?}")));
            }
        }
        let changed = now.iter().filter(|(object, words)| self.now.get(object).is_some_and(|before| before != *words));
        self.changed.extend(changed.map(|(object, _)| (commit, object.clone())));
        self.now = now;
    }
}

impl History {
    /// The newest `limit` commits before `before` that changed a wanted place of a followed file, or what is said to us of a
    /// wanted object in one, or that say in a trailer that they changed that. None if `before` is not on the branch.
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
        for (path, file) in &self.files {
            for (commit, object) in &file.said.changed {
                let Names { kind, namespace, name, .. } = &**object;
                if *commit < end && of_object(&format!("{path}#{kind}/{namespace}/{name}")) {
                    by_commit.entry(*commit).or_default();
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
