//! Files that only this process and its children may read, gone when dropped.

use std::fs::OpenOptions;
use std::io::{Error, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::RepositoryError;

/// A folder of mode 0700 in the machine's temporary folder.
pub(crate) struct PrivateFolder(TempDir);

impl PrivateFolder {
    pub(crate) fn new() -> Result<Self, RepositoryError> {
        let folder = tempfile::Builder::new().prefix("lockstep-").tempdir();
        folder.map(Self).map_err(|error| failed("make a private folder", &std::env::temp_dir(), &error))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file of mode 0600.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, RepositoryError> {
        let path = self.path().join(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map(|()| path).map_err(|error| failed("write a private file", self.path(), &error))
    }
}

fn failed(doing: &'static str, folder: &Path, error: &Error) -> RepositoryError {
    RepositoryError::Folder { doing, folder: folder.to_owned(), detail: error.to_string() }
}
