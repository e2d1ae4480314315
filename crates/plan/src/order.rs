//! In which order objects are applied, and in which they go.

use lockstep_manifest::ObjectId;

use crate::render::Rendered;

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
/// They can stop every later write, so they come when all else is there.
const ADMISSION: &str = "admissionregistration.k8s.io";
const EXTENSION_API: (&str, &str) = ("apiregistration.k8s.io", "APIService");

/// A wave begins when the one before it is done; inside a wave the order is only the order of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wave {
    Namespaces,
    Definitions,
    Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Cluster(usize),
    OtherCluster,
    Namespaced(usize),
    OtherNamespaced,
    ExtensionApi,
    Admission,
}

fn wave(id: &ObjectId) -> Wave {
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Namespace") => Wave::Namespaces,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Wave::Definitions,
        _ => Wave::Rest,
    }
}

fn place(id: &ObjectId) -> Place {
    let kind = (id.group.as_str(), id.kind.as_str());
    if kind.0 == ADMISSION {
        return Place::Admission;
    }
    if kind == EXTENSION_API {
        return Place::ExtensionApi;
    }
    match KINDS.iter().position(|known| *known == kind) {
        Some(rank) if rank < FIRST_NAMESPACED => Place::Cluster(rank),
        Some(rank) => Place::Namespaced(rank),
        None if id.namespace.is_empty() => Place::OtherCluster,
        None => Place::OtherNamespaced,
    }
}

/// Sorts into the waves of an apply. Only namespaces and custom resource definitions have waves of their own:
/// what comes after them cannot even be created before.
pub(crate) fn into_waves<T>(items: impl IntoIterator<Item = T>, id: impl Fn(&T) -> &ObjectId) -> Vec<Vec<T>> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort_by(|left, right| {
        let (left, right) = (id(left), id(right));
        (wave(left), place(left), left).cmp(&(wave(right), place(right), right))
    });
    let mut waves: Vec<(Wave, Vec<T>)> = Vec::new();
    for item in items {
        let wave = wave(id(&item));
        match waves.last_mut() {
            Some((last, members)) if *last == wave => members.push(item),
            _ => waves.push((wave, vec![item])),
        }
    }
    waves.into_iter().map(|(_, members)| members).collect()
}

/// The same for deletions: everything the other way round.
pub(crate) fn into_deletion_waves<T>(items: impl IntoIterator<Item = T>, id: impl Fn(&T) -> &ObjectId) -> Vec<Vec<T>> {
    let mut waves = into_waves(items, id);
    waves.reverse();
    waves.iter_mut().for_each(|wave| wave.reverse());
    waves
}

/// The waves in which objects are applied: namespaces, custom resource definitions, then the rest with
/// cluster-scoped objects first and admission last.
pub fn waves(objects: &[Rendered]) -> Vec<Vec<&Rendered>> {
    into_waves(objects, |rendered| &rendered.object.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: [&[&str]; 3] = [
        &["/Namespace//a", "/Namespace//b"],
        &["apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com"],
        &[
            "scheduling.k8s.io/PriorityClass//high",
            "rbac.authorization.k8s.io/ClusterRole//x",
            "rbac.authorization.k8s.io/ClusterRoleBinding//x",
            "cert-manager.io/ClusterIssuer//x",
            "/ResourceQuota/a/x",
            "/ServiceAccount/a/x",
            "/Secret/a/x",
            "/ConfigMap/a/x",
            "/ConfigMap/a/y",
            "/ConfigMap/b/x",
            "rbac.authorization.k8s.io/Role/a/x",
            "/PersistentVolumeClaim/a/x",
            "/Service/a/x",
            "apps/Deployment/a/x",
            "apps/StatefulSet/a/x",
            "batch/CronJob/a/x",
            "networking.k8s.io/Ingress/a/x",
            "example.com/Deployment/a/x",
            "apiregistration.k8s.io/APIService//v1.example.com",
            "admissionregistration.k8s.io/ValidatingWebhookConfiguration//x",
        ],
    ];

    fn ids() -> Vec<Vec<ObjectId>> {
        ORDER.iter().map(|wave| wave.iter().map(|id| id.parse().unwrap()).collect()).collect()
    }

    #[test]
    fn objects_are_applied_in_the_order_in_which_they_need_each_other() {
        let mut shuffled: Vec<ObjectId> = ids().concat();
        shuffled.sort_by_key(|id| (id.name.clone(), id.group.clone()));
        assert_eq!(into_waves(shuffled, |id| id), ids());
        assert_eq!(into_waves(Vec::<ObjectId>::new(), |id| id), Vec::<Vec<ObjectId>>::new());
    }

    #[test]
    fn deletions_go_the_other_way() {
        let mut expected = ids();
        expected.reverse();
        expected.iter_mut().for_each(|wave| wave.reverse());
        assert_eq!(into_deletion_waves(ids().concat(), |id| id), expected);
    }
}
