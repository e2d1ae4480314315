//! A sign of life for what takes longer than a second, on a terminal only.

use std::convert::Infallible;
use std::future;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::harmless;

const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// One line on standard error that appears after a second and vanishes at the end.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    pub(crate) fn new(doing: impl Into<String>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
            .with_style(ProgressStyle::default_spinner())
            .with_message(doing.into());
        Self { bar, started: Instant::now() }
    }

    /// What is being done now.
    pub(crate) fn tell(&self, doing: &str) {
        self.bar.set_message(harmless(doing).replace('\n', " "));
        if self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            self.appear();
        }
    }

    /// The end of this work.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let appear = async {
            tokio::time::sleep(PATIENCE).await;
            self.appear();
            future::pending::<Infallible>().await
        };
        tokio::select! {
            done = work => done,
            never = appear => match never {},
        }
    }

    fn appear(&self) {
        // Hidden by itself where standard error is no terminal.
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(TICK);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
