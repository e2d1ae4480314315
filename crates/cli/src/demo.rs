//! The whole story on real parts: control plane, registry, Git server, and both daemons as processes.

mod daemons;
mod keep;
mod play;
mod programs;
mod screen;

use std::cell::Cell;

use clap::Args;
use lockstep_daemon::ExitCode;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use screen::Screen;

const EXAMPLES: &str = "\
Examples:
  lockstep demo
  lockstep demo --keep";

/// Play the story on real servers of this machine: image, commit, rollout, repair, prune, revert.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArguments {
    /// Leave everything running at the end, and say how to use it, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

impl DemoArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let broken = |error| Failure::error(format!("cannot start the demo: {error}"));
        let runtime = Builder::new_multi_thread().enable_all().build().map_err(broken)?;
        let outcome = runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
            let finished = Cell::new(false);
            let mut screen = Screen::new();
            // What runs is owned by this future: when it is dropped, nothing is left.
            tokio::select! {
                played = play::all(self.keep, &mut screen, &finished) => played,
                name = either(&mut interrupt, &mut terminate) => match finished.get() {
                    true => Ok(()),
                    false => Err(Failure::error(format!("interrupted by {name}; nothing of the demo is left running"))),
                },
            }
        });
        // A thread may still wait for a lock or a name; nobody waits for it.
        runtime.shutdown_background();
        outcome.map(|()| ExitCode::Done)
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
