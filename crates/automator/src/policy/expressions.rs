//! Policies and filters that were read before: ten thousand places say the same few things, and a compiled expression
//! takes more room than all else that is known of a place.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lockstep_image::{FilterError, Policy, PolicyError, TagFilter};

/// By their text. Copies of one share what is compiled.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    policies: Known<Policy>,
    filters: Known<TagFilter>,
}

impl Expressions {
    /// Reads a policy; what an empty text means depends on the current tag.
    pub(super) fn policy(&self, text: &str, current: Option<&str>) -> Result<Policy, PolicyError> {
        if text.trim().is_empty() {
            Policy::parse(text, current)
        } else {
            self.policies.get(text, || Policy::parse(text, current))
        }
    }

    /// Reads a filter.
    pub(super) fn filter(&self, text: &str) -> Result<TagFilter, FilterError> {
        self.filters.get(text, || TagFilter::parse(text))
    }

    /// Another survey begins. What the last one did not use is forgotten.
    pub(crate) fn begin_survey(&mut self) {
        self.policies.turn_over();
        self.filters.turn_over();
    }
}

/// What this survey used, and what the one before it used.
#[derive(Debug)]
struct Known<T>(Mutex<[HashMap<String, T>; 2]>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Known<T> {
    fn get<E>(&self, text: &str, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let [now, before] = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = now.get(text) {
            return Ok(known.clone());
        }
        let known = before.remove(text).map_or_else(read, Ok)?;
        now.insert(text.to_owned(), known.clone());
        Ok(known)
    }

    fn turn_over(&mut self) {
        let [now, before] = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        *before = std::mem::take(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_surveys_use_is_read_once_and_what_one_does_not_use_is_forgotten() {
        let mut known = Known::<&str>::default();
        let read = |known: &Known<&'static str>, value: &'static str| known.get("a", || Ok::<_, ()>(value));
        assert_eq!(read(&known, "first"), Ok("first"));
        for _ in 0..2 {
            known.turn_over();
            assert_eq!(read(&known, "second"), Ok("first"));
            assert_eq!(read(&known, "third"), Ok("first"));
        }
        known.turn_over();
        known.turn_over();
        assert_eq!(known.get("a", || Err("it cannot be read")), Err("it cannot be read"));
        assert_eq!(read(&known, "second"), Ok("second"));
    }

    #[test]
    fn an_empty_policy_is_that_of_each_tag() {
        let expressions = Expressions::default();
        let policy = |text, current| expressions.policy(text, Some(current)).unwrap().to_string();
        assert_eq!([policy("", "1.2.3"), policy("", "2.0.0")], ["semver:^1.2.3", "semver:^2.0.0"]);
        assert_eq!([policy("glob:*", "1.2.3"), policy("glob:*", "2.0.0")], ["glob:*", "glob:*"]);
    }
}
