//! When this process first saw each tag: the one time that no publisher can forge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::endpoint::Repository;

/// Repository → when its first complete scan was recorded.
const REPOSITORIES: TableDefinition<&str, i64> = TableDefinition::new("repositories");
/// Repository and tag → first seen ([`BEFORE`]: it was there already), gone since ([`PRESENT`]: it is there), digest or nothing.
const TAGS: TableDefinition<(&str, &str), (i64, i64, &str)> = TableDefinition::new("tags");

const BEFORE: i64 = i64::MIN;
const PRESENT: i64 = i64::MIN;
/// A tag that comes back within this time was never really gone: some registries forget tags for a moment.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);
const CACHE_BYTES: usize = 8 << 20;

/// What is remembered of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenTag {
    /// The first sight; `None` for a tag that was there at the first complete scan of its repository ("before").
    pub first_seen: Option<Timestamp>,
    /// The digest that the tag had when it was last looked up, if ever.
    pub digest: Option<String>,
}

/// The record of first sights cannot be used. A broken file is no error: it is set aside and a new one begun.
#[derive(Debug, thiserror::Error)]
pub enum SeenError {
    /// Another process has it open.
    #[error("the record of seen tags {} is in use by another process; stop it, or give this one its own state folder", .0.display())]
    InUse(PathBuf),
    /// The file system or the database refuses.
    #[error("cannot {doing} the record of seen tags {}: {problem}; check the folder, its rights and the free space", path.display())]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the database said.
        problem: String,
    },
}

impl SeenError {
    /// A word for metric labels and event reasons; the set is closed.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::InUse(_) => "in-use",
            Self::Database { .. } => "database",
        }
    }
}

/// The record, in one file. All calls block for about a millisecond when something changed, else less.
///
/// Losing the file costs time only: every tag counts as "before" again.
pub struct SeenTags {
    path: PathBuf,
    database: Mutex<Option<Database>>,
}

impl SeenTags {
    /// Opens the record at `path`, or begins one; the folder must exist.
    ///
    /// A file that is broken, or not such a record at all, is renamed to `PATH.broken` with a warning, and a new one begun.
    ///
    /// # Errors
    /// If another process uses it, or it can neither be opened nor begun.
    pub fn open(path: &Path) -> Result<Self, SeenError> {
        let record = Self { path: path.to_owned(), database: Mutex::new(None) };
        record.with("open", |_| Ok(()))?;
        Ok(record)
    }

    /// Records a complete listing of `repository` at `now`, and tells when each of its `tags` was first seen.
    ///
    /// One durable commit if anything changed, none otherwise. A tag that was gone for more than a day is new when it returns.
    ///
    /// # Errors
    /// If the database fails; nothing was recorded then.
    pub fn record(
        &self,
        repository: &Repository,
        tags: &[String],
        now: Timestamp,
    ) -> Result<BTreeMap<String, SeenTag>, SeenError> {
        self.with("write", |database| record(database, &repository.to_string(), tags, now.as_millisecond()))
    }

    /// When the first complete scan of `repository` was recorded; what is first seen "before" was there then.
    ///
    /// # Errors
    /// If the database fails.
    pub fn first_scan(&self, repository: &Repository) -> Result<Option<Timestamp>, SeenError> {
        self.with("read", |database| {
            let scanned = database.begin_read()?.open_table(REPOSITORIES)?.get(repository.to_string().as_str())?;
            Ok(scanned.and_then(|time| Timestamp::from_millisecond(time.value()).ok()))
        })
    }

    /// Notes the digest that `tag` has at `now`. True if it had another one before: then it was pushed again, and is first seen now.
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
        self.with("write", |database| note_digest(database, &repository.to_string(), tag, digest, now.as_millisecond()))
    }

    /// Runs `work`; on a broken file once more on a new one.
    fn with<T>(&self, doing: &'static str, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, SeenError> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let mut set_aside = false;
        loop {
            let opened = match slot.take() {
                Some(database) => Ok(database),
                None => open(&self.path),
            };
            let error = match opened.and_then(|database| work(slot.insert(database))) {
                Ok(done) => return Ok(done),
                Err(redb::Error::DatabaseAlreadyOpen) => return Err(SeenError::InUse(self.path.clone())),
                Err(error) => error,
            };
            // Closed on every failure, so that the next call opens it afresh.
            *slot = None;
            let failed = |problem| SeenError::Database { doing, path: self.path.clone(), problem };
            if !is_broken(&error) || set_aside {
                return Err(failed(error.to_string()));
            }
            let mut broken = self.path.clone().into_os_string();
            broken.push(".broken");
            std::fs::rename(&self.path, &broken)
                .map_err(|error| failed(format!("it is broken and cannot be set aside: {error}")))?;
            tracing::warn!(%error, path = %self.path.display(), kept = %Path::new(&broken).display(), "the record of seen tags is broken; a new one is begun");
            set_aside = true;
        }
    }
}

