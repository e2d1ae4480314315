//! The names of many tags in little room: a process may know a million of them.

use std::fmt;

/// Stands between two names; no tag can have it.
const END: char = '\n';

/// Names of tags, in the order in which they came, as one text.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TagNames {
    text: Box<str>,
    count: usize,
}

impl TagNames {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each name.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split_terminator(END)
    }

    /// Whether the name is among them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|known| known == name)
    }

    /// How much room they take.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl<S: AsRef<str>> FromIterator<S> for TagNames {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let names: Vec<S> = names.into_iter().collect();
        // What grows and shrinks leaves holes that a thousand repositories add up.
        let mut text = String::with_capacity(names.iter().map(|name| name.as_ref().len() + END.len_utf8()).sum());
        for name in &names {
            text.push_str(name.as_ref());
            text.push(END);
        }
        Self { text: text.into_boxed_str(), count: names.len() }
    }
}

impl<const N: usize> PartialEq<[&str; N]> for TagNames {
    fn eq(&self, names: &[&str; N]) -> bool {
        self.iter().eq(names.iter().copied())
    }
}

impl fmt::Debug for TagNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for names in [vec![], vec!["1.0"], vec!["1.0", "1.1", "latest"]] {
            let packed: TagNames = names.iter().collect();
            assert_eq!(packed.iter().collect::<Vec<_>>(), names);
            assert_eq!((packed.len(), packed.is_empty()), (names.len(), names.is_empty()));
            assert!(
                packed != ["1.0", "2.0"]
                    && names.iter().all(|name| packed.contains(name))
                    && !packed.contains("1.")
                    && !packed.contains("")
            );
        }
    }
}
