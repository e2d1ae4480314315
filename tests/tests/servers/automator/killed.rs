//! Killed around a push, the automator neither loses a change nor makes it twice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lockstep_testkit::{DaemonProcess, eventually};

use super::bed::{Bed, SOON, Way};
use super::stories::{FILE, bed};
use crate::process;

fn start(bed: &Bed) -> DaemonProcess {
    let command = process::command("automator", &bed.settings_file());
    DaemonProcess::start("automator", command, bed.folder.path()).unwrap()
}

/// Kills the daemon once, while the server has its push in hand.
fn kill_in(hook: &str, git: &Path, daemon: &DaemonProcess, and_then: &str) {
    let text = format!(
        "#!/bin/sh\n[ -n \"$LOCKSTEP_TEST_HUMAN\" ] && exit 0\n[ -e killed ] && exit 0\n: > killed\nkill -9 {}\n{and_then}\n",
        daemon.id()
    );
    let path = git.join("hooks").join(hook);
    fs::create_dir_all(git.join("hooks")).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Kills it in a push, starts it again, with or without its disk; then another tag comes.
async fn killed_in_a_push(hook: &str, and_then: &str, forget: bool) {
    let mut bed = bed(Way::Http).await;
    let daemon = start(&bed);
    kill_in(hook, &bed.git.repository(), &daemon, and_then);
    bed.registry.push_image("shop/web", "1.4.3", None).await.unwrap();
    let killed = async || bed.git.repository().join("killed").exists();
    eventually(SOON, "the push in which it is killed", killed).await.unwrap();
    daemon.kill();
    if forget {
        bed.stop_and_forget().await;
    }
    let daemon = start(&bed);
    bed.until_tag(FILE, "1.4.3").await;
    bed.registry.push_image("shop/web", "1.4.4", None).await.unwrap();
    bed.until_tag(FILE, "1.4.4").await;
    assert_eq!(bed.our_commits(), ["Update shop/web to 1.4.4", "Update shop/web to 1.4.3"]);
    drop(daemon);
}

#[tokio::test]
async fn d11_killed_before_the_push_is_taken_it_pushes_once() {
    killed_in_a_push("pre-receive", "exit 1", false).await;
}

#[tokio::test]
async fn d11_killed_after_the_push_it_does_not_push_again() {
    killed_in_a_push("post-receive", "exit 0", false).await;
}

#[tokio::test]
async fn d11_killed_after_the_push_and_without_its_disk_it_does_not_push_again() {
    killed_in_a_push("post-receive", "exit 0", true).await;
}
