//! Listings that others may share for a while.

use std::time::Duration;

use jiff::Timestamp;
use moka::future::Cache;

use crate::endpoint::Repository;
use crate::kept_listings::MOST_BYTES;
use crate::tags::Listed;

/// The last listing of each repository, as long as somebody may be content with it.
pub(crate) struct RecentListings(Option<Cache<Repository, Listed>>);

impl RecentListings {
    /// None are kept.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// They are kept for that long.
    pub(crate) fn lasting(time: Duration) -> Self {
        let weight = |_: &Repository, listed: &Listed| u32::try_from(listed.listing.bytes()).unwrap_or(u32::MAX);
        Self(Some(Cache::builder().max_capacity(MOST_BYTES).weigher(weight).time_to_live(time).build()))
    }

    /// One that began no sooner than that.
    pub(crate) async fn get(&self, repository: &Repository, not_before: Timestamp) -> Option<Listed> {
        self.0.as_ref()?.get(repository).await.filter(|listed| listed.began >= not_before)
    }

    pub(crate) async fn keep(&self, repository: &Repository, listed: &Listed) {
        if let Some(cache) = &self.0 {
            cache.insert(repository.clone(), listed.clone()).await;
        }
    }
}
