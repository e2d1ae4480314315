//! A certificate authority of one test, and server certificates for loopback.

use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Signs server certificates; exists in memory only.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate for `127.0.0.1`, `::1` and `localhost`, with its key, both as PEM.
pub struct ServerCertificate {
    /// The certificate chain (one certificate).
    pub certificate_pem: String,
    /// The private key, PKCS#8.
    pub key_pem: String,
}

impl Authority {
    /// Makes a new authority that nobody trusts yet.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate().context("making the key of a test authority")?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "lockstep test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).context("signing a test authority")?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate, for those who shall trust it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate for a server on loopback.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn server_certificate(&self) -> Result<ServerCertificate> {
        let key = KeyPair::generate().context("making the key of a test server")?;
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).context("signing a certificate")?;
        Ok(ServerCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl ServerCertificate {
    /// The settings of a server that shows this certificate and speaks HTTP/1.1.
    pub(crate) fn rustls(&self) -> Result<Arc<rustls::ServerConfig>> {
        let chain = CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .context("reading a test certificate")?;
        let key =
            PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).context("reading the key of a test certificate")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A key pair for service account tokens, as PEM: private (PKCS#8) and public. Kubernetes reads no
/// public key out of a PKCS#8 private one.
pub(crate) fn token_keys_pem() -> Result<(String, String)> {
    let key = KeyPair::generate().context("making the key of service account tokens")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}
