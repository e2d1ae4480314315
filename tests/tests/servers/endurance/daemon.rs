//! The synchronizer as a process of its own: this test program, asked to run nothing else.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use lockstep_testkit::DaemonProcess;

use crate::process::{self, SETTINGS};

/// The log is `NAME.log` in the folder of the stand.
pub(crate) const NAME: &str = "daemon";

fn command(settings: &Path) -> Command {
    let daemon = process::command("synchronizer", settings);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(daemon.get_program()).args(daemon.get_args());
    command.env(SETTINGS, settings);
    command
}

/// Starts the daemon. A write that is refused because a file would become too large is an error to it, as on a full disk.
pub(crate) fn start(settings: &Path, folder: &Path) -> DaemonProcess {
    DaemonProcess::start(NAME, command(settings), folder).unwrap()
}

/// Starts it as this user, with nothing in its environment, in the root of the file system, and nowhere to put temporary
/// files.
pub(crate) fn start_bare(settings: &Path, folder: &Path, user: Option<u32>) -> DaemonProcess {
    let mut command = command(settings);
    command.env_clear().env(SETTINGS, settings).env("TMPDIR", "/proc/nowhere").current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    DaemonProcess::start(NAME, command, folder).unwrap()
}

/// Asks it to end; says how it ended.
pub(crate) async fn stop(daemon: DaemonProcess) -> ExitStatus {
    daemon.stop().await.unwrap()
}

/// How long anything may take on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
