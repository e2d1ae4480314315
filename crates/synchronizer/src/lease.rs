//! Who of several daemons works: the one that holds the Lease. The others stand by.
//!
//! ```text
//! read ─► somebody holds it ─► stand by ─► free, or unchanged for its whole duration ─► take ─► lead
//!                                                                 renewed: writes may go on ◄───┤
//!                                not renewed for `duration - renew`: no writes, tries on ◄──────┤
//!                                                        somebody else has it: the end ◄────────┘
//! ```
//!
//! How old a Lease is, is measured from when it was seen, by a clock that nobody can set: what it says of times is not
//! believed. Who leads stops to write `renew` before anybody else may begin.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lockstep_cluster::{Fence, LeaseRecord, Leases};
use lockstep_daemon::Shutdown;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::ports::ClusterError;

/// The Lease, as the API server keeps it.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// What it says; `None` when it does not exist.
    async fn read(&self) -> Result<Option<LeaseRecord>, ClusterError>;

    /// Makes it say this, stamped with the time; a conflict when it is not at that version any more.
    async fn write(&self, record: &LeaseRecord) -> Result<LeaseRecord, ClusterError>;
}

#[async_trait]
impl Store for Leases {
    async fn read(&self) -> Result<Option<LeaseRecord>, ClusterError> {
        Ok(self.read().await?)
    }

    async fn write(&self, record: &LeaseRecord) -> Result<LeaseRecord, ClusterError> {
        Ok(self.write(record).await?)
    }
}

/// For how long a Lease is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Nobody else takes it sooner after a renewal.
    pub(crate) duration: Duration,
    /// Between two renewals.
    pub(crate) renew: Duration,
}

impl Terms {
    /// So long after a renewal the holder still writes.
    fn trusted(self) -> Duration {
        self.duration.saturating_sub(self.renew)
    }

    /// Between two looks at the Lease of somebody else, and after a renewal that failed.
    fn pause(self) -> Duration {
        self.renew * 2 / 5
    }

    /// How long one call for the Lease may take: two fit between two renewals.
    pub(crate) fn patience(self) -> Duration {
        self.renew / 2
    }
}

/// Another daemon leads, though this one did.
#[derive(Debug, thiserror::Error)]
#[error(
    "the lease is lost: {} this daemon wrote nothing since, ends, and stands by when it is started again",
    words(.holder)
)]
pub(crate) struct Lost {
    /// Who holds it now; empty when nobody does.
    holder: String,
}

fn words(holder: &str) -> String {
    match holder {
        "" => "nobody holds it;".to_owned(),
        holder => format!("{holder} holds it;"),
    }
}

/// Where this daemon stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// The Lease was not read yet.
    Unsure,
    /// The one of this name leads.
    Behind(String),
    /// This one leads.
    Leads,
}

/// Whether this daemon leads, for those who want to know.
#[derive(Clone, Debug)]
pub(crate) struct Lead {
    standing: watch::Receiver<Standing>,
    fence: Option<Fence>,
}

impl Lead {
    /// Without a Lease: the only daemon there is.
    pub(crate) fn alone() -> Self {
        Self { standing: watch::channel(Standing::Leads).1, fence: None }
    }

    /// Whether it leads and may write. Who could not renew in time does not, though nobody else may have begun.
    pub(crate) fn leads(&self) -> bool {
        *self.standing.borrow() == Standing::Leads && self.fence.as_ref().is_none_or(Fence::is_open)
    }

    /// Who leads in its place; empty when nobody is known to.
    pub(crate) fn leader(&self) -> String {
        match &*self.standing.borrow() {
            Standing::Behind(holder) => holder.clone(),
            Standing::Leads | Standing::Unsure => String::new(),
        }
    }

    /// Why it does not lead.
    pub(crate) fn standing_by(&self) -> Option<String> {
        match &*self.standing.borrow() {
            Standing::Leads => None,
            Standing::Unsure => Some("this synchronizer has not read the lease yet".to_owned()),
            Standing::Behind(holder) => Some(format!("this synchronizer stands by; {holder} leads")),
        }
    }

    /// Waits until it leads; `false` when the daemon stops before. `behind` is called when somebody else is seen to lead.
    pub(crate) async fn won(&self, shutdown: &Shutdown, mut behind: impl FnMut()) -> bool {
        let mut standing = self.standing.clone();
        loop {
            match &*standing.borrow_and_update() {
                Standing::Leads => return true,
                Standing::Behind(_) => behind(),
                Standing::Unsure => {}
            }
            tokio::select! {
                changed = standing.changed() => if changed.is_err() { return false },
                () = shutdown.requested() => return false,
            }
        }
    }
}

/// Gets the Lease, and keeps it.
pub(crate) struct Election {
    store: Arc<dyn Store>,
    me: String,
    terms: Terms,
    fence: Fence,
    standing: watch::Sender<Standing>,
}

/// What a Lease said, and when that was first seen.
type Seen = (LeaseRecord, Instant);

