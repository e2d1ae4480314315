//! Builds the programs with Go from the sources that this crate carries.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

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
pub(super) async fn with_go(folder: &Path) -> Result<PathBuf> {
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
        .env("GOTMPDIR", folder)
        .env("CGO_ENABLED", "0");
    run(command).await?;
    Ok(made)
}

/// Runs the build, with a line about its progress every few seconds. Whoever drops this ends the
/// build: an interrupted demo leaves no compiler behind.
async fn run(mut command: Command) -> Result<()> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("starting go (it must be installed and on the PATH; version 1.26 or newer)")?;
    let mut group = Group(child.id());
    let output = child.stderr.take().context("the build has no output")?;
    let mut output = BufReader::new(output).lines();
    let mut lines: Vec<String> = Vec::new();
    let mut next = tokio::time::interval_at((start + PROGRESS_EVERY).into(), PROGRESS_EVERY);
    loop {
        tokio::select! {
            line = output.next_line() => match line? {
                Some(line) => lines.push(line),
                None => break,
            },
            _ = next.tick() => {
                let last = lines.last().map_or("reading modules", String::as_str);
                say(&format!("{:>4} s, {} packages, {last}", start.elapsed().as_secs(), lines.len()));
            }
        }
    }
    let status = child.wait().await?;
    group.0 = None;
    if !status.success() {
        let tail = lines[lines.len().saturating_sub(15)..].join("\n     ");
        bail!("go build: {status}\n     {tail}");
    }
    say(&format!("built in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// A process and its children, killed on drop unless they have ended.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// A line of progress for whoever waits: minutes of silence look like a hanging test. Not by
/// `eprintln!`, which the test harness would keep to itself.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "control plane: {line}");
}
