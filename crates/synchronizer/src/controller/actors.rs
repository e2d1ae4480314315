//! The actors at work. One that ends in a fault of the program begins anew; the others do not notice.

use std::{collections::HashMap, sync::Arc};

use tokio::task::{Id, JoinError, JoinSet};

use crate::{
    actor::{Actor, Backoff, Common},
    board::SyncKey,
    mailbox::Mailbox,
};

/// The actors, and whose each is.
#[derive(Default)]
pub(super) struct Actors {
    tasks: JoinSet<()>,
    of: HashMap<Id, Work>,
}

struct Work {
    key: SyncKey,
    mailbox: Arc<Mailbox>,
    /// Pauses after faults.
    backoff: Backoff,
}

impl Actors {
    pub(super) fn start(&mut self, key: SyncKey, mailbox: Arc<Mailbox>, common: &Common) {
        let (of, at, common) = (key.clone(), mailbox.clone(), common.clone());
        let task = self.tasks.spawn(async move { Actor::new(of, at, common).run().await });
        self.of.insert(task.id(), Work { key, mailbox, backoff: Backoff::default() });
    }

    /// The next actor that ends; `None` when there is none.
    pub(super) async fn ended(&mut self) -> Option<Result<Id, JoinError>> {
        Some(self.tasks.join_next_with_id().await?.map(|(id, ())| id))
    }

    /// Makes an actor that failed anew. The program has written where it failed already.
    pub(super) fn bury(&mut self, ended: Result<Id, JoinError>, common: &Common) {
        let id = ended.as_ref().map_or_else(JoinError::id, |id| *id);
        let Some(mut work) = self.of.remove(&id) else { return };
        if ended.is_ok() {
            return;
        }
        let pause = work.backoff.next();
        tracing::error!(sync = %work.key, ?pause, "the work on this Sync ended in a fault of the program; it begins anew");
        let (key, mailbox, common) = (work.key.clone(), work.mailbox.clone(), common.clone());
        let task = self.tasks.spawn(async move { Actor::new(key, mailbox, common).run_again(pause).await });
        self.of.insert(task.id(), work);
    }
}
