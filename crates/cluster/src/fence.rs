//! Until when this daemon may write.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};

/// The moment after which nothing is written any more, as whoever holds the lease keeps it. Clones share it; at first
/// nothing may be written. The clock is the monotonic one: nobody can set it, and it goes on while the process is stopped.
#[derive(Clone, Debug)]
pub struct Fence(Arc<watch::Sender<Option<Instant>>>);

impl Fence {
    /// A fence that lets nothing pass.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Writes may be sent until `end`.
    pub fn open_until(&self, end: Instant) {
        self.0.send_replace(Some(end));
    }

    /// Nothing is written from now on.
    pub fn close(&self) {
        self.0.send_replace(None);
    }

    /// Whether a write may be sent now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.borrow().is_some_and(|end| Instant::now() < end)
    }

    /// Resolves as soon as writes may not be sent.
    pub(crate) async fn until_closed(&self) {
        let mut end = self.0.subscribe();
        loop {
            let Some(moment) = *end.borrow_and_update() else { return };
            // The sender lives as long as `self`.
            let moved = tokio::time::timeout_at(moment, end.changed()).await;
            if moved.is_err() && !self.is_open() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_closes_by_itself_at_the_last_moment_it_was_given() {
        let fence = Fence::closed();
        assert!(!fence.is_open());
        fence.until_closed().await;
        let second = Duration::from_secs(1);
        let began = Instant::now();
        fence.open_until(began + second);
        let later = fence.clone();
        let extend = async {
            tokio::time::sleep(second / 2).await;
            later.open_until(began + second * 3);
            assert!(later.is_open());
        };
        tokio::join!(fence.until_closed(), extend);
        assert_eq!(began.elapsed().as_secs(), 3);
        assert!(!fence.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn it_closes_at_once_when_the_lease_is_lost() {
        let fence = Fence::closed();
        let began = Instant::now();
        fence.open_until(began + Duration::from_secs(9));
        let lose = async { fence.close() };
        tokio::join!(fence.until_closed(), lose);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
