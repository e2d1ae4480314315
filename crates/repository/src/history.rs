//! Who changed what, along the first parents of a commit.

use jiff::Timestamp;

use crate::clone::Repository;
use crate::commit::Signature;
use crate::error::RepositoryError;
use crate::ids::{BlobId, CommitId};
use crate::path;

/// A commit without its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its id.
    pub id: CommitId,
    /// The commit it was made on; of a merge the branch that was merged into.
    pub parent: Option<CommitId>,
    /// Who wrote it.
    pub author: Signature,
    /// When it was committed.
    pub time: Timestamp,
    /// The whole message.
    pub message: String,
    /// The `Key: value` lines at the end of the message, in order. Those of a merge are followed by those of the commit that
    /// it merged: what a change request says of itself is true of its merge.
    pub trailers: Vec<(String, String)>,
}

impl CommitInfo {
    /// The first line of the message.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// The value of the first trailer of that name.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A commit that changed the file at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// The commit.
    pub commit: CommitInfo,
    /// The file before it; none if there was none.
    pub before: Option<BlobId>,
    /// The file after it; none if it was deleted.
    pub after: Option<BlobId>,
}

impl Repository {
    /// `from` and the commits before it along first parents, newest first, at most `limit` of them.
    pub fn first_parents(
        &self,
        from: CommitId,
        limit: usize,
    ) -> impl Iterator<Item = Result<CommitInfo, RepositoryError>> + '_ {
        let local = self.local();
        let mut next = Some(from);
        let walk = std::iter::from_fn(move || {
            let info = self.info(&local, next.take()?);
            next = info.as_ref().ok().and_then(|info| info.parent);
            Some(info)
        });
        walk.take(limit)
    }

    /// The commits among the last `limit` first parents of `from` that changed the file at `path`, newest first.
    ///
    /// # Errors
    /// When the path is refused; an unreadable commit is an item.
    pub fn changes_of<'a>(
        &'a self,
        from: CommitId,
        path: &'a str,
        limit: usize,
    ) -> Result<impl Iterator<Item = Result<PathChange, RepositoryError>> + 'a, RepositoryError> {
        path::names(path)?;
        let mut known: Option<(CommitId, Option<BlobId>)> = None;
        Ok(self.first_parents(from, limit).filter_map(move |commit| {
            let change = commit.and_then(|commit| {
                let after = match known {
                    Some((id, blob)) if id == commit.id => blob,
                    _ => self.blob_at(commit.id, path)?,
                };
                let before = commit.parent.map(|parent| self.blob_at(parent, path)).transpose()?.flatten();
                known = commit.parent.map(|parent| (parent, before));
                Ok(PathChange { commit, before, after })
            });
            match change {
                Ok(change) if change.before == change.after => None,
                other => Some(other),
            }
        }))
    }

    /// Who committed a commit.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn committer(&self, commit: CommitId) -> Result<Signature, RepositoryError> {
        let local = self.local();
        let found = local.find_commit(commit.0).map_err(|error| self.unreadable(commit, error))?;
        let committer = found.committer().map_err(|error| self.unreadable(commit, error))?;
        Ok(Signature { name: committer.name.to_string(), email: committer.email.to_string() })
    }

    /// The content of the file at `path` at a commit; links are not followed.
    ///
    /// # Errors
    /// When the path is refused or an object cannot be read.
    pub fn blob_at(&self, commit: CommitId, path: &str) -> Result<Option<BlobId>, RepositoryError> {
        let names = path::names(path)?;
        let local = self.local();
        let entry = local
            .find_commit(commit.0)
            .and_then(|commit| commit.tree()?.lookup_entry(names))
            .map_err(|error| self.unreadable(commit, error))?;
        Ok(entry.filter(|entry| entry.mode().is_blob()).map(|entry| BlobId(entry.object_id())))
    }

    /// Whether `descendant` is `ancestor` or was made on top of it, over any parents.
    ///
    /// # Errors
    /// When a commit on the way cannot be read.
    pub fn is_ancestor(&self, ancestor: CommitId, descendant: CommitId) -> Result<bool, RepositoryError> {
        let local = self.local();
        let walk = local.rev_walk([descendant.0]).all().map_err(|error| self.unreadable(descendant, error))?;
        for commit in walk {
            if commit.map_err(|error| self.unreadable(descendant, error))?.id == ancestor.0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commits of the branch at `head` whose ids begin with `digits`, over any parents; the search ends at the second.
    ///
    /// # Errors
    /// When a commit on the way cannot be read.
    pub fn matching(&self, head: CommitId, digits: &str) -> Result<Vec<CommitId>, RepositoryError> {
        let digits = digits.to_ascii_lowercase();
        let local = self.local();
        let walk = local.rev_walk([head.0]).all().map_err(|error| self.unreadable(head, error))?;
        let mut found = Vec::new();
        for commit in walk {
            let id = commit.map_err(|error| self.unreadable(head, error))?.id;
            if id.to_hex().to_string().starts_with(&digits) {
                found.push(CommitId(id));
            }
            if found.len() == 2 || (!found.is_empty() && digits.len() == 40) {
                break;
            }
        }
        Ok(found)
    }

    fn info(&self, local: &gix::Repository, id: CommitId) -> Result<CommitInfo, RepositoryError> {
        let commit = local.find_commit(id.0).map_err(|error| self.unreadable(id, error))?;
        let decoded = commit.decode().map_err(|error| self.unreadable(id, error))?;
        let author = commit.author().map_err(|error| self.unreadable(id, error))?;
        let seconds = commit.time().map_err(|error| self.unreadable(id, error))?.seconds;
        let message = decoded.message.to_string();
        let mut parents = decoded.parents();
        let parent = parents.next().map(CommitId);
        let mut found = trailers(&message);
        if let Some(merged) = parents.next() {
            let merged = local.find_commit(merged).map_err(|error| self.unreadable(merged, error))?;
            let merged_message = merged.message_raw().map_err(|error| self.unreadable(id, error))?;
            found.extend(trailers(&merged_message.to_string()));
        }
        Ok(CommitInfo {
            id,
            parent,
            author: Signature { name: author.name.to_string(), email: author.email.to_string() },
            time: Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
            trailers: found,
            message,
        })
    }
}

/// The trailers of a commit message: its last paragraph, if it is not the first and has no other lines.
fn trailers(message: &str) -> Vec<(String, String)> {
    let text = message.trim_end();
    let Some((_, last)) = text.rsplit_once("\n\n") else { return Vec::new() };
    let mut found: Vec<(String, String)> = Vec::new();
    for line in last.lines() {
        if line.starts_with([' ', '\t'])
            && let Some((_, value)) = found.last_mut()
        {
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let Some((key, value)) = line.split_once(':') else { return Vec::new() };
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_key {
            return Vec::new();
        }
        found.push((key.to_owned(), value.trim().to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::trailers;

    #[test]
    fn trailers_are_the_last_paragraph_if_it_is_nothing_else() {
        let pairs = |message: &str| {
            let found = trailers(message);
            found.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            pairs("Update a\n\nWhy.\n\nLockstep-Image: a:1 -> 2\nLockstep-Id: 7\n"),
            "Lockstep-Image=a:1 -> 2 Lockstep-Id=7"
        );
        assert_eq!(pairs("Update a\n\nKey: one\n  two\nOther: x"), "Key=one two Other=x");
        assert_eq!(pairs("fix: not a trailer"), "");
        assert_eq!(pairs("Update a\n\nThis: is prose\nand no trailer"), "");
        assert_eq!(pairs("Update a\n\nSee here: it is prose"), "");
        assert_eq!(pairs(""), "");
    }
}
