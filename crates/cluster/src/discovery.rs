//! Which kinds the API server serves now, and which groups it cannot speak for.

use std::collections::BTreeMap;

use http::{Request, header::ACCEPT};
use kube::core::{
    ApiResource,
    discovery::v2::{ACCEPT_AGGREGATED_DISCOVERY_V2, APIGroupDiscoveryList, APIResourceDiscovery},
};

use lockstep_plan::Scope;

use crate::{call::Call, client::Cluster, error::CallError, kind::Kind};

/// One picture of what is served; made anew after CRDs changed.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    groups: BTreeMap<String, Vec<Version>>,
}

/// What is known about a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Served.
    Resolved(Kind),
    /// Not served, though all of its group answered. Its objects may still be stored: this is no proof that they are gone.
    Unknown,
    /// Its group, or a version of it, did not answer the API server: nothing can be said about the kind.
    GroupUnavailable,
}

#[derive(Clone, Debug)]
struct Version {
    name: String,
    /// What the API server says is from now, not from a time before an aggregated server went away.
    current: bool,
    kinds: BTreeMap<String, Served>,
}

#[derive(Clone, Debug)]
struct Served {
    kind: Kind,
    /// Its objects can be listed, watched, applied and deleted.
    manageable: bool,
    /// Its objects can be listed and deleted.
    stored: bool,
}

impl Cluster {
    /// Asks for all that is served. An answer without the API server's own groups is an error, never an empty picture.
    pub async fn discover(&self) -> Result<Discovery, CallError> {
        let (core, groups) = futures::try_join!(self.served_under("/api"), self.served_under("/apis"))?;
        let discovery = Discovery::new([core, groups]);
        for group in ["", "apiextensions.k8s.io"] {
            if !discovery.groups.get(group).is_some_and(|versions| versions.iter().any(|version| version.current)) {
                let message =
                    format!("the answer lacks group {group:?}: it is incomplete, or the server is older than 1.30");
                return Err(CallError::unanswered("discover", "API groups", message));
            }
        }
        Ok(discovery)
    }

    async fn served_under(&self, path: &str) -> Result<APIGroupDiscoveryList, CallError> {
        let request = Request::get(path)
            .header(ACCEPT, ACCEPT_AGGREGATED_DISCOVERY_V2)
            .body(Vec::new())
            .map_err(|error| CallError::unsendable("discover", path, error.to_string()))?;
        let call = Call { doing: "discover", target: path.to_owned(), request };
        call.read(&self.call(&call).await?)
    }
}

impl Discovery {
    fn new(answers: impl IntoIterator<Item = APIGroupDiscoveryList>) -> Self {
        let mut groups = BTreeMap::new();
        for group in answers.into_iter().flat_map(|answer| answer.items) {
            let name = group.metadata.and_then(|meta| meta.name).unwrap_or_default();
            let versions = group.versions.into_iter().filter_map(|version| {
                Some(Version {
                    current: version.freshness.as_deref() != Some("Stale"),
                    kinds: kinds(&name, version.version.as_deref()?, version.resources),
                    name: version.version?,
                })
            });
            let versions = versions.collect();
            groups.insert(name, versions);
        }
        Self { groups }
    }

    /// The kind in exactly this version, as a manifest names it.
    pub fn resolve(&self, group: &str, version: &str, kind: &str) -> Resolution {
        self.find(group, kind, |candidate| candidate.name == version)
    }

    /// The kind in the version that the API server prefers: for objects known by group and kind only.
    pub fn served(&self, group: &str, kind: &str) -> Resolution {
        self.find(group, kind, |_| true)
    }

    fn find(&self, group: &str, kind: &str, wanted: impl Fn(&Version) -> bool) -> Resolution {
        let Some(versions) = self.groups.get(group) else { return Resolution::Unknown };
        let current = versions.iter().filter(|version| version.current && wanted(version));
        match current.filter_map(|version| version.kinds.get(kind)).next() {
            Some(served) => Resolution::Resolved(served.kind.clone()),
            None if versions.iter().all(|version| version.current) => Resolution::Unknown,
            None => Resolution::GroupUnavailable,
        }
    }

    /// Every kind whose objects can be listed, watched, applied and deleted, once, in its preferred version.
    pub fn all_kinds(&self) -> Vec<Kind> {
        self.kinds_that(|served| served.manageable)
    }

    /// Every kind whose objects can be listed and deleted, once, in its preferred version: what a namespace takes along.
    pub fn stored_kinds(&self) -> Vec<Kind> {
        self.kinds_that(|served| served.stored)
    }

    fn kinds_that(&self, wanted: impl Fn(&Served) -> bool) -> Vec<Kind> {
        let mut found = BTreeMap::new();
        for (group, versions) in &self.groups {
            for version in versions.iter().filter(|version| version.current) {
                for (name, served) in version.kinds.iter().filter(|(_, served)| wanted(served)) {
                    found.entry((group, name)).or_insert_with(|| served.kind.clone());
                }
            }
        }
        found.into_values().collect()
    }