fn open(path: &Path) -> Result<Database, redb::Error> {
    let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
    let transaction = database.begin_write()?;
    transaction.open_table(REPOSITORIES)?;
    transaction.open_table(TAGS)?;
    transaction.commit()?;
    Ok(database)
}

/// Whether the file, not the machine, is at fault.
fn is_broken(error: &redb::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => true,
        redb::Error::Io(error) => matches!(error.kind(), InvalidData | UnexpectedEof),
        _ => false,
    }
}

/// A row as it is stored.
#[derive(Clone, PartialEq, Eq)]
struct Row {
    first_seen: i64,
    gone_since: i64,
    digest: String,
}

impl Row {
    fn shown(&self) -> SeenTag {
        let time = |millisecond| Timestamp::from_millisecond(millisecond).ok();
        SeenTag {
            first_seen: (self.first_seen != BEFORE).then_some(self.first_seen).and_then(time),
            digest: (!self.digest.is_empty()).then(|| self.digest.clone()),
        }
    }
}

fn rows(database: &Database, repository: &str) -> Result<(bool, BTreeMap<String, Row>), redb::Error> {
    let transaction = database.begin_read()?;
    let known = transaction.open_table(REPOSITORIES)?.get(repository)?.is_some();
    let mut rows = BTreeMap::new();
    for row in transaction.open_table(TAGS)?.range((repository, "")..)? {
        let (key, value) = row?;
        let ((of, tag), (first_seen, gone_since, digest)) = (key.value(), value.value());
        if of != repository {
            break;
        }
        rows.insert(tag.to_owned(), Row { first_seen, gone_since, digest: digest.to_owned() });
    }
    Ok((known, rows))
}

/// The rows after a scan: what is new, what is gone, what is back.
fn after_scan(known: bool, before: &BTreeMap<String, Row>, tags: &[String], now: i64) -> BTreeMap<String, Row> {
    let present: BTreeSet<&str> = tags.iter().map(String::as_str).collect();
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
        after.entry(tag.to_owned()).or_insert_with(|| Row { first_seen, gone_since: PRESENT, digest: String::new() });
    }
    after
}

fn record(
    database: &Database,
    repository: &str,
    tags: &[String],
    now: i64,
) -> Result<BTreeMap<String, SeenTag>, redb::Error> {
    let (known, before) = rows(database, repository)?;
    let after = after_scan(known, &before, tags, now);
    if !known || after != before {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TAGS)?;
            for tag in before.keys().filter(|tag| !after.contains_key(*tag)) {
                table.remove((repository, tag.as_str()))?;
            }
            for (tag, row) in after.iter().filter(|(tag, row)| before.get(*tag) != Some(*row)) {
                table.insert((repository, tag.as_str()), (row.first_seen, row.gone_since, row.digest.as_str()))?;
            }
            if !known {
                transaction.open_table(REPOSITORIES)?.insert(repository, now)?;
            }
        }
        transaction.commit()?;
    }
    let present = after.into_iter().filter(|(_, row)| row.gone_since == PRESENT);
    Ok(present.map(|(tag, row)| (tag, row.shown())).collect())
}

fn note_digest(database: &Database, repository: &str, tag: &str, digest: &str, now: i64) -> Result<bool, redb::Error> {
    let known = {
        let transaction = database.begin_read()?;
        let row = transaction.open_table(TAGS)?.get((repository, tag))?;
        row.map(|row| {
            let (first_seen, gone_since, digest) = row.value();
            Row { first_seen, gone_since, digest: digest.to_owned() }
        })
    };
    let Some(row) = known.filter(|row| row.digest != digest) else { return Ok(false) };
    let moved = !row.digest.is_empty();
    let first_seen = if moved { now } else { row.first_seen };
    let transaction = database.begin_write()?;
    transaction.open_table(TAGS)?.insert((repository, tag), (first_seen, row.gone_since, digest))?;
    transaction.commit()?;
    Ok(moved)
}

#[cfg(test)]
mod tests;
