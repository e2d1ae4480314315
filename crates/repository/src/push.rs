//! Moving a branch on the server, with the `git` program: gix cannot push.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;

use crate::branch;
use crate::clone::{Limits, Repository};
use crate::credentials::{Authentication, Credentials};
use crate::error::RepositoryError;
use crate::explain;
use crate::ids::CommitId;
use crate::private::PrivateFolder;
use crate::ssh;
use crate::url::Scheme;

mod porcelain;

/// Branches below this are written by Lockstep alone, and no other is ever replaced.
pub const OWN_BRANCHES: &str = "lockstep/";

const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// As much of what git and the server say is read.
const MOST_SAID: u64 = 1 << 20;
/// The variables by which git finds a proxy, as what we fetch with does.
const PROXIES: [&str; 6] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// What became of a push that reached the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The branch is at the commit.
    Pushed,
    /// Somebody else moved the branch first; fetch and decide again.
    Raced,
    /// The server does not take it: a protected branch, or a hook.
    Rejected {
        /// What the server said.
        reason: String,
    },
}

impl Repository {
    /// Moves `branch` on the server to `commit`, if that lies on top of what the branch is at; never by force.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the credentials, or does not answer in time; the branch may have moved
    /// all the same then.
    pub fn push(
        &self,
        commit: CommitId,
        branch: &str,
        credentials: &Credentials,
    ) -> Result<PushOutcome, RepositoryError> {
        let reference = branch::reference(branch)?;
        self.push_as(&reference, commit, None, credentials)
    }

    /// Sets a branch of Lockstep's own to `commit`, whatever it held, if it is still at `expected` (none: not there yet).
    ///
    /// # Errors
    /// As [`Repository::push`]; and for every branch that does not lie below [`OWN_BRANCHES`].
    pub fn replace(
        &self,
        commit: CommitId,
        branch: &str,
        expected: Option<CommitId>,
        credentials: &Credentials,
    ) -> Result<PushOutcome, RepositoryError> {
        if !branch.starts_with(OWN_BRANCHES) {
            return Err(RepositoryError::NotOwn { branch: branch.to_owned() });
        }
        let reference = branch::reference(branch)?;
        let expected = expected.map(|commit| commit.to_string()).unwrap_or_default();
        self.push_as(&reference, commit, Some(format!("--force-with-lease={reference}:{expected}")), credentials)
    }

