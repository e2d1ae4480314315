use std::fmt;
use std::str::FromStr;

/// What an object is called: group, kind, namespace and name.
///
/// Displays and parses as `group/Kind/namespace/name`, the form of the annotation `lockstep.dev/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind, as in the manifest.
    pub kind: String,
    /// The namespace; empty for a cluster-scoped object, or where the manifest names none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A text that is not `group/Kind/namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an object is written group/Kind/namespace/name, with an empty group or namespace where there is none")]
pub struct ObjectIdError;

impl ObjectId {
    /// The form for people: `Kind/namespace/name`, or `Kind/name` without a namespace.
    pub fn short(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}/{}", self.kind, self.name)
        } else {
            format!("{}/{}/{}", self.kind, self.namespace, self.name)
        }
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
            [group, kind, namespace, name] if !kind.is_empty() && !name.is_empty() => Ok(ObjectId {
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(ObjectIdError),
        }
    }
}
