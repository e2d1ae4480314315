//! Decimal numbers with sign, fraction and exponent, compared exactly.

use std::cmp::Ordering;

use crate::number;

/// A number such as `-12.5` or `3e8`, of any length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Decimal<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let negative = text.starts_with('-');
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => {
                let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
                (digits, Some(exponent).filter(|_| number::is_digits(unsigned))?.parse().ok()?)
            }
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let valid = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        (valid(whole) && valid(fraction) && !(whole.is_empty() && fraction.is_empty())).then_some(Self {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    pub(crate) fn compare(&self, other: &Decimal<'_>) -> Ordering {
        match (self.sign(), other.sign()) {
            (0, 0) => Ordering::Equal,
            (1, 1) => self.compare_sizes(other),
            (-1, -1) => other.compare_sizes(self),
            (left, right) => left.cmp(&right),
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits().next(), self.negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }

    fn compare_sizes(&self, other: &Decimal<'_>) -> Ordering {
        self.magnitude().cmp(&other.magnitude()).then_with(|| {
            let (mut left, mut right) = (self.digits(), other.digits());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (left, right) => {
                        let order = left.unwrap_or(b'0').cmp(&right.unwrap_or(b'0'));
                        if order.is_ne() {
                            return order;
                        }
                    }
                }
            }
        })
    }

    /// From the first digit that is not zero.
    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.bytes().chain(self.fraction.bytes()).skip_while(|digit| *digit == b'0')
    }

    /// How many places the first digit that is not zero stands before the point.
    fn magnitude(&self) -> i64 {
        let all = self.whole.len() + self.fraction.len();
        let zeros = all - self.digits().count();
        let place = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        place(self.whole.len()) - place(zeros) + i64::from(self.exponent)
    }
}
