//! Git over SSH: a server that knows one key and two commands.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::io::copy;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::git_server::{REPOSITORY, git};

/// What is served, and to whom.
pub(crate) struct Settings {
    pub(crate) root: PathBuf,
    pub(crate) host_key: PrivateKey,
    pub(crate) client_key: PublicKey,
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, settings: Arc<Settings>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the Git server over SSH cannot listen"),
    };
    let config = Arc::new(Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::from_millis(10),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![settings.host_key.clone()],
        nodelay: true,
        ..Config::default()
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(Arc::clone(&config), stream, Arc::clone(&settings)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(config: Arc<Config>, stream: TcpStream, settings: Arc<Settings>) {
    let _ = stream.set_nodelay(true);
    let connection = Connection { settings, protocol: None, channels: HashMap::new(), commands: JoinSet::new() };
    let ended = async { run_stream(config, stream, connection).await?.await };
    if let Err(error) = ended.await {
        tracing::debug!(%error, "an SSH connection broke off");
    }
}

struct Connection {
    settings: Arc<Settings>,
    /// The value of `GIT_PROTOCOL` that the client sent.
    protocol: Option<String>,
    /// Opened and without a command yet.
    channels: HashMap<ChannelId, Channel<Msg>>,
    commands: JoinSet<()>,
}

impl Connection {
    fn judge(&self, key: &PublicKey) -> Auth {
        if key.key_data() == self.settings.client_key.key_data() { Auth::Accept } else { Auth::reject() }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(offer.public_key))
    }

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn env_request(
        &mut self,
        _channel: ChannelId,
        name: &str,
        value: &str,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if name == "GIT_PROTOCOL" {
            self.protocol = Some(value.to_owned());
        }
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let Some((channel, service)) = self.channels.remove(&id).zip(service(data)) else {
            session.channel_failure(id)?;
            return session.close(id);
        };
        session.channel_success(id)?;
        let mut command = Command::from(git(&self.settings.root));
        command.arg(service).arg(Path::new(REPOSITORY));
        if let Some(protocol) = &self.protocol {
            command.env("GIT_PROTOCOL", protocol);
        }
        self.commands.spawn(async move {
            if let Err(error) = run(command, channel).await {
                tracing::debug!(%error, "a Git command over SSH broke off");
            }
        });
        Ok(())
    }
}

/// The subcommand of git that a client may run: reading or writing, of the one repository.
fn service(command: &[u8]) -> Option<&'static str> {
    let (program, path) = std::str::from_utf8(command).ok()?.split_once(' ')?;
    let path = path.strip_prefix('\'')?.strip_suffix('\'')?;
    if path.strip_prefix('/').unwrap_or(path) != REPOSITORY {
        return None;
    }
    match program {
        "git-upload-pack" => Some("upload-pack"),
        "git-receive-pack" => Some("receive-pack"),
        _ => None,
    }
}

/// Joins the channel to the command until the command ends, then says how it ended.
async fn run(mut command: Command, channel: Channel<Msg>) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting git")?;
    let mut stdin = child.stdin.take().context("git has no input")?;
    let mut stdout = child.stdout.take().context("git has no output")?;
    let mut stderr = child.stderr.take().context("git has no error output")?;
    let (mut incoming, outgoing) = channel.split();
    let mut reader = incoming.make_reader();
    let (mut writer, mut errors) = (outgoing.make_writer(), outgoing.make_writer_ext(Some(1)));

    let input = async move {
        let _ = copy(&mut reader, &mut stdin).await;
        drop(stdin);
        std::future::pending::<()>().await;
    };
    let output = async { tokio::join!(copy(&mut stdout, &mut writer), copy(&mut stderr, &mut errors), child.wait()) };
    let status = tokio::select! {
        () = input => None,
        (_, _, status) = output => status?.code(),
    };
    outgoing.exit_status(status.and_then(|code| u32::try_from(code).ok()).unwrap_or(255)).await?;
    outgoing.eof().await?;
    outgoing.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_commands_on_one_repository() {
        for (command, allowed) in [
            ("git-upload-pack '/config.git'", Some("upload-pack")),
            ("git-upload-pack 'config.git'", Some("upload-pack")),
            ("git-receive-pack '/config.git'", Some("receive-pack")),
            ("git-receive-pack '/other.git'", None),
            ("git-upload-pack '../config.git'", None),
            ("git-upload-pack config.git", None),
            ("git-upload-pack 'config.git'; id", None),
            ("git-upload-archive 'config.git'", None),
            ("sh", None),
        ] {
            assert_eq!(service(command.as_bytes()), allowed, "{command}");
        }
    }
}
