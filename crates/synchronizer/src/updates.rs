//! The stream to the automator: what runs goes up as state, new heads of branches come down as hints.
//!
//! The synchronizer works the same without it. It is opened again whenever it ends, with growing pauses.

mod state;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::StreamExt;
use lockstep_api::v1::RepositoryEvent;
use lockstep_api::v1::updates_client::UpdatesClient;
use lockstep_daemon::{AuthenticatedChannel, ChannelError, Endpoint, Shutdown, connect};
use tokio::time::Instant;
use tonic::Status;

use crate::board::Board;
use crate::nudge::Nudges;
use state::events;

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A stream that held this long, or on which the automator spoke, was good: the next pause is short again.
const GOOD: Duration = Duration::from_secs(60);

/// The connection to one automator.
pub(crate) struct Updates {
    channel: AuthenticatedChannel,
    endpoint: Endpoint,
    board: Board,
    nudges: Arc<dyn Nudges>,
}

impl Updates {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// If the address cannot be called at all.
    pub(crate) fn new(endpoint: Endpoint, board: Board, nudges: Arc<dyn Nudges>) -> Result<Self, ChannelError> {
        let channel = connect(&endpoint)?;
        Ok(Self { channel, endpoint, board, nudges })
    }

    /// Keeps a stream open until the daemon stops.
    ///
    /// # Errors
    /// None: an automator that is away is waited for.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Infallible> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(SHORTEST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times();
        let mut pause = pauses.build();
        loop {
            let opened = Instant::now();
            let mut answered = false;
            let ended = tokio::select! {
                ended = self.exchange(&shutdown, &mut answered) => ended,
                () = shutdown.requested() => return Ok(()),
            };
            if shutdown.is_requested() {
                return Ok(());
            }
            if answered || opened.elapsed() > GOOD {
                pause = pauses.build();
            }
            let wait = pause.next().unwrap_or(LONGEST_PAUSE);
            let error = ended.err().map_or_else(|| "it closed the stream".to_owned(), |status| described(&status));
            tracing::warn!(automator = %self.endpoint, error, pause = ?wait, "no stream to the automator; trying again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => return Ok(()),
            }
        }
    }

    /// Holds one stream for as long as it lasts, and notes when it is answered.
    async fn exchange(&self, shutdown: &Shutdown, answered: &mut bool) -> Result<(), Status> {
        let up = events(&self.board).take_until(shutdown.requested());
        let mut client = UpdatesClient::new(self.channel.clone());
        let mut down = client.exchange(up).await?.into_inner();
        tracing::info!(automator = %self.endpoint, "connected to the automator");
        while let Some(event) = down.message().await? {
            *answered = true;
            self.hint(&event);
        }
        Ok(())
    }

    fn hint(&self, event: &RepositoryEvent) {
        let RepositoryEvent { repository, branch, commit } = event;
        let syncs = self.nudges.nudge_branch(repository, branch);
        tracing::debug!(repository, branch, commit, syncs, "the automator says that the branch has moved");
    }
}

fn described(status: &Status) -> String {
    format!("{}: {}", status.code(), status.message())
}

#[cfg(test)]
mod tests;
