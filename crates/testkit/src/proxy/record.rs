//! What came through the proxy, and when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use super::request::{Asked, Requests};

/// One request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it asked for.
    pub asked: Asked,
    /// Its body, where that is JSON.
    pub body: Value,
    /// The fault it met, as text.
    pub fault: Option<String>,
    /// The HTTP status that the daemon was told; none while it waits or when it was told none.
    pub code: Option<u16>,
    /// When it came in.
    pub began: Instant,
    /// When it was answered or broken off; of a watch, when it ended.
    pub ended: Option<Instant>,
}

/// Everything that came in.
#[derive(Default)]
pub(super) struct Record(Mutex<Vec<Seen>>);

/// A request in hand; dropped when it has been answered or broken off.
pub(super) struct Entry {
    record: Arc<Record>,
    position: usize,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(self: &Arc<Self>, asked: Asked, body: &[u8]) -> Entry {
        let body = serde_json::from_slice(body).unwrap_or_default();
        let mut all = self.lock();
        all.push(Seen { asked, body, fault: None, code: None, began: Instant::now(), ended: None });
        Entry { record: Arc::clone(self), position: all.len() - 1 }
    }

    pub(super) fn matching(&self, requests: &Requests) -> Vec<Seen> {
        self.lock().iter().filter(|seen| requests.contain(&seen.asked)).cloned().collect()
    }
}

impl Entry {
    pub(super) fn met(&self, fault: String) {
        if let Some(seen) = self.record.lock().get_mut(self.position) {
            seen.fault = Some(fault);
        }
    }

    pub(super) fn answered(&self, code: u16) {
        if let Some(seen) = self.record.lock().get_mut(self.position) {
            seen.code = Some(code);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(seen) = self.record.lock().get_mut(self.position) {
            seen.ended = Some(Instant::now());
        }
    }
}

/// How many of these were open at the same moment, at most.
pub(super) fn most_at_once(seen: &[Seen]) -> usize {
    let ends = seen.iter().filter_map(|seen| Some((seen.ended?, -1_isize)));
    let mut steps: Vec<_> = seen.iter().map(|seen| (seen.began, 1_isize)).chain(ends).collect();
    // What ends and what begins in the same moment were not open together.
    steps.sort_unstable();
    let open = steps.iter().scan(0_isize, |open, (_, step)| {
        *open += step;
        Some(*open)
    });
    usize::try_from(open.max().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_counted() {
        let record = Arc::new(Record::default());
        let first = record.begin(Asked::default(), b"");
        let second = record.begin(Asked::default(), b"{}");
        drop((first, second));
        drop(record.begin(Asked::default(), b""));
        assert_eq!(most_at_once(&record.matching(&Requests::all())), 2);
        assert_eq!(most_at_once(&[]), 0);
    }
}
