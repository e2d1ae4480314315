//! The client's side of gRPC: lazily connected, authenticated, never plain text on the network.

use std::{fmt, io, net::IpAddr, sync::Arc, time::Duration};

use camino::Utf8PathBuf;
use http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
};
use tokio_rustls::TlsConnector;
use tonic::{
    Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{self, Channel},
};
use tower::service_fn;

use crate::{SecretFile, secret::read_capped, settings::mask_urls, tls::certificates};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A gRPC server to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    /// `https://HOST:PORT`; `http://HOST:PORT` on loopback; or `unix:/PATH`.
    pub address: String,
    /// The bearer token to show, read for each call.
    #[serde(default)]
    pub token_file: Option<SecretFile>,
    /// The authorities to trust instead of the system's, in PEM, read for each connection.
    #[serde(default)]
    pub ca_file: Option<Utf8PathBuf>,
}

/// A channel that shows its bearer token with each call.
pub type AuthenticatedChannel = InterceptedService<Channel, BearerToken>;

/// Why an endpoint cannot be called at all. That nobody answers is seen at the first call.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The address is none that can be called.
    #[error(
        "{address:?} is not a gRPC address: {reason}; write https://HOST:PORT, http://HOST:PORT on loopback, or unix:/PATH"
    )]
    Address {
        /// The address, without a password.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where the bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tls { host: String, port: u16 },
    Loopback { host: String, port: u16 },
    Unix(Utf8PathBuf),
}

impl Endpoint {
    /// Whether the address can be called at all, for settings; nothing is sent and no file is read.
    ///
    /// # Errors
    /// As [`connect`].
    pub fn check(&self) -> Result<(), ChannelError> {
        place(&self.address).map(drop)
    }
}

/// A channel to the endpoint. It connects with the first call, and again after a loss.
///
/// # Errors
/// If the address is not valid or would be plain text on the network.
pub fn connect(endpoint: &Endpoint) -> Result<AuthenticatedChannel, ChannelError> {
    let (place, authority) = place(&endpoint.address)?;
    let invalid = |reason: String| ChannelError::Address { address: mask_urls(&endpoint.address), reason };
    let scheme = if matches!(place, Place::Tls { .. }) { "https" } else { "http" };
    let origin: Uri =
        format!("{scheme}://{authority}").parse().map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
    // The connector below does TLS itself, so that authorities are read anew; tonic's refuses
    // https without its own. What the server sees is the origin.
    let plain = format!("http://{authority}");
    let channel = transport::Endpoint::from_shared(plain)
        .map_err(|error| invalid(error.to_string()))?
        .origin(origin)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_while_idle(true);
    let ca_file = endpoint.ca_file.clone();
    let channel = channel.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (place, ca_file) = (place.clone(), ca_file.clone());
        async move { reach(&place, ca_file).await.map(TokioIo::new) }
    }));
    Ok(InterceptedService::new(channel, BearerToken(endpoint.token_file.clone())))
}

/// Puts the bearer token of a file into each call.
#[derive(Debug, Clone)]
pub struct BearerToken(Option<SecretFile>);

impl Interceptor for BearerToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(file) = &self.0 {
            let token = file.read().map_err(|error| Status::unauthenticated(error.to_string()))?;
            let header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
            let mut header = header.map_err(|_| {
                Status::unauthenticated(format!("the token in {} cannot stand in a header", file.path()))
            })?;
            header.set_sensitive(true);
            request.metadata_mut().as_mut().insert(http::header::AUTHORIZATION, header);
        }
        Ok(request)
    }
}

fn place(address: &str) -> Result<(Place, String), ChannelError> {
    let invalid = |reason: &str| ChannelError::Address { address: mask_urls(address), reason: reason.to_owned() };
    if let Some(path) = address.strip_prefix("unix:") {
        if !path.starts_with('/') {
            return Err(invalid("the path after unix: must be absolute"));
        }
        return Ok((Place::Unix(path.into()), "localhost".to_owned()));
    }
    let uri: Uri = address.parse().map_err(|_| invalid("it is not a URL"))?;
    let authority = uri.authority().ok_or_else(|| invalid("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("credentials do not belong into an address, but into token-file"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(invalid("it has a path"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let place = match uri.scheme_str() {
        Some("https") => Place::Tls { host, port: authority.port_u16().unwrap_or(443) },
        Some("http") => {
            let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
            if !loopback {
                return Err(invalid("it would be plain text on the network"));
            }
            Place::Loopback { host, port: authority.port_u16().unwrap_or(80) }
        }
        _ => return Err(invalid("its scheme is not one of https, http and unix")),
    };
    Ok((place, authority.to_string()))
}

/// Any connection, so that one connector serves all places.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

async fn reach(place: &Place, ca_file: Option<Utf8PathBuf>) -> io::Result<Box<dyn Connection>> {
    match place {
        Place::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Place::Loopback { host, port } => {
            // A name may resolve to anything; only loopback is meant.
            let addresses: Vec<_> =
                lookup_host((host.as_str(), *port)).await?.filter(|address| address.ip().is_loopback()).collect();
            Ok(Box::new(TcpStream::connect(addresses.as_slice()).await?))
        }
        Place::Tls { host, port } => {
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let config = tokio::task::spawn_blocking(move || trusting(ca_file)).await??;
            let connection = TcpStream::connect((host.as_str(), *port)).await?;
            connection.set_nodelay(true)?;
            Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, connection).await?))
        }
    }
}

/// Trusts the authorities of the file, or the system's. Reads files.
fn trusting(ca_file: Option<Utf8PathBuf>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            // The text and not the error: the innermost cause alone would not say which file.
            let text = read_capped(&file).map_err(|error| io::Error::other(error.to_string()))?;
            for certificate in certificates(&file, &text).map_err(io::Error::other)? {
                roots.add(certificate).map_err(io::Error::other)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(io::Error::other("the system has no certificate authorities: set ca-file"));
            }
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_urls(&self.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_where_the_bytes_go() {
        let tls = |host: &str, port| Place::Tls { host: host.to_owned(), port };
        let loopback = |host: &str, port| Place::Loopback { host: host.to_owned(), port };
        for (address, wanted) in [
            ("https://lockstep.example", tls("lockstep.example", 443)),
            ("https://lockstep.example:9443/", tls("lockstep.example", 9443)),
            ("https://[::1]:9443", tls("::1", 9443)),
            ("http://127.0.0.1:1", loopback("127.0.0.1", 1)),
            ("http://[::1]:1", loopback("::1", 1)),
            ("http://localhost:1", loopback("localhost", 1)),
            ("unix:/run/lockstep.sock", Place::Unix("/run/lockstep.sock".into())),
        ] {
            assert_eq!(place(address).unwrap().0, wanted, "{address}");
        }
    }

    #[test]
    fn what_would_be_plain_text_or_is_no_address_is_refused() {
        for (address, wanted) in [
            ("http://lockstep.example:1", "plain text on the network"),
            ("http://10.0.0.1:1", "plain text on the network"),
            ("http://localhost.example:1", "plain text on the network"),
            ("https://me:canary@lockstep.example", "token-file"),
            ("https://lockstep.example/path", "it has a path"),
            ("ftp://lockstep.example", "its scheme"),
            ("lockstep.example:1", ""),
            ("unix:run/x", "must be absolute"),
            ("", ""),
        ] {
            let endpoint = Endpoint { address: address.to_owned(), token_file: None, ca_file: None };
            let error = connect(&endpoint).unwrap_err().to_string();
            assert!(error.contains(wanted), "{address}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
