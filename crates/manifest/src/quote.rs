//! How a text must be written to be read back as that text, by YAML 1.1 and YAML 1.2 alike.

use crate::scalar::{Scalar, is_decimal_float, resolve};
use crate::tree::{Style, Tag};

/// The source of a scalar with the value `text`, in the style that stands there; a plain one gets quotes only where it
/// would otherwise be read as something else.
pub(crate) fn source(text: &str, style: Style, tag: Tag, flow: bool) -> String {
    match style {
        Style::Single => format!("'{}'", text.replace('\'', "''")),
        Style::Plain if is_plain(text, flow) && (tag == Tag::Text || is_text(text)) => text.to_owned(),
        Style::Plain | Style::Double | Style::Block => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
    }
}

/// Whether a plain scalar of this text is allowed in its context, and ends where it should.
fn is_plain(text: &str, flow: bool) -> bool {
    const INDICATORS: &str = ",[]{}#&*!|>'\"%@`";
    let mut characters = text.chars();
    let Some(first) = characters.next() else {
        return false;
    };
    let ends_word =
        |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || (flow && matches!(c, ',' | '[' | ']' | '{' | '}')));
    let first_is_right = match first {
        // kubectl reads `[?b]` as a key.
        '?' if flow => false,
        '-' | '?' | ':' => !ends_word(characters.next()),
        _ => !INDICATORS.contains(first),
    };
    let brackets = flow && text.contains([',', '[', ']', '{', '}']);
    let marker = text == "---" || text == "...";
    first_is_right
        && !brackets
        && !marker
        && text.trim() == text
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.contains('\u{feff}')
}

/// Whether every reader takes the plain scalar for a text: kubectl's (YAML 1.1 without its sexagesimals), a full YAML 1.1
/// and the core schema of YAML 1.2.
fn is_text(text: &str) -> bool {
    matches!(resolve(text), Scalar::Text(_))
        && !is_decimal_float(text)
        && !is_large_integer(text)
        && !is_date(text)
        && !is_sexagesimal(text)
        && !matches!(text, "=" | "<<")
}

/// An integer of YAML 1.2 or 1.1 that no 64 bits hold.
fn is_large_integer(text: &str) -> bool {
    let digits = text.replace('_', "");
    let digits = digits.strip_prefix(['-', '+']).unwrap_or(&digits);
    let all = |rest: &str, allowed: fn(&u8) -> bool| !rest.is_empty() && rest.as_bytes().iter().all(allowed);
    if let Some(hex) = digits.strip_prefix("0x") {
        all(hex, u8::is_ascii_hexdigit)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        all(octal, |b| (b'0'..=b'7').contains(b))
    } else if let Some(binary) = digits.strip_prefix("0b") {
        all(binary, |b| matches!(b, b'0' | b'1'))
    } else {
        digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && is_decimal_float(digits)
    }
}

/// The dates and times of YAML 1.1: `2024-01-02`, `2024-1-2T03:04:05Z`.
fn is_date(text: &str) -> bool {
    let day = text.split(['T', 't', ' ']).next().unwrap_or(text);
    let parts: Vec<&str> = day.split('-').collect();
    let [year, month, day_of_month] = parts[..] else {
        return false;
    };
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let whole = day.len() == text.len();
    let clock = || text[day.len() + 1..].trim_start().split(':').count() == 3;
    digits(year, 4..=4) && digits(month, 1..=2) && digits(day_of_month, 1..=2) && (whole || clock())
}

/// The base-60 numbers of YAML 1.1: `190:20:30`, `1:30`.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let sixty = |(index, part): (usize, &&str)| {
        let part = match part.split_once('.') {
            Some((whole, decimals))
                if index + 1 == rest.len() && decimals.bytes().all(|b| b.is_ascii_digit() || b == b'_') =>
            {
                whole
            }
            _ => part,
        };
        part.parse::<u8>().is_ok_and(|n| n < 60) && part.len() <= 2 && !part.starts_with('+')
    };
    !rest.is_empty()
        && first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && rest.iter().enumerate().all(sixty)
}