    fn push_as(
        &self,
        reference: &str,
        commit: CommitId,
        lease: Option<String>,
        credentials: &Credentials,
    ) -> Result<PushOutcome, RepositoryError> {
        let folder = PrivateFolder::new()?;
        let mut command = Command::new("git");
        command.arg("-C").arg(self.bare()).args(["push", "--porcelain", "--no-verify"]).args(lease);
        command.args(["--", "origin"]).arg(format!("{commit}:{reference}"));
        command.env_clear().envs(path_variable());
        for (key, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("LC_ALL", "C"),
        ] {
            command.env(key, value);
        }
        command.env("HOME", folder.path());
        let mut settings = settings(self.url.as_str(), &self.limits);
        self.authenticate(&mut command, &mut settings, credentials, &folder)?;
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (number, (key, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        let ended = run(&mut command, &folder, self.limits.whole)?;
        let url = self.url.as_str();
        let Some(ended) = ended else {
            return Err(RepositoryError::Timeout { url: url.to_owned(), after: self.limits.whole });
        };
        match porcelain::outcome(&ended.output, &ended.errors, reference) {
            Some(PushOutcome::Pushed) | None if !ended.status.success() => {
                Err(explain::words(url, &ended.errors, self.limits.whole))
            }
            Some(outcome) => Ok(outcome),
            None => {
                let detail = format!("git push said nothing of {reference}: {}", explain::tidy(&ended.errors));
                Err(RepositoryError::Network { url: url.to_owned(), detail })
            }
        }
    }

    /// Secrets go into the child's environment and private files, never into arguments.
    fn authenticate(
        &self,
        command: &mut Command,
        settings: &mut Vec<(String, String)>,
        credentials: &Credentials,
        folder: &PrivateFolder,
    ) -> Result<(), RepositoryError> {
        let wrong = |detail: &str| {
            Err(RepositoryError::WrongCredentials { url: self.url.to_string(), detail: detail.to_owned() })
        };
        match (self.url.scheme, &credentials.authentication) {
            (Scheme::Ssh, Authentication::Ssh { identity, known_hosts }) => {
                let configuration = ssh::configuration(folder, identity, known_hosts, &self.limits)?;
                command.env("LOCKSTEP_SSH_CONFIG", configuration);
                command.env("GIT_SSH_VARIANT", "ssh");
                // A shell of git's reads this text; it is the same for everybody.
                command.env("GIT_SSH_COMMAND", "ssh -F \"$LOCKSTEP_SSH_CONFIG\"");
            }
            (Scheme::Ssh, _) => return wrong("SSH needs the keys identity and known_hosts"),
            (_, Authentication::Ssh { .. }) => return wrong("a private key is for ssh:// URLs"),
            (Scheme::Http | Scheme::Https, _) => {
                command.envs(proxies(|name| std::env::var_os(name)));
                if let Some(header) = credentials.authorization() {
                    let header = format!("Authorization: {}", header.expose_secret());
                    settings.push(("http.extraHeader".to_owned(), header));
                }
                if let Some(pem) = &credentials.ca_pem {
                    command.env("GIT_SSL_CAINFO", folder.write("ca.pem", pem)?);
                }
            }
        }
        Ok(())
    }
}

/// What git may not take from anywhere else.
fn settings(url: &str, limits: &Limits) -> Vec<(String, String)> {
    let stall = limits.stall.as_secs().max(1).to_string();
    let settings = [
        ("remote.origin.url", url),
        ("protocol.allow", "never"),
        ("protocol.https.allow", "always"),
        ("protocol.http.allow", "always"),
        ("protocol.ssh.allow", "always"),
        ("http.followRedirects", "false"),
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", &stall),
        ("credential.helper", ""),
        ("core.askPass", ""),
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("push.gpgSign", "false"),
        ("push.followTags", "false"),
        ("push.recurseSubmodules", "no"),
        ("gc.auto", "0"),
        // The folder may belong to another user of the same pod; it is ours by its marker.
        ("safe.directory", "*"),
    ];
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

struct Ended {
    status: ExitStatus,
    output: String,
    errors: String,
}

/// Runs to the end, or kills when the time is up (none). Files instead of pipes: a grandchild that outlives a killed git
/// could hold a pipe open.
fn run(command: &mut Command, folder: &PrivateFolder, limit: Duration) -> Result<Option<Ended>, RepositoryError> {
    let failed = |error: std::io::Error| RepositoryError::Program { program: "git", detail: error.to_string() };
    let (output, errors) = (folder.write("output", "")?, folder.write("errors", "")?);
    let append = |path: &Path| fs::OpenOptions::new().append(true).open(path).map_err(failed);
    command.stdin(Stdio::null()).stdout(append(&output)?).stderr(append(&errors)?);
    let mut child = command.spawn().map_err(failed)?;
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Ok(None);
        }
        std::thread::sleep(LOOK_AGAIN);
    };
    Ok(Some(Ended { status, output: beginning(&output).map_err(failed)?, errors: beginning(&errors).map_err(failed)? }))
}

/// As much of a file as is looked at: a server may say as much as it likes.
fn beginning(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MOST_SAID).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where programs are found; beside [`proxies`] all that children get of our environment.
pub(crate) fn path_variable() -> Option<(&'static str, OsString)> {
    std::env::var_os("PATH").map(|path| ("PATH", path))
}

fn proxies(ours: impl Fn(&str) -> Option<OsString>) -> impl Iterator<Item = (&'static str, OsString)> {
    PROXIES.into_iter().filter_map(move |name| Some((name, ours(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_our_environment_git_gets_the_proxies() {
        let ours = |name: &str| matches!(name, "HTTPS_PROXY" | "no_proxy" | "AWS_SECRET").then(|| name.into());
        let given: Vec<_> = proxies(ours).collect();
        assert_eq!(given, [("HTTPS_PROXY", "HTTPS_PROXY".into()), ("no_proxy", "no_proxy".into())]);
    }

    #[test]
    fn however_much_is_said_only_the_beginning_is_read() {
        let folder = PrivateFolder::new().unwrap();
        let limit = usize::try_from(MOST_SAID).unwrap();
        let long = folder.write("long", &"x".repeat(limit + 5)).unwrap();
        assert_eq!(beginning(&long).unwrap().len(), limit);
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"]);
        let ended = run(&mut command, &folder, Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!((ended.output.len(), ended.errors.len()), (limit, limit));
    }
}
