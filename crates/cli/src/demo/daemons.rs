//! Both daemons, each a process of its own.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use lockstep_testkit::{Calls, ControlPlane, Daemon, DaemonProcess, Installation};

use super::programs::Programs;

/// Who the synchronizer is to the API server.
const USER: &str = "system:serviceaccount:lockstep:lockstep-synchronizer";

/// How long nothing must have been asked before a daemon counts as resting.
const QUIET: Duration = Duration::from_secs(1);
const LONGEST_UNREST: Duration = Duration::from_secs(60);

/// How long a resting daemon is watched.
pub(super) const REST: Duration = Duration::from_secs(5);

pub(super) struct Daemons {
    automator: DaemonProcess,
    synchronizer: DaemonProcess,
}

impl Daemons {
    pub(super) async fn start(installation: &Installation, programs: &Programs) -> Result<(Self, String)> {
        let start = async |daemon| installation.spawn(daemon, &programs.of(daemon)).await;
        let (automator, synchronizer) = tokio::join!(start(Daemon::Automator), start(Daemon::Synchronizer));
        let this = Self { automator: automator?, synchronizer: synchronizer? };
        let what = format!("automator is process {}, synchronizer {}", this.automator.id(), this.synchronizer.id());
        Ok((this, what))
    }

    /// Stops the automator, deletes all it has on disk, and starts it again.
    pub(super) async fn forgetful_automator(self, installation: &Installation, programs: &Programs) -> Result<Self> {
        end(self.automator).await.context("stopping the automator")?;
        installation.forget(Daemon::Automator)?;
        let automator = installation.spawn(Daemon::Automator, &programs.of(Daemon::Automator)).await?;
        Ok(Self { automator, synchronizer: self.synchronizer })
    }

    /// The memory of the automator and of the synchronizer, in bytes.
    pub(super) fn memory(&self) -> (Option<u64>, Option<u64>) {
        (self.automator.memory(), self.synchronizer.memory())
    }

    /// Asks both to end, and expects them to do it in good order.
    pub(super) async fn stop(self) -> Result<()> {
        let (automator, synchronizer) = tokio::join!(end(self.automator), end(self.synchronizer));
        automator.context("stopping the automator")?;
        synchronizer.context("stopping the synchronizer")
    }
}

async fn end(process: DaemonProcess) -> Result<()> {
    let status = process.stop().await?;
    if !status.success() {
        bail!("it ended with {status} instead of 0");
    }
    Ok(())
}

/// What the synchronizer asked of the API server in all, and at rest.
pub(super) async fn calls(plane: &ControlPlane) -> Result<(Calls, Calls)> {
    let mut from = Timestamp::now();
    for _ in 0..LONGEST_UNREST.as_secs() {
        tokio::time::sleep(QUIET).await;
        if plane.count_calls(USER, from..)?.requests().is_empty() {
            break;
        }
        from = Timestamp::now();
    }
    let start = Timestamp::now();
    tokio::time::sleep(REST).await;
    Ok((plane.count_calls(USER, ..)?, plane.count_calls(USER, start..)?))
}
