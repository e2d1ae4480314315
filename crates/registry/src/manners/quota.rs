//! The pulls that a registry still allows to this address: most of them belong to the nodes behind it.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;

/// This share of the pulls, in percent, is left to others.
const KEPT: u64 = 30;
/// What a registry said about its quota is news for so long at most.
const LONGEST_NEWS: Duration = Duration::from_secs(30 * 60);

/// What `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600` say (Docker Hub; requests by HEAD have them too
/// and are not counted).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    limit: u64,
    remaining: u64,
    window: Duration,
    told: Instant,
}

impl Quota {
    pub(super) fn read(headers: &HeaderMap, now: Instant) -> Option<Self> {
        let (limit, window) = number(headers, "ratelimit-limit")?;
        let (remaining, _) = number(headers, "ratelimit-remaining")?;
        Some(Self { limit, remaining, window: window.unwrap_or(LONGEST_NEWS), told: now })
    }

    /// How many of how many pulls are left, if that is too few to take one.
    pub(super) fn too_few(&self, now: Instant) -> Option<(u64, u64)> {
        let is_news = now.saturating_duration_since(self.told) < self.window.min(LONGEST_NEWS);
        let few = u128::from(self.remaining) * 100 <= u128::from(self.limit) * u128::from(KEPT);
        (is_news && few).then_some((self.remaining, self.limit))
    }
}

/// `100;w=21600`: the number and the window.
fn number(headers: &HeaderMap, name: &str) -> Option<(u64, Option<Duration>)> {
    let text = headers.get(name)?.to_str().ok()?;
    let mut parts = text.split([';', ',']).map(str::trim);
    let number = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")?.parse().ok().map(Duration::from_secs));
    Some((number, window))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_percent_are_left_to_others() {
        let now = Instant::now();
        for (limit, remaining, expected) in [
            ("100;w=21600", "76;w=21600", None),
            ("100;w=21600", "31;w=21600", None),
            ("100;w=21600", "30;w=21600", Some((30, 100))),
            ("100;w=21600", "0;w=21600", Some((0, 100))),
            ("200", "10", Some((10, 200))),
            ("0;w=1", "0", Some((0, 0))),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("ratelimit-limit", limit.parse().unwrap());
            headers.insert("ratelimit-remaining", remaining.parse().unwrap());
            assert_eq!(Quota::read(&headers, now).unwrap().too_few(now), expected, "{limit} {remaining}");
            let later = now + LONGEST_NEWS;
            assert_eq!(Quota::read(&headers, now).unwrap().too_few(later), None, "old news is none");
        }
        for (limit, remaining) in [("many", "1"), ("1", ""), ("-1", "-1")] {
            let mut headers = HeaderMap::new();
            headers.insert("ratelimit-limit", limit.parse().unwrap());
            headers.insert("ratelimit-remaining", remaining.parse().unwrap());
            assert_eq!(Quota::read(&headers, now), None, "{limit} {remaining}");
        }
        assert_eq!(Quota::read(&HeaderMap::new(), now), None);
    }
}
