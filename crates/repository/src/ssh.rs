//! The `ssh` program with nothing but our own settings, for fetching (our pipes) and pushing (git starts it).

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

use crate::clone::Limits;
use crate::error::RepositoryError;
use crate::private::PrivateFolder;
use crate::url::RemoteUrl;

/// As much of what ssh says is kept.
const MAX_SAID: u64 = 16 << 10;
/// How long ssh may take to end after its connection broke.
const GRACE: Duration = Duration::from_secs(2);

/// Writes the key, the known hosts and a configuration for `ssh -F` into `folder`; no other file is read by ssh then.
pub(crate) fn configuration(
    folder: &PrivateFolder,
    identity: &SecretString,
    known_hosts: &str,
    limits: &Limits,
) -> Result<PathBuf, RepositoryError> {
    let ended = |text: &str| format!("{}\n", text.trim_end());
    let identity = folder.write("identity", &ended(identity.expose_secret()))?;
    let known_hosts = folder.write("known_hosts", &ended(known_hosts))?;
    let settings = [
        ("BatchMode", "yes".to_owned()),
        ("StrictHostKeyChecking", "yes".to_owned()),
        ("UserKnownHostsFile", format!("\"{}\"", known_hosts.display())),
        ("GlobalKnownHostsFile", "/dev/null".to_owned()),
        ("UpdateHostKeys", "no".to_owned()),
        ("IdentityFile", format!("\"{}\"", identity.display())),
        ("IdentitiesOnly", "yes".to_owned()),
        ("IdentityAgent", "none".to_owned()),
        ("PreferredAuthentications", "publickey".to_owned()),
        ("ForwardAgent", "no".to_owned()),
        ("ForwardX11", "no".to_owned()),
        ("ClearAllForwardings", "yes".to_owned()),
        ("PermitLocalCommand", "no".to_owned()),
        ("ControlMaster", "no".to_owned()),
        ("RequestTTY", "no".to_owned()),
        ("SendEnv", "GIT_PROTOCOL".to_owned()),
        ("ConnectTimeout", limits.connect.as_secs().max(1).to_string()),
        ("ServerAliveInterval", (limits.stall.as_secs() / 3).max(1).to_string()),
        ("ServerAliveCountMax", "3".to_owned()),
        ("LogLevel", "ERROR".to_owned()),
    ];
    let text: String = settings.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
    folder.write("ssh_config", &text)
}

/// A running `git-upload-pack` at the other end of an `ssh`.
pub(crate) struct UploadPack {
    child: Arc<Mutex<Child>>,
    said: Option<JoinHandle<String>>,
    _folder: PrivateFolder,
}

/// The ends of its pipes.
pub(crate) struct Pipes {
    pub(crate) reader: std::process::ChildStdout,
    pub(crate) writer: std::process::ChildStdin,
}

impl UploadPack {
    pub(crate) fn start(
        url: &RemoteUrl,
        identity: &SecretString,
        known_hosts: &str,
        limits: &Limits,
    ) -> Result<(Self, Pipes), RepositoryError> {
        let failed = |detail: String| RepositoryError::Program { program: "ssh", detail };
        let folder = PrivateFolder::new()?;
        let configuration = configuration(&folder, identity, known_hosts, limits)?;
        let mut command = Command::new("ssh");
        command.env_clear().envs(crate::push::path_variable()).env("HOME", folder.path());
        command.env("LC_ALL", "C").env("GIT_PROTOCOL", "version=2");
        command.arg("-F").arg(configuration);
        if let Some(port) = url.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = &url.user {
            command.args(["-l", user]);
        }
        // RemoteUrl refuses quotes, so the path ends where its quotes end.
        command.args(["--", &url.host, &format!("git-upload-pack '{}'", remote_path(url))]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let (Some(writer), Some(reader), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("its pipes were not opened".to_owned()));
        };
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            // What cannot be read was not said.
            let _ = errors.take(MAX_SAID).read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        let child = Arc::new(Mutex::new(child));
        Ok((Self { child, said: Some(said), _folder: folder }, Pipes { reader, writer }))
    }

    /// Something that ends the process from another thread.
    pub(crate) fn killer(&self) -> impl FnOnce() + Send + 'static {
        let child = Arc::clone(&self.child);
        move || kill(&child)
    }

    /// Waits for the process that has no more to do, ends it if it does not end, and returns what it said.
    pub(crate) fn finish(mut self) -> String {
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && self.is_running() {
            std::thread::sleep(Duration::from_millis(5));
        }
        kill(&self.child);
        self.said.take().and_then(|said| said.join().ok()).unwrap_or_default()
    }

    fn is_running(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
    }
}

impl Drop for UploadPack {
    fn drop(&mut self) {
        kill(&self.child);
    }
}

/// Ends and reaps; a process that has ended already is what was wanted.
fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = child.kill();
    let _ = child.wait();
}

/// `ssh://host/~/x` is a path in the home folder, as git has it.
fn remote_path(url: &RemoteUrl) -> &str {
    if url.path.starts_with("/~") { &url.path[1..] } else { &url.path }
}
