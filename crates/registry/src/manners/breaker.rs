//! A registry that does not answer is left alone for a while.

use std::time::{Duration, Instant};

/// So many requests without an answer in a row are no coincidence.
const TOO_MANY: u32 = 6;
const FIRST_REST: Duration = Duration::from_secs(15);
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Counts failures in a row. After a rest the next requests are let through; if the first fails too, the rest doubles.
#[derive(Default)]
pub(super) struct Breaker {
    failures: u32,
    rests: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// How much longer nothing is asked, and how many requests had failed in a row.
    pub(super) fn rest(&self, now: Instant) -> Option<(Duration, u32)> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some((left, self.failures))
    }

    /// An answer came; a refusal is one too.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// No answer, or one that says that the server is broken.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures < TOO_MANY || self.rest(now).is_some() {
            return;
        }
        self.until = Some(now + (FIRST_REST * 2_u32.saturating_pow(self.rests.min(10))).min(LONGEST_REST));
        self.rests = self.rests.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_bring_growing_rests_and_one_answer_ends_them() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.failed(at(0));
        }
        breaker.answered();
        for _ in 0..5 {
            breaker.failed(at(0));
        }
        assert_eq!(breaker.rest(at(0)), None);
        breaker.failed(at(0));
        assert_eq!(breaker.rest(at(0)), Some((Duration::from_secs(15), 6)));
        breaker.failed(at(1));
        assert_eq!(breaker.rest(at(14)).map(|(left, _)| left.as_secs()), Some(1), "those under way do not count twice");
        assert_eq!(breaker.rest(at(15)), None);
        breaker.failed(at(16));
        assert_eq!(breaker.rest(at(16)).map(|(left, _)| left.as_secs()), Some(30));
        for round in 1..20 {
            breaker.failed(at(round * 1000));
        }
        assert_eq!(breaker.rest(at(19_000)).map(|(left, _)| left), Some(LONGEST_REST));
        breaker.answered();
        assert_eq!(breaker.rest(at(19_000)), None);
    }
}
