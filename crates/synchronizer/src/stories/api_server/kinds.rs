//! The kinds that it serves.

use kube::core::ApiResource;
use lockstep_cluster::Kind;
use lockstep_plan::Scope;

use super::State;
use crate::ports::KindName;

const KINDS: [(&str, &str, &str, &str, Scope); 12] = [
    ("", "v1", "ConfigMap", "configmaps", Scope::Namespaced),
    ("", "v1", "ServiceAccount", "serviceaccounts", Scope::Namespaced),
    ("", "v1", "Secret", "secrets", Scope::Namespaced),
    ("", "v1", "Namespace", "namespaces", Scope::Cluster),
    ("", "v1", "Pod", "pods", Scope::Namespaced),
    ("apps", "v1", "Deployment", "deployments", Scope::Namespaced),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        Scope::Cluster,
    ),
    ("apps", "v1", "ReplicaSet", "replicasets", Scope::Namespaced),
    ("coordination.k8s.io", "v1", "Lease", "leases", Scope::Namespaced),
    ("events.k8s.io", "v1", "Event", "events", Scope::Namespaced),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", Scope::Cluster),
    ("example.com", "v1", "Widget", "widgets", Scope::Namespaced),
];

impl State {
    pub(super) fn kind(&self, name: &KindName) -> Option<Kind> {
        let defined = "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com";
        if name.group == "example.com" && (self.hidden || !self.objects.contains_key(&defined.parse().unwrap())) {
            return None;
        }
        let (group, version, kind, plural, scope) =
            *KINDS.iter().find(|(group, _, kind, ..)| *group == name.group && *kind == name.kind)?;
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        Some(Kind { resource, scope })
    }

    pub(super) fn namespaced_kinds(&self) -> Vec<Kind> {
        let of = |(group, _, kind, ..): &(&str, _, &str, _, _)| {
            self.kind(&KindName { group: (*group).to_owned(), version: None, kind: (*kind).to_owned() })
        };
        KINDS.iter().filter_map(of).filter(|kind| kind.scope == Scope::Namespaced).collect()
    }
}
