//! Small HTTP servers: the admin port and webhooks.

use std::{future::pending, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{StatusCode, header::CONTENT_LENGTH},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    serve::Listener,
};
use futures::{StreamExt, stream::BoxStream};
use http_body_util::Limited as LimitedBody;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::server::TlsStream;

use crate::{MESSAGE_LIMIT, ServerTls, Shutdown, connections::Limited, handshake::handshakes, tls::Protocol};

/// A request that takes longer is a client that holds the connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A port that is bound and not served yet: daemons bind before they work.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<ServerTls>,
}

/// Why a server could not be bound or ended.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address could not be bound.
    #[error("cannot listen on {address} for HTTP: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Serving ended.
    #[error("the HTTP server on {address} ended: {source}")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl HttpServer {
    /// Binds the address.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        let failed = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tls: None })
    }

    /// With TLS instead of plain HTTP.
    #[must_use]
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The address, with the port that the system chose if it was 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the daemon is asked to stop and the requests in hand are answered. A body over
    /// 1 MiB is answered with 413, a request that takes over 30 s with 408. At most 512 connections are taken at once, and one
    /// without an answer for two minutes is closed.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self, router: Router, shutdown: Shutdown) -> Result<(), HttpError> {
        let router = router.layer(middleware::from_fn(bounded));
        let address = self.address;
        let served = match self.tls {
            None => axum::serve(Limited::new(self.listener), router).with_graceful_shutdown(shutdown.requested()).await,
            Some(tls) => {
                let connections = handshakes(self.listener, tls, Protocol::Http).boxed();
                let listener = TlsListener { connections, address };
                axum::serve(Limited::new(listener), router).with_graceful_shutdown(shutdown.requested()).await
            }
        };
        served.map_err(|source| HttpError::Serve { address, source })
    }
}

struct TlsListener {
    connections: BoxStream<'static, io::Result<TlsStream<TcpStream>>>,
    address: SocketAddr,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            match self.connections.next().await {
                Some(Ok(connection)) => {
                    let peer = connection.get_ref().0.peer_addr().unwrap_or(self.address);
                    return (connection, peer);
                }
                Some(Err(_)) => {}
                None => return pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn bounded(request: Request, next: Next) -> Response {
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MESSAGE_LIMIT) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let request = request.map(|body| Body::new(LimitedBody::new(body, MESSAGE_LIMIT)));
    match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}
