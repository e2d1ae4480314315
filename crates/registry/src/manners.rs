//! How a registry is treated: few requests at a time, pauses kept, failures tried again with patience.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::endpoint::Repository;
use crate::error::RegistryError;

/// Requests in flight for one registry.
const IN_FLIGHT: usize = 4;
/// Requests a second for one registry, without a setting.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// How often one request is tried again.
const RETRIES: usize = 3;
/// A pause longer than this is handed to the caller, who has better things to do meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// No registry silences us for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The pause after 429 without `Retry-After`.
const UNNAMED_PAUSE: Duration = Duration::from_secs(2);

/// The state of our manners towards one registry.
pub(crate) struct Manners {
    bucket: DefaultDirectRateLimiter,
    in_flight: Semaphore,
    paused_until: Mutex<Option<Instant>>,
}

impl Manners {
    pub(crate) fn new(requests_per_second: Option<NonZeroU32>) -> Self {
        let rate = requests_per_second.unwrap_or(PER_SECOND);
        Self {
            bucket: RateLimiter::direct(
                Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(1))),
            ),
            in_flight: Semaphore::new(IN_FLIGHT),
            paused_until: Mutex::new(None),
        }
    }

    /// Waits for our turn. Held until the answer is read; an error when the registry wants a long pause.
    pub(crate) async fn turn(
        &self,
        repository: &Repository,
        doing: &'static str,
    ) -> Result<Option<SemaphorePermit<'_>>, RegistryError> {
        let permit = self.in_flight.acquire().await.ok();
        self.bucket.until_ready().await;
        let pause = self.paused().map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        if pause > LONGEST_WAIT {
            return Err(RegistryError::RateLimited { repository: repository.to_string(), doing, pause });
        }
        tokio::time::sleep(pause).await;
        Ok(permit)
    }

    /// Leaves the whole registry alone for `pause`; gives the pause that holds.
    pub(crate) fn pause(&self, pause: Option<Duration>) -> Duration {
        let pause = pause.unwrap_or(UNNAMED_PAUSE).min(LONGEST_PAUSE);
        let until = Instant::now() + pause;
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |before| before.max(until)));
        pause
    }

    fn paused(&self) -> Option<Instant> {
        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries `request` again while its error may pass, with growing and jittered waits, or the wait that the registry asked for.
pub(crate) async fn patiently<T, F, Fut>(request: F) -> Result<T, RegistryError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, RegistryError>>,
{
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(RETRIES)
        .with_jitter();
    request
        .retry(waits)
        .sleep(tokio::time::sleep)
        .when(|error| error.is_transient() && error.pause().is_none_or(|pause| pause <= LONGEST_WAIT))
        .adjust(|error, wait| wait.map(|wait| error.pause().unwrap_or(wait)))
        .notify(|error, wait| tracing::debug!(%error, wait_ms = wait.as_millis() as u64, "a registry request is tried again"))
        .await
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()?;
    // A date that is over means: now.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default().min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2015-10-21T07:27:00Z".parse().unwrap();
        for (value, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("999999999", Some(3600)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:26:00 GMT", Some(0)),
            ("Wed, 21 Oct 2035 07:26:00 GMT", Some(3600)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }

    #[tokio::test]
    async fn a_long_pause_is_an_error_for_every_repository_of_the_registry() {
        let manners = Manners::new(None);
        let repository = Repository { host: "r.example".into(), name: "a".into() };
        assert!(manners.turn(&repository, "list the tags of").await.is_ok());
        manners.pause(Some(Duration::from_secs(1800)));
        manners.pause(Some(Duration::from_secs(1)));
        let error = manners.turn(&repository, "list the tags of").await.err().unwrap();
        assert_eq!(error.category(), "rate-limited");
        assert!(error.pause() > Some(Duration::from_secs(1000)), "{error}");
    }
}
