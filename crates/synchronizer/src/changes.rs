//! The states of Syncs as a stream: each at once, then each that changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures::{Stream, stream};
use tokio::sync::watch;

use crate::board::{Board, SyncKey, SyncSnapshot};

/// What there is to say of a Sync.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change<T> {
    /// This is its state.
    Is(T),
    /// It is gone; this was its state.
    Gone(T),
}

struct Following<T, V> {
    receiver: watch::Receiver<Arc<BTreeMap<SyncKey, Arc<SyncSnapshot>>>>,
    view: V,
    said: BTreeMap<SyncKey, T>,
    queue: VecDeque<Change<T>>,
}

/// The state of every Sync that `view` does not leave out, then that of each whose view changes. Never ends.
pub(crate) fn changes<T, V>(board: &Board, view: V) -> impl Stream<Item = Change<T>> + Send + use<T, V>
where
    T: Clone + PartialEq + Send,
    V: Fn(&SyncSnapshot) -> Option<T> + Send,
{
    let start = Following { receiver: board.subscribe(), view, said: BTreeMap::new(), queue: VecDeque::new() };
    stream::unfold(start, async |mut following| {
        loop {
            if let Some(change) = following.queue.pop_front() {
                return Some((change, following));
            }
            following.receiver.changed().await.ok()?;
            following.gather();
        }
    })
}

impl<T, V> Following<T, V>
where
    T: Clone + PartialEq,
    V: Fn(&SyncSnapshot) -> Option<T>,
{
    /// Queues what differs from what was said.
    fn gather(&mut self) {
        let entries = self.receiver.borrow_and_update().clone();
        for (key, snapshot) in entries.iter() {
            let Some(state) = (self.view)(snapshot) else { continue };
            if self.said.get(key) != Some(&state) {
                self.said.insert(key.clone(), state.clone());
                self.queue.push_back(Change::Is(state));
            }
        }
        let gone: Vec<SyncKey> = self.said.keys().filter(|key| !entries.contains_key(*key)).cloned().collect();
        self.queue.extend(gone.iter().filter_map(|key| self.said.remove(key)).map(Change::Gone));
    }
}
