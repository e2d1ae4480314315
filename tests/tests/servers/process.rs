//! A daemon as a process of its own, which can be killed: this program once more, with one test that is the daemon.

use std::{env, path::Path, process::Command};

use lockstep_daemon::{LogSettings, Sources, start_logging};

/// Names the settings file of the daemon.
pub(crate) const SETTINGS: &str = "LOCKSTEP_TEST_SETTINGS";

#[test]
#[ignore = "it is the automator that other tests start"]
fn automator() {
    let Some(sources) = sources() else { return };
    let settings = lockstep_automator::Settings::load(&sources).unwrap();
    block_on(&settings.log.clone(), lockstep_automator::run(settings)).unwrap();
}

#[test]
#[ignore = "it is the synchronizer that other tests start"]
fn synchronizer() {
    let Some(sources) = sources() else { return };
    let settings = lockstep_synchronizer::Settings::load(&sources).unwrap();
    block_on(&settings.log.clone(), lockstep_synchronizer::run(settings)).unwrap();
}

fn sources() -> Option<Sources> {
    Some(Sources::new().file(Some(env::var(SETTINGS).ok()?.into())))
}

fn block_on<T>(log: &LogSettings, daemon: impl Future<Output = T>) -> T {
    start_logging(log).unwrap();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(daemon)
}

/// The command that runs `automator` or `synchronizer` with these settings.
pub(crate) fn command(daemon: &str, settings: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&format!("process::{daemon}"), "--exact", "--ignored", "--nocapture"]).env(SETTINGS, settings);
    command
}
