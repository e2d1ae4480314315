//! When this process first saw each tag: the one time that no publisher can forge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::documents::DOCUMENTS;
use crate::endpoint::Repository;
use crate::store::{SeenError, Store};
use crate::tag_names::TagNames;

/// Repository → when its first complete scan was recorded.
const REPOSITORIES: TableDefinition<&str, i64> = TableDefinition::new("repositories");
/// Repository and tag → first seen ([`BEFORE`]: it was there already), gone since ([`PRESENT`]: it is there), digest or nothing.
const TAGS: TableDefinition<(&str, &str), (i64, i64, &str)> = TableDefinition::new("tags");

const BEFORE: i64 = i64::MIN;
const PRESENT: i64 = i64::MIN;
/// A tag that comes back within this time was never really gone: some registries forget tags for a moment.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What is remembered of the tags of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// When the first complete scan of the repository was recorded.
    pub first_scan: Option<Timestamp>,
    /// The first sights of those tags that were not there at the first scan.
    pub first_seen: BTreeMap<String, Timestamp>,
}

/// A tag that was pushed again: what it names is not what it named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTag {
    /// The tag.
    pub tag: String,
    /// The digest that it had when it was looked up before.
    pub from: String,
    /// The digest that it has now.
    pub to: String,
}

/// The record, in one file. All calls block for about a millisecond when something changed, else less.
///
/// Losing the file costs time only: every tag counts as "before" again.
#[derive(Clone)]
pub struct SeenTags {
    pub(crate) store: Arc<Store>,
    /// Moves that nobody took yet.
    moved: Arc<Mutex<BTreeMap<Repository, Vec<MovedTag>>>>,
    moves: Arc<AtomicU64>,
}

impl SeenTags {
    /// Opens the record at `path`, or begins one; the folder must exist.
    ///
    /// A file that is broken, or not such a record at all, is renamed to `PATH.broken` with a warning, and a new one begun.
    ///
    /// # Errors
    /// If another process uses it, or it can neither be opened nor begun.
    pub fn open(path: &Path) -> Result<Self, SeenError> {
        Ok(Self { store: Arc::new(Store::open(path, tables)?), moved: Arc::default(), moves: Arc::default() })
    }

    /// Records a complete listing of `repository` at `now`, and tells when its `tags` were first seen.
    ///
    /// One durable commit if anything changed, none otherwise. A tag that was gone for more than a day is new when it returns.
    ///
    /// # Errors
    /// If the database fails; nothing was recorded then.
    pub fn record(&self, repository: &Repository, tags: &TagNames, now: Timestamp) -> Result<Recorded, SeenError> {
        self.store.with("write", |database| record(database, &repository.to_string(), tags, now.as_millisecond()))
    }

    /// How many tags the last recorded listing of `repository` had.
    ///
    /// # Errors
    /// If the database fails.
    pub fn count(&self, repository: &Repository) -> Result<usize, SeenError> {
        let name = repository.to_string();
        let present = |(_, rows): (_, BTreeMap<_, Row>)| rows.values().filter(|row| row.gone_since == PRESENT).count();
        self.store.with("read", |database| rows(database, &name).map(present))
    }

    /// Notes the digest that `tag` has at `now`. If it had another one before, it was pushed again: it is first seen now, and
    /// told once by [`SeenTags::take_moved`]. True if so.
    ///
    /// # Errors
    /// If the database fails; nothing was recorded then.
    pub fn note_digest(
        &self,
        repository: &Repository,
        tag: &str,
        digest: &str,
        now: Timestamp,
    ) -> Result<bool, SeenError> {
        let name = repository.to_string();
        let note = |database: &Database| note_digest(database, &name, tag, digest, now.as_millisecond());
        let from = self.store.with("write", note)?;
        let has_moved = from.is_some();
        if let Some(from) = from {
            tracing::warn!(image = %repository, tag, from, to = digest, "a tag was pushed again with other content");
            let moved = MovedTag { tag: tag.to_owned(), from, to: digest.to_owned() };
            self.moved
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(repository.clone())
                .or_default()
                .push(moved);
            // After what it announces.
            self.moves.fetch_add(1, Ordering::Release);
        }
        Ok(has_moved)
    }

    /// How many moves were noted, of all repositories. As long as it stays the same, recording the same tags says the same.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// When `tag` was first seen, or was pushed again; none where it was there at the first scan, or is not recorded.
    ///
    /// # Errors
    /// If the database fails.
    pub fn first_seen(&self, repository: &Repository, tag: &str) -> Result<Option<Timestamp>, SeenError> {
        let name = repository.to_string();
        self.store.with("read", |database| {
            let row = database.begin_read()?.open_table(TAGS)?.get((name.as_str(), tag))?;
            Ok(row.and_then(|row| time(row.value().0)))
        })
    }

    /// The moves of `repository` that were noted since the last call.
    #[must_use]
    pub fn take_moved(&self, repository: &Repository) -> Vec<MovedTag> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).remove(repository).unwrap_or_default()
    }
}

/// All tables of the file; those of [`crate::documents`] too, so that one file holds all that may be lost.
fn tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(REPOSITORIES)?;
    transaction.open_table(TAGS)?;
    transaction.open_table(DOCUMENTS)?;
    transaction.commit()?;
    Ok(())
}

/// A row as it is stored.
#[derive(Clone, PartialEq, Eq)]
struct Row {
    first_seen: i64,
    gone_since: i64,
    digest: String,
}

