//! What the loop of a branch keeps between turns. Losing all of it costs time only.

use jiff::Timestamp;
use lockstep_repository::CommitId;

use crate::choices::Choices;
use crate::places::ParsedFiles;
use crate::scan::Listings;
use crate::stopped::StoppedTags;
use crate::turn::Outcome;
use crate::undone::History;

/// The memory of one branch.
#[derive(Debug, Default)]
pub struct Memory {
    pub(crate) files: ParsedFiles,
    pub(crate) history: History,
    pub(crate) listings: Listings,
    pub(crate) stopped: StoppedTags,
    pub(crate) choices: Choices,
    /// Until when it may be that clusters have not said yet what does not run.
    pub(crate) unheard_until: Option<Timestamp>,
    /// When the last update was pushed.
    pub(crate) last_update: Option<Timestamp>,
    /// What the last turn came to.
    pub(crate) settled: Option<Outcome>,
}

impl Memory {
    /// Says which tags may go to no further place. If that is news, the next turn decides again.
    pub fn set_stopped(&mut self, stopped: StoppedTags) {
        if self.stopped != stopped {
            self.stopped = stopped;
            self.settled = None;
        }
    }

    /// Says until when clusters are waited for that have not said what they run. No update is made so long.
    pub(crate) fn set_unheard(&mut self, until: Option<Timestamp>) {
        if self.unheard_until != until {
            self.unheard_until = until;
            self.settled = None;
        }
    }

    /// What the last turn came to, if a look at Git alone would come to the same.
    pub(crate) fn still_settled(&self, head: CommitId, now: Timestamp) -> Option<Outcome> {
        let last = self.settled.as_ref().filter(|last| last.head == head)?;
        if last.again_at.is_some_and(|again| again <= now) || self.listings.is_any_due(now) {
            return None;
        }
        Some(Outcome { pushed: None, moved: Vec::new(), listed: 0, ..last.clone() })
    }
}
