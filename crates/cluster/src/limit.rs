//! How many calls may be in flight at once, for the whole daemon and fairly among those that it works for.
//!
//! The API server says by 429 that it has too much to do: the limit is halved then, and grows by one after as many
//! successes as it allows calls, up to the setting. Who waits is served in turn, one call for each, so that a Sync of ten
//! thousand objects does not keep one of four waiting.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Shared by all clones of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Limit(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    most: usize,
    limit: usize,
    in_flight: usize,
    /// Successes since the limit last changed.
    row: usize,
    /// Counts the halvings: what was sent before one says nothing about the new limit.
    age: u64,
    waiting: BTreeMap<Arc<str>, VecDeque<oneshot::Sender<Permit>>>,
    /// Who was served last; the next one after it is served first.
    last: Option<Arc<str>>,
}

/// One call in flight. Dropping it lets the next one go.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Limit,
    age: u64,
}

impl Limit {
    /// At most so many calls, and at least one.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = State { most, limit: most, in_flight: 0, row: 0, age: 0, waiting: BTreeMap::new(), last: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits until a call for `whom` may be made.
    pub(crate) async fn permit(&self, whom: &Arc<str>) -> Permit {
        loop {
            let turn = {
                let mut state = self.state();
                if state.in_flight < state.limit && state.waiting.is_empty() {
                    state.in_flight += 1;
                    return Permit { limit: self.clone(), age: state.age };
                }
                let (sender, turn) = oneshot::channel();
                state.waiting.entry(whom.clone()).or_default().push_back(sender);
                turn
            };
            // Nobody drops a sender without sending, but asking again costs nothing.
            if let Ok(permit) = turn.await {
                return permit;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go who may go now.
    fn serve(&self) {
        loop {
            let (sender, age) = {
                let mut state = self.state();
                if state.in_flight >= state.limit {
                    return;
                }
                let Some(sender) = state.next() else { return };
                state.in_flight += 1;
                (sender, state.age)
            };
            // Outside of the lock: a permit that nobody waits for any more gives itself back.
            drop(sender.send(Permit { limit: self.clone(), age }));
        }
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        let after = |last: &Arc<str>| self.waiting.keys().find(|whom| *whom > last).cloned();
        let whom = self.last.as_ref().and_then(after).or_else(|| self.waiting.keys().next().cloned())?;
        let queue = self.waiting.get_mut(&whom)?;
        let sender = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&whom);
        }
        self.last = Some(whom);
        sender
    }
}

impl Permit {
    /// The API server took the call.
    pub(crate) fn succeeded(&self) {
        let mut state = self.limit.state();
        state.row += 1;
        if state.row >= state.limit && state.limit < state.most {
            state.limit += 1;
            state.row = 0;
        }
    }

    /// The API server has too much to do.
    pub(crate) fn was_throttled(&self) {
        let mut state = self.limit.state();
        state.row = 0;
        if self.age == state.age {
            state.limit = (state.limit / 2).max(1);
            state.age += 1;
            tracing::debug!(limit = state.limit, "the API server is busy; fewer calls at once");
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limit.state().in_flight -= 1;
        self.limit.serve();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn whom(name: &str) -> Arc<str> {
        name.into()
    }

    fn take(limit: &Limit, name: &str) -> Option<Permit> {
        limit.permit(&whom(name)).now_or_never()
    }

    #[test]
    fn a_refusal_halves_and_a_row_of_successes_adds_one() {
        let limit = Limit::new(8);
        let permits: Vec<Permit> = (0..8).filter_map(|_| take(&limit, "a")).collect();
        assert_eq!(permits.len(), 8);
        assert!(take(&limit, "a").is_none());
        // Eight refusals of calls that were in flight together are one piece of news.
        permits.iter().for_each(Permit::was_throttled);
        assert_eq!(limit.state().limit, 4);
        drop(permits);
        let permit = take(&limit, "a").unwrap();
        (0..4).for_each(|_| permit.succeeded());
        assert_eq!(limit.state().limit, 5);
        permit.was_throttled();
        assert_eq!(limit.state().limit, 2);
        drop(permit);
        for _ in 0..5 {
            take(&limit, "a").unwrap().was_throttled();
        }
        assert_eq!(limit.state().limit, 1, "never none");
        let permit = take(&limit, "a").unwrap();
        (0..1000).for_each(|_| permit.succeeded());
        assert_eq!(limit.state().limit, 8, "never above the setting");
    }

    #[tokio::test]
    async fn who_waits_is_served_in_turn() {
        let limit = Limit::new(1);
        let first = take(&limit, "huge").unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        for name in ["huge", "huge", "huge", "huge", "small", "tiny"] {
            let (limit, tell) = (limit.clone(), tell.clone());
            tasks.spawn(async move {
                let permit = limit.permit(&whom(name)).await;
                tell.send(name).unwrap();
                drop(permit);
            });
            tokio::task::yield_now().await;
        }
        drop((first, tell));
        let mut order = Vec::new();
        while let Some(name) = told.recv().await {
            order.push(name);
        }
        assert_eq!(order.len(), 6);
        assert!(order[..3].contains(&"small") && order[..3].contains(&"tiny"), "{order:?}");
    }

    #[tokio::test]
    async fn who_stops_waiting_keeps_no_place() {
        let limit = Limit::new(1);
        let first = take(&limit, "a").unwrap();
        assert!(take(&limit, "b").is_none(), "it waited, and was dropped");
        drop(first);
        assert!(take(&limit, "c").is_some());
    }
}
