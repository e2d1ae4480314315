//! Spans of time as people write them in annotations: `3d`, `12h`, `1d12h`.

use jiff::SignedDuration;

/// The units, longest first, in seconds.
const UNITS: [(char, i64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Why a text is not a span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a span of time: {problem}; write for example 3d, 12h or 1d12h")]
pub struct DurationError {
    text: String,
    problem: String,
}

/// Reads whole numbers with the units `w`, `d`, `h`, `m` (minutes) and `s`, longest unit first, each at most once.
///
/// # Errors
/// If the text is anything else, or longer than can be counted.
pub fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    read(text.trim()).map_err(|problem| DurationError { text: text.to_owned(), problem })
}

fn read(text: &str) -> Result<SignedDuration, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut rest = text;
    let mut seconds: i64 = 0;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        let Some(unit) = after.chars().next() else {
            return Err(format!("{digits} has no unit (w, d, h, m or s)"));
        };
        if digits.is_empty() {
            return Err(format!("a whole number should stand before {after:?}"));
        }
        if !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(format!("{unit:?} is not a unit (w, d, h, m or s)"));
        }
        let Some(place) = units.iter().position(|(known, _)| *known == unit) else {
            return Err(format!("the unit {unit:?} comes twice or behind a shorter one"));
        };
        let count: i64 = digits.parse().map_err(|_| format!("{digits} is too large"))?;
        seconds = count
            .checked_mul(units[place].1)
            .and_then(|part| seconds.checked_add(part))
            .ok_or_else(|| format!("{digits}{unit} is too long"))?;
        units = &units[place + 1..];
        rest = &after[unit.len_utf8()..];
    }
    Ok(SignedDuration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
