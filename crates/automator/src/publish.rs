//! One commit per batch and branch, with the evidence in it; a lost race decides again.

/// What one commit changed at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// `FILE#KIND/NAMESPACE/NAME/CONTAINER`.
    pub place: String,
    /// The reference before.
    pub from: String,
    /// The reference after.
    pub to: String,
}
