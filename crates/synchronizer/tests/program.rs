//! The program as an operator meets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-synchronizer"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOCKSTEP__") {
            command.env_remove(name);
        }
    }
    command
}

fn text(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A kubeconfig for an API server that is not there.
fn kubeconfig(folder: &Path) -> String {
    let file = folder.join("kubeconfig");
    let text =
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
        clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: u, user: {}}]}";
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn help_and_version_are_there() {
    let (code, out, _) = text(&program().arg("--help").output().unwrap());
    assert_eq!(code, 0);
    for flag in ["--config", "--print-config", "--log-level", "--listen-grpc", "--listen-admin", "--version"] {
        assert!(out.contains(flag), "{flag} is not in\n{out}");
    }
    let (code, out, _) = text(&program().arg("--version").output().unwrap());
    assert_eq!((code, out.as_str()), (0, concat!("lockstep-synchronizer ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn the_settings_that_hold_are_printed() {
    let mut command = program();
    command.args(["--print-config", "--listen-grpc", "127.0.0.1:7"]).env("LOCKSTEP__CONCURRENCY", "8");
    let (code, out, _) = text(&command.output().unwrap());
    assert_eq!(code, 0);
    for line in ["concurrency: 8", "grpc: 127.0.0.1:7", "shutdown-grace: 20s", "level: info"] {
        assert!(out.contains(line), "{line} is not in\n{out}");
    }
}

#[test]
fn all_problems_of_the_settings_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    std::fs::write(&file, "concurrency: many\nlisten: {grpc: '0.0.0.0:1'}\nkubeconfg: x\n").unwrap();
    let mut command = program();
    command.arg("--config").arg(&file).env("LOCKSTEP__SHUTDOWN_GRACE", "soon");
    let (code, _, err) = text(&command.output().unwrap());
    assert_eq!(code, 2, "{err}");
    for words in ["settings.yaml:1: concurrency", "settings.yaml:3: kubeconfg", "LOCKSTEP__SHUTDOWN_GRACE"] {
        assert!(err.contains(words), "{words} is not in\n{err}");
    }
}

#[test]
fn without_credentials_it_says_what_to_give_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("--data").arg(folder.path()).arg("--kubeconfig").arg(folder.path().join("missing"));
    let (code, _, err) = text(&command.output().unwrap());
    assert_eq!(code, 1);
    assert!(err.contains("cannot connect to Kubernetes: read the kubeconfig"), "{err}");
}

/// A process that does not outlive a failed test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// It starts although the API server is away, says that it tries again, and stops when asked.
#[test]
fn an_api_server_that_is_away_is_waited_for_and_a_signal_ends_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let running = program()
        .args(["--listen-grpc", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0", "--kubeconfig"])
        .arg(kubeconfig(folder.path()))
        .arg("--data")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Ended(running);
    let mut log = BufReader::new(running.0.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("cannot watch the Syncs; will retry") {
        assert!(log.read_line(&mut seen).unwrap() > 0, "it ended by itself:\n{seen}");
    }
    assert!(seen.contains("\"message\":\"listening\""), "{seen}");

    let asked = Command::new("kill").arg(running.0.id().to_string()).status().unwrap();
    assert!(asked.success());
    log.read_to_string(&mut seen).unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(0), "{seen}");
    assert!(seen.contains("asked to stop"), "{seen}");
}
