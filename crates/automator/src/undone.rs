//! What each place held on the branch's first-parent history, and which tags were taken away from it.
//!
//! A tag that a place held and holds no more is undone there, unless a forward update of ours took it away. So a person's
//! revert sticks, and so does ours, without any database. The commits are walked once; a file's versions are parsed only
//! when the file has a place, and after that only what is new.

mod log;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use lockstep_image::Reference;
use lockstep_manifest::{ImagePlace, ObjectId};
use lockstep_registry::Repository;
use lockstep_repository::{BlobId, CommitId, Step};

use crate::asks::PlaceChange;
use crate::change_requests::Rejected;
use crate::message;
use crate::places::{self, PlaceId};
use crate::ports::{Branch, PortError};
use crate::publish::{ChangeKind, Moved};
use log::{Logged, Said};

/// As far back is looked. What was undone before that is forgotten.
const LIMIT: usize = 10_000;

/// The commits of a branch, as far as they matter. Losing it costs time only.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Oldest first.
    commits: Vec<Commit>,
    /// By path, in the order of the commits.
    versions: HashMap<String, Vec<Version>>,
    files: HashMap<String, FileHistory>,
    /// What people did not want, by closing its change request.
    rejected: Vec<Rejected>,
}

#[derive(Debug)]
struct Commit {
    id: CommitId,
    time: Timestamp,
    kind: Option<ChangeKind>,
    moved: Vec<Moved>,
    releases: Vec<(String, String)>,
    /// What it says that it is.
    word: Option<String>,
    /// The objects that it says that it changed in another way.
    objects: Vec<String>,
    author: String,
    requested_by: Option<String>,
    subject: String,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    /// Where the commit stands among the commits.
    commit: usize,
    before: Option<BlobId>,
    after: Option<BlobId>,
}

#[derive(Debug, Default)]
struct FileHistory {
    /// How many commits are accounted for.
    walked: usize,
    places: HashMap<(ObjectId, String), PlaceHistory>,
    log: Vec<Logged>,
    said: Said,
}

/// What is known of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PlaceHistory {
    /// The text that it holds.
    held: Option<String>,
    /// The commit that wrote that, if it is within reach.
    pub(crate) since: Option<(CommitId, Timestamp)>,
    /// Image repositories and what was taken away of them: each tag, and `TAG@DIGEST` where a digest stood behind it.
    undone: BTreeSet<(Repository, String)>,
    /// What of that was taken away by reverts of ours, because it did not run.
    reverted: BTreeSet<(Repository, String)>,
    /// Our own updates, oldest first.
    pub(crate) updates: Vec<Update>,
}

/// An update of ours that agrees with what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Update {
    pub(crate) commit: CommitId,
    pub(crate) time: Timestamp,
    pub(crate) from: String,
    pub(crate) to: String,
    /// What it replaced was written by the update of ours before it.
    pub(crate) continues: bool,
}

impl PlaceHistory {
    /// What was undone at the place, of what it called `repository`: tags, and `TAG@DIGEST`.
    pub(crate) fn undone(&self, repository: &Repository) -> Vec<String> {
        self.undone.iter().filter(|(of, _)| of == repository).map(|(_, tag)| tag.clone()).collect()
    }

    /// What reverts of ours took away, in the same words.
    pub(crate) fn reverted(&self) -> impl Iterator<Item = &(Repository, String)> {
        self.reverted.iter()
    }

    /// The updates of ours, one directly after the other, of which the last wrote what the place holds; oldest first.
    pub(crate) fn standing(&self) -> &[Update] {
        let written_by = self.since.map(|(commit, _)| commit);
        let stands = self
            .updates
            .last()
            .is_some_and(|last| Some(last.commit) == written_by && self.held.as_deref() == Some(last.to.as_str()));
        if !stands {
            return &[];
        }
        let begin = self.updates.iter().rposition(|update| !update.continues).unwrap_or_default();
        self.updates.get(begin..).unwrap_or_default()
    }
}

