use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// What an object is called: group, kind, namespace and name, to be read as fields ([`Names`]).
///
/// Displays and parses as `group/Kind/namespace/name`, the form of the annotation `lockstep.dev/id`. Clones share the
/// texts: an object is named in a dozen places at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(Arc<Names>);

/// The parts of an [`ObjectId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Names {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind, as in the manifest.
    pub kind: String,
    /// The namespace; empty for a cluster-scoped object, or where the manifest names none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Deref for ObjectId {
    type Target = Names;

    fn deref(&self) -> &Names {
        &self.0
    }
}

/// A text that is not `group/Kind/namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an object is written group/Kind/namespace/name, with an empty group or namespace where there is none")]
pub struct ObjectIdError;

impl ObjectId {
    /// Puts the parts together; the core group and no namespace are empty.
    pub fn new(
        group: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        let (group, kind) = (group.into(), kind.into());
        Self(Arc::new(Names { group, kind, namespace: namespace.into(), name: name.into() }))
    }

    /// The object of the same kind and name in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self(Arc::new(Names { namespace: namespace.to_owned(), ..Names::clone(self) }))
    }

    /// The form for people: `Kind/namespace/name`, or `Kind/name` without a namespace.
    pub fn short(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}/{}", self.kind, self.name)
        } else {
            format!("{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.group, self.kind, self.namespace, self.name)
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [group, kind, namespace, name] if !kind.is_empty() && !name.is_empty() => {
                Ok(ObjectId::new(group, kind, namespace, name))
            }
            _ => Err(ObjectIdError),
        }
    }
}
