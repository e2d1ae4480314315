//! One actor per Sync: it takes the nudges out of its mailbox, makes turns and repairs, and reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use lockstep_daemon::Shutdown;
use lockstep_manifest::ObjectId;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use crate::{
    board::{Board, SyncKey},
    drift::Watches,
    mailbox::{Mail, Mailbox, Mailboxes},
    ports::{Happening, Objects, Ports},
    protected::Protected,
    turn::Desk,
};

mod backoff;
mod commit;
mod confirm;
mod farewell;
mod fault;
mod gate;
mod memory;
mod repair;
mod report;
mod rewritten;
mod setting;

pub(crate) use backoff::Backoff;
use memory::Memory;
pub(crate) use setting::Setting;

/// What all actors share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) ports: Ports,
    pub(crate) board: Board,
    pub(crate) mailboxes: Arc<Mailboxes>,
    pub(crate) watches: Arc<Watches>,
    /// Calls that one Sync has in hand at once, in flight or waiting for its turn.
    pub(crate) concurrency: usize,
    /// How many turns may go on at once; who waits is served in the order of coming.
    pub(crate) turns: Arc<Semaphore>,
    /// Objects that are never deleted.
    pub(crate) protected: Protected,
    pub(crate) shutdown: Shutdown,
}

/// The actor of one Sync.
pub(crate) struct Actor {
    key: SyncKey,
    mailbox: Arc<Mailbox>,
    common: Common,
    setting: Arc<Setting>,
    memory: Memory,
    times: Times,
}

/// A turn is given the Sync's timeout, and at least this.
const SHORTEST_TURN: Duration = Duration::from_secs(10);

/// What a turn of this Sync works with.
pub(crate) fn desk<'a>(common: &'a Common, setting: &'a Setting, objects: Arc<dyn Objects>) -> Desk<'a> {
    Desk {
        ports: &common.ports,
        watches: &common.watches,
        sync: &setting.sync,
        branch: &setting.branch,
        ownership: &setting.ownership,
        policy: &setting.policy,
        acknowledged: setting.acknowledged.as_deref(),
        held_whole: setting.held_whole.as_deref(),
        is_first: false,
        protected: &common.protected,
        objects,
        concurrency: common.concurrency,
        shutdown: &common.shutdown,
        deadline: Instant::now() + Duration::from(setting.spec.timeout).max(SHORTEST_TURN),
    }
}

/// When the actor acts without being nudged.
struct Times {
    /// The branch is looked at.
    fetch: Instant,
    /// What failed is tried again.
    retry: Option<Instant>,
    /// All must be healthy.
    healthy: Option<Instant>,
    /// The status is written that waits since the last one.
    report: Option<Instant>,
    /// Until then the health of what was there before the start may be unknown.
    sight: Instant,
    /// Pauses after turns that failed.
    backoff: Backoff,
    /// Pauses while the repository cannot be reached.
    outage: Backoff,
}

/// For so long after a start the watches may take to show how things are.
const BLINDNESS: Duration = Duration::from_secs(10);

impl Times {
    fn new(now: Instant) -> Self {
        Self {
            fetch: now,
            retry: None,
            healthy: None,
            report: None,
            sight: now + BLINDNESS,
            backoff: Backoff::default(),
            outage: Backoff::default(),
        }
    }
}

impl Actor {
    /// An actor that has done nothing yet.
    pub(crate) fn new(key: SyncKey, mailbox: Arc<Mailbox>, common: Common) -> Self {
        let object = mailbox.object();
        let setting = Arc::new(Setting::of(&key, &object));
        let memory = Memory::of(&object);
        Self { key, mailbox, common, setting, memory, times: Times::new(Instant::now()) }
    }

