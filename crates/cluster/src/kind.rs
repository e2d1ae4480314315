//! A kind as the API server serves it, and the paths of its objects.

use kube::core::{ApiResource, DynamicObject, Request, Resource};

use lockstep_plan::Scope;

use crate::error::CallError;

/// A kind that the API server serves now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Group, served version, kind and plural.
    pub resource: ApiResource,
    /// Where its objects live.
    pub scope: Scope,
}

impl Kind {
    /// What errors call an object of this kind.
    pub(crate) fn target(&self, namespace: &str, name: &str) -> String {
        let kind = &self.resource.kind;
        match (self.scope, namespace) {
            (Scope::Namespaced, namespace) if !namespace.is_empty() => format!("{kind} {namespace}/{name}"),
            _ => format!("{kind} {name}"),
        }
    }

    /// Requests on the whole kind, in one namespace or (`None`) in all.
    pub(crate) fn all(&self, doing: &'static str, namespace: Option<&str>) -> Result<Request, CallError> {
        let namespace = match (self.scope, namespace) {
            (Scope::Namespaced, Some(namespace)) => Some(segment(namespace).ok_or_else(|| {
                let message = format!("{namespace:?} cannot be a namespace");
                CallError::unsendable(doing, &self.resource.kind, message)
            })?),
            _ => None,
        };
        Ok(Request::new(DynamicObject::url_path(&self.resource, namespace.as_deref())))
    }

    /// Requests on one object, and its name as it stands in a path.
    pub(crate) fn one(&self, doing: &'static str, namespace: &str, name: &str) -> Result<(Request, String), CallError> {
        let target = self.target(namespace, name);
        if self.scope == Scope::Namespaced && namespace.is_empty() {
            let message = "the kind is namespaced and the object names no namespace".to_owned();
            return Err(CallError::unsendable(doing, &target, message));
        }
        let Some(name) = segment(name) else {
            return Err(CallError::unsendable(doing, &target, format!("{name:?} cannot be a name")));
        };
        Ok((self.all(doing, Some(namespace))?, name))
    }
}

/// A name as one segment of a path; `None` for what the API server never accepts and a path would misread.
fn segment(name: &str) -> Option<String> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) {
        return None;
    }
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(scope: Scope) -> Kind {
        let resource = ApiResource {
            group: "apps".into(),
            version: "v1".into(),
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
        };
        Kind { resource, scope }
    }

    #[test]
    fn a_name_stays_one_segment() {
        for (name, path) in [
            ("web", Some("web")),
            ("system:controller", Some("system:controller")),
            ("a b?c#d", Some("a%20b%3Fc%23d")),
            ("ü", Some("%C3%BC")),
            ("", None),
            ("..", None),
            ("../../secrets/x", None),
            ("%2e%2e", None),
        ] {
            assert_eq!(segment(name).as_deref(), path, "{name}");
        }
    }

    #[test]
    fn paths_follow_the_scope() {
        let (request, name) = kind(Scope::Namespaced).one("get", "shop", "web").unwrap();
        assert_eq!((request.url_path.as_str(), name.as_str()), ("/apis/apps/v1/namespaces/shop/deployments", "web"));
        let (request, _) = kind(Scope::Cluster).one("get", "", "web").unwrap();
        assert_eq!(request.url_path, "/apis/apps/v1/deployments");
        let error = kind(Scope::Namespaced).one("get", "", "web").unwrap_err();
        assert_eq!(error.category(), "unsendable");
        assert!(kind(Scope::Namespaced).one("get", "../kube-system", "web").is_err());
    }
}
