//! How often an image repository is listed: as often as new tags come to it.
//!
//! The time to the next listing is a tenth of the usual gap between new tags, and each listing that brings nothing new
//! doubles it: it is as long as has passed since something happened. So it follows from the times at which tags were first
//! seen, and a restart changes nothing.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_registry::Repository;

/// As many gaps are looked at, the newest.
const GAPS: usize = 20;
/// What one gap weighs against those before it.
const WEIGHT: f64 = 0.3;

/// Between which bounds repositories are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// No repository is listed again before.
    pub shortest: Duration,
    /// Every one is listed again by then.
    pub longest: Duration,
}

impl Pace {
    /// How long after a listing at `now` the next one is due. `first_seen` is when new tags came, in any order; `happened`
    /// is when something last spoke of the repository: its first listing, a hint, a change in Git.
    pub(crate) fn next(
        &self,
        repository: &Repository,
        first_seen: impl IntoIterator<Item = Timestamp>,
        happened: Timestamp,
        now: Timestamp,
    ) -> SignedDuration {
        let mut times: Vec<Timestamp> = first_seen.into_iter().filter(|time| *time <= now).collect();
        times.sort_unstable();
        times.dedup();
        let last = times.last().copied().map_or(happened, |last| last.max(happened)).min(now);
        let wait = usual_gap(&times).map_or(0.0, |gap| gap / 10.0) + now.duration_since(last).as_secs_f64();
        let (shortest, longest) = (self.shortest.as_secs_f64(), self.longest.max(self.shortest).as_secs_f64());
        SignedDuration::try_from_secs_f64(wait.clamp(shortest, longest) * jitter(repository, now)).unwrap_or_default()
    }
}

/// In seconds.
fn usual_gap(times: &[Timestamp]) -> Option<f64> {
    let newest = &times[times.len().saturating_sub(GAPS + 1)..];
    let gaps = newest.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64());
    gaps.reduce(|usual, gap| usual * (1.0 - WEIGHT) + gap * WEIGHT)
}

/// Between 0.9 and 1.1, so that repositories that were listed together part.
fn jitter(repository: &Repository, now: Timestamp) -> f64 {
    let mut hasher = DefaultHasher::new();
    (repository, now.as_second()).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 1000).unwrap_or_default();
    0.9 + 0.2 * f64::from(part) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { shortest: Duration::from_secs(60), longest: Duration::from_secs(6 * 3600) };

    fn repository() -> Repository {
        Repository { host: "ghcr.io".to_owned(), name: "acme/web".to_owned() }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    #[test]
    fn the_next_listing_follows_what_came_and_how_long_ago() {
        let day = 24 * 60;
        for (seen, happened, now, minutes) in [
            // Nothing came yet: soon, and less often each time.
            (vec![], 0, 0, 1),
            (vec![], 0, 10, 10),
            (vec![], 0, 200, 200),
            (vec![], 0, 10_000, 360),
            // A tag every hundred minutes, the last one just now; then one that is late.
            (vec![0, 100, 200, 300], 0, 300, 10),
            (vec![300, 100, 200, 0], 0, 330, 40),
            // Of several tags at once there is no gap.
            (vec![100, 100, 200], 0, 200, 10),
            // A release a month is looked for six hours apart.
            (vec![0, 30 * day], 0, 30 * day, 360),
            // A hint brings it back.
            (vec![], 9_995, 10_000, 5),
            // Minutes apart: never more often than is allowed.
            (vec![0, 1, 2, 3], 0, 3, 1),
            // A clock that went back.
            (vec![500], 600, 400, 1),
        ] {
            let seen: Vec<Timestamp> = seen.into_iter().map(at).collect();
            let next = PACE.next(&repository(), seen.clone(), at(happened), at(now)).as_secs_f64() / 60.0;
            let wanted = f64::from(minutes);
            assert!(next >= wanted * 0.899 && next <= wanted * 1.101, "{seen:?} {happened} {now}: {next}");
        }
    }

    #[test]
    fn repositories_that_were_listed_together_part() {
        let other = Repository { name: "acme/api".to_owned(), ..repository() };
        assert_ne!(PACE.next(&repository(), [], at(0), at(100)), PACE.next(&other, [], at(0), at(100)));
    }
}
