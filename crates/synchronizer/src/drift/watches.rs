//! One metadata watch per kind for the whole daemon, started when a Sync first needs the kind.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::stream::{BoxStream, StreamExt};
use lockstep_cluster::Kind;
use lockstep_daemon::Shutdown;
use lockstep_plan::{GroupKind, LiveMetadata, SYNC_LABEL};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamMap;

use super::{Index, Woken};
use crate::{
    nudge::{Nudge, Nudges},
    ports::{Cluster, News},
};

/// The index and the watches that feed it.
pub(crate) struct Watches {
    index: Mutex<Index>,
    kinds: Mutex<BTreeMap<GroupKind, Kind>>,
    start: mpsc::UnboundedSender<(GroupKind, Kind)>,
    starts: Mutex<Option<mpsc::UnboundedReceiver<(GroupKind, Kind)>>>,
    /// Counts the lists that ended.
    answers: watch::Sender<u64>,
    cluster: Arc<dyn Cluster>,
    nudges: Arc<dyn Nudges>,
}

impl Watches {
    pub(crate) fn new(cluster: Arc<dyn Cluster>, nudges: Arc<dyn Nudges>) -> Self {
        let (start, starts) = mpsc::unbounded_channel();
        Self {
            index: Mutex::default(),
            kinds: Mutex::default(),
            start,
            starts: Mutex::new(Some(starts)),
            answers: watch::Sender::new(0),
            cluster,
            nudges,
        }
    }

    /// What is known. The guard must not be held across an await.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches these kinds from now on, and waits until each was listed or refused, or `patience` is over.
    pub(crate) async fn ensure(&self, kinds: &BTreeMap<GroupKind, Kind>, patience: Duration) {
        let mut answers = self.answers.subscribe();
        {
            let mut known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, kind) in kinds {
                // A kind that is served anew, in another version or scope, needs another watch.
                if known.get(name) != Some(kind) {
                    known.insert(name.clone(), kind.clone());
                    self.index().expect_list(name);
                    drop(self.start.send((name.clone(), kind.clone())));
                }
            }
        }
        let answered = async {
            loop {
                let missing = {
                    let index = self.index();
                    kinds.keys().any(|kind| !index.is_answered(kind))
                };
                if !missing || answers.changed().await.is_err() {
                    return;
                }
            }
        };
        drop(tokio::time::timeout(patience, answered).await);
    }

    /// Feeds the index and wakes the Syncs, until the daemon stops. Runs once.
    pub(crate) async fn run(&self, shutdown: Shutdown) {
        let Some(mut starts) = self.starts.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut streams: StreamMap<GroupKind, BoxStream<'static, News<LiveMetadata>>> = StreamMap::new();
        let requested = shutdown.requested();
        tokio::pin!(requested);
        loop {
            tokio::select! {
                () = &mut requested => return,
                Some((name, kind)) = starts.recv() => {
                    tracing::debug!(kind = %name, "watch");
                    streams.insert(name, self.cluster.watch(&kind, SYNC_LABEL));
                }
                Some((name, news)) = streams.next(), if !streams.is_empty() => self.take_in(&name, news),
            }
        }
    }

    fn take_in(&self, name: &GroupKind, news: News<LiveMetadata>) {
        let answers = matches!(news, News::ListComplete | News::Failed(_));
        if let News::Failed(error) = &news {
            tracing::warn!(kind = %name, %error, "cannot watch; will retry");
        }
        let woken = self.index().news(name, news);
        if answers {
            self.answers.send_modify(|count| *count += 1);
        }
        self.wake(woken);
    }

    fn wake(&self, woken: Woken) {
        for (sync, objects) in woken {
            self.nudges.nudge(&sync, Nudge::Drift(objects));
        }
    }
}
