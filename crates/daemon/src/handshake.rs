//! TLS handshakes, each with a time of its own.

use std::{io, time::Duration};

use futures::{Stream, stream};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::{ServerTls, tls::Protocol};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKES_AT_ONCE: usize = 256;
/// After a failed accept, usually for want of file descriptors: time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections whose handshake is done. Each has its own time, so a slow one delays no other.
pub(crate) fn handshakes(
    listener: TcpListener,
    tls: ServerTls,
    protocol: Protocol,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    stream::unfold((listener, tls, protocol, JoinSet::new()), async |(listener, tls, protocol, mut pending)| {
        loop {
            tokio::select! {
                accepted = listener.accept(), if pending.len() < HANDSHAKES_AT_ONCE => match accepted {
                    Ok((connection, peer)) => {
                        // Small messages wait for nobody; a failure only costs speed.
                        let _ = connection.set_nodelay(true);
                        let handshake = tls.acceptor(protocol).accept(connection);
                        pending.spawn(async move { (peer, timeout(HANDSHAKE_TIMEOUT, handshake).await) });
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(Ok((peer, done))) = pending.join_next() => match done {
                    Ok(Ok(connection)) => return Some((Ok(connection), (listener, tls, protocol, pending))),
                    Ok(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => debug!(%peer, "TLS handshake took too long"),
                },
            }
        }
    })
}