    /// The group/versions that did not answer: `metrics.k8s.io/v1beta1`.
    pub fn unavailable(&self) -> Vec<String> {
        let versions =
            self.groups.iter().flat_map(|(group, versions)| versions.iter().map(move |version| (group, version)));
        versions
            .filter(|(_, version)| !version.current)
            .map(|(group, version)| format!("{group}/{}", version.name))
            .collect()
    }
}

fn kinds(group: &str, version: &str, resources: Vec<APIResourceDiscovery>) -> BTreeMap<String, Served> {
    let mut kinds = BTreeMap::new();
    for resource in resources {
        let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.clone()).filter(|kind| !kind.is_empty());
        let (Some(kind), Some(plural)) = (kind, resource.resource) else { continue };
        let api_resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
            kind: kind.clone(),
            plural,
        };
        let scope = if resource.scope.as_deref() == Some("Namespaced") { Scope::Namespaced } else { Scope::Cluster };
        let can = |verb: &str| resource.verbs.iter().any(|served| served == verb);
        let stored = can("delete") && can("list");
        let manageable = stored && can("patch") && can("watch");
        let served = Served { kind: Kind { resource: api_resource, scope }, manageable, stored };
        // Two resources can answer with one kind; the one that can be managed is the kind's own.
        let known = kinds.get(&kind).map(|known: &Served| (known.manageable, known.stored));
        if known.is_none_or(|known| (manageable, stored) > known) {
            kinds.insert(kind, served);
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn discovery() -> Discovery {
        let all = ["create", "delete", "get", "list", "patch", "watch"];
        let resource = |kind: &str, plural: &str, scope: &str| json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope, "verbs": all});
        let answer = json!({"items": [
            {"metadata": {"name": "autoscaling"}, "versions": [
                {"version": "v2", "freshness": "Current", "resources": [resource("HorizontalPodAutoscaler", "horizontalpodautoscalers", "Namespaced")]},
                {"version": "v1", "freshness": "Current", "resources": [resource("HorizontalPodAutoscaler", "horizontalpodautoscalers", "Namespaced")]},
            ]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [
                {"version": "v1", "freshness": "Stale", "resources": [resource("NodeMetrics", "nodes", "Cluster")]},
            ]},
            {"metadata": {"name": "authentication.k8s.io"}, "versions": [
                {"version": "v1", "freshness": "Current", "resources": [
                    {"resource": "tokenreviews", "responseKind": {"kind": "TokenReview"}, "scope": "Cluster", "verbs": ["create"]},
                    {"resource": "sessions", "responseKind": {"kind": "Session"}, "scope": "Namespaced", "verbs": ["delete", "get", "list"]},
                ]},
            ]},
        ]});
        Discovery::new([serde_json::from_value(answer).unwrap()])
    }

    #[test]
    fn a_kind_is_found_in_the_version_asked_for_or_the_preferred_one() {
        let Resolution::Resolved(kind) = discovery().resolve("autoscaling", "v1", "HorizontalPodAutoscaler") else {
            panic!()
        };
        assert_eq!((kind.resource.api_version.as_str(), kind.scope), ("autoscaling/v1", Scope::Namespaced));
        let Resolution::Resolved(kind) = discovery().served("autoscaling", "HorizontalPodAutoscaler") else { panic!() };
        assert_eq!(kind.resource.api_version, "autoscaling/v2");
    }

    #[test]
    fn a_stale_group_says_nothing_about_its_kinds() {
        for kind in ["NodeMetrics", "PodMetrics"] {
            assert_eq!(discovery().resolve("metrics.k8s.io", "v1", kind), Resolution::GroupUnavailable);
            assert_eq!(discovery().served("metrics.k8s.io", kind), Resolution::GroupUnavailable);
        }
        assert_eq!(discovery().unavailable(), ["metrics.k8s.io/v1"]);
        assert_eq!(discovery().served("autoscaling", "Nonsense"), Resolution::Unknown);
        assert_eq!(discovery().resolve("autoscaling", "v3", "HorizontalPodAutoscaler"), Resolution::Unknown);
    }

    #[test]
    fn only_what_can_be_managed_is_listed_once() {
        let kinds = discovery().all_kinds();
        let names: Vec<_> = kinds.iter().map(|kind| kind.resource.api_version.as_str()).collect();
        assert_eq!(names, ["autoscaling/v2"]);
        let stored: Vec<_> = discovery().stored_kinds().into_iter().map(|kind| kind.resource.kind).collect();
        assert_eq!(stored, ["Session", "HorizontalPodAutoscaler"]);
    }
}
