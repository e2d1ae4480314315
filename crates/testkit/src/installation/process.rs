//! A daemon as a process of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use super::{Daemon, Installation};
use crate::eventually;
use crate::process::{Process, Watchdog};

const START: Duration = Duration::from_secs(60);

const LOG: &str = "info,lockstep_automator=debug,lockstep_synchronizer=debug";

/// Longer than the daemons' own grace period.
const GRACE: Duration = Duration::from_secs(25);

/// Somebody waits at a terminal.
const GRACE_ON_DROP: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);

/// The unit in which Linux tells processor times (USER_HZ is 100 everywhere).
const TICK: Duration = Duration::from_millis(10);

/// A running daemon. It is asked to end when this is dropped, killed if it does not, and killed
/// when this process dies.
#[derive(Debug)]
pub struct DaemonProcess {
    // Dropped in this order: it must not end a process that took the number of the ended one.
    watchdog: Option<Watchdog>,
    process: Process,
}

impl Installation {
    /// Starts the program of a daemon with its settings file, and returns when it is ready. What it
    /// says goes to a file beside its settings' folder, `NAME.log`.
    ///
    /// # Errors
    ///
    /// When it cannot be started, ends, or is not ready in a minute.
    pub async fn spawn(&self, daemon: Daemon, program: &Path) -> Result<DaemonProcess> {
        let mut command = Command::new(program);
        command.arg("--config").arg(self.settings(daemon)).args(["--log-level", LOG]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"LOCKSTEP__")) {
            command.env_remove(name);
        }
        let temporary = self.file(daemon, "tmp");
        fs::create_dir_all(&temporary)?;
        command.env("TMPDIR", &temporary);
        let mut this = DaemonProcess::start(daemon.program(), command, self.folder())?;
        let mut ended = Ok(());
        let waited = eventually(START, &format!("{} to be ready", daemon.program()), async || {
            ended = this.check();
            ended.is_err() || self.is_ready(daemon).await
        })
        .await;
        ended.and(waited)?;
        Ok(this)
    }
}

impl DaemonProcess {
    /// Starts any program as a daemon, ready or not. What it says goes to `NAME.log` in `folder`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(name: &'static str, command: Command, folder: &Path) -> Result<Self> {
        let process = Process::spawn(name, command, folder)?;
        let watchdog = Some(Watchdog::of(&process)?);
        Ok(Self { watchdog, process })
    }

    /// Fails, with the end of its log, when it has ended by itself.
    ///
    /// # Errors
    ///
    /// As said.
    pub fn check(&mut self) -> Result<()> {
        self.process.check()
    }

    /// Ends it at once, in whatever it is doing (SIGKILL).
    pub fn kill(mut self) {
        self.watchdog = None;
        self.process.kill();
    }

    /// From now on it can write no file beyond so many bytes, as on a full disk; `None` lifts that. It must ignore
    /// SIGXFSZ, or it dies of the first such write.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn limit_files(&self, bytes: Option<u64>) -> Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("a process without a number")?;
        let known = getrlimit(Resource::Fsize);
        let limit = Rlimit { current: bytes, maximum: known.maximum };
        prlimit(Some(id), Resource::Fsize, limit).context("limiting the files of a daemon")?;
        Ok(())
    }

    /// Stops it in whatever it is doing (SIGSTOP), until [`DaemonProcess::resume`]; its connections stay open.
    ///
    /// # Errors
    ///
    /// When it cannot be stopped.
    pub fn pause(&self) -> Result<()> {
        self.process.signal(Signal::STOP).context("pausing a daemon")
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// When it cannot go on.
    pub fn resume(&self) -> Result<()> {
        self.process.signal(Signal::CONT).context("resuming a daemon")
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not end in time; it is killed then.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.watchdog = None;
        self.process.ask_to_end();
        let mut status = None;
        eventually(GRACE, "a daemon to end after SIGTERM", async || {
            status = self.process.ended();
            status.is_some()
        })
        .await?;
        status.context("a daemon without an exit status")
    }

    /// The memory it occupies now, in bytes; none where the system does not say so.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// The most memory it has occupied so far, in bytes; none where the system does not say so.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        self.status("VmHWM:")
    }

    /// The processor time it has used, in steps of 10 ms; none where the system does not say so.
    #[must_use]
    pub fn processor_time(&self) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.id())).ok()?;
        // The name of the program, in parentheses, may hold anything; the numbers come after it.
        let (_, numbers) = text.rsplit_once(')')?;
        let mut numbers = numbers.split_whitespace().skip(11);
        let ticks: u64 = numbers.next()?.parse::<u64>().ok()? + numbers.next()?.parse::<u64>().ok()?;
        Some(TICK * u32::try_from(ticks).ok()?)
    }

    fn status(&self, key: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }
}

impl Drop for DaemonProcess {
    fn drop(&mut self) {
        self.watchdog = None;
        self.process.ask_to_end();
        let start = Instant::now();
        while self.process.ended().is_none() && start.elapsed() < GRACE_ON_DROP {
            std::thread::sleep(PAUSE);
        }
    }
}
