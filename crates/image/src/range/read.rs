//! Reads the text of a range. Errors are the byte where reading stopped, and what is wrong there.

use super::{Operator, Part};

type Failure = (usize, String);

/// Spellings, the longer before those that they begin with.
const OPERATORS: [(&str, Operator); 12] = [
    (">=", Operator::AtLeast),
    ("=>", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=<", Operator::AtMost),
    ("!=", Operator::NotEqual),
    ("==", Operator::Equal),
    ("~>", Operator::Tilde),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("=", Operator::Equal),
];

pub(super) fn alternatives(text: &str) -> Result<Vec<Vec<Part>>, Failure> {
    let mut cursor = Cursor { text, place: 0 };
    let mut alternatives = Vec::new();
    loop {
        alternatives.push(cursor.parts()?);
        if cursor.rest().is_empty() {
            return Ok(alternatives);
        }
        cursor.place += "||".len();
    }
}

struct Cursor<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, Failure> {
        Err((self.place, problem.into()))
    }

    fn skip_spaces(&mut self) {
        self.place = self.text.len() - self.rest().trim_start().len();
    }

    /// Parts joined by "and", up to `||` or the end.
    fn parts(&mut self) -> Result<Vec<Part>, Failure> {
        let mut parts = Vec::new();
        loop {
            self.skip_spaces();
            self.part(&mut parts)?;
            let before = self.place;
            self.skip_spaces();
            if self.rest().is_empty() || self.rest().starts_with("||") {
                return Ok(parts);
            }
            if self.rest().starts_with(',') {
                self.place += 1;
            } else if before == self.place {
                return self.fail("a space, a comma or || should follow the version");
            }
        }
    }

    fn part(&mut self, parts: &mut Vec<Part>) -> Result<(), Failure> {
        let start = self.place;
        let operator = OPERATORS.into_iter().find(|(spelling, _)| self.rest().starts_with(spelling));
        if let Some((spelling, _)) = operator {
            self.place += spelling.len();
            self.skip_spaces();
        }
        let mut part = self.version(operator.map_or(Operator::Equal, |(_, operator)| operator))?;
        if operator.is_none() && self.take_dash() {
            part.operator = Operator::AtLeast;
            parts.push(part);
            part = self.version(Operator::AtMost)?;
        }
        if part.numbers.is_empty() {
            if matches!(part.operator, Operator::NotEqual | Operator::Above | Operator::Below) {
                self.place = start;
                return self.fail("nothing can be in it: the version is a wildcard");
            }
            part.operator = Operator::Equal;
        }
        parts.push(part);
        Ok(())
    }

    /// The dash of `1.2 - 1.4`, which has a space on both sides.
    fn take_dash(&mut self) -> bool {
        let rest = self.rest();
        let Some(behind) = rest.trim_start().strip_prefix('-') else { return false };
        if !rest.starts_with(char::is_whitespace) || !behind.starts_with(char::is_whitespace) {
            return false;
        }
        self.place = self.text.len() - behind.len();
        self.skip_spaces();
        true
    }

    fn version(&mut self, operator: Operator) -> Result<Part, Failure> {
        if self.rest().starts_with(['v', 'V']) {
            self.place += 1;
        }
        let mut numbers = Vec::new();
        let mut wildcard = false;
        for place in 0.. {
            let digits = self.take_while(|letter| letter.is_ascii_digit());
            if place == 3 && (!digits.is_empty() || self.rest().starts_with(['x', 'X', '*'])) {
                self.place -= digits.len();
                return self.fail("a range has at most three numbers; more are ordered, but not looked at");
            }
            if !digits.is_empty() {
                if wildcard {
                    self.place -= digits.len();
                    return self.fail("a number cannot follow a wildcard");
                }
                numbers.push(digits.to_owned());
            } else if self.rest().starts_with(['x', 'X', '*']) {
                self.place += 1;
                wildcard = true;
            } else {
                return self.fail("a version should stand here: numbers, x or *, with dots between them");
            }
            if !self.rest().starts_with('.') {
                break;
            }
            self.place += 1;
        }
        let mut prerelease = None;
        if self.rest().starts_with('-') {
            self.place += 1;
            let text = self.take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-'));
            if text.is_empty() {
                return self.fail("a prerelease should follow the dash: 0 stands for every one");
            }
            let dots = text.find("..").or_else(|| text.ends_with('.').then(|| text.len() - 1));
            if let Some(place) = dots.or_else(|| text.starts_with('.').then_some(0)) {
                self.place -= text.len() - place;
                return self.fail("a part of a prerelease is empty");
            }
            prerelease = Some(text.to_owned());
        }
        if self.rest().starts_with('+') {
            return self.fail("build metadata cannot be in a tag, so it cannot be in a range");
        }
        Ok(Part::new(operator, numbers, prerelease))
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|letter| !accept(letter)).unwrap_or(rest.len());
        self.place += end;
        &rest[..end]
    }
}