    /// Acts until the Sync is gone or the daemon stops. A turn in hand is finished, though nothing new is begun in it.
    pub(crate) async fn run(mut self) {
        self.begin();
        loop {
            let requested = self.common.shutdown.requested();
            let mail = tokio::select! {
                biased;
                () = requested => return,
                mail = self.mailbox.take() => Some(mail),
                () = sleep_until(self.next()) => None,
            };
            match mail {
                Some(mail) if mail.closed => {
                    self.end();
                    if self.common.mailboxes.retire(&self.key) {
                        return;
                    }
                    self.restart();
                }
                Some(mail) => self.act(mail).await,
                None => self.act_on_time().await,
            }
        }
    }

    fn begin(&mut self) {
        tracing::info!(sync = %self.key, repository = self.setting.branch.source.repository, "follow");
        self.common.watches.index().introduce(&self.key, &self.setting.ownership);
        self.publish();
    }

    /// The Sync is gone.
    fn end(&mut self) {
        let objects = self.memory.total();
        if self.memory.leaving.is_none() {
            tracing::info!(sync = %self.key, objects, "the Sync is gone; its objects stay in the cluster");
            self.tell(&Happening::Orphaned { objects });
        }
        self.common.watches.index().forget(&self.key);
        self.common.ports.observer.forget(&self.key);
        self.common.board.remove(&self.key);
        self.common.mailboxes.nudge_dependents(&self.key);
        self.common.mailboxes.claim(&self.key, BTreeMap::new());
    }

    /// The Sync was made anew under the same name.
    fn restart(&mut self) {
        let object = self.mailbox.object();
        self.setting = Arc::new(Setting::of(&self.key, &object));
        self.memory = Memory::of(&object);
        self.times = Times::new(Instant::now());
        self.begin();
    }

    async fn act(&mut self, mail: Mail) {
        if mail.changed {
            if mail.object.metadata.uid.as_deref() != Some(self.setting.sync.uid.as_str()) {
                self.end();
                self.restart();
            }
            self.setting = Arc::new(Setting::of(&self.key, &mail.object));
            self.times.backoff.reset();
            self.times.outage.reset();
        }
        if mail.changed || mail.fetch {
            self.times.fetch = Instant::now();
            self.memory.asked = true;
        }
        if mail.dependency && self.memory.obstacle.is_some() {
            self.times.fetch = Instant::now();
        }
        if !mail.kinds.is_empty() {
            self.doubt_kinds(&mail.kinds);
            if self.memory.waits_for_kinds() || self.memory.misses_kinds_of(&mail.kinds) {
                self.times.backoff.reset();
                self.times.retry = Some(Instant::now());
            }
        }
        if mail.health && self.memory.waits_for_others {
            self.times.retry = Some(Instant::now());
        }
        self.work(mail.drift).await;
    }

    async fn act_on_time(&mut self) {
        self.work(BTreeSet::new()).await;
    }

    /// Does what is due: repairs first, since they need no fetch.
    async fn work(&mut self, nudged: BTreeSet<ObjectId>) {
        if self.setting.deleted {
            self.leave().await;
        } else if !self.setting.spec.suspend && self.hold().await {
            self.repair(&nudged).await;
            let now = Instant::now();
            if now >= self.times.fetch || self.times.retry.is_some_and(|at| now >= at) {
                self.look().await;
            }
            self.confirm().await;
        } else {
            self.times.fetch = Instant::now() + Duration::from(self.setting.spec.interval);
            self.times.retry = None;
        }
        self.report().await;
    }

    fn next(&self) -> Instant {
        let times = &self.times;
        let memory = &self.memory;
        let drift = [memory.fights.next(), memory.doubts.next(), memory.audit.next()];
        let drift = drift.into_iter().flatten().filter(|_| !self.setting.spec.suspend).min();
        let others = [times.retry, times.healthy, times.report, drift];
        others.into_iter().flatten().fold(times.fetch, Instant::min)
    }

    fn tell(&self, happening: &Happening) {
        self.common.ports.witness.happened(&self.setting.sync, happening);
    }
}
