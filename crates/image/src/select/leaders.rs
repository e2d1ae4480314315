//! Which tags can be the answer: of ten thousand only the greatest are looked at, so the keys of the others are not kept.

use std::cmp::Ordering;

use super::Entry;
use crate::eligible::{Key, Keyed};

/// So many of the greatest are kept, and at times four times as many.
const KEPT: usize = 64;

/// The greatest of the entries that came so far.
pub(super) struct Leaders<'a> {
    most: usize,
    /// Places of entries.
    kept: Vec<usize>,
    /// What is less is outranked.
    least: Option<Key<'a>>,
    /// Whether any entry lost its key.
    pub(super) outranked: bool,
}

impl<'a> Leaders<'a> {
    /// A few, which is enough for most decisions.
    pub(super) fn few() -> Self {
        Self { most: KEPT, kept: Vec::new(), least: None, outranked: false }
    }

    /// Everybody.
    pub(super) fn all() -> Self {
        Self { most: usize::MAX, ..Self::few() }
    }

    /// Adds an entry to the others.
    pub(super) fn add(&mut self, mut entry: Entry<'a>, entries: &mut Vec<Entry<'a>>) {
        self.outrank(&mut entry);
        if entry.keyed.is_some() {
            self.kept.push(entries.len());
        }
        entries.push(entry);
        if self.kept.len() / 4 >= self.most {
            self.prune(entries);
        }
    }

    /// All came. What has the least leader's value stays, so that ties are seen.
    pub(super) fn close(&mut self, entries: &mut [Entry<'a>]) {
        entries.iter_mut().for_each(|entry| self.outrank(entry));
    }

    fn prune(&mut self, entries: &mut [Entry<'a>]) {
        let key = |place: &usize| entries[*place].keyed.as_ref().map(|keyed| keyed.key);
        let newest_first = |left: &usize, right: &usize| match (key(left), key(right)) {
            (Some(left), Some(right)) => right.compare(&left),
            _ => Ordering::Equal,
        };
        let (_, last, _) = self.kept.select_nth_unstable_by(self.most - 1, newest_first);
        self.least = key(last);
        for place in self.kept.drain(self.most..).collect::<Vec<_>>() {
            self.outrank(&mut entries[place]);
        }
    }

    fn outrank(&mut self, entry: &mut Entry<'a>) {
        let is_less = |(keyed, least): (&Keyed<'a>, &Key<'a>)| keyed.key.compare(least).is_lt();
        if entry.keyed.as_deref().zip(self.least.as_ref()).is_some_and(is_less) {
            entry.keyed = None;
            self.outranked = true;
        }
    }
}
