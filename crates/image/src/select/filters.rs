//! Rules that hold for one tag at a time, after the order: they drop the newest, and the next one is tried.

use jiff::{SignedDuration, Timestamp};

use super::{Entry, Halt};
use crate::clock::Record;
use crate::question::{Verified, Want};
use crate::reason::Reason;
use crate::rule::Rule;

/// More tags are not looked up for one decision.
const MOST_LOOKED_UP: usize = 5;
/// A signature follows the push. So long a tag without one is waited for.
const SIGNATURE_GRACE: SignedDuration = SignedDuration::from_mins(15);

/// The filters of one decision.
pub(super) struct Filters<'r> {
    rule: &'r Rule,
    now: Timestamp,
    looked_up: usize,
}

impl<'r> Filters<'r> {
    pub(super) fn new(rule: &'r Rule, now: Timestamp) -> Self {
        Self { rule, now, looked_up: 0 }
    }

    /// What drops the tag, if anything does.
    pub(super) fn drops<'a>(&mut self, entry: &Entry<'a>) -> Result<Option<Reason<'a>>, Halt> {
        match self.is_old_enough(&entry.record()) {
            Some(true) => {}
            Some(false) => return Ok(Some(Reason::Young)),
            None => {
                return Err(format!("min-age: neither push time nor first sight of {} is known", entry.tag).into());
            }
        }
        if self.rule.platforms.is_empty() && !self.rule.verify {
            return Ok(None);
        }
        if self.looked_up == MOST_LOOKED_UP {
            return Err(format!(
                "the {MOST_LOOKED_UP} newest tags fail platforms or verify, and no more are looked up"
            )
            .into());
        }
        self.looked_up += 1;
        if let Some(reason) = self.platforms(entry)? {
            return Ok(Some(reason));
        }
        if self.rule.verify { self.signature(entry) } else { Ok(None) }
    }

    /// Whether the tag is as old as `min-age` asks; `None` if its age is not known.
    pub(super) fn is_old_enough(&self, record: &Record) -> Option<bool> {
        let Some(least) = self.rule.min_age else { return Some(true) };
        self.age(record).map(|age| age >= least)
    }

    fn age(&self, record: &Record) -> Option<SignedDuration> {
        record.pushed.or(record.first_seen).map(|time| self.now.duration_since(time))
    }

    fn platforms<'a>(&self, entry: &Entry<'a>) -> Result<Option<Reason<'a>>, Halt> {
        let wanted = &self.rule.platforms;
        if wanted.is_empty() {
            return Ok(None);
        }
        let Some(found) = &entry.known.platforms else {
            let want = Want::Platforms { tag: entry.tag.to_owned() };
            return Err(Halt { reason: format!("it is not known what {} runs on", entry.tag), wants: vec![want] });
        };
        let missing = wanted.iter().find(|platform| !found.contains(platform));
        Ok(missing.map(|platform| Reason::Platform(platform.to_string())))
    }

    fn signature<'a>(&self, entry: &Entry<'a>) -> Result<Option<Reason<'a>>, Halt> {
        let tag = entry.tag;
        match &entry.known.verified {
            Some(Verified::Signed) => Ok(None),
            Some(Verified::Wrong(problem)) => Ok(Some(Reason::WrongSignature(problem.clone()))),
            Some(Verified::NotSigned) => match self.age(&entry.record()) {
                Some(age) if age < SIGNATURE_GRACE => {
                    let want = Want::Verified { tag: tag.to_owned() };
                    Err(Halt {
                        reason: format!("{tag} is not signed yet; that is waited for, 15 minutes long"),
                        wants: vec![want],
                    })
                }
                _ => Ok(Some(Reason::NotSigned)),
            },
            None => {
                let want = Want::Verified { tag: tag.to_owned() };
                Err(Halt { reason: format!("it is not known whether {tag} is signed"), wants: vec![want] })
            }
        }
    }
}
