//! The policy `digest:TAG`: the tag stays, and what it points to moves.

use super::filters::Filters;
use super::{Entry, Halt};
use crate::question::{Outcome, Question, Want};
use crate::reason::{self, Reason};
use crate::rule::Rule;

/// Decides by digest. At most one entry is eligible: the tag that the policy names.
pub(super) fn repin(rule: &Rule, question: &Question<'_>, entries: &mut [Entry<'_>]) -> Result<Outcome, Halt> {
    let Some(entry) = entries.iter_mut().find(|entry| entry.reason.is_none()) else {
        return Err(format!("the tag of {} is not listed", rule.policy).into());
    };
    let Some(digest) = entry.known.digest.as_deref() else {
        let want = Want::Digest { tag: entry.tag.to_owned() };
        return Err(Halt { reason: format!("the digest of {} is not known", entry.tag), wants: vec![want] });
    };
    if question.current == Some(entry.tag) && question.current_digest == Some(digest) {
        return Ok(Outcome::UpToDate);
    }
    let is_it = |undone: &&String| undone.split_once('@') == Some((entry.tag, digest));
    let dropped = match question.undone.iter().find(is_it) {
        Some(_) => Some(Reason::UndoneDigest),
        None => Filters::new(rule, question.now).drops(entry)?,
    };
    let Some(reason) = dropped else { return Ok(Outcome::Selected(entry.tag.to_owned())) };
    let held = format!("nothing eligible: {}", reason::count([&reason].into_iter()));
    entry.reason = Some(reason);
    Err(held.into())
}
