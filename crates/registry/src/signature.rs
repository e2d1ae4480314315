//! Whether an image is signed by a key.

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
