//! A request in the words of the Kubernetes API, and sets of them.

use axum::http::{Method, Uri};

/// What a request asks for, read from its method and path as the API server reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The verb of RBAC: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    /// The API group; empty for core and for what is no resource.
    pub group: String,
    /// The resource's plural; empty where the path is of no resource (`/apis`).
    pub resource: String,
    /// `status`, `scale`, …; empty for none.
    pub subresource: String,
    /// Empty for a cluster-scoped object or all namespaces.
    pub namespace: String,
    /// Empty for a list or watch.
    pub name: String,
    /// The path.
    pub path: String,
    /// The query, as sent.
    pub query: String,
}

impl Asked {
    pub(super) fn read(method: &Method, uri: &Uri) -> Self {
        let mut asked =
            Self { path: uri.path().to_owned(), query: uri.query().unwrap_or_default().to_owned(), ..Self::default() };
        asked.read_path();
        let is_watch = asked.query.split('&').any(|part| matches!(part, "watch=true" | "watch=1" | "watch"));
        let is_one = !asked.name.is_empty() || asked.resource.is_empty();
        asked.verb = match method.as_str() {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if is_one => "delete",
            "DELETE" => "deletecollection",
            _ if is_watch => "watch",
            _ if is_one => "get",
            _ => "list",
        };
        asked
    }

    /// `/api/VERSION/…` or `/apis/GROUP/VERSION/…`, then `[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]`.
    fn read_path(&mut self) {
        let parts: Vec<String> = self.path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let rest = match parts.as_slice() {
            ["api", _, rest @ ..] => rest,
            ["apis", group, _, rest @ ..] => {
                self.group = (*group).to_owned();
                rest
            }
            _ => return,
        };
        let rest = match rest {
            ["namespaces", namespace, resource, ..] if !matches!(*resource, "status" | "finalize") => {
                self.namespace = (*namespace).to_owned();
                &rest[2..]
            }
            _ => rest,
        };
        let text = |at: usize| rest.get(at).map(|part| (*part).to_owned()).unwrap_or_default();
        (self.resource, self.name, self.subresource) = (text(0), text(1), text(2));
    }
}

/// A set of requests: those for which everything that was said holds.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    verbs: Vec<&'static str>,
    group: Option<String>,
    resource: Option<String>,
    subresource: Option<String>,
    name: Option<String>,
    path: Option<String>,
    query: Option<String>,
    excepted: Vec<Requests>,
}

impl Requests {
    /// Every request.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those with one of these verbs.
    #[must_use]
    pub fn with(verbs: &[&'static str]) -> Self {
        Self { verbs: verbs.to_vec(), ..Self::default() }
    }

    /// Those that write, dry runs included.
    #[must_use]
    pub fn writes() -> Self {
        Self::with(&["create", "update", "patch", "delete", "deletecollection"])
    }

    /// Of these, the ones for this resource itself and none of its subresources.
    #[must_use]
    pub fn of(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self.subresource = Some(String::new());
        self
    }

    /// Of these, the ones for this subresource.
    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// Of these, the ones for this API group.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Of these, the ones for the object of this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Of these, the ones with exactly this path.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Of these, the ones whose query has this text.
    #[must_use]
    pub fn query(mut self, text: &str) -> Self {
        self.query = Some(text.to_owned());
        self
    }

    /// Of these, the ones that are not among `others`.
    #[must_use]
    pub fn except(mut self, others: Self) -> Self {
        self.excepted.push(others);
        self
    }

    /// Whether a request is one of these.
    #[must_use]
    pub fn contain(&self, asked: &Asked) -> bool {
        let fits = |wanted: &Option<String>, found: &String| wanted.as_ref().is_none_or(|wanted| wanted == found);
        (self.verbs.is_empty() || self.verbs.contains(&asked.verb))
            && fits(&self.group, &asked.group)
            && fits(&self.resource, &asked.resource)
            && fits(&self.subresource, &asked.subresource)
            && fits(&self.name, &asked.name)
            && fits(&self.path, &asked.path)
            && self.query.as_ref().is_none_or(|text| asked.query.contains(text))
            && !self.excepted.iter().any(|others| others.contain(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, uri: &str) -> Asked {
        Asked::read(&method, &uri.parse().unwrap())
    }

    #[test]
    fn a_path_is_read_as_the_api_server_reads_it() {
        for (method, uri, verb, resource, namespace, name, subresource) in [
            (Method::GET, "/apis", "get", "", "", "", ""),
            (Method::GET, "/api/v1/configmaps?watch=true&a=b", "watch", "configmaps", "", "", ""),
            (Method::GET, "/api/v1/namespaces/a/configmaps?limit=5", "list", "configmaps", "a", "", ""),
            (Method::GET, "/api/v1/namespaces/a", "get", "namespaces", "", "a", ""),
            (Method::PUT, "/api/v1/namespaces/a/finalize", "update", "namespaces", "", "a", "finalize"),
            (Method::DELETE, "/api/v1/namespaces/a/pods", "deletecollection", "pods", "a", "", ""),
            (
                Method::PATCH,
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                "patch",
                "deployments",
                "a",
                "b",
                "scale",
            ),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events", "create", "events", "a", "", ""),
        ] {
            let read = asked(method, uri);
            let found = (read.verb, &*read.resource, &*read.namespace, &*read.name, &*read.subresource);
            assert_eq!(found, (verb, resource, namespace, name, subresource), "{uri}");
        }
    }

    #[test]
    fn a_set_holds_what_fits_all_that_was_said() {
        let patch = asked(Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/b?force=true");
        for set in [
            Requests::all(),
            Requests::writes().of("deployments"),
            Requests::with(&["get", "patch"]).group("apps").named("b"),
            Requests::all().query("force="),
            Requests::writes().except(Requests::all().of("pods")),
        ] {
            assert!(set.contain(&patch), "{set:?}");
        }
        for set in [
            Requests::with(&["get"]),
            Requests::writes().of("pods"),
            Requests::writes().group(""),
            Requests::all().named("c"),
            Requests::all().path("/apis"),
            Requests::writes().of("deployments").subresource("scale"),
            Requests::writes().except(Requests::all().query("dryRun")).except(Requests::all().of("deployments")),
        ] {
            assert!(!set.contain(&patch), "{set:?}");
        }
    }
}
