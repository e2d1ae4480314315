//! Whether an image is signed by a key, as cosign signs.
//!
//! Two forms are read: the `.sig` tag with simple signing (cosign up to 2), and Sigstore bundles of version 0.3 that refer to
//! the image (cosign 3). Only what is signed by the given key counts; transparency logs and certificates are not asked.
//!
//! ```text
//!  digest ─┬─► tag sha256-HEX.sig ─► layers, payloads ─► simple ─┐
//!          └─► referrers, or tag sha256-HEX ─► bundles ─► bundle ─┴─► Signed | NotSigned | Wrong
//! ```

mod bundle;
mod find;
mod key;
mod simple;

pub use key::{VerificationKey, VerificationKeyError};

/// What came of looking for a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The digest is signed by the key.
    Signed,
    /// There is no signature yet; signing follows the push.
    NotSigned,
    /// There are signatures and none holds: why not.
    Wrong(String),
}