fn time(millisecond: i64) -> Option<Timestamp> {
    if millisecond == BEFORE { None } else { Timestamp::from_millisecond(millisecond).ok() }
}

/// When the repository was first scanned, and its rows.
fn rows(database: &Database, repository: &str) -> Result<(Option<i64>, BTreeMap<String, Row>), redb::Error> {
    let transaction = database.begin_read()?;
    let first_scan = transaction.open_table(REPOSITORIES)?.get(repository)?.map(|time| time.value());
    let mut rows = BTreeMap::new();
    for row in transaction.open_table(TAGS)?.range((repository, "")..)? {
        let (key, value) = row?;
        let ((of, tag), (first_seen, gone_since, digest)) = (key.value(), value.value());
        if of != repository {
            break;
        }
        rows.insert(tag.to_owned(), Row { first_seen, gone_since, digest: digest.to_owned() });
    }
    Ok((first_scan, rows))
}

/// What is recorded, if that is all of these tags and no others: then nothing is written. Most scans end here, so nothing is
/// copied.
fn unchanged(database: &Database, repository: &str, present: &BTreeSet<&str>) -> Result<Option<Recorded>, redb::Error> {
    let transaction = database.begin_read()?;
    let first_scan = transaction.open_table(REPOSITORIES)?.get(repository)?.map(|time| time.value());
    let Some(first_scan) = first_scan else { return Ok(None) };
    let mut recorded = Recorded { first_scan: time(first_scan), first_seen: BTreeMap::new() };
    let mut expected = present.iter();
    for row in transaction.open_table(TAGS)?.range((repository, "")..)? {
        let (key, value) = row?;
        let ((of, tag), (first_seen, gone_since, _)) = (key.value(), value.value());
        if of != repository {
            break;
        }
        if gone_since != PRESENT || expected.next() != Some(&tag) {
            return Ok(None);
        }
        recorded.first_seen.extend(time(first_seen).map(|time| (tag.to_owned(), time)));
    }
    Ok(expected.next().is_none().then_some(recorded))
}

/// The rows after a scan: what is new, what is gone, what is back.
fn after_scan(
    known: bool,
    before: &BTreeMap<String, Row>,
    present: &BTreeSet<&str>,
    now: i64,
) -> BTreeMap<String, Row> {
    let forgotten = i64::try_from(FORGOTTEN_AFTER.as_millis()).unwrap_or(i64::MAX);
    let is_forgotten = |row: &Row| row.gone_since != PRESENT && now.saturating_sub(row.gone_since) > forgotten;
    let mut after: BTreeMap<String, Row> = BTreeMap::new();
    for (tag, row) in before.iter().filter(|(_, row)| !is_forgotten(row)) {
        let gone_since = match (present.contains(tag.as_str()), row.gone_since) {
            (true, _) => PRESENT,
            (false, PRESENT) => now,
            (false, since) => since,
        };
        after.insert(tag.clone(), Row { gone_since, ..row.clone() });
    }
    for tag in present {
        let first_seen = if known { now } else { BEFORE };
        after.entry((*tag).to_owned()).or_insert_with(|| Row {
            first_seen,
            gone_since: PRESENT,
            digest: String::new(),
        });
    }
    after
}

fn record(database: &Database, repository: &str, tags: &TagNames, now: i64) -> Result<Recorded, redb::Error> {
    let present: BTreeSet<&str> = tags.iter().collect();
    if let Some(recorded) = unchanged(database, repository, &present)? {
        return Ok(recorded);
    }
    let (first_scan, before) = rows(database, repository)?;
    let after = after_scan(first_scan.is_some(), &before, &present, now);
    if first_scan.is_none() || after != before {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TAGS)?;
            for tag in before.keys().filter(|tag| !after.contains_key(*tag)) {
                table.remove((repository, tag.as_str()))?;
            }
            for (tag, row) in after.iter().filter(|(tag, row)| before.get(*tag) != Some(*row)) {
                table.insert((repository, tag.as_str()), (row.first_seen, row.gone_since, row.digest.as_str()))?;
            }
            if first_scan.is_none() {
                transaction.open_table(REPOSITORIES)?.insert(repository, now)?;
            }
        }
        transaction.commit()?;
    }
    let present = after.into_iter().filter(|(_, row)| row.gone_since == PRESENT);
    let first_seen = present.filter_map(|(tag, row)| Some((tag, time(row.first_seen)?))).collect();
    Ok(Recorded { first_scan: time(first_scan.unwrap_or(now)), first_seen })
}

/// The digest that it had before, if that was another one.
fn note_digest(
    database: &Database,
    repository: &str,
    tag: &str,
    digest: &str,
    now: i64,
) -> Result<Option<String>, redb::Error> {
    let known = {
        let transaction = database.begin_read()?;
        let row = transaction.open_table(TAGS)?.get((repository, tag))?;
        row.map(|row| {
            let (first_seen, gone_since, digest) = row.value();
            Row { first_seen, gone_since, digest: digest.to_owned() }
        })
    };
    let Some(row) = known.filter(|row| row.digest != digest) else { return Ok(None) };
    let moved = !row.digest.is_empty();
    let first_seen = if moved { now } else { row.first_seen };
    let transaction = database.begin_write()?;
    transaction.open_table(TAGS)?.insert((repository, tag), (first_seen, row.gone_since, digest))?;
    transaction.commit()?;
    Ok(moved.then_some(row.digest))
}

#[cfg(test)]
mod tests;
