//! What admission makes of an object at every apply.

use std::sync::Arc;

use lockstep_plan::{ADMISSION, FieldChange, FieldLoss};

/// The fields of an object that are not as Git says, and that no apply brings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rewritten {
    /// The hash of what was applied.
    pub(crate) hash: Arc<str>,
    /// The stored value before, Git's after.
    pub(crate) fields: Vec<FieldChange>,
}

impl Rewritten {
    /// Whether this says the same, whatever value is stored at the moment.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let paths = |all: &Self| all.fields.iter().map(|field| field.path.clone()).collect::<Vec<_>>();
        self.hash == other.hash && paths(self) == paths(other)
    }

    /// The same in the form of drift.
    pub(crate) fn losses(&self) -> Vec<FieldLoss> {
        let loss = |field: &FieldChange| FieldLoss {
            path: field.path.clone(),
            manager: Some(ADMISSION.to_owned()),
            subresource: None,
            time: None,
            git: field.after.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        self.fields.iter().map(loss).collect()
    }
}
