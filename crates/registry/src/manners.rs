//! How a registry is treated: few requests at a time, pauses kept, failures tried again with patience.

mod breaker;
mod bucket;
mod quota;

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::RegistryError;
use breaker::Breaker;
use bucket::Bucket;
use quota::Quota;

/// Requests in flight for one registry, so that a slow one holds up nobody else for long.
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
    in_flight: Semaphore,
    state: Mutex<State>,
}

struct State {
    bucket: Bucket,
    breaker: Breaker,
    quota: Option<Quota>,
    paused_until: Option<Instant>,
}

/// Why it is not our turn, and will not be soon.
pub(crate) enum NotNow {
    /// The registry asked for a pause.
    Paused(Duration),
    /// It did not answer so many times in a row, and is left alone.
    Resting(Duration, u32),
    /// So many of so many pulls are left; they belong to others.
    Spared(u64, u64),
}

impl NotNow {
    pub(crate) fn error(self, repository: String, doing: &'static str) -> RegistryError {
        match self {
            Self::Paused(pause) => RegistryError::RateLimited { repository, doing, pause },
            Self::Resting(pause, failures) => RegistryError::LeftAlone { repository, doing, pause, failures },
            Self::Spared(remaining, limit) => RegistryError::Spared { repository, doing, remaining, limit },
        }
    }
}

impl Manners {
    pub(crate) fn new(requests_per_second: Option<NonZeroU32>) -> Self {
        let rate = requests_per_second.unwrap_or(PER_SECOND).get();
        let bucket = Bucket::new(f64::from(rate), Instant::now());
        let state = State { bucket, breaker: Breaker::default(), quota: None, paused_until: None };
        Self { in_flight: Semaphore::new(IN_FLIGHT), state: Mutex::new(state) }
    }

    /// Waits for our turn; held until the answer is read. `counted` says that the registry may count the request as a pull.
    pub(crate) async fn turn(&self, counted: bool) -> Result<Option<SemaphorePermit<'_>>, NotNow> {
        let permit = self.in_flight.acquire().await.ok();
        let wait = self.wait(counted)?;
        tokio::time::sleep(wait).await;
        // While we waited somebody may have been told to pause.
        tokio::time::sleep(self.pause_left()?).await;
        Ok(permit)
    }

    fn wait(&self, counted: bool) -> Result<Duration, NotNow> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some((left, failures)) = state.breaker.rest(now) {
            return Err(NotNow::Resting(left, failures));
        }
        if counted && let Some((remaining, limit)) = state.quota.and_then(|quota| quota.too_few(now)) {
            return Err(NotNow::Spared(remaining, limit));
        }
        let pause = state.pause_left(now);
        if pause > LONGEST_WAIT {
            return Err(NotNow::Paused(pause));
        }
        Ok(state.bucket.take(now).max(pause))
    }

    fn pause_left(&self) -> Result<Duration, NotNow> {
        let pause = self.state().pause_left(Instant::now());
        if pause > LONGEST_WAIT { Err(NotNow::Paused(pause)) } else { Ok(pause) }
    }

    /// The registry said 429: the whole of it is left alone for `pause`, and is asked half as often then. Gives the pause that
    /// holds.
    pub(crate) fn complaint(&self, pause: Option<Duration>) -> Duration {
        let now = Instant::now();
        let pause = pause.unwrap_or(UNNAMED_PAUSE).min(LONGEST_PAUSE);
        let mut state = self.state();
        state.breaker.answered();
        state.bucket.complaint(now);
        state.paused_until = state.paused_until.max(Some(now + pause));
        pause
    }

    /// An answer came.
    pub(crate) fn answered(&self, headers: &HeaderMap) {
        let mut state = self.state();
        state.breaker.answered();
        if let Some(quota) = Quota::read(headers, Instant::now()) {
            state.quota = Some(quota);
        }
    }

    /// No answer came, or one that says that the server is broken.
    pub(crate) fn failed(&self) {
        self.state().breaker.failed(Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause_left(&self, now: Instant) -> Duration {
        self.paused_until.map(|until| until.saturating_duration_since(now)).unwrap_or_default()
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
        assert!(manners.turn(false).await.is_ok());
        manners.complaint(Some(Duration::from_secs(1800)));
        manners.complaint(Some(Duration::from_secs(1)));
        let error = manners.turn(false).await.err().unwrap().error("r.example/a".into(), "list the tags of");
        assert_eq!(error.category(), "rate-limited");
        assert!(error.pause() > Some(Duration::from_secs(1000)), "{error}");
    }

    #[tokio::test]
    async fn pulls_are_spared_and_other_requests_are_not() {
        let manners = Manners::new(None);
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-limit", "100;w=21600".parse().unwrap());
        headers.insert("ratelimit-remaining", "12;w=21600".parse().unwrap());
        manners.answered(&headers);
        assert!(manners.turn(false).await.is_ok());
        let error = manners.turn(true).await.err().unwrap().error("docker.io/a".into(), "read a manifest of");
        assert_eq!((error.category(), error.is_transient()), ("spared", false));
        assert!(error.to_string().contains("12 of 100"), "{error}");
    }
}
