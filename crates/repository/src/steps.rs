//! Which files each commit changed, along first parents.

use std::collections::BTreeMap;

use gix::ObjectId;
use gix::objs::tree::EntryKind;

use crate::clone::Repository;
use crate::error::RepositoryError;
use crate::history::CommitInfo;
use crate::ids::BlobId;
use crate::tree::{Entry, Reader};

/// Folders deeper than this are not compared.
const MAX_DEPTH: usize = 64;

/// A commit, and the files that it changed against its first parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub commit: CommitInfo,
    /// The files, by path. Links and submodules are none.
    pub changes: Vec<FileStep>,
}

/// A file that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStep {
    /// From the root of the repository.
    pub path: String,
    /// Its content before; none if there was no such file.
    pub before: Option<BlobId>,
    /// Its content after; none if it was deleted.
    pub after: Option<BlobId>,
}

impl Repository {
    /// The changes of one commit against its first parent. The cost is that of the folders that differ.
    ///
    /// # Errors
    /// When an object cannot be read, or a name in a folder that differs is not UTF-8.
    pub fn step(&self, commit: CommitInfo) -> Result<Step, RepositoryError> {
        let after = Reader::new(self, commit.id)?;
        let before = commit.parent.map(|parent| Reader::new(self, parent)).transpose()?;
        let mut changes = Vec::new();
        compare(&after, before.as_ref().map(Reader::root), Some(after.root()), "", 0, &mut changes)?;
        Ok(Step { commit, changes })
    }
}

fn compare(
    reader: &Reader<'_>,
    before: Option<ObjectId>,
    after: Option<ObjectId>,
    folder: &str,
    depth: usize,
    changes: &mut Vec<FileStep>,
) -> Result<(), RepositoryError> {
    if before == after || depth > MAX_DEPTH {
        return Ok(());
    }
    let mut names: BTreeMap<String, [Option<Entry>; 2]> = BTreeMap::new();
    for (side, tree) in [before, after].into_iter().enumerate() {
        for entry in tree.map(|tree| reader.entries(tree)).transpose()?.unwrap_or_default() {
            let name = entry.name.clone();
            names.entry(name).or_default()[side] = Some(entry);
        }
    }
    for (name, sides) in names {
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        let [folders, files] = [of_folder as fn(&Entry) -> bool, of_file].map(|wanted| {
            [&sides[0], &sides[1]].map(|side| side.as_ref().filter(|entry| wanted(entry)).map(|entry| entry.id))
        });
        if files[0] != files[1] {
            let [before, after] = files.map(|id| id.map(BlobId));
            changes.push(FileStep { path: path.clone(), before, after });
        }
        compare(reader, folders[0], folders[1], &path, depth + 1, changes)?;
    }
    Ok(())
}

fn of_folder(entry: &Entry) -> bool {
    entry.kind == EntryKind::Tree
}

fn of_file(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Blob | EntryKind::BlobExecutable)
}
