//! Tags that places have and that were pushed again: what runs, and what would run after a restart, may not be the same.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use lockstep_registry::{MovedTag, Repository};

use crate::board::Problem;
use crate::scan::Wanted;

/// How often the tags of a repository that places have are looked up, at its listings.
const LOOK: SignedDuration = SignedDuration::from_hours(1);
/// How long a move is told.
const NEWS: SignedDuration = SignedDuration::from_hours(24);

/// When the tags in use were last looked up, and which had moved. Losing it costs time only: the digests are in the record.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    looked: BTreeMap<Repository, Timestamp>,
    news: BTreeMap<Repository, Vec<(Timestamp, MovedTag)>>,
}

impl Moves {
    /// Forgets what no place names any more, and what is no news.
    pub(crate) fn forget(&mut self, wanted: &Wanted, now: Timestamp) {
        self.looked.retain(|repository, _| wanted.contains_key(repository));
        self.news.retain(|repository, news| {
            news.retain(|(at, _)| now < *at + NEWS);
            wanted.contains_key(repository) && !news.is_empty()
        });
    }

    /// The tags of a repository to look up beside its listing: those that places have, now and then.
    pub(crate) fn due(&mut self, repository: &Repository, currents: &BTreeSet<String>, now: Timestamp) -> Vec<String> {
        let looked = self.looked.entry(repository.clone()).or_insert(now);
        if now < *looked + LOOK {
            return Vec::new();
        }
        *looked = now;
        currents.iter().cloned().collect()
    }

    /// The record says that these moved.
    pub(crate) fn told(&mut self, repository: &Repository, moved: Vec<MovedTag>, now: Timestamp) {
        if !moved.is_empty() {
            let news = self.news.entry(repository.clone()).or_default();
            news.extend(moved.into_iter().map(|moved| (now, moved)));
        }
    }

    /// What a person should know.
    pub(crate) fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        self.news.iter().flat_map(|(repository, news)| news.iter().map(move |(_, moved)| problem(repository, moved)))
    }
}

fn problem(repository: &Repository, MovedTag { tag, from, to }: &MovedTag) -> Problem {
    let message = format!(
        "{repository}:{tag} was pushed again: it was {from} and is {to}; nodes may run either, so pin the digest or push a new tag"
    );
    Problem { category: "moved-tag", message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{FakeClock, repository};
    use crate::ports::Clock as _;

    #[test]
    fn tags_in_use_are_looked_up_each_hour_and_their_moves_told_for_a_day() {
        let clock = FakeClock::at("2026-11-23T08:00:00Z");
        let currents: BTreeSet<String> = ["1".to_owned()].into();
        let wanted: Wanted = [(repository("a"), currents.clone())].into();
        let mut moves = Moves::default();
        for (minutes, expected) in [(0, 0), (59, 0), (1, 1), (30, 0), (30, 1)] {
            clock.pass(minutes * 60);
            let tags = moves.due(&repository("a"), &currents, clock.now());
            assert_eq!(tags, vec!["1"; expected], "{minutes}");
        }
        let moved = MovedTag { tag: "1".into(), from: "sha256:aa".into(), to: "sha256:bb".into() };
        let now = || clock.now();
        moves.told(&repository("a"), vec![moved], now());
        moves.told(&repository("a"), vec![], now());
        let problems: Vec<Problem> = moves.problems().collect();
        assert_eq!((problems.len(), problems[0].category), (1, "moved-tag"));
        assert!(
            problems[0].message.contains("ghcr.io/a:1 was pushed again: it was sha256:aa"),
            "{}",
            problems[0].message
        );
        moves.forget(&wanted, now());
        assert_eq!(moves.problems().count(), 1);
        clock.pass(24 * 3600);
        moves.forget(&wanted, now());
        assert_eq!(moves.problems().count(), 0);
    }
}
