//! Which time orders tags that no policy orders by name.

use jiff::Timestamp;

use crate::question::Candidate;

/// 1990-01-01: reproducible builds claim to be from 1970.
const BELIEVED_AFTER: Timestamp = Timestamp::constant(631_152_000, 0);

/// The times of one tag.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    pub(crate) pushed: Option<Timestamp>,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) created: Option<Timestamp>,
}

impl Record {
    /// The times of a listed tag.
    pub(crate) fn of(candidate: &Candidate<'_>) -> Self {
        Self { pushed: candidate.pushed, first_seen: candidate.first_seen, created: candidate.created }
    }

    /// One time for every clock.
    pub(crate) fn at(time: Timestamp) -> Self {
        Self { pushed: Some(time), first_seen: Some(time), created: Some(time) }
    }

    /// Both records are about one tag: the later push and build, the earlier sight.
    pub(crate) fn merge(&mut self, other: &Record) {
        self.pushed = self.pushed.max(other.pushed);
        self.created = self.created.max(other.created);
        self.first_seen = match (self.first_seen, other.first_seen) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        };
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pushed.is_none() && self.first_seen.is_none() && self.created.is_none()
    }
}

/// The one clock of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Pushed,
    FirstSeen,
    Created,
}

/// When a tag appeared, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// It was there when the repository was first listed; with the time that its publisher claims.
    Before(Option<Timestamp>),
    At(Timestamp),
}

/// Where a reading of time begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon {
    pub(crate) now: Timestamp,
    pub(crate) first_scan: Option<Timestamp>,
}

impl Clock {
    /// The first clock that every record has: pushed, first seen, created.
    pub(crate) fn for_all(records: impl Iterator<Item = Record> + Clone, horizon: &Horizon) -> Option<Self> {
        [Self::Pushed, Self::FirstSeen, Self::Created]
            .into_iter()
            .find(|clock| records.clone().all(|record| clock.read(&record, horizon).is_some()))
    }

    pub(crate) fn read(self, record: &Record, horizon: &Horizon) -> Option<Moment> {
        let created = || record.created.filter(|time| *time > BELIEVED_AFTER && *time <= horizon.now);
        match self {
            Self::Pushed => record.pushed.map(Moment::At),
            Self::FirstSeen => record.first_seen.map(|time| {
                let before = horizon.first_scan.is_some_and(|scan| time <= scan);
                if before { Moment::Before(created()) } else { Moment::At(time) }
            }),
            Self::Created => created().map(Moment::At),
        }
    }
}
