//! Open watches, and what can be done to them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt, stream};
use serde_json::Value;
use tokio::sync::mpsc;

use super::record::Entry;
use super::request::{Asked, Requests};

/// What happens to an open watch.
#[derive(Clone, Debug)]
pub enum Trick {
    /// Its connection breaks.
    Cut,
    /// It ends in good order, as after the time that the client asked for.
    End,
    /// Nothing comes any more, and nothing closes.
    Stall,
    /// This event comes, whatever the API server says.
    Say(Value),
}

impl Trick {
    /// The event by which the API server says that it cannot go on from where the watch stood.
    #[must_use]
    pub fn gone() -> Self {
        Self::error(410, "Expired", "too old resource version: 1 (2)")
    }

    /// An ERROR event.
    #[must_use]
    pub fn error(code: u16, reason: &str, message: &str) -> Self {
        Self::Say(serde_json::json!({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }}))
    }
}

/// The watches that are open.
#[derive(Default)]
pub(super) struct Watches(Mutex<Vec<(Asked, mpsc::UnboundedSender<Trick>)>>);

impl Watches {
    pub(super) fn play(&self, requests: &Requests, trick: &Trick) -> usize {
        let watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let played = watches.iter().filter(|(asked, _)| requests.contain(asked));
        played.filter(|(_, tricks)| tricks.send(trick.clone()).is_ok()).count()
    }

    pub(super) fn open(&self, requests: &Requests) -> usize {
        let watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watches.iter().filter(|(asked, tricks)| requests.contain(asked) && !tricks.is_closed()).count()
    }

    /// The body of a watch: what the API server sends, until a trick is played.
    pub(super) fn body(
        self: &Arc<Self>,
        asked: Asked,
        entry: Entry,
        events: impl Stream<Item = reqwest::Result<Bytes>> + Send + Unpin + 'static,
    ) -> Body {
        let (send, tricks) = mpsc::unbounded_channel();
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|(_, tricks)| !tricks.is_closed());
        watches.push((asked, send));
        let open = Open { events, tricks, stalled: false, _entry: entry };
        Body::from_stream(stream::unfold(open, async |mut open| {
            let chunk = open.next().await?;
            Some((chunk, open))
        }))
    }
}

struct Open<S> {
    events: S,
    tricks: mpsc::UnboundedReceiver<Trick>,
    stalled: bool,
    _entry: Entry,
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Open<S> {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            tokio::select! {
                biased;
                Some(trick) = self.tricks.recv() => match trick {
                    Trick::Cut => return Some(Err(io::Error::other("the proxy cuts the watch"))),
                    Trick::End => return None,
                    Trick::Stall => self.stalled = true,
                    Trick::Say(event) => return Some(Ok(format!("{event}\n").into())),
                },
                chunk = self.events.next(), if !self.stalled => return chunk.map(|chunk| chunk.map_err(io::Error::other)),
                else => return None,
            }
        }
    }
}
