//! Connections: the Unix socket's file and TLS handshakes.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    time::Duration,
};

use camino::Utf8Path;
use futures::{Stream, stream};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::ServerTls;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKES_AT_ONCE: usize = 256;
/// After a failed accept, usually for want of file descriptors: time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds a socket that only the daemon's account may use. One that a dead process left is replaced.
pub(super) async fn bind_unix(path: &Utf8Path) -> io::Result<UnixListener> {
    let left_behind = match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file of that name"));
        }
        Ok(_) => UnixStream::connect(path).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused),
        Err(_) => false,
    };
    if left_behind {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The connections whose handshake is done. Each has its own time, so a slow one delays no other.
pub(super) fn handshakes(
    listener: TcpListener,
    tls: ServerTls,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    stream::unfold((listener, tls, JoinSet::new()), async |(listener, tls, mut pending)| {
        loop {
            tokio::select! {
                accepted = listener.accept(), if pending.len() < HANDSHAKES_AT_ONCE => match accepted {
                    Ok((connection, peer)) => {
                        // Small messages wait for nobody; a failure only costs speed.
                        let _ = connection.set_nodelay(true);
                        let handshake = tls.acceptor().accept(connection);
                        pending.spawn(async move { (peer, timeout(HANDSHAKE_TIMEOUT, handshake).await) });
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(Ok((peer, done))) = pending.join_next() => match done {
                    Ok(Ok(connection)) => return Some((Ok(connection), (listener, tls, pending))),
                    Ok(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => debug!(%peer, "TLS handshake took too long"),
                },
            }
        }
    })
}
