//! The person who commits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::git_server::{HUMAN_VARIABLE, git, run};

/// How often a push is tried again after somebody else was faster.
const ATTEMPTS: usize = 10;

/// A person with a clone of the repository, who works with `git` and pushes to `main`. Questions
/// (`log`, `show`, `head`, `diff`) are answered by the server's repository as it is at the moment.
pub struct Human {
    folder: TempDir,
    origin: PathBuf,
}

impl Human {
    pub(crate) fn clone(origin: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lockstep-human-").tempdir()?;
        let this = Self { folder, origin: origin.to_owned() };
        let mut clone = git(this.folder.path());
        clone.args(["clone", "--quiet"]).arg(origin).arg(this.work());
        run(clone)?;
        this.git(&["config", "user.name", "Hanna Human"])?;
        this.git(&["config", "user.email", "hanna@example.org"])?;
        Ok(this)
    }

    /// The folder of the clone.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file of the clone, with the folders it needs. Nothing is committed yet.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.work().join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    }

    /// Reads a file of the clone, which may be older than the server's: see [`Human::pull`].
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn read(&self, path: &str) -> Result<String> {
        let file = self.work().join(path);
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    }

    /// Removes a file or folder of the clone. Nothing is committed yet.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn remove(&self, path: &str) -> Result<()> {
        let file = self.work().join(path);
        let removed = if file.is_dir() { fs::remove_dir_all(&file) } else { fs::remove_file(&file) };
        removed.with_context(|| format!("removing {}", file.display()))
    }

    /// Brings the clone up to the server's state.
    ///
    /// # Errors
    ///
    /// When git refuses, for instance because of changes that are not committed.
    pub fn pull(&self) -> Result<()> {
        self.git(&["pull", "--quiet", "--rebase", "origin", "main"]).map(drop)
    }

    /// Commits every change of the clone and pushes; answers the commit's hash.
    ///
    /// # Errors
    ///
    /// When nothing has changed, or a file that changed was changed by somebody else too.
    pub fn commit(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        self.publish()
    }

    /// Commits without a change and pushes; answers the commit's hash.
    ///
    /// # Errors
    ///
    /// When git refuses.
    pub fn commit_empty(&self, message: &str) -> Result<String> {
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message])?;
        self.publish()
    }

    /// Reverts a commit and pushes; answers the new commit's hash.
    ///
    /// # Errors
    ///
    /// When the commit cannot be taken back cleanly.
    pub fn revert(&self, commit: &str) -> Result<String> {
        self.pull()?;
        self.git(&["revert", "--no-edit", commit])?;
        self.publish()
    }

    fn publish(&self) -> Result<String> {
        let mut pushed = self.git(&["push", "--quiet", "origin", "HEAD:main"]);
        for _ in 1..ATTEMPTS {
            if pushed.is_ok() {
                break;
            }
            self.pull()?;
            pushed = self.git(&["push", "--quiet", "origin", "HEAD:main"]);
        }
        pushed?;
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// The hash of the newest commit of `main`.
    ///
    /// # Errors
    ///
    /// When git refuses.
    pub fn head(&self) -> Result<String> {
        Ok(self.ask(&["rev-parse", "main"])?.trim().to_owned())
    }

    /// `main`'s commits, newest first, each as `HASH AUTHOR: SUBJECT`.
    ///
    /// # Errors
    ///
    /// When git refuses.
    pub fn log(&self) -> Result<Vec<String>> {
        let text = self.ask(&["log", "--format=%H %an: %s", "main"])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The whole message of a commit, trailers included.
    ///
    /// # Errors
    ///
    /// When there is no such commit.
    pub fn message(&self, commit: &str) -> Result<String> {
        self.ask(&["log", "-1", "--format=%B", commit])
    }

    /// A file as `main` has it.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn show(&self, path: &str) -> Result<String> {
        self.ask(&["show", &format!("main:{path}")])
    }

    /// What a commit changed, as a unified diff without context lines.
    ///
    /// # Errors
    ///
    /// When there is no such commit.
    pub fn diff(&self, commit: &str) -> Result<String> {
        self.ask(&["show", "--format=", "--unified=0", commit])
    }

    /// Any other git command in the clone; answers what it printed.
    ///
    /// # Errors
    ///
    /// When it fails; the error has what it said.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut command = git(self.folder.path());
        command.arg("-C").arg(self.work());
        self.run(command, arguments)
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = git(self.folder.path());
        command.arg("--git-dir").arg(&self.origin);
        self.run(command, arguments)
    }

    fn run(&self, mut command: Command, arguments: &[&str]) -> Result<String> {
        command.args(arguments).env(HUMAN_VARIABLE, "1");
        run(command)
    }
}
