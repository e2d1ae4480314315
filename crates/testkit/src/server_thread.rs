//! A server on a thread of its own, with a runtime of its own.

use std::future::Future;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Ends its server, and every connection of it, when dropped. It serves whatever the caller's
/// runtime does: a test may block its only thread on a client of this server.
pub(crate) struct ServerThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    /// Runs what `server` makes, which is called on the new thread inside its runtime.
    pub(crate) fn start<F, S>(name: &str, server: F) -> Result<Self>
    where
        F: FnOnce() -> S + Send + 'static,
        S: Future<Output = ()>,
    {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("making a runtime for a server")?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = server() => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
