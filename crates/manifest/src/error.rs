use std::fmt;

/// One thing that is wrong in a file of manifests. It never quotes a value, since any value may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct ManifestError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The path of the field inside its document, such as `metadata.labels[app]`; empty where no field is to blame.
    pub field: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// An edit that was refused; the text is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct EditError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line that stands in the way, from 1.
    pub line: usize,
    /// Why the edit was refused, and what to do about it.
    pub reason: String,
}

impl From<ManifestError> for EditError {
    fn from(error: ManifestError) -> Self {
        let reason = if error.field.is_empty() { error.message } else { format!("{}: {}", error.field, error.message) };
        EditError { file: error.file, line: error.line, reason }
    }
}
