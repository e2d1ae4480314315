//! What a person means in Git: an object, one container of it, or one place by its whole name.

use lockstep_manifest::{ObjectId, canonical_kind};

use crate::board::PlaceState;
use crate::places::PlaceId;

/// A text that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither KIND/NAMESPACE/NAME, KIND/NAME nor FILE#KIND/NAMESPACE/NAME/CONTAINER")]
pub(crate) struct SubjectError {
    text: String,
}

/// What is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    what: What,
    container: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Everything,
    /// The kind in lower case; no namespace where none was said.
    Object {
        kind: String,
        namespace: Option<String>,
        name: String,
    },
    /// As [`PlaceId`] is displayed.
    Place(String),
}

impl Subject {
    /// Reads the names; an empty one means everything, an empty container all of them.
    ///
    /// # Errors
    /// If the name has another form.
    pub(crate) fn read(name: &str, container: &str) -> Result<Self, SubjectError> {
        let error = || SubjectError { text: name.to_owned() };
        let container = Some(container.to_owned()).filter(|container| !container.is_empty());
        let what = if name.is_empty() {
            What::Everything
        } else if name.contains('#') {
            What::Place(name.to_owned())
        } else {
            let (kind, namespace, name) = match name.split('/').collect::<Vec<_>>()[..] {
                [kind, name] => (kind, None, name),
                [kind, namespace, name] => (kind, Some(namespace.to_owned()), name),
                _ => return Err(error()),
            };
            if kind.is_empty() || name.is_empty() {
                return Err(error());
            }
            What::Object { kind: canonical_kind(kind), namespace, name: name.to_owned() }
        };
        Ok(Self { what, container })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.what == What::Everything && self.container.is_none()
    }

    /// The one container that is meant, if it is one.
    pub(crate) fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    /// Whether the place is meant.
    pub(crate) fn means(&self, place: &PlaceId) -> bool {
        let named = match &self.what {
            What::Everything => true,
            What::Object { .. } => self.means_object(&place.object),
            What::Place(name) => *name == place.to_string(),
        };
        named && self.container.as_ref().is_none_or(|container| *container == place.container)
    }

    /// Whether the object is meant. A manifest may leave its namespace to the synchronizer, which takes `default`.
    pub(crate) fn means_object(&self, object: &ObjectId) -> bool {
        let What::Object { kind, namespace, name } = &self.what else { return self.what == What::Everything };
        let same = |namespace: &String| {
            *namespace == object.namespace || (object.namespace.is_empty() && namespace == "default")
        };
        object.kind.to_ascii_lowercase() == *kind && object.name == *name && namespace.as_ref().is_none_or(same)
    }

    /// Whether a place is meant, as the board shows it.
    pub(crate) fn means_shown(&self, state: &PlaceState) -> bool {
        let (kind, namespace, name) = match state.object.split('/').collect::<Vec<_>>()[..] {
            [kind, name] => (kind, "", name),
            [kind, namespace, name] => (kind, namespace, name),
            _ => return false,
        };
        let object = ObjectId::new("", kind, namespace, name);
        self.means(&PlaceId { file: state.file.clone(), object, container: state.container.clone() })
    }

    /// Whether `FILE#KIND/NAMESPACE/NAME` of a commit's trailer is meant.
    pub(crate) fn means_written(&self, object: &str) -> bool {
        match &self.what {
            What::Everything => self.container.is_none(),
            What::Place(place) => place.strip_prefix(object).is_some_and(|container| container.starts_with('/')),
            What::Object { .. } => {
                match object.rsplit_once('#').map(|(_, object)| object.split('/').collect::<Vec<_>>()) {
                    Some(parts) => match parts[..] {
                        [kind, namespace, name] => self.means_object(&ObjectId::new("", kind, namespace, name)),
                        _ => false,
                    },
                    None => false,
                }
            }
        }
    }

    /// Something that stands in every file that holds what is meant, so that other files need not be parsed.
    pub(crate) fn mark(&self) -> &str {
        match &self.what {
            What::Everything => "",
            What::Object { name, .. } => name,
            What::Place(_) => "",
        }
    }

    /// The file that is meant, if it is one.
    pub(crate) fn file(&self) -> Option<&str> {
        match &self.what {
            What::Place(place) => place.rsplit_once('#').map(|(file, _)| file),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_places_are_told_by_their_names() {
        let object = ObjectId::new("apps", "Deployment", "shop", "web");
        let without = ObjectId::new("apps", "Deployment", "", "web");
        for (name, container, meant, meant_without) in [
            ("deployment/shop/web", "", true, false),
            ("deploy/web", "", true, true),
            ("Deployment/default/web", "", false, true),
            ("Deployment/shop/web", "web", true, false),
            ("Deployment/shop/web", "proxy", false, false),
            ("statefulset/shop/web", "", false, false),
            ("", "", true, true),
            ("a.yaml#Deployment/shop/web/web", "", true, false),
            ("a.yaml#Deployment//web/web", "", false, true),
            ("b.yaml#Deployment/shop/web/web", "", false, false),
        ] {
            let subject = Subject::read(name, container).unwrap();
            let place = |object: &ObjectId| PlaceId {
                file: "a.yaml".to_owned(),
                object: object.clone(),
                container: "web".to_owned(),
            };
            assert_eq!(subject.means(&place(&object)), meant, "{name} {container}");
            assert_eq!(subject.means(&place(&without)), meant_without, "{name} {container}");
        }
        for wrong in ["web", "/web", "deploy/", "a/b/c/d"] {
            assert!(Subject::read(wrong, "").is_err(), "{wrong}");
        }
    }

    #[test]
    fn trailers_name_objects() {
        for (name, meant) in [
            ("deploy/shop/web", true),
            ("deploy/shop/api", false),
            ("", true),
            ("a.yaml#Deployment/shop/web/web", true),
            ("a.yaml#Deployment/shop/website/web", false),
        ] {
            let subject = Subject::read(name, "").unwrap();
            assert_eq!(subject.means_written("a.yaml#Deployment/shop/web"), meant, "{name}");
        }
    }
}
