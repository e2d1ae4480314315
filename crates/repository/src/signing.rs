//! Signing commits with an SSH key, as `git commit -S` does with `gpg.format=ssh`.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey};

/// What signatures of Git are made for, so that none can be taken for a login or for a signed file.
pub(crate) const NAMESPACE: &str = "git";

/// A private SSH key without passphrase: Ed25519 or ECDSA. Printing it shows its public half.
#[derive(Clone)]
pub struct SigningKey(PrivateKey);

/// Why a key cannot sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// It is not a private key in OpenSSH's form.
    #[error(
        "it is no private key in OpenSSH's form (-----BEGIN OPENSSH PRIVATE KEY-----); make one with ssh-keygen -t ed25519"
    )]
    Form,
    /// It has a passphrase.
    #[error("it has a passphrase; take it off with ssh-keygen -p, or make another key for this")]
    Encrypted,
    /// It is of a kind that is not signed with.
    #[error("it is a key of the kind {0}; commits are signed with ssh-ed25519 or ecdsa-sha2-nistp*")]
    Kind(String),
}

impl SigningKey {
    /// Reads what `ssh-keygen` writes into the file of a private key.
    ///
    /// # Errors
    /// If it cannot be used. The message repeats nothing of the text.
    pub fn parse(openssh: &SecretString) -> Result<Self, SigningKeyError> {
        let text = format!("{}\n", openssh.expose_secret().trim_end());
        let key = PrivateKey::from_openssh(&text).map_err(|_| SigningKeyError::Form)?;
        if key.is_encrypted() {
            return Err(SigningKeyError::Encrypted);
        }
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(Self(key)),
            other => Err(SigningKeyError::Kind(other.to_string())),
        }
    }

    /// The public half, for whoever checks the signatures.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// The value of the header `gpgsig` for a commit of these bytes.
    pub(crate) fn sign(&self, commit: &[u8]) -> Result<String, String> {
        let signed = self.0.sign(NAMESPACE, HashAlg::Sha512, commit);
        let armoured = signed.and_then(|signature| signature.to_pem(LineEnding::LF));
        armoured.map(|text| text.trim_end().to_owned()).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().fingerprint(HashAlg::Sha256))
    }
}
