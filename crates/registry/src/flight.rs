//! One fetch in flight for each key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lets callers of the same key share one result, but never one whose work began before they asked.
///
/// So a caller who was told that something changed does not get an answer from before the change. Of many who wait, one works
/// and the others take its result.
pub(crate) struct SingleFlight<K, T> {
    clock: AtomicU64,
    slots: Mutex<HashMap<K, Arc<Slot<T>>>>,
}

type Slot<T> = tokio::sync::Mutex<Option<(u64, T)>>;

impl<K: Hash + Eq + Clone, T: Clone> SingleFlight<K, T> {
    pub(crate) fn new() -> Self {
        Self { clock: AtomicU64::new(0), slots: Mutex::new(HashMap::new()) }
    }

    /// Runs `work`, or waits for another caller's run of it that begins after this call.
    pub(crate) async fn run(&self, key: K, work: impl Future<Output = T>) -> T {
        let asked = self.clock.fetch_add(1, Ordering::SeqCst);
        let entrance = Entrance { flight: self, slot: Arc::clone(self.slots().entry(key.clone()).or_default()), key };
        let mut last = entrance.slot.lock().await;
        if let Some((began, result)) = last.as_ref()
            && *began > asked
        {
            return result.clone();
        }
        let began = self.clock.fetch_add(1, Ordering::SeqCst);
        let result = work.await;
        *last = Some((began, result.clone()));
        result
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<K, Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the slot away when the last caller leaves, cancelled or not.
struct Entrance<'a, K: Hash + Eq + Clone, T: Clone> {
    flight: &'a SingleFlight<K, T>,
    key: K,
    slot: Arc<Slot<T>>,
}

impl<K: Hash + Eq + Clone, T: Clone> Drop for Entrance<'_, K, T> {
    fn drop(&mut self) {
        // Slots are only cloned under this lock: two holders are the map and this caller.
        let mut slots = self.flight.slots();
        if Arc::strong_count(&self.slot) <= 2
            && let Entry::Occupied(entry) = slots.entry(self.key.clone())
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn late_callers_share_one_run_that_began_after_they_asked() {
        let flight = SingleFlight::<&str, usize>::new();
        let (runs, release) = (AtomicUsize::new(0), Notify::new());
        let work = || async {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            release.notified().await;
            run
        };
        let callers = join_all((0..5).map(|_| flight.run("a", work())));
        let driver = async {
            while runs.load(Ordering::SeqCst) < 2 {
                release.notify_one();
                tokio::task::yield_now().await;
            }
            release.notify_one();
        };
        let (results, ()) = tokio::join!(callers, driver);
        assert_eq!(results, [0, 1, 1, 1, 1]);
        assert!(flight.slots().is_empty());
    }

    #[tokio::test]
    async fn a_cancelled_run_leaves_nothing_behind() {
        let flight = SingleFlight::<&str, ()>::new();
        {
            let run = flight.run("a", std::future::pending());
            tokio::pin!(run);
            assert!(futures::poll!(&mut run).is_pending());
            assert_eq!(flight.slots().len(), 1);
        }
        assert!(flight.slots().is_empty());
    }
}
