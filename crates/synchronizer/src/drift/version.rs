//! Which of two states of an object is the newer one.

use lockstep_plan::LiveMetadata;

/// The resource version of an object's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Whole numbers only grow, also across the objects of a kind.
    Number(u64),
    /// What is no number can only be compared for equality.
    Text(Box<str>),
}

impl Version {
    pub(crate) fn of(live: &LiveMetadata) -> Self {
        Self::read(&live.resource_version)
    }

    pub(crate) fn read(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Text(text.into()), Self::Number)
    }

    /// Whether this state was stored after `other`; in doubt it was.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(this), Self::Number(other)) => this > other,
            _ => self != other,
        }
    }
}
