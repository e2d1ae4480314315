//! Listings that a registry can confirm without sending them again.

use std::sync::Arc;

use moka::future::Cache;
use reqwest::header::{ETAG, HeaderMap};

use crate::endpoint::Repository;
use crate::tags::Listing;

/// For all repositories together.
pub(crate) const MOST_BYTES: u64 = 32 << 20;

/// Listings of one page that came with an `ETag` (RFC 9110, section 8.8.3). The protocol promises none; some registries give it.
pub(crate) struct KeptListings(Cache<Repository, Kept>);

#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) etag: Arc<str>,
    /// As it came.
    pub(crate) listing: Arc<Listing>,
}

impl KeptListings {
    pub(crate) fn new() -> Self {
        let weight = |_: &Repository, kept: &Kept| u32::try_from(kept.listing.bytes() + 200).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weight).build())
    }

    pub(crate) async fn get(&self, repository: &Repository) -> Option<Kept> {
        self.0.get(repository).await
    }

    pub(crate) async fn keep(&self, repository: &Repository, headers: &HeaderMap, listing: &Arc<Listing>) {
        match headers.get(ETAG).and_then(|etag| etag.to_str().ok()).filter(|etag| etag.len() <= 256) {
            Some(etag) => {
                let kept = Kept { etag: etag.into(), listing: Arc::clone(listing) };
                self.0.insert(repository.clone(), kept).await;
            }
            None => self.0.invalidate(repository).await,
        }
    }
}
