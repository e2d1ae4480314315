//! The program as an operator meets it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-automator"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOCKSTEP__") {
            command.env_remove(name);
        }
    }
    command
}

fn with_settings(folder: &Path, settings: &str) -> Command {
    let file = folder.join("settings.yaml");
    std::fs::write(&file, settings).unwrap();
    let mut command = program();
    command.arg("--config").arg(&file).arg("--data").arg(folder.join("data"));
    command.args(["--listen-grpc", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0", "--listen-webhook", "127.0.0.1:0"]);
    command
}

fn text(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_and_version_are_there() {
    let (code, out, _) = text(&program().arg("--help").output().unwrap());
    assert_eq!(code, 0);
    let listen = ["--listen-grpc", "--listen-admin", "--listen-webhook"];
    for flag in ["--config", "--print-config", "--log-level", "--data", "--version"].into_iter().chain(listen) {
        assert!(out.contains(flag), "{flag} is not in\n{out}");
    }
    let (code, out, _) = text(&program().arg("--version").output().unwrap());
    assert_eq!((code, out.as_str()), (0, concat!("lockstep-automator ", env!("CARGO_PKG_VERSION"), "\n")));
    assert_eq!(text(&program().arg("--nonsense").output().unwrap()).0, 2);
}

#[test]
fn the_settings_that_hold_are_printed_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = with_settings(
        folder.path(),
        "repositories:\n- url: https://git.example/config.git\n  \
         credentials: {username: canary, password-file: /run/password}\n",
    );
    command.arg("--print-config").env("LOCKSTEP__INTERVALS__GIT", "7s");
    let (code, out, err) = text(&command.output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "git: 7s",
        "registries: 1m",
        "registries-longest: 6h",
        "grpc: 127.0.0.1:0",
        "level: info",
        "password-file: /run/password",
    ] {
        assert!(out.contains(line), "{line} is not in\n{out}");
    }
    assert!(!out.contains("canary"), "{out}");
}

#[test]
fn all_problems_of_the_settings_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        "repositories:\n- url: http://me:canary@git.example/a\n  branch: -f\nintervals: {git: 1ms}\nnonsense: 1\n";
    let (code, _, err) = text(&with_settings(folder.path(), settings).output().unwrap());
    assert_eq!(code, 2, "{err}");
    for words in [
        "settings.yaml:2: repositories.0.url",
        "settings.yaml:3: repositories.0.branch",
        "intervals.git",
        "settings.yaml:5: nonsense",
    ] {
        assert!(err.contains(words), "{words} is not in\n{err}");
    }
    assert!(!err.contains("canary"), "{err}");
}

#[test]
fn all_files_that_cannot_be_used_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("tokens"), "- {name: a, sha256: b, roles: []}").unwrap();
    let settings = format!(
        "repositories:\n- url: https://git.example/a\n  credentials: {{bearer-token-file: {}}}\n\
         tokens-file: {}\nwebhooks: [{{kind: distribution, secret-file: {}}}]\ntls: {{certificate-file: {}, key-file: /absent}}\n",
        path("absent"),
        path("tokens"),
        path("empty"),
        path("empty"),
    );
    let (code, _, err) = text(&with_settings(folder.path(), &settings).output().unwrap());
    assert_eq!(code, 1, "{err}");
    for words in
        ["repositories.0.credentials.bearer-token-file: ", "tokens-file: ", "webhooks.0.secret-file: ", "tls: "]
    {
        assert!(err.contains(words), "{words} is not in\n{err}");
    }
}

/// Reads the log until the words appear.
fn wait_for(log: &mut impl BufRead, seen: &mut String, words: &str) {
    while !seen.contains(words) {
        assert!(log.read_line(seen).unwrap() > 0, "it ended by itself:\n{seen}");
    }
}

fn stop(mut running: Child, log: &mut impl Read, seen: &mut String) {
    assert!(Command::new("kill").arg(running.id().to_string()).status().unwrap().success());
    log.read_to_string(seen).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0), "{seen}");
    assert!(seen.contains("asked to stop"), "{seen}");
}

/// It starts although the Git server is away, says that it tries again, and stops when asked.
#[test]
fn a_git_server_that_is_away_is_waited_for_and_a_signal_ends_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "repositories: [{url: 'http://127.0.0.1:1/config.git'}]\nintervals: {git: 100ms}\n";
    let mut running =
        with_settings(folder.path(), settings).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(running.stderr.take().unwrap());
    let mut seen = String::new();
    wait_for(&mut log, &mut seen, "the turn ended early; it is tried again");
    seen.clear();
    wait_for(&mut log, &mut seen, "the turn ended early; it is tried again");
    stop(running, &mut log, &mut seen);
}
