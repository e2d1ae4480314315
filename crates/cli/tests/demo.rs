//! The demo as a person runs it: it ends well, and however it ends it leaves nothing behind.
//! `cargo test -p lockstep-cli --features demo --test demo`
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A name in the environment of everything that the demo starts.
const MARK: &str = "LOCKSTEP_DEMO_TEST";

/// Two control planes at once would only slow each other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Demo {
    _turn: MutexGuard<'static, ()>,
    child: Child,
    temporary: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_lockstep"))
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .env(MARK, temporary.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { _turn: turn, child, temporary }
    }

    /// Reads what the demo prints up to the line that contains `text`; answers all of it.
    fn read_to(&mut self, text: &str) -> String {
        let mut read = String::new();
        let mut lines = BufReader::new(self.child.stdout.as_mut().unwrap());
        while !read.contains(text) {
            let before = read.len();
            assert!(lines.read_line(&mut read).unwrap() > 0, "the demo ended before {text:?}:\n{read}");
            assert!(read.len() > before);
        }
        read
    }

    /// Sends a signal; answers with the exit code and asserts that nothing is left.
    fn signal(mut self, name: &str) -> Option<i32> {
        assert!(processes(self.temporary.path()).len() > 1, "what is looked for can be found");
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let code = self.child.wait().unwrap().code();
        self.assert_nothing_is_left();
        code
    }

    fn assert_nothing_is_left(&self) {
        let start = Instant::now();
        let mut left = processes(self.temporary.path());
        // What was killed may take a moment to be gone.
        while !left.is_empty() && start.elapsed() < Duration::from_secs(5) {
            std::thread::yield_now();
            left = processes(self.temporary.path());
        }
        assert!(left.is_empty(), "processes are left: {left:?}");
        let files: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.is_empty(), "temporary files are left: {files:?}");
    }
}

/// The command lines of what runs with the mark of this demo.
fn processes(mark: &Path) -> Vec<String> {
    let mark = format!("{MARK}={}", mark.display());
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let folders = all.filter_map(|entry| Some(entry.ok()?.path()));
    let marked = folders.filter(|folder| {
        let environment = fs::read(folder.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    });
    marked
        .map(|folder| String::from_utf8_lossy(&fs::read(folder.join("cmdline")).unwrap_or_default()).into_owned())
        .collect()
}

#[test]
fn every_step_happens() {
    let mut demo = Demo::start(&[]);
    let text = demo.read_to("memory: ");
    assert!(text.contains("all 13 steps happened"), "{text}");
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    demo.assert_nothing_is_left();
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    for (line, signal) in
        [("control plane", "INT"), ("automator is process", "TERM"), ("first sync", "INT"), ("manual edit", "TERM")]
    {
        let mut demo = Demo::start(&[]);
        demo.read_to(line);
        assert_eq!(demo.signal(signal), Some(1), "{signal} after {line}");
    }
}

#[test]
fn what_is_kept_is_there_until_it_is_interrupted() {
    let mut demo = Demo::start(&["--keep"]);
    let text = demo.read_to("logs are in");
    let folder = exported(&text, "DEMO").to_owned();
    let try_it = |words: &[&str], token: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_lockstep"))
            .args(words)
            .args(["--token-file", &format!("{folder}/person/{token}")])
            .env("LOCKSTEP_SERVER", exported(&text, "LOCKSTEP_SERVER"))
            .env("LOCKSTEP_AUTOMATOR", exported(&text, "LOCKSTEP_AUTOMATOR"))
            .env("LOCKSTEP_CA_FILE", format!("{folder}/ca.crt"))
            .output()
            .unwrap();
        let (said, complaint) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {said}{complaint}");
        said
    };
    assert!(try_it(&["get", "syncs"], "synchronizer").contains("shop   True"));
    try_it(&["sync", "shop", "--wait", "--timeout", "60s"], "synchronizer");
    assert!(try_it(&["get", "images"], "automator").contains("shop/worker:build-14"));
    assert_eq!(demo.signal("INT"), Some(0));
}

/// The value that the demo says to export.
fn exported<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{name}=")).unwrap();
    rest.split_whitespace().next().unwrap()
}
