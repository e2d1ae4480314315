//! Public keys as `cosign generate-key-pair` writes them.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// What the DER of a SubjectPublicKeyInfo (RFC 5280) begins with for an uncompressed point on P-256 (RFC 5480).
const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
/// The same for Ed25519 (RFC 8410).
const ED25519_PREFIX: &str = "302a300506032b6570032100";

/// A public key that signatures of images are checked with: ECDSA on P-256, or Ed25519.
#[derive(Clone)]
pub struct VerificationKey {
    key: ParsedPublicKey,
    fingerprint: String,
}

/// Why a text is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationKeyError {
    /// It is something else, or several things.
    #[error(
        "it is not one public key in PEM form (-----BEGIN PUBLIC KEY-----); take the .pub file of cosign generate-key-pair"
    )]
    Form,
    /// It is a public key of another kind.
    #[error("it is a public key of a kind that is not supported; use ECDSA on P-256 or Ed25519")]
    Kind,
}

impl VerificationKey {
    /// Reads one key in PEM form.
    ///
    /// # Errors
    /// If there is none, or one of another kind.
    pub fn parse(pem: &str) -> Result<Self, VerificationKeyError> {
        let inside = pem.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let base64: String = inside.ok_or(VerificationKeyError::Form)?.split_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| VerificationKeyError::Form)?;
        let after =
            |prefix: &str| der.strip_prefix(hex::decode(prefix).unwrap_or_default().as_slice()).map(<[u8]>::to_vec);
        let key = match (after(P256), after(ED25519_PREFIX)) {
            (Some(point), _) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point),
            (_, Some(point)) => ParsedPublicKey::new(&ED25519, point),
            _ => return Err(VerificationKeyError::Kind),
        };
        let fingerprint = hex::encode(Sha256::digest(&der));
        Ok(Self { key: key.map_err(|_| VerificationKeyError::Form)?, fingerprint })
    }

    /// Whether `signature` is one of this key over `message`: DER over SHA-256 for ECDSA, plain for Ed25519.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey(SHA256:{})", self.fingerprint)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

    use super::*;

    enum Pair {
        Ecdsa(EcdsaKeyPair),
        Ed25519(Ed25519KeyPair),
    }

    /// A key with its private half.
    pub(in crate::signature) struct Signer {
        pair: Pair,
        pub(in crate::signature) key: VerificationKey,
    }

    impl Signer {
        pub(in crate::signature) fn sign(&self, message: &[u8]) -> Vec<u8> {
            match &self.pair {
                Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
                Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            }
        }
    }

    fn pem(der: &PublicKeyX509Der<'_>) -> String {
        format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der.as_ref()))
    }

    /// One of each kind.
    pub(in crate::signature) fn signers() -> Vec<Signer> {
        let ecdsa = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let ed25519 = Ed25519KeyPair::generate().unwrap();
        let ders = [ecdsa.public_key().as_der().unwrap(), ed25519.public_key().as_der().unwrap()];
        let keys = ders.map(|der| VerificationKey::parse(&pem(&der)).unwrap());
        let pairs = [Pair::Ecdsa(ecdsa), Pair::Ed25519(ed25519)];
        pairs.into_iter().zip(keys).map(|(pair, key)| Signer { pair, key }).collect()
    }

    #[test]
    fn only_keys_of_the_two_kinds_are_read() {
        let wrap = |base64: &str| format!("{BEGIN}\n{base64}\n{END}");
        // The beginning of a key on P-384.
        let p384 = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEAAAA";
        let off_the_curve = STANDARD.encode([hex::decode(P256).unwrap(), vec![4], vec![7; 64]].concat());
        for (text, wanted) in [
            (String::new(), VerificationKeyError::Form),
            ("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----".to_owned(), VerificationKeyError::Form),
            (wrap("!"), VerificationKeyError::Form),
            (wrap(p384), VerificationKeyError::Kind),
            (wrap(""), VerificationKeyError::Kind),
            (wrap(&off_the_curve), VerificationKeyError::Form),
        ] {
            assert_eq!(VerificationKey::parse(&text).unwrap_err(), wanted, "{text}");
        }
        // The example of RFC 8410, section 10.1.
        let key =
            VerificationKey::parse(&wrap("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")).unwrap();
        assert!(format!("{key:?}").starts_with("VerificationKey(SHA256:"));
    }
}
