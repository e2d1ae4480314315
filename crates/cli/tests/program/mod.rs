//! The real program as a child process, its environment cleared of settings.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the program left behind.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `lockstep` in a folder, and feeds it.
pub(crate) fn lockstep(folder: &Path, arguments: &[&str], stdin: &[u8]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOCKSTEP_") {
            command.env_remove(name);
        }
    }
    for name in ["CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    let command = command.current_dir(folder).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
