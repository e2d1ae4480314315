//! Pauses between tries, twice as long each time, and never the same for two Syncs.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// How often it failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        spread(pause)
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between four fifths of `pause` and all of it.
pub(super) fn spread(pause: Duration) -> Duration {
    // The hasher is keyed at random; its answer to a fixed question is a random number.
    let share = RandomState::new().hash_one(0) % 1000;
    pause.mul_f64(0.8 + share as f64 / 5000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let mut backoff = Backoff::default();
        for wanted in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let pause = backoff.next();
            let wanted = Duration::from_secs(wanted);
            assert!(pause <= wanted && pause >= wanted.mul_f64(0.79), "{pause:?} {wanted:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
