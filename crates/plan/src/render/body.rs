//! What is sent to the API server, kept as it is sent.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// An object as compact JSON. A tree of values takes about ten times as much memory as its text, and most objects are
/// not looked at for hours; so the text is kept, and read when somebody asks. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Arc<[u8]>);

impl Body {
    /// The text of a value.
    pub fn of(value: &Value) -> Self {
        Self(value.to_string().into_bytes().into())
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The object. Reads the text anew each time.
    pub fn value(&self) -> Value {
        // It was written from a value, so it can be read.
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

/// Tells the size only: the object may be a Secret.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}
