//! The gRPC port: transport, authentication, limits, health, reflection and its end.

mod accept;
mod address;
mod guard;

use std::{convert::Infallible, fs, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::response::IntoResponse;
use camino::Utf8PathBuf;
use http::Request;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::{
    body::Body,
    server::NamedService,
    service::{Routes, RoutesBuilder},
    transport::Server,
};
use tonic_health::ServingStatus;
use tower::Service;

pub use address::ListenAddress;

use crate::{Authenticate, ServerTls, Shutdown, connections::limited, handshake::handshakes, tls::Protocol};

const STREAMS_OF_A_CONNECTION: u32 = 128;
const HEADER_LIMIT: u32 = 16 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How bytes travel.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Unencrypted: only on loopback or a Unix socket.
    Plain,
    /// TLS with this certificate.
    Tls(ServerTls),
}

/// Why the gRPC port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// Plain text beyond this machine.
    #[error(
        "gRPC on {0} would be plain text on the network: set a certificate and a key, or listen on loopback or unix:/PATH"
    )]
    PlainText(SocketAddr),
    /// The address could not be bound.
    #[error("cannot listen on {address} for gRPC: {source}")]
    Bind {
        /// The address.
        address: ListenAddress,
        /// What the system said.
        source: io::Error,
    },
    /// The descriptors given for reflection are not descriptors.
    #[error("the descriptors for reflection are not valid: {0}")]
    Descriptors(#[from] tonic_reflection::server::Error),
    /// Serving ended.
    #[error("the gRPC server on {address} ended: {source}")]
    Serve {
        /// The address.
        address: ListenAddress,
        /// Why.
        source: tonic::transport::Error,
    },
}

/// The services of a daemon, and their descriptors for reflection.
#[derive(Debug, Clone)]
pub struct GrpcServices {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    descriptors: &'static [u8],
}

impl GrpcServices {
    /// No service yet; `descriptors` is an encoded `FileDescriptorSet`.
    #[must_use]
    pub fn new(descriptors: &'static [u8]) -> Self {
        Self { routes: Routes::builder(), names: Vec::new(), descriptors }
    }

    /// Adds a generated server.
    #[must_use]
    pub fn serving<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }
}

/// The gRPC port, bound and not served yet: daemons bind before they work.
#[derive(Debug)]
pub struct GrpcServer {
    address: ListenAddress,
    listener: Listener,
}

#[derive(Debug)]
enum Listener {
    Plain(TcpListener),
    Tls(TcpListener, ServerTls),
    Unix(UnixListener, Utf8PathBuf),
}

impl GrpcServer {
    /// Binds the address.
    ///
    /// # Errors
    /// If plain text would leave the machine, or the system refuses.
    pub async fn bind(address: &ListenAddress, transport: Transport) -> Result<Self, GrpcError> {
        let failed = |source| GrpcError::Bind { address: address.clone(), source };
        match address {
            ListenAddress::Tcp(socket) => {
                if matches!(transport, Transport::Plain) && !socket.ip().is_loopback() {
                    return Err(GrpcError::PlainText(*socket));
                }
                let listener = TcpListener::bind(socket).await.map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                let listener = match transport {
                    Transport::Plain => Listener::Plain(listener),
                    Transport::Tls(tls) => Listener::Tls(listener, tls),
                };
                Ok(Self { address: ListenAddress::Tcp(bound), listener })
            }
            ListenAddress::Unix(path) => {
                let listener = accept::bind_unix(path).await.map_err(failed)?;
                Ok(Self { address: address.clone(), listener: Listener::Unix(listener, path.clone()) })
            }
        }
    }

    /// The address, with the port that the system chose if it was 0.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Serves until the daemon is asked to stop: then health says so, no call is taken, answers in
    /// hand are finished and streams end with `UNAVAILABLE`.
    ///
    /// Calls are authenticated before anything of them is parsed, a check of health alone excepted. The
    /// standard health and reflection services are always there. At most 2,048 connections are taken at once.
    ///
    /// # Errors
    /// If the descriptors are not valid or the server fails.
    pub async fn serve(
        self,
        services: GrpcServices,
        authenticate: Arc<dyn Authenticate>,
        shutdown: Shutdown,
    ) -> Result<(), GrpcError> {
        let GrpcServices { mut routes, names, descriptors } = services;
        let (health, health_service) = tonic_health::server::health_reporter();
        for name in &names {
            health.set_service_status(name, ServingStatus::Serving).await;
        }
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        routes.add_service(health_service).add_service(reflection);
        let routes = guard::guarded(routes.routes(), authenticate, shutdown.clone());

        let stop = async move {
            shutdown.requested().await;
            for name in names.iter().copied().chain([""]) {
                health.set_service_status(name, ServingStatus::NotServing).await;
            }
        };
        let router = Server::builder()
            .max_concurrent_streams(STREAMS_OF_A_CONNECTION)
            .http2_max_header_list_size(HEADER_LIMIT)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .tcp_nodelay(true)
            .add_routes(routes);
        let served = match self.listener {
            Listener::Plain(listener) => {
                router.serve_with_incoming_shutdown(limited(TcpListenerStream::new(listener)), stop).await
            }
            Listener::Tls(listener, tls) => {
                router.serve_with_incoming_shutdown(limited(handshakes(listener, tls, Protocol::Grpc)), stop).await
            }
            Listener::Unix(listener, path) => {
                let served =
                    router.serve_with_incoming_shutdown(limited(UnixListenerStream::new(listener)), stop).await;
                // The next start would remove it as well.
                let _ = fs::remove_file(path);
                served
            }
        };
        served.map_err(|source| GrpcError::Serve { address: self.address, source })
    }
}
