//! How an object differs, and by whose hand.

use lockstep_plan::FieldLoss;

/// How an object differs from what was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drifted {
    /// It is gone, or its label is.
    Gone,
    /// Others have these fields now; or, without any, all of it.
    Fields(Vec<FieldLoss>),
    /// Only the API server can tell whether these empty fields were changed.
    Doubtful(Vec<FieldLoss>),
}

impl Drifted {
    /// The fields, and who has them.
    pub(crate) fn fields(&self) -> Vec<FieldLoss> {
        match self {
            Self::Gone => Vec::new(),
            Self::Fields(fields) | Self::Doubtful(fields) => fields.clone(),
        }
    }
}

/// Where the fields are.
pub(crate) fn paths(fields: &[FieldLoss]) -> Vec<&str> {
    fields.iter().map(|loss| loss.path.as_str()).collect()
}

/// Who has the first of the fields of which that is known; empty when unknown.
pub(crate) fn manager(fields: &[FieldLoss]) -> String {
    fields.iter().find_map(|loss| loss.manager.clone()).unwrap_or_default()
}