impl History {
    /// Takes in what is new up to `head`. A history that was rewritten is read anew.
    pub(crate) async fn advance(&mut self, branch: &dyn Branch, head: CommitId) -> Result<(), PortError> {
        let known = self.commits.last().map(|commit| commit.id);
        if known == Some(head) {
            return Ok(());
        }
        let steps = branch.steps(head, known, LIMIT).await?;
        let continues = steps.last().is_some_and(|oldest| oldest.commit.parent == known);
        if known.is_some() && !continues {
            *self = Self { rejected: std::mem::take(&mut self.rejected), ..Self::default() };
        }
        for step in steps.into_iter().rev() {
            self.push(step);
        }
        Ok(())
    }

    fn push(&mut self, step: Step) {
        let commit = self.commits.len();
        for change in step.changes.into_iter().filter(|change| places::is_manifest(&change.path)) {
            let version = Version { commit, before: change.before, after: change.after };
            self.versions.entry(change.path).or_default().push(version);
        }
        self.commits.push(Commit {
            id: step.commit.id,
            time: step.commit.time,
            kind: message::kind(&step.commit),
            moved: message::moved(&step.commit),
            releases: message::releases(&step.commit),
            word: message::word(&step.commit),
            objects: message::objects(&step.commit),
            author: step.commit.author.name.clone(),
            requested_by: message::requested_by(&step.commit),
            subject: step.commit.subject().to_owned(),
        });
    }

    /// Accounts for every version of a file.
    pub(crate) async fn follow(&mut self, branch: &dyn Branch, path: &str) -> Result<(), PortError> {
        let mut file = self.files.remove(path).unwrap_or_default();
        let walked = self.walk(branch, path, &mut file).await;
        if walked.is_ok() {
            self.files.insert(path.to_owned(), file);
        }
        walked
    }

    async fn walk(&self, branch: &dyn Branch, path: &str, file: &mut FileHistory) -> Result<(), PortError> {
        let versions = self.versions.get(path).map(Vec::as_slice).unwrap_or_default();
        let walked = file.walked;
        let old = versions.partition_point(|version| version.commit < walked);
        let mut new = versions.iter().skip(old).peekable();
        if walked == 0
            && let Some(Version { before: Some(before), .. }) = new.peek()
            && let Some(images) = version(branch, path, Some(*before)).await?
        {
            file.begin(&images);
        }
        for (number, commit) in self.commits.iter().enumerate().skip(walked) {
            if let Some(version_here) = new.next_if(|version| version.commit == number) {
                // A version that cannot be read says nothing; the next one is compared with what was known before.
                if let Some(images) = version(branch, path, version_here.after).await? {
                    file.take(path, &images, commit, number);
                }
            }
            file.release(path, commit);
        }
        file.walked = self.commits.len();
        Ok(())
    }

    /// What is known of a place whose file was followed.
    pub(crate) fn place(&self, id: &PlaceId) -> PlaceHistory {
        let file = self.files.get(&id.file);
        let place = file.and_then(|file| file.places.get(&(id.object.clone(), id.container.clone())));
        let mut place = place.cloned().unwrap_or_default();
        let name = id.to_string();
        for rejected in self.rejected.iter().filter(|rejected| rejected.place == name) {
            place
                .undone
                .extend(names(&rejected.reference).into_iter().filter(|(_, tag)| !self.released(rejected, tag)));
        }
        place
    }

    /// From now on this was rejected, and nothing else.
    pub(crate) fn reject(&mut self, rejected: Vec<Rejected>) {
        self.rejected = rejected;
    }

    /// Whether a commit released it after it was rejected.
    fn released(&self, rejected: &Rejected, tag: &str) -> bool {
        let later = self.commits.iter().filter(|commit| commit.time > rejected.at);
        let mut releases = later.flat_map(|commit| &commit.releases);
        releases.any(|(place, of)| *place == rejected.place && (of == tag || tag.split('@').next() == Some(of)))
    }

    /// Whether `commit` came after `after` and not after `until`, on the first-parent history. Without `after`: any time before.
    pub(crate) fn is_within(&self, commit: CommitId, after: Option<CommitId>, until: CommitId) -> bool {
        let position = |id: CommitId| self.commits.iter().rposition(|commit| commit.id == id);
        let (Some(commit), Some(until)) = (position(commit), position(until)) else { return false };
        let after = match after {
            Some(after) => match position(after) {
                Some(after) => Some(after),
                None => return false,
            },
            None => None,
        };
        commit <= until && after.is_none_or(|after| commit > after)
    }
}