impl Election {
    /// For the daemon of this name, which no other may have. `fence` is opened while it leads.
    pub(crate) fn new(store: Arc<dyn Store>, me: String, terms: Terms, fence: Fence) -> (Self, Lead) {
        let (standing, follower) = watch::channel(Standing::Unsure);
        let lead = Lead { standing: follower, fence: Some(fence.clone()) };
        (Self { store, me, terms, fence, standing }, lead)
    }

    /// Runs until the daemon stops and all who hold the other end of `working` are done; the Lease is free then.
    ///
    /// # Errors
    /// If somebody else holds what this daemon held.
    pub(crate) async fn run(self, mut working: mpsc::Receiver<Infallible>, shutdown: Shutdown) -> Result<(), Lost> {
        let Some((record, since)) = self.stand_by(&shutdown).await else { return Ok(()) };
        self.fence.open_until(since + self.terms.trusted());
        self.standing.send_replace(Standing::Leads);
        tracing::info!(identity = self.me, "leads");
        let kept = self.keep(record, &mut working).await;
        self.fence.close();
        self.release(kept?).await;
        Ok(())
    }

    /// Looks until the Lease can be had. Answers when it was asked for, too; `None` when the daemon stops.
    async fn stand_by(&self, shutdown: &Shutdown) -> Option<Seen> {
        let mut seen = None;
        loop {
            if let Some(taken) = self.look(&mut seen).await {
                return Some(taken);
            }
            tokio::select! {
                () = tokio::time::sleep(self.terms.pause()) => {}
                () = shutdown.requested() => return None,
            }
        }
    }

    async fn look(&self, seen: &mut Option<Seen>) -> Option<Seen> {
        let found = match self.store.read().await {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "cannot read the lease; will retry");
                return None;
            }
        };
        if self.is_held(&found, seen) {
            let behind = Standing::Behind(found.holder.clone());
            if self.standing.send_if_modified(|now| std::mem::replace(now, behind.clone()) != behind) {
                tracing::info!(leader = found.holder, "stands by");
            }
            return None;
        }
        let asked = Instant::now();
        let transitions = found.transitions.saturating_add(i32::from(!found.version.is_empty()));
        let (holder, duration) = (self.me.clone(), self.terms.duration);
        let wanted = LeaseRecord { holder, duration, acquired: None, transitions, ..found };
        match self.store.write(&wanted).await {
            Ok(record) => Some((record, asked)),
            Err(error) => {
                tracing::debug!(%error, "the lease could not be taken; will look again");
                None
            }
        }
    }

    /// Whether somebody else holds it. Only a Lease that did not change for its whole duration under our eyes is given up.
    fn is_held(&self, found: &LeaseRecord, seen: &mut Option<Seen>) -> bool {
        if found.holder.is_empty() || found.holder == self.me {
            return false;
        }
        let now = Instant::now();
        match seen {
            Some((known, since)) if is_same(known, found) => {
                now.duration_since(*since) < found.duration.max(self.terms.duration)
            }
            _ => {
                *seen = Some((found.clone(), now));
                true
            }
        }
    }

    /// Renews until nobody works any more. A write names the version that it changes, so as long as it is ours nobody had
    /// it in between, however long the API server was away.
    async fn keep(
        &self,
        mut record: LeaseRecord,
        working: &mut mpsc::Receiver<Infallible>,
    ) -> Result<LeaseRecord, Lost> {
        let mut pause = self.terms.renew;
        loop {
            tokio::select! {
                _ = working.recv() => return Ok(record),
                () = tokio::time::sleep(pause) => {}
            }
            let asked = Instant::now();
            pause = self.terms.pause();
            match self.store.write(&record).await {
                Ok(renewed) => {
                    record = renewed;
                    self.fence.open_until(asked + self.terms.trusted());
                    pause = self.terms.renew;
                }
                Err(error) if matches!(error.code, Some(404 | 409)) => {
                    // A renewal whose answer was lost looks like this, too.
                    match self.store.read().await {
                        Ok(Some(found)) if found.holder == self.me => {
                            record = found;
                            pause = Duration::ZERO;
                        }
                        Ok(found) => return Err(Lost { holder: found.unwrap_or_default().holder }),
                        Err(error) => tracing::warn!(%error, "cannot read the lease; will retry"),
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot renew the lease; will retry"),
            }
        }
    }

    /// Lets the next one lead at once.
    async fn release(&self, record: LeaseRecord) {
        let free = LeaseRecord { holder: String::new(), ..record };
        match self.store.write(&free).await {
            Ok(_) => tracing::info!("released the lease"),
            Err(error) => tracing::warn!(%error, "cannot release the lease; the next one waits until it runs out"),
        }
    }
}

fn is_same(known: &LeaseRecord, found: &LeaseRecord) -> bool {
    let said = |record: &LeaseRecord| (record.renewed, record.acquired, record.transitions);
    known.holder == found.holder && said(known) == said(found)
}

#[cfg(test)]
mod tests;
