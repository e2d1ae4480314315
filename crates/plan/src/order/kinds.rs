//! Which kinds are needed by which.

use lockstep_manifest::ObjectId;

/// Kinds of namespaces and clusters in the order in which they need each other, like kubectl's and Helm's.
/// What is not named here, custom resources above all, comes after them.
const KINDS: [(&str, &str); 28] = [
    ("scheduling.k8s.io", "PriorityClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("storage.k8s.io", "StorageClass"),
    ("networking.k8s.io", "IngressClass"),
    ("", "PersistentVolume"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("", "ServiceAccount"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("", "PersistentVolumeClaim"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("apps", "ReplicaSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("networking.k8s.io", "Ingress"),
];
const FIRST_NAMESPACED: usize = 7;
/// They can stop every later write, even of what they run on, so they come when all else is there and go before it.
const ADMISSION: &str = "admissionregistration.k8s.io";
const EXTENSION_API: (&str, &str) = ("apiregistration.k8s.io", "APIService");

/// What can only begin when the one before is done: nothing can be created in a namespace or of a kind that is not there,
/// and admission may refuse what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Namespaces,
    Definitions,
    Rest,
    Admission,
}

/// The place of a kind; inside a stage it is only the order of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Namespace,
    Definition,
    Cluster(usize),
    OtherCluster,
    Namespaced(usize),
    OtherNamespaced,
    ExtensionApi,
    Admission,
}

impl Rank {
    pub(super) fn of(id: &ObjectId) -> Self {
        let kind = (id.group.as_str(), id.kind.as_str());
        match kind {
            ("", "Namespace") => return Self::Namespace,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => return Self::Definition,
            (ADMISSION, _) => return Self::Admission,
            EXTENSION_API => return Self::ExtensionApi,
            _ => {}
        }
        match KINDS.iter().position(|known| *known == kind) {
            Some(rank) if rank < FIRST_NAMESPACED => Self::Cluster(rank),
            Some(rank) => Self::Namespaced(rank),
            None if id.namespace.is_empty() => Self::OtherCluster,
            None => Self::OtherNamespaced,
        }
    }

    pub(super) fn stage(self) -> Stage {
        match self {
            Self::Namespace => Stage::Namespaces,
            Self::Definition => Stage::Definitions,
            Self::Admission => Stage::Admission,
            _ => Stage::Rest,
        }
    }
}
