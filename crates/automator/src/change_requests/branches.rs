//! The branches of ours: what they are called, and whether they hold what they should.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use lockstep_repository::{BlobId, CommitId, CommitInfo, OWN_BRANCHES};

use crate::message;
use crate::ports::{PortError, Ports};
use crate::publish::{Batch, ChangeKind, Moved};

const UNGROUPED: &str = "updates";

/// `lockstep/GROUP`, or `lockstep/updates`; a revert's begins with `revert-`.
pub(super) fn name(kind: ChangeKind, group: Option<&str>) -> String {
    let word = match kind {
        ChangeKind::Update => "",
        ChangeKind::Revert => "revert-",
        ChangeKind::Request => "request-",
    };
    format!("{OWN_BRANCHES}{word}{}", group.map_or_else(|| UNGROUPED.to_owned(), plain))
}

/// Of what a person asked for: each wish has a branch of its own.
pub(super) fn of_request(batch: &Batch) -> String {
    let said = batch.requested.as_ref().map(|requested| requested.message.as_str()).unwrap_or_default();
    name(ChangeKind::Request, Some(&format!("{:08x}", hash(said) >> 32)))
}

/// Whether a branch is that of what a person asked for.
pub(super) fn is_of_request(branch: &str) -> bool {
    branch.strip_prefix(OWN_BRANCHES).is_some_and(|name| name.starts_with("request-"))
}

/// Letters that every branch may have. Groups that differ only in others get different branches.
fn plain(group: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '-' };
    let plain: String = group.chars().map(letter).take(60).collect();
    let clashes = plain == UNGROUPED || plain.starts_with("revert-") || plain.starts_with("request-");
    if plain == group && !clashes { plain } else { format!("{plain}-{:08x}", hash(group) >> 32) }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Whether the branch's one commit says and does what the batch would, on files that are the same at `head`. Then it can stay:
/// a request is not pushed anew for every commit of others.
pub(super) async fn is_current(
    tip: &CommitInfo,
    batch: &Batch,
    head: CommitId,
    ports: &Ports<'_>,
) -> Result<bool, PortError> {
    let Some(base) = tip.parent else { return Ok(false) };
    let said = match &batch.requested {
        // The commit may have been signed off.
        Some(requested) => tip.message.trim().starts_with(requested.message.trim()),
        None => {
            let mut wanted: Vec<Moved> = batch.moves.iter().map(crate::publish::Move::moved).collect();
            let mut said = message::moved(tip);
            wanted.sort_by(|left, right| left.place.cmp(&right.place));
            said.sort_by(|left, right| left.place.cmp(&right.place));
            wanted == said && message::kind(tip) == Some(batch.kind)
        }
    };
    if !said {
        return Ok(false);
    }
    // The folders of the settings may not have been there then.
    let Ok(before) = blobs(base, ports).await else { return Ok(false) };
    let now = blobs(head, ports).await?;
    if batch.files.iter().any(|file| before.get(&file.path) != now.get(&file.path)) {
        return Ok(false);
    }
    ports.branch.is_genuine(tip, batch.files.clone()).await
}

/// Whether each file that the commit changed is at `head` what the commit made of it.
pub(super) async fn is_merged(tip: &CommitInfo, head: CommitId, ports: &Ports<'_>) -> Result<bool, PortError> {
    let steps = ports.branch.steps(tip.id, tip.parent, 1).await?;
    let now = blobs(head, ports).await?;
    let mut changes = steps.iter().flat_map(|step| &step.changes).peekable();
    Ok(changes.peek().is_some() && changes.all(|change| change.after.as_ref() == now.get(&change.path)))
}

async fn blobs(commit: CommitId, ports: &Ports<'_>) -> Result<BTreeMap<String, BlobId>, PortError> {
    Ok(ports.branch.files(commit).await?.into_iter().map(|file| (file.path, file.blob)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_a_branch_of_its_own() {
        assert_eq!(name(ChangeKind::Update, None), "lockstep/updates");
        assert_eq!(name(ChangeKind::Revert, None), "lockstep/revert-updates");
        assert_eq!(name(ChangeKind::Update, Some("shop")), "lockstep/shop");
        let names = ["a b", "a-b", "a/b", "updates", "revert-updates", "..", "ä", "@{1}", "x.lock"];
        let branches: std::collections::BTreeSet<String> =
            names.iter().map(|group| name(ChangeKind::Update, Some(group))).collect();
        assert_eq!(branches.len(), names.len(), "{branches:?}");
        assert!(!branches.contains("lockstep/updates") && !branches.contains("lockstep/revert-updates"));
        for branch in branches {
            lockstep_repository::check_branch(&branch).unwrap();
        }
    }
}
