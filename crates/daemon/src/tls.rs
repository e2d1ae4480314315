//! TLS for the gRPC port, with certificates that may change while the daemon runs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use camino::{Utf8Path, Utf8PathBuf};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::secret::{SecretFileError, read_capped};

/// A certificate and its key, as files in PEM: the settings `tls` of every daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate_file: Utf8PathBuf,
    /// The private key.
    pub key_file: Utf8PathBuf,
}

/// What a server presents: a certificate chain and its key, both PEM files, read again whenever
/// a client connects. A new pair that cannot be used leaves the old one in place.
#[derive(Clone)]
pub struct ServerTls {
    grpc: TlsAcceptor,
    http: TlsAcceptor,
    files: Arc<Files>,
}

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// HTTP/2.
    Grpc,
    /// HTTP/1.1, as the admin port and webhooks speak it.
    Http,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] SecretFileError),
    /// A file does not hold what it should, in PEM.
    #[error("{path} does not hold a {what} in PEM: {source}")]
    Pem {
        /// The file.
        path: Utf8PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What the parser said.
        source: pem::Error,
    },
    /// The certificate and the key do not belong together, or are of a kind that is not supported.
    #[error("the certificate in {certificate} cannot be used with its key: {source}")]
    Pair {
        /// The file of the certificate.
        certificate: Utf8PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

struct Files {
    certificate: Utf8PathBuf,
    key: Utf8PathBuf,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

struct Current {
    /// What the files held when they were last looked at, good or not.
    seen: Option<(Vec<u8>, Vec<u8>)>,
    pair: Arc<CertifiedKey>,
}

impl ServerTls {
    /// Reads the certificate chain and the key; both must be good at the start.
    ///
    /// # Errors
    /// If they cannot be read or used.
    pub fn from_files(certificate: &Utf8Path, key: &Utf8Path) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let seen = (read_capped(certificate)?, read_capped(key)?);
        let pair = Arc::new(pair(certificate, key, &seen, &provider)?);
        let files = Arc::new(Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider: provider.clone(),
            current: Mutex::new(Current { seen: Some(seen), pair }),
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Pair { certificate: certificate.to_owned(), source })?
            .with_no_client_auth()
            .with_cert_resolver(files.clone());
        let mut http = config.clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { grpc: TlsAcceptor::from(Arc::new(config)), http: TlsAcceptor::from(Arc::new(http)), files })
    }

    /// The acceptor of the next connection.
    pub(crate) fn acceptor(&self, protocol: Protocol) -> TlsAcceptor {
        self.files.refresh();
        match protocol {
            Protocol::Grpc => self.grpc.clone(),
            Protocol::Http => self.http.clone(),
        }
    }
}

impl Files {
    /// Looks at the files; small reads that block, once for each connection.
    fn refresh(&self) {
        let read = read_capped(&self.certificate).and_then(|chain| Ok((chain, read_capped(&self.key)?)));
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if read.as_ref().ok() == current.seen.as_ref() {
            return;
        }
        current.seen = match read {
            Ok(seen) => {
                match pair(&self.certificate, &self.key, &seen, &self.provider) {
                    Ok(pair) => {
                        info!(certificate = %self.certificate, "serving a new certificate");
                        current.pair = Arc::new(pair);
                    }
                    Err(error) => warn!(%error, "keeping the old certificate"),
                }
                Some(seen)
            }
            Err(error) => {
                warn!(%error, "keeping the old certificate");
                None
            }
        };
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.lock().unwrap_or_else(PoisonError::into_inner).pair.clone())
    }
}

fn pair(
    certificate: &Utf8Path,
    key: &Utf8Path,
    (chain, secret): &(Vec<u8>, Vec<u8>),
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate, chain)?;
    let secret = PrivateKeyDer::from_pem_slice(secret).map_err(|source| TlsError::Pem {
        path: key.to_owned(),
        what: "private key",
        source,
    })?;
    // Also checks that the key is the certificate's.
    CertifiedKey::from_der(chain, secret, provider)
        .map_err(|source| TlsError::Pair { certificate: certificate.to_owned(), source })
}

/// All certificates of a PEM file; at least one.
pub(crate) fn certificates(path: &Utf8Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { path: path.to_owned(), what: "certificate", source };
    let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if chain.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("certificate", &self.certificate).field("key", &self.key).finish_non_exhaustive()
    }
}
