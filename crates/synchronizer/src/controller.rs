//! Watches the Syncs, and gives each an actor for as long as it exists.

use std::{collections::BTreeSet, sync::Arc};

use futures::StreamExt as _;
use lockstep_daemon::{ReadinessHandle, Shutdown};
use lockstep_plan::HumanManagers;
use tokio::sync::Semaphore;

use crate::{
    actor::Common,
    board::{Board, SyncKey},
    definitions,
    drift::Watches,
    inspect::Inspector,
    mailbox::Mailboxes,
    ports::{News, Ports},
    protected::Protected,
    resource::SyncObject,
};

mod actors;

use actors::Actors;

/// How the actors work.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Calls that one Sync has in hand at once, in flight or waiting for its turn.
    pub(crate) concurrency: usize,
    /// Turns at once, of all Syncs.
    pub(crate) turns: usize,
    /// Objects that are never deleted: what the daemon itself runs on.
    pub(crate) protected: Protected,
    /// Who counts as a person when something is added to an object.
    pub(crate) human: Arc<HumanManagers>,
}

/// Why the controller ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControllerError {
    /// The watch of the Syncs, or of what defines kinds, ended.
    #[error("the watch of the Syncs or of custom resource definitions ended")]
    WatchEnded,
}

/// Starts and ends actors as Syncs come and go.
pub(crate) struct Controller {
    ports: Ports,
    board: Board,
    mailboxes: Arc<Mailboxes>,
    options: Options,
    watches: Arc<Watches>,
}

impl Controller {
    /// A controller that has not begun. `mailboxes` are what the rest of the daemon nudges through.
    #[must_use]
    pub(crate) fn new(ports: Ports, board: Board, mailboxes: Arc<Mailboxes>, options: Options) -> Self {
        let watches = Arc::new(Watches::new(ports.cluster.clone(), mailboxes.clone()));
        watches.index().count_as_people(options.human.clone());
        Self { ports, board, mailboxes, options, watches }
    }

    /// Looks at what the turns would do, with what the actors know.
    #[must_use]
    pub(crate) fn inspector(&self, shutdown: Shutdown) -> Inspector {
        Inspector::new(self.common(shutdown))
    }

    fn common(&self, shutdown: Shutdown) -> Common {
        Common {
            ports: self.ports.clone(),
            board: self.board.clone(),
            mailboxes: self.mailboxes.clone(),
            watches: self.watches.clone(),
            concurrency: self.options.concurrency,
            turns: Arc::new(Semaphore::new(self.options.turns)),
            protected: self.options.protected.clone(),
            shutdown,
        }
    }

    /// Runs until the daemon stops; then waits for the turns in hand. `ready` is dropped when all Syncs are known.
    ///
    /// # Errors
    /// The end of the watch.
    pub(crate) async fn run(self, ready: ReadinessHandle, shutdown: Shutdown) -> Result<(), ControllerError> {
        let common = self.common(shutdown.clone());
        let watches = self.watches.clone();
        let mut actors = Actors::default();
        let mut syncs = self.ports.cluster.watch_syncs();
        let mut roll = Roll { ready: Some(ready), running: None };
        // It must outlive the actors, whose turns in hand may wait for a list.
        let last = Shutdown::new();
        let feeding = watches.run(last.clone());
        tokio::pin!(feeding);
        let cluster = self.ports.cluster.clone();
        let definitions = definitions::follow(cluster.as_ref(), &self.mailboxes);
        tokio::pin!(definitions);
        let requested = shutdown.requested();
        tokio::pin!(requested);
        let ended = loop {
            tokio::select! {
                () = &mut requested => break Ok(()),
                () = &mut feeding => break Ok(()),
                () = &mut definitions => break Err(ControllerError::WatchEnded),
                news = syncs.next() => match news {
                    Some(news) => roll.take_in(news, &common, &mut actors),
                    None => break Err(ControllerError::WatchEnded),
                },
                Some(ended) = actors.ended() => actors.bury(ended, &common),
            }
        };
        shutdown.request();
        let finishing = async { while actors.ended().await.is_some() {} };
        tokio::select! {
            () = finishing => {}
            () = &mut feeding => {}
        }
        ended
    }
}

/// Which Syncs there are.
struct Roll {
    ready: Option<ReadinessHandle>,
    /// Those seen since a new list began.
    running: Option<BTreeSet<SyncKey>>,
}

impl Roll {
    fn take_in(&mut self, news: News<Box<SyncObject>>, common: &Common, actors: &mut Actors) {
        match news {
            News::Restarted => self.running = Some(BTreeSet::new()),
            News::Applied(object) => {
                let key = key(&object);
                if let Some(running) = &mut self.running {
                    running.insert(key.clone());
                }
                if let Some(mailbox) = common.mailboxes.deliver(&key, Arc::from(object)) {
                    actors.start(key, mailbox, common);
                }
            }
            News::Deleted(object) => common.mailboxes.close(&key(&object)),
            News::ListComplete => {
                let seen = self.running.take().unwrap_or_default();
                for gone in common.mailboxes.keys().iter().filter(|key| !seen.contains(*key)) {
                    common.mailboxes.close(gone);
                }
                drop(self.ready.take());
            }
            News::Failed(error) => tracing::warn!(%error, "cannot watch the Syncs; will retry"),
        }
    }
}

fn key(object: &SyncObject) -> SyncKey {
    SyncKey {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
    }
}
