//! The programs of the daemons: those beside this one, made new if their sources are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use lockstep_testkit::Daemon;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::progress::Progress;

const DAEMONS: [Daemon; 2] = [Daemon::Automator, Daemon::Synchronizer];

/// Where the programs are.
pub(super) struct Programs {
    folder: PathBuf,
    own: PathBuf,
}

impl Programs {
    /// Builds what is missing or older than its sources, where there are sources, and says what it did.
    pub(super) async fn find() -> Result<(Self, String)> {
        let own = env::current_exe().context("cannot tell where this program is")?;
        let folder = own.parent().context("this program stands in no folder")?.to_owned();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no workspace")?;
        let compiled = if sources.join("Cargo.lock").is_file() { build(sources, &folder).await? } else { 0 };
        let this = Self { folder, own };
        for daemon in DAEMONS {
            let program = this.of(daemon);
            if !program.is_file() {
                bail!(
                    "{} is missing, and there are no sources at {} to build it from",
                    program.display(),
                    sources.display()
                );
            }
        }
        let what = if compiled == 0 {
            "both daemons are up to date".to_owned()
        } else {
            format!("{compiled} crates compiled")
        };
        Ok((this, what))
    }

    /// This program.
    pub(super) fn own(&self) -> &Path {
        &self.own
    }

    pub(super) fn of(&self, daemon: Daemon) -> PathBuf {
        self.folder.join(daemon.program())
    }

    /// Where logs are kept when something went wrong: beside the folder of the programs.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.parent().unwrap_or(&self.folder).join("demo-logs")
    }
}

/// Runs cargo for the daemons as this program was built; answers how many crates it compiled.
async fn build(sources: &Path, folder: &Path) -> Result<usize> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // This program is named too: alone, the daemons would want their dependencies with other
    // features, and all of them be compiled once more.
    command.args(["build", "--bins", "--package", "lockstep-cli", "--features", "lockstep-cli/demo"]);
    for daemon in DAEMONS {
        command.args(["--package", daemon.program()]);
    }
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => {
            command.args(["--profile", profile]);
        }
    }
    command.current_dir(sources).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("cannot start cargo, which builds the daemons")?;
    let stderr = child.stderr.take().context("cargo has no standard error")?;
    let progress = Progress::new("building the daemons");
    let read = async {
        let (mut compiled, mut lines) = (0, Vec::new());
        let mut output = BufReader::new(stderr).lines();
        while let Some(line) = output.next_line().await? {
            if let Some(name) = line.trim_start().strip_prefix("Compiling ") {
                compiled += 1;
                progress.tell(&format!("building the daemons: {name}"));
            }
            lines.push(line);
        }
        Ok::<_, std::io::Error>((compiled, lines))
    };
    let (compiled, lines) = progress.during(read).await?;
    let status = child.wait().await?;
    if !status.success() {
        let errors: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.contains(" Compiling ")).collect();
        bail!("cargo could not build the daemons ({status}):\n{}", errors.join("\n"));
    }
    Ok(compiled)
}
