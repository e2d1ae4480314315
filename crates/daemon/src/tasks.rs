//! The supervisor: what runs in a daemon, and what the end of each part means.

use std::{collections::HashMap, error::Error, fmt, future::Future, io, time::Duration};

use futures::{Stream, StreamExt, stream};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::{debug, error, info, warn};

/// What the end of a task means for the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The daemon is nothing without it: when it ends, with or without an error, all else stops.
    Critical,
    /// The daemon works without it: an error or a panic is logged and the rest goes on.
    Optional,
}

/// The request to stop, as the tasks see it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A request that nobody has made yet. Daemons take theirs from [`Tasks::shutdown`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Resolves when the daemon is asked to stop: finish the turn in hand, take no new one.
    pub fn requested(&self) -> WaitForCancellationFutureOwned {
        self.0.clone().cancelled_owned()
    }

    /// Whether the daemon is asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Asks everything that holds this request, or a part of it, to stop.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// A request of its own for a part of the daemon, which also stops with the whole.
    #[must_use]
    pub fn part(&self) -> Self {
        Self(self.0.child_token())
    }
}

/// Why a daemon stopped in good order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// A signal, or [`Shutdown::request`], asked it to.
    Requested,
    /// This critical task had no more to do, or no task is left.
    Finished(Option<String>),
}

/// Why a daemon did not stop in good order.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A critical task failed.
    #[error("task {task} failed: {source}")]
    Failed {
        /// The name it was spawned with.
        task: String,
        /// What it returned.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A critical task panicked: a fault in the program.
    #[error("task {task} panicked: {message}")]
    Panicked {
        /// The name it was spawned with.
        task: String,
        /// What the panic said.
        message: String,
    },
    /// Tasks had not finished when the grace period ended, and were aborted.
    #[error("{} not finish within {grace:?} of the request to stop and were aborted", names(.tasks))]
    Overdue {
        /// The names of the tasks.
        tasks: Vec<String>,
        /// The grace period.
        grace: Duration,
    },
    /// A second signal came while the tasks were finishing, and they were aborted.
    #[error("aborted by a second signal: {} not finish", names(.tasks))]
    Aborted {
        /// The names of the tasks.
        tasks: Vec<String>,
    },
    /// The process could not listen for signals.
    #[error("cannot listen for SIGTERM and SIGINT: {0}")]
    Signals(#[source] io::Error),
}

fn names(tasks: &[String]) -> String {
    format!("{} did", tasks.join(", "))
}

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Everything that runs in a daemon. Dropping it aborts what still runs.
#[derive(Default)]
pub struct Tasks {
    running: JoinSet<Outcome>,
    known: HashMap<Id, (String, Policy)>,
    shutdown: Shutdown,
}

impl Tasks {
    /// No task yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The request to stop, to be handed to tasks and servers.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Starts a task. Its name appears in logs and errors.
    pub fn spawn<E>(
        &mut self,
        name: impl Into<String>,
        policy: Policy,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let handle = self.running.spawn(async move { task.await.map_err(Into::into) });
        self.known.insert(handle.id(), (name.into(), policy));
    }

    /// Runs until a critical task ends or SIGTERM or SIGINT comes, then lets the tasks finish
    /// within `grace`. A second signal aborts them.
    ///
    /// # Errors
    /// The first failure of a critical task, or the tasks that had to be aborted.
    pub async fn run_until_stopped(self, grace: Duration) -> Result<Stopped, TaskError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(TaskError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(TaskError::Signals)?;
        let signals = stream::poll_fn(move |context| match terminate.poll_recv(context) {
            std::task::Poll::Ready(came) => std::task::Poll::Ready(came),
            std::task::Poll::Pending => interrupt.poll_recv(context),
        });
        self.run_until(signals, grace).await
    }

    /// As [`Tasks::run_until_stopped`], with requests to stop from `signals`.
    ///
    /// # Errors
    /// As [`Tasks::run_until_stopped`].
    pub async fn run_until(mut self, signals: impl Stream<Item = ()>, grace: Duration) -> Result<Stopped, TaskError> {
        let mut signals = std::pin::pin!(signals.fuse());
        let mut verdict: Option<Result<Stopped, TaskError>> = None;
        let requested = self.shutdown.requested();
        tokio::pin!(requested);

        while verdict.is_none() {
            tokio::select! {
                ended = self.running.join_next_with_id() => verdict = self.judge(ended),
                Some(()) = signals.next() => {
                    info!(grace_seconds = grace.as_secs(), "asked to stop; a second signal aborts");
                    verdict = Some(Ok(Stopped::Requested));
                }
                () = &mut requested => verdict = Some(Ok(Stopped::Requested)),
            }
        }
        let mut verdict = verdict.unwrap_or(Ok(Stopped::Requested));

        self.shutdown.request();
        let deadline = Instant::now() + grace;
        while !self.running.is_empty() {
            tokio::select! {
                ended = self.running.join_next_with_id() => {
                    if let Some(Err(failure)) = self.judge(ended) && verdict.is_ok() {
                        verdict = Err(failure);
                    }
                }
                Some(()) = signals.next() => {
                    let tasks = self.abort().await;
                    return verdict.and(Err(TaskError::Aborted { tasks }));
                }
                () = tokio::time::sleep_until(deadline) => {
                    let tasks = self.abort().await;
                    return verdict.and(Err(TaskError::Overdue { tasks, grace }));
                }
            }
        }
        verdict
    }

    /// What the end of a task means: nothing, or the end of the daemon.
    fn judge(&mut self, ended: Option<Result<(Id, Outcome), JoinError>>) -> Option<Result<Stopped, TaskError>> {
        let Some(ended) = ended else { return Some(Ok(Stopped::Finished(None))) };
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(failure) => failure.id(),
        };
        let (task, policy) = self.known.remove(&id)?;
        let failure = match ended {
            Ok((_, Ok(()))) => None,
            Ok((_, Err(source))) => Some(TaskError::Failed { task: task.clone(), source }),
            Err(failure) => {
                let message = panic_message(failure);
                Some(TaskError::Panicked { task: task.clone(), message })
            }
        };
        match (policy, failure) {
            (Policy::Critical, None) => {
                debug!(task, "critical task finished");
                Some(Ok(Stopped::Finished(Some(task))))
            }
            (Policy::Critical, Some(failure)) => {
                error!(task, error = %failure, "critical task ended; stopping the rest");
                Some(Err(failure))
            }
            (Policy::Optional, None) => None,
            (Policy::Optional, Some(failure)) => {
                warn!(task, error = %failure, "optional task ended; going on without it");
                None
            }
        }
    }

    /// Aborts what still runs and returns its names.
    async fn abort(&mut self) -> Vec<String> {
        let mut tasks: Vec<String> = self.known.drain().map(|(_, (name, _))| name).collect();
        tasks.sort();
        self.running.shutdown().await;
        tasks
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.values()).finish()
    }
}

fn panic_message(failure: JoinError) -> String {
    let Ok(payload) = failure.try_into_panic() else { return "it was aborted".to_owned() };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload
            .downcast_ref::<&str>()
            .map_or_else(|| "with a value that is no text".to_owned(), ToString::to_string),
    }
}

#[cfg(test)]
mod tests;
