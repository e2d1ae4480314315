//! Simple signing: a payload that names the digest, and a signature over its bytes.
//!
//! The form is that of cosign's SIGNATURE_SPEC.md.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::key::VerificationKey;

/// The media type of a payload.
pub(super) const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TYPE: &str = "cosign container image signature";

/// The annotation of a layer that holds the signature over it.
pub(super) fn signature_of(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get(SIGNATURE).map(String::as_str)
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Checks one payload with its signature.
///
/// # Errors
/// Why it does not say that `digest` is signed by `key`.
pub(super) fn check(payload: &[u8], signature: &str, digest: &str, key: &VerificationKey) -> Result<(), &'static str> {
    let signature = STANDARD.decode(signature.trim()).map_err(|_| "a signature is not Base64")?;
    if !key.signed(payload, &signature) {
        return Err("it is signed by another key");
    }
    let payload: Payload = serde_json::from_slice(payload).map_err(|_| "what is signed is not simple signing")?;
    if payload.critical.r#type != TYPE {
        return Err("what is signed is not an image");
    }
    if payload.critical.image.digest != digest {
        return Err("the signature is that of another image");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
