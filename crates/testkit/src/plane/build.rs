//! Builds the programs with Go from the sources that this crate carries.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The files of the Go module, by path. Carried in the binary, so that the demo can build without
/// a checkout.
pub(super) const SOURCES: [(&str, &str); 5] = [
    ("go.mod", include_str!("../../../../tests/plane/go.mod")),
    ("go.sum", include_str!("../../../../tests/plane/go.sum")),
    ("plane/main.go", include_str!("../../../../tests/plane/plane/main.go")),
    ("kwok/main.go", include_str!("../../../../tests/plane/kwok/main.go")),
    ("parent/parent.go", include_str!("../../../../tests/plane/parent/parent.go")),
];

const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Sixteen hexadecimal digits that change with the sources.
pub(super) fn sources_hash() -> String {
    let mut hash = Sha256::new();
    for (path, text) in SOURCES {
        hash.update(path);
        hash.update([0]);
        hash.update(text);
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}

/// Writes the sources to `folder` and builds them; answers with the folder of the programs.
pub(super) fn with_go(folder: &Path) -> Result<PathBuf> {
    for (path, text) in SOURCES {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    let made = folder.join("made");
    fs::create_dir_all(&made)?;

    let version = super::KUBERNETES;
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let stamp = "k8s.io/component-base/version.git";
    let linker = format!("-s -w -X {stamp}Version={version} -X {stamp}Major={major} -X {stamp}Minor={minor}");
    say("building etcd, the Kubernetes control plane, a registry and kwok with Go; \
         about eight minutes on two cores the first time, then never again");
    let mut command = Command::new("go");
    command
        .args(["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", &linker, "-o"])
        .arg(&made)
        .args(["./plane", "./kwok"])
        .current_dir(folder)
        .env("CGO_ENABLED", "0");
    run(command)?;
    Ok(made)
}

/// Runs the build, with a line about its progress every few seconds.
fn run(mut command: Command) -> Result<()> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting go (it must be installed and on the PATH; version 1.26 or newer)")?;
    let (send, receive) = mpsc::channel();
    let output = child.stderr.take().context("the build has no output")?;
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });

    let mut lines: Vec<String> = Vec::new();
    let mut next = Instant::now() + PROGRESS_EVERY;
    loop {
        match receive.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= next {
            let last = lines.last().map_or("reading modules", String::as_str);
            say(&format!("{:>4} s, {} packages, {last}", start.elapsed().as_secs(), lines.len()));
            next = Instant::now() + PROGRESS_EVERY;
        }
    }
    let status = child.wait()?;
    let _ = reader.join();
    if !status.success() {
        let tail = lines[lines.len().saturating_sub(15)..].join("\n     ");
        bail!("go build: {status}\n     {tail}");
    }
    say(&format!("built in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// A line of progress for whoever waits: minutes of silence look like a hanging test. Not by
/// `eprintln!`, which the test harness would keep to itself.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "control plane: {line}");
}
