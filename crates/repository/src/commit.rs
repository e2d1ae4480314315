//! Making a commit out of changed files.

use gix::objs::WriteTo as _;
use gix::objs::tree::EntryKind;
use jiff::Timestamp;

use crate::clone::Repository;
use crate::error::RepositoryError;
use crate::ids::CommitId;
use crate::path;
use crate::signing::SigningKey;
use crate::tree::Reader;

/// What a commit is to be.
#[derive(Debug, Clone)]
pub struct NewCommit<'a> {
    /// The commit that it is made on.
    pub parent: CommitId,
    /// Paths from the root of the repository, and the bytes that stand there then.
    pub changes: &'a [(&'a str, &'a [u8])],
    /// The whole message.
    pub message: &'a str,
    /// Whose work it is.
    pub author: &'a Signature,
    /// Who commits it.
    pub committer: &'a Signature,
    /// When.
    pub time: Timestamp,
    /// Who signs it; unsigned without.
    pub key: Option<&'a SigningKey>,
}

/// A person or program, as commits name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

impl Signature {
    fn at(&self, time: Timestamp) -> gix::actor::Signature {
        gix::actor::Signature {
            name: self.name.as_str().into(),
            email: self.email.as_str().into(),
            time: gix::date::Time { seconds: time.as_second(), offset: 0 },
        }
    }
}

impl Repository {
    /// Makes a commit with other bytes at the given paths; it is in the clone only, on no branch, until it is pushed. A file
    /// keeps its mode, and a path that is new becomes a plain file. No link is followed: the bytes would go elsewhere.
    ///
    /// # Errors
    /// When a path is refused or a folder, an object cannot be read, or the clone cannot be written.
    pub fn commit(&self, new: &NewCommit<'_>) -> Result<CommitId, RepositoryError> {
        let NewCommit { parent, changes, message, author, committer, time, key } = *new;
        let local = self.local();
        let mut commit = gix::objs::Commit {
            tree: self.tree_with(&local, parent, changes)?,
            parents: [parent.0].into_iter().collect(),
            author: author.at(time),
            committer: committer.at(time),
            encoding: None,
            message: message.into(),
            extra_headers: Vec::new(),
        };
        if let Some(key) = key {
            let unsigned = |detail| RepositoryError::Folder { doing: "sign a commit", folder: self.bare(), detail };
            let mut bytes = Vec::new();
            commit.write_to(&mut bytes).map_err(|error| unsigned(error.to_string()))?;
            commit.extra_headers.push(("gpgsig".into(), key.sign(&bytes).map_err(unsigned)?.into()));
        }
        Ok(CommitId(local.write_object(commit).map_err(|error| self.unwritten(error))?.detach()))
    }

    /// Whether the files at `commit` are those at `parent` with these bytes at these paths, and no others.
    ///
    /// # Errors
    /// As [`Repository::commit`]; nothing is written.
    pub fn has_just(
        &self,
        commit: CommitId,
        parent: CommitId,
        changes: &[(&str, &[u8])],
    ) -> Result<bool, RepositoryError> {
        let memory = self.local().with_object_memory();
        Ok(Reader::new(self, commit)?.root() == self.tree_with(&memory, parent, changes)?)
    }

    fn tree_with(
        &self,
        local: &gix::Repository,
        parent: CommitId,
        changes: &[(&str, &[u8])],
    ) -> Result<gix::ObjectId, RepositoryError> {
        let reader = Reader::new(self, parent)?;
        let unwritten = |error| self.unwritten(error);
        let mut tree = local.edit_tree(reader.root()).map_err(unwritten)?;
        for &(path, bytes) in changes {
            let (path, kind) = place(&reader, path)?;
            let blob = local.write_blob(bytes).map_err(unwritten)?;
            tree.upsert(path, kind, blob).map_err(unwritten)?;
        }
        Ok(tree.write().map_err(unwritten)?.detach())
    }

    fn unwritten(&self, error: gix::Error) -> RepositoryError {
        RepositoryError::Folder { doing: "write a commit", folder: self.bare(), detail: error.to_string() }
    }
}

/// Where the bytes for `path` go, and as what.
fn place(reader: &Reader<'_>, path: &str) -> Result<(String, EntryKind), RepositoryError> {
    let names = path::names(path)?;
    let refused = |reason: &str| Err(RepositoryError::PathRefused { path: path.to_owned(), reason: reason.to_owned() });
    match reader.resolve(&names) {
        Ok(found) if found.kind == EntryKind::Tree => refused("it is a folder"),
        Ok(found) if found.names == names => Ok((names.join("/"), found.kind)),
        Ok(_) => refused("it is reached through a link; name the file itself"),
        Err(RepositoryError::PathMissing { .. }) => Ok((names.join("/"), EntryKind::Blob)),
        Err(error) => Err(error),
    }
}
