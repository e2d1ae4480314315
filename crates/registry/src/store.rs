//! The one database file: opened when needed, set aside when broken.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::Database;

/// A repository is read from end to end, once a cycle: what stays is rarely asked for again.
const CACHE_BYTES: usize = 2 << 20;

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

/// The file. Calls block for about a millisecond when something is written, else less.
pub(crate) struct Store {
    path: PathBuf,
    /// Makes the tables of a new file, or finds those of an old one.
    tables: fn(&Database) -> Result<(), redb::Error>,
    database: Mutex<Option<Database>>,
}

impl Store {
    pub(crate) fn open(path: &Path, tables: fn(&Database) -> Result<(), redb::Error>) -> Result<Self, SeenError> {
        let store = Self { path: path.to_owned(), tables, database: Mutex::new(None) };
        store.with("open", |_| Ok(()))?;
        Ok(store)
    }

    /// Runs `work`; on a broken file once more on a new one.
    pub(crate) fn with<T>(
        &self,
        doing: &'static str,
        work: impl Fn(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, SeenError> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let mut set_aside = false;
        loop {
            let opened = match slot.take() {
                Some(database) => Ok(database),
                None => self.begin(),
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

    fn begin(&self) -> Result<Database, redb::Error> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(&self.path)?;
        (self.tables)(&database)?;
        Ok(database)
    }
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