/// The images of a version; `None` if it cannot be read.
async fn version(branch: &dyn Branch, path: &str, blob: Option<BlobId>) -> Result<Option<Vec<ImagePlace>>, PortError> {
    let Some(blob) = blob else { return Ok(Some(Vec::new())) };
    let bytes = branch.blob(blob).await?;
    Ok(places::parse(path, bytes).await.ok())
}

impl FileHistory {
    /// What stood in the file before the oldest commit that is known.
    fn begin(&mut self, images: &[ImagePlace]) {
        for image in images {
            let key = (places::owner(image), image.container.clone());
            self.places.insert(key, PlaceHistory { held: Some(image.text.clone()), ..PlaceHistory::default() });
        }
        self.said.take(images, 0);
    }

    fn take(&mut self, path: &str, images: &[ImagePlace], commit: &Commit, number: usize) {
        let mut texts: HashMap<(ObjectId, String), &str> = HashMap::new();
        for image in images {
            texts.insert((places::owner(image), image.container.clone()), &image.text);
        }
        self.said.take(images, number);
        for key in texts.keys() {
            self.places.entry(key.clone()).or_default();
        }
        for (key, place) in &mut self.places {
            let now = texts.get(key).copied();
            if place.held.as_deref() != now {
                let (object, container) = key.clone();
                let id = PlaceId { file: path.to_owned(), object, container };
                let name = id.to_string();
                let (from, to) = (place.held.clone(), now.map(str::to_owned));
                place.change(&name, now, commit);
                self.log.push(Logged { commit: number, place: id, change: PlaceChange { place: name, from, to } });
            }
        }
    }

    fn release(&mut self, path: &str, commit: &Commit) {
        for (place, tag) in &commit.releases {
            for ((object, container), history) in &mut self.places {
                let id =
                    PlaceId { file: path.to_owned(), object: object.clone(), container: container.clone() }.to_string();
                if *place == id {
                    let is_not = |undone: &String| undone != tag && undone.split('@').next() != Some(tag);
                    history.undone.retain(|(_, undone)| is_not(undone));
                    history.reverted.retain(|(_, undone)| is_not(undone));
                }
            }
        }
    }
}

impl PlaceHistory {
    fn change(&mut self, place: &str, now: Option<&str>, commit: &Commit) {
        let run = self.standing();
        let continues = !run.is_empty();
        // Who goes back over several of our updates at once takes back what each of them wrote.
        let back_to = run.iter().position(|update| now == Some(update.from.as_str()));
        let taken_back: Vec<_> =
            back_to.into_iter().flat_map(|first| &run[first..]).flat_map(|update| names(&update.to)).collect();
        let before = self.held.take();
        let is_ours = |kind: ChangeKind, before: &str, now: &str| {
            commit.kind == Some(kind)
                && commit.moved.iter().any(|moved| moved.place == place && moved.from == before && moved.to == now)
        };
        match (&before, now) {
            (Some(from), Some(to)) if is_ours(ChangeKind::Update, from, to) => self.updates.push(Update {
                commit: commit.id,
                time: commit.time,
                from: from.clone(),
                to: to.to_owned(),
                continues,
            }),
            (Some(before), _) => {
                let taken_back: Vec<_> = names(before).into_iter().chain(taken_back).collect();
                if now.is_some_and(|now| is_ours(ChangeKind::Revert, before, now)) {
                    self.reverted.extend(taken_back.iter().cloned());
                }
                self.undone.extend(taken_back);
            }
            (None, _) => {}
        }
        for held in now.into_iter().flat_map(names) {
            self.undone.remove(&held);
            self.reverted.remove(&held);
        }
        self.held = now.map(str::to_owned);
        self.since = now.map(|_| (commit.id, commit.time));
    }
}

/// What a reference is called among what is undone.
fn names(text: &str) -> Vec<(Repository, String)> {
    let Ok(reference) = text.parse::<Reference>() else { return Vec::new() };
    tag_names(&reference).into_iter().map(|name| (Repository::from(&reference), name)).collect()
}

/// The tag, and `TAG@DIGEST`.
pub(crate) fn tag_names(reference: &Reference) -> Vec<String> {
    let Some(tag) = reference.tag() else { return Vec::new() };
    let with_digest = reference.digest().map(|digest| format!("{tag}@{digest}"));
    [tag.to_owned()].into_iter().chain(with_digest).collect()
}

#[cfg(test)]
mod tests;
