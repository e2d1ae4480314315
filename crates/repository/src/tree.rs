//! Reading files at a commit, from objects alone.

use std::collections::VecDeque;

use gix::ObjectId;
use gix::objs::tree::EntryKind;

use crate::clone::Repository;
use crate::error::RepositoryError;
use crate::ids::{BlobId, CommitId, TreeId};
use crate::path;

/// As many links may be followed on the way to one file.
const MAX_LINKS: usize = 16;
/// As deep may folders lie in each other.
const MAX_DEPTH: usize = 64;
/// As many files may lie under one path; links to folders could otherwise multiply without end.
const MAX_FILES: usize = 100_000;
/// A link's target is a path.
const MAX_TARGET: u64 = 4096;

/// What a file may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// Read and written.
    Plain,
    /// Also executed.
    Executable,
}

/// A file at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its path from the root of the repository, as it was reached (a link keeps its own name).
    pub path: String,
    /// Its content; for a link that of the file it leads to.
    pub blob: BlobId,
    /// Its mode; for a link that of the file it leads to.
    pub mode: FileMode,
    /// A link leads to it: the file itself is elsewhere in the tree.
    pub linked: bool,
}

/// Whether a file holds, instead of its content, a pointer to it in Git LFS.
#[must_use]
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < 1024 && bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// What a path leads to once all links are followed.
pub(crate) struct Found {
    pub(crate) id: ObjectId,
    pub(crate) kind: EntryKind,
    /// The path without links.
    pub(crate) names: Vec<String>,
}

impl Repository {
    /// All files at and under `path` at a commit, sorted by path. The empty path is the root.
    ///
    /// # Errors
    /// [`RepositoryError::PathMissing`] when there is nothing at `path`; links that lead out of the tree, nowhere or in a
    /// circle, submodules and names that are not UTF-8 are errors that name them.
    pub fn files(&self, commit: CommitId, path: &str) -> Result<Vec<TreeFile>, RepositoryError> {
        let reader = Reader::new(self, commit)?;
        let names = path::names(path)?;
        let found = reader.resolve(&names)?;
        let mut files = Vec::new();
        reader.collect(found, &names.join("/"), &mut Vec::new(), &mut files)?;
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(files)
    }

    /// The id of the folder at `path`; as long as it stays the same, so do all files under it.
    ///
    /// # Errors
    /// As [`Repository::files`], and when `path` is a file.
    pub fn tree_id(&self, commit: CommitId, path: &str) -> Result<TreeId, RepositoryError> {
        let found = Reader::new(self, commit)?.resolve(&path::names(path)?)?;
        if found.kind == EntryKind::Tree {
            return Ok(TreeId(found.id));
        }
        Err(RepositoryError::PathRefused { path: path.to_owned(), reason: "it is a file, not a folder".to_owned() })
    }

    /// The bytes of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is larger, missing, or damaged.
    pub fn blob(&self, blob: BlobId, limit: u64) -> Result<Vec<u8>, RepositoryError> {
        let local = self.local();
        let header = local.find_header(blob.0).map_err(|error| self.unreadable(blob, error))?;
        if header.size() > limit {
            return Err(RepositoryError::TooLarge { blob, size: header.size(), limit });
        }
        let mut object = local.find_blob(blob.0).map_err(|error| self.unreadable(blob, error))?;
        Ok(std::mem::take(&mut object.data))
    }
}

/// Reads the tree of one commit.
pub(crate) struct Reader<'a> {
    repository: &'a Repository,
    local: gix::Repository,
    commit: CommitId,
    root: ObjectId,
}

pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) id: ObjectId,
    pub(crate) kind: EntryKind,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(repository: &'a Repository, commit: CommitId) -> Result<Self, RepositoryError> {
        let local = repository.local();
        let root = local
            .find_commit(commit.0)
            .and_then(|commit| Ok(commit.tree_id()?.detach()))
            .map_err(|error| repository.unreadable(commit, error))?;
        Ok(Self { repository, local, commit, root })
    }

    pub(crate) fn root(&self) -> ObjectId {
        self.root
    }

    /// Follows `names` from the root, and links inside the tree on the way.
    pub(crate) fn resolve(&self, names: &[&str]) -> Result<Found, RepositoryError> {
        let whole = names.join("/");
        let link = |reason: &str| RepositoryError::Symlink { path: whole.clone(), reason: reason.to_owned() };
        let mut pending: VecDeque<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut entered: Vec<(String, ObjectId)> = Vec::new();
        let mut links = 0;
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                entered.pop().ok_or_else(|| link("it leads out of the repository"))?;
                continue;
            }
            let folder = entered.last().map_or(self.root, |(_, id)| *id);
            let entry = self.entries(folder)?.into_iter().find(|entry| entry.name == name);
            let missing = || match links {
                0 => RepositoryError::PathMissing { commit: self.commit, path: whole.clone() },
                _ => link("it leads to nothing"),
            };
            let entry = entry.ok_or_else(missing)?;
            match entry.kind {
                EntryKind::Tree => entered.push((name, entry.id)),
                EntryKind::Commit => return Err(RepositoryError::Submodule { path: whole }),
                EntryKind::Link => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(link("it leads over too many links, or in a circle"));
                    }
                    let target = self.repository.blob(BlobId(entry.id), MAX_TARGET)?;
                    let target = String::from_utf8(target).map_err(|_| link("its target is not UTF-8"))?;
                    if target.starts_with('/') {
                        return Err(link("its target is absolute"));
                    }
                    let steps = target.split('/').filter(|step| !matches!(*step, "" | "."));
                    steps.rev().for_each(|step| pending.push_front(step.to_owned()));
                }
                kind @ (EntryKind::Blob | EntryKind::BlobExecutable) => {
                    if !pending.is_empty() {
                        return Err(missing());
                    }
                    let names = entered.into_iter().map(|(name, _)| name).chain([name]).collect();
                    return Ok(Found { id: entry.id, kind, names });
                }
            }
        }
        let id = entered.last().map_or(self.root, |(_, id)| *id);
        let names = entered.into_iter().map(|(name, _)| name).collect();
        Ok(Found { id, kind: EntryKind::Tree, names })
    }

    /// Adds the file, or all files under the folder, that `found` is; `shown` is the path it was reached by.
    fn collect(
        &self,
        found: Found,
        shown: &str,
        above: &mut Vec<ObjectId>,
        files: &mut Vec<TreeFile>,
    ) -> Result<(), RepositoryError> {
        let mode = match found.kind {
            EntryKind::Tree => None,
            EntryKind::BlobExecutable => Some(FileMode::Executable),
            _ => Some(FileMode::Plain),
        };
        if let Some(mode) = mode {
            if files.len() >= MAX_FILES {
                return Err(RepositoryError::TooManyFiles { path: shown.to_owned(), limit: MAX_FILES });
            }
            let linked = found.names.join("/") != shown;
            files.push(TreeFile { path: shown.to_owned(), blob: BlobId(found.id), mode, linked });
            return Ok(());
        }
        if above.contains(&found.id) || above.len() >= MAX_DEPTH {
            let reason = "it leads in a circle, or folders lie too deep in each other".to_owned();
            return Err(RepositoryError::Symlink { path: shown.to_owned(), reason });
        }
        above.push(found.id);
        for entry in self.entries(found.id)? {
            let path = if shown.is_empty() { entry.name.clone() } else { format!("{shown}/{}", entry.name) };
            let names: Vec<_> = found.names.iter().cloned().chain([entry.name]).collect();
            let inner = match entry.kind {
                EntryKind::Commit => return Err(RepositoryError::Submodule { path }),
                EntryKind::Link => {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    self.resolve(&names)?
                }
                kind => Found { id: entry.id, kind, names },
            };
            self.collect(inner, &path, above, files)?;
        }
        above.pop();
        Ok(())
    }

    pub(crate) fn entries(&self, tree: ObjectId) -> Result<Vec<Entry>, RepositoryError> {
        let unreadable = |error: gix::Error| self.repository.unreadable(format!("tree {tree}"), error);
        let tree = self.local.find_tree(tree).map_err(unreadable)?;
        tree.iter()
            .map(|entry| {
                let entry = entry.map_err(unreadable)?;
                let name = std::str::from_utf8(entry.filename()).map_err(|_| RepositoryError::PathRefused {
                    path: entry.filename().to_string(),
                    reason: "its name is not UTF-8".to_owned(),
                })?;
                Ok(Entry { name: name.to_owned(), id: entry.object_id(), kind: entry.kind() })
            })
            .collect()
    }
}
