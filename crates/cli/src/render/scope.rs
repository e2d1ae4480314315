//! Where the objects of a kind live, as far as it is known without a cluster.

use std::collections::HashMap;

use lockstep_manifest::{Object, ObjectId};
use lockstep_plan::Scope;

/// Groups whose kinds are all known here: what is not in [`CLUSTER`] lives in namespaces.
const GROUPS: [&str; 21] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// The cluster-scoped kinds of those groups (Kubernetes 1.36).
const CLUSTER: [(&str, &str); 36] = [
    ("", "ComponentStatus"),
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authentication.k8s.io", "TokenReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("certificates.k8s.io", "ClusterTrustBundle"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "DeviceTaintRule"),
    ("resource.k8s.io", "ResourceSlice"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"),
];

/// The scopes of the kinds of Kubernetes and of those that are defined beside the objects.
pub(super) struct Scopes {
    defined: HashMap<(String, String), Scope>,
}

impl Scopes {
    /// Reads the custom resource definitions among the objects.
    pub(super) fn with_definitions(objects: &[Object]) -> Self {
        let definition = |object: &Object| {
            if (object.id.group.as_str(), object.id.kind.as_str())
                != ("apiextensions.k8s.io", "CustomResourceDefinition")
            {
                return None;
            }
            let text = |pointer: &str| object.value.pointer(pointer)?.as_str();
            let scope = match text("/spec/scope")? {
                "Namespaced" => Scope::Namespaced,
                "Cluster" => Scope::Cluster,
                _ => return None,
            };
            Some(((text("/spec/group")?.to_owned(), text("/spec/names/kind")?.to_owned()), scope))
        };
        Self { defined: objects.iter().filter_map(definition).collect() }
    }

    pub(super) fn of(&self, id: &ObjectId) -> Option<Scope> {
        let kind = (id.group.as_str(), id.kind.as_str());
        if CLUSTER.contains(&kind) {
            return Some(Scope::Cluster);
        }
        if GROUPS.contains(&kind.0) {
            return Some(Scope::Namespaced);
        }
        self.defined.get(&(id.group.clone(), id.kind.clone())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_kubernetes_and_of_the_folder_are_known_and_no_others() {
        let text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\n\
                    spec: {group: example.com, scope: Cluster, names: {kind: Widget}}\n";
        let scopes = Scopes::with_definitions(&lockstep_manifest::objects("crd.yaml", text).unwrap());
        for (id, scope) in [
            ("/Namespace//x", Some(Scope::Cluster)),
            ("apps/Deployment//x", Some(Scope::Namespaced)),
            ("storage.k8s.io/CSIStorageCapacity//x", Some(Scope::Namespaced)),
            ("storage.k8s.io/VolumeAttributesClass//x", Some(Scope::Cluster)),
            ("example.com/Widget//x", Some(Scope::Cluster)),
            ("example.com/Gadget//x", None),
            ("gateway.networking.k8s.io/GatewayClass//x", None),
        ] {
            assert_eq!(scopes.of(&id.parse().unwrap()), scope, "{id}");
        }
    }
}
