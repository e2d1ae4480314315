//! Listings that failed, and when each is tried again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::ports::PortError;
use crate::rhythm::Pace;

/// How long the first failure waits for another try, where a repository may not be listed sooner anyway.
const FIRST: Duration = Duration::from_secs(60);
/// What may pass by itself is tried again by then.
const LONGEST_PASSING: Duration = Duration::from_secs(5 * 60);
/// What a person has to mend: the repository is not there, or not for us.
const LONGEST_LASTING: Duration = Duration::from_secs(3600);
/// The categories of what does not pass by itself.
const LASTING: [&str; 6] = ["unauthorised", "not-found", "refused", "unsafe-target", "settings", "malformed"];

/// The last failure of a repository.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: PortError,
    at: Timestamp,
    in_a_row: u32,
}

impl Failed {
    /// A failure after those in a row that are known.
    pub(super) fn after(before: Option<&Self>, error: PortError, at: Timestamp) -> Self {
        Self { error, at, in_a_row: before.map_or(0, |before| before.in_a_row).saturating_add(1) }
    }

    /// Something happened that may have mended it.
    pub(super) fn begin_anew(&mut self) {
        self.in_a_row = 0;
    }

    /// When it is tried again: each failure in a row doubles the wait.
    pub(super) fn retry_at(&self, pace: &Pace) -> Timestamp {
        let most = if LASTING.contains(&self.error.category) { LONGEST_LASTING } else { LONGEST_PASSING };
        let first = FIRST.min(pace.shortest);
        let wait = first.saturating_mul(2_u32.saturating_pow(self.in_a_row.clamp(1, 20) - 1));
        self.at + SignedDuration::try_from(wait.min(most.min(pace.longest).max(first))).unwrap_or_default()
    }
}
