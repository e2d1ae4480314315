//! A program that knows credentials: a fixed command, an empty environment, little time, little output.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

const TIMEOUT: Duration = Duration::from_secs(60);
const MOST_OUTPUT: u64 = 1 << 20;

/// What to run. There is no shell, and nothing of our own environment but what is listed.
pub(super) struct Child<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [String],
    pub(super) environment: &'a [(String, String)],
}

/// How it ended. The output may hold secrets.
pub(super) struct Ended {
    pub(super) succeeded: bool,
    /// As in "exit status: 1".
    pub(super) status: String,
    pub(super) output: Vec<u8>,
}

impl Child<'_> {
    /// Runs it with `input` on its standard input. What it says on its standard error is not read: it may name secrets.
    pub(super) async fn run(&self, input: &[u8]) -> Result<Ended, String> {
        let program = self.program.display();
        tokio::time::timeout(TIMEOUT, self.talk(input))
            .await
            .map_err(|_| format!("{program} was not done within {} s", TIMEOUT.as_secs()))?
            .map_err(|error| format!("cannot run {program}: {error}"))
    }

    async fn talk(&self, input: &[u8]) -> std::io::Result<Ended> {
        let mut child = Command::new(self.program)
            .args(self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // Who needs no input may close it early.
            let _ = stdin.write_all(input).await;
        }
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MOST_OUTPUT + 1).read_to_end(&mut output).await?;
        }
        if output.len() as u64 > MOST_OUTPUT {
            return Err(std::io::Error::other("it printed more than 1 MiB"));
        }
        let status = child.wait().await?;
        Ok(Ended { succeeded: status.success(), status: status.to_string(), output })
    }
}
