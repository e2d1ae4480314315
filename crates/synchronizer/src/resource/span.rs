//! Spans of time as a Sync writes them: `30s`, `5m`, `1h30m`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Go's way to write a duration, without parts of seconds.
pub(super) const PATTERN: &str = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$";

/// The longest span: one year. A moment that is so far away can always be reckoned.
const LONGEST_HOURS: u64 = 8760;
const UNITS: [(char, u64); 3] = [('h', 3600), ('m', 60), ('s', 1)];

/// A span of whole seconds, of one year at most.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

impl Span {
    /// So many seconds, for defaults.
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// The rules by which the API server holds a span to its bounds.
pub(super) fn within(shortest: &str) -> Value {
    json!([{
        "rule": format!("duration(self) >= duration('{shortest}') && duration(self) <= duration('{LONGEST_HOURS}h')"),
        "message": format!("must be at least {shortest} and at most {LONGEST_HOURS}h"),
    }])
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a span of time of at most {LONGEST_HOURS}h, written as in 30s or 1h30m");
        let (mut rest, mut total) = (text, 0u64);
        for (unit, seconds) in UNITS {
            let Some((count, after)) = rest.split_once(unit) else { continue };
            let count = Some(count).filter(|count| count.bytes().all(|digit| digit.is_ascii_digit()));
            let part = count.and_then(|count| count.parse::<u64>().ok()?.checked_mul(seconds));
            total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
            rest = after;
        }
        if text.is_empty() || !rest.is_empty() || total > LONGEST_HOURS * 3600 {
            return Err(wrong());
        }
        Ok(Self::seconds(total))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_secs();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("30s", 30, "30s"),
            ("90s", 90, "1m30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5400, "1h30m"),
            ("1h1s", 3601, "1h1s"),
            ("0s", 0, "0s"),
            ("0h", 0, "0s"),
            ("8760h", 31_536_000, "8760h"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((Duration::from(span), span.to_string().as_str()), (Duration::from_secs(seconds), shown));
        }
    }

    #[test]
    fn what_no_clock_can_reckon_is_refused() {
        let silly = ["", "5", "h", "1s1m", "-5s", "+5s", "1.5h", "5s-3s", "30ms", "1d", " 5s", "8761h", "8760h1s"];
        let huge = ["9999999999999999999h", "3000000000000000h", "99999999999999999999999999s", "5124095576030431h"];
        for text in silly.into_iter().chain(huge) {
            let refused = text.parse::<Span>();
            assert!(refused.as_ref().is_err_and(|error| error.contains("8760h")), "{text:?}: {refused:?}");
        }
    }
}
