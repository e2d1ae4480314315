//! Sigstore bundles of version 0.3 with a signature by a key: an in-toto statement in a DSSE envelope.
//!
//! The forms are those of protobuf-specs' `sigstore_bundle.proto`, of DSSE's protocol.md and of in-toto's Statement v1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::key::VerificationKey;

/// The media type of a bundle, and the artifact type of the manifest that has it.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
/// What a signature of cosign says; every other predicate attests something else.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    #[serde(default)]
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    of: String,
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: std::collections::BTreeMap<String, String>,
}

/// What a bundle says about a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is signed by the key.
    Signed,
    /// Something else, such as an attestation of how it was built.
    Else,
    /// It should be a signature and is none that holds.
    Wrong(&'static str),
}

/// Reads one bundle.
pub(super) fn read(bundle: &[u8], digest: &str, key: &VerificationKey) -> Said {
    let Ok(Bundle { media_type, dsse_envelope }) = serde_json::from_slice(bundle) else {
        return Said::Wrong("a bundle cannot be read");
    };
    let Some(envelope) = dsse_envelope.filter(|_| media_type == BUNDLE) else { return Said::Else };
    let payload = STANDARD.decode(&envelope.payload).unwrap_or_default();
    let statement: Statement = match serde_json::from_slice(&payload) {
        Ok(statement) => statement,
        Err(_) => return Said::Wrong("a bundle has no statement that can be read"),
    };
    if statement.predicate_type != SIGNED {
        return Said::Else;
    }
    if statement.of != STATEMENT || envelope.payload_type != STATEMENT_TYPE {
        return Said::Wrong("a bundle has a statement of an unknown version");
    }
    let message = encoded(&envelope.payload_type, &payload);
    let by_key =
        |signature: &Signature| STANDARD.decode(&signature.sig).is_ok_and(|signature| key.signed(&message, &signature));
    if !envelope.signatures.iter().any(by_key) {
        return Said::Wrong("it is signed by another key");
    }
    let named = |subject: &Subject| {
        let (algorithm, hex) = digest.split_once(':').unwrap_or_default();
        subject.digest.get(algorithm).is_some_and(|named| named == hex)
    };
    if statement.subject.iter().any(named) {
        Said::Signed
    } else {
        Said::Wrong("the signature is that of another image")
    }
}

/// DSSE's pre-authentication encoding.
fn encoded(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests;
