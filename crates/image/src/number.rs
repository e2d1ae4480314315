//! Decimal numbers of any length, compared as text: build numbers and dates outgrow every integer type.

use std::cmp::Ordering;

/// Compares two runs of digits by value; leading zeros do not count.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (significant(left), significant(right));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// The digits without leading zeros; empty for zero.
pub(crate) fn significant(digits: &str) -> &str {
    digits.trim_start_matches('0')
}

/// Whether the text is one or more digits and nothing else.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the number is greater than ten times the other, with ten as the least that the other counts for.
pub(crate) fn is_over_tenfold(digits: &str, base: &str) -> bool {
    let base = if compare(base, "10").is_lt() { "10" } else { significant(base) };
    compare(digits, &format!("{base}0")).is_gt()
}
