//! A token bucket whose rate gives way: halved when the registry complains, won back slowly.

use std::time::{Duration, Instant};

/// However often a registry complains, one request in ten seconds is possible.
const SLOWEST: f64 = 0.1;
/// Complaints within this time are one: they are about requests that were under way together.
const ONE_COMPLAINT: Duration = Duration::from_secs(5);
/// After so long without a complaint the rate grows again.
const QUIET: Duration = Duration::from_secs(20 * 60);
const GROWTH: f64 = 1.5;

/// Requests a second on average, with bursts of twice as many.
pub(super) struct Bucket {
    most: f64,
    rate: f64,
    /// Below zero when turns are given out ahead of time.
    tokens: f64,
    filled: Instant,
    complained: Option<Instant>,
}

impl Bucket {
    pub(super) fn new(per_second: f64, now: Instant) -> Self {
        Self { most: per_second, rate: per_second, tokens: per_second * 2.0, filled: now, complained: None }
    }

    /// Takes a turn, and says how far ahead it is.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        if let Some(complained) = self.complained
            && now.saturating_duration_since(complained) >= QUIET
        {
            self.rate = (self.rate * GROWTH).min(self.most);
            self.complained = (self.rate < self.most).then_some(now);
        }
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min((self.rate * 2.0).max(1.0));
        self.filled = now;
        self.tokens -= 1.0;
        Duration::try_from_secs_f64(-self.tokens / self.rate).unwrap_or_default()
    }

    /// The registry says that it was too much.
    pub(super) fn complaint(&mut self, now: Instant) {
        if self.complained.is_none_or(|last| now.saturating_duration_since(last) >= ONE_COMPLAINT) {
            self.rate = (self.rate / 2.0).max(SLOWEST).min(self.most);
            (self.tokens, self.filled) = (self.tokens.min(0.0), now);
        }
        self.complained = Some(now);
    }

    #[cfg(test)]
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_each_waits_its_turn() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10.0, start);
        let waits: Vec<u128> = (0..23).map(|_| bucket.take(start).as_millis()).collect();
        assert_eq!((&waits[..20], &waits[20..]), (&[0; 20][..], &[100, 200, 300][..]));
        assert_eq!(bucket.take(start + Duration::from_secs(60)).as_millis(), 0);
    }

    #[test]
    fn a_slow_rate_still_gives_one_turn() {
        let start = Instant::now();
        let mut bucket = Bucket::new(0.1, start);
        assert_eq!(bucket.take(start).as_secs(), 8, "a fifth of a token was there");
        assert_eq!(bucket.take(start + Duration::from_secs(100)).as_secs(), 0);
    }

    #[test]
    fn complaints_halve_the_rate_and_quiet_wins_it_back() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::new(10.0, start);
        for _ in 0..4 {
            bucket.complaint(at(1));
        }
        assert_eq!(bucket.rate(), 5.0, "four at once are one");
        assert!(bucket.take(at(1)) > Duration::ZERO, "nothing is saved up");
        bucket.complaint(at(10));
        assert_eq!(bucket.rate(), 2.5);
        bucket.take(at(1000));
        assert_eq!(bucket.rate(), 2.5);
        for (second, rate) in [(1300, 3.75), (1400, 3.75), (2600, 5.625), (3900, 8.4375), (5200, 10.0), (9000, 10.0)] {
            bucket.take(at(second));
            assert_eq!(bucket.rate(), rate, "{second}");
        }
        for second in 0..40 {
            bucket.complaint(at(10_000 + second * 10));
        }
        assert_eq!(bucket.rate(), SLOWEST);
    }
}
