//! Spans of time in settings: `500ms`, `30s`, `5m`, `12h`, `3d`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// The units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A span of time, written as a whole number and a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

impl Period {
    /// A period of so many seconds, for defaults.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The span.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a span of time: write a whole number and one of ms, s, m, h, d, as in 30s");
        let end = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (count, unit) = text.split_at(end);
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let count: u64 = count.parse().map_err(|_| wrong())?;
        count.checked_mul(*length).map(Duration::from_millis).map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = UNITS.iter().find(|(_, size)| length > 0 && length % size == 0).unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", length / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_shown() {
        for (text, milliseconds, shown) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "90s"),
            ("120s", 120_000, "2m"),
            ("5m", 300_000, "5m"),
            ("12h", 43_200_000, "12h"),
            ("3d", 259_200_000, "3d"),
            ("0s", 0, "0s"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.get(), Duration::from_millis(milliseconds), "{text}");
            assert_eq!(period.to_string(), shown, "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "1h30m", " 1s", "30 s", "99999999999999999999d", "1w"] {
            assert!(text.parse::<Period>().unwrap_err().contains("as in 30s"), "{text}");
        }
    }
}
