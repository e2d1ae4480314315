//! What the daemon itself runs on, as it is shipped: never deleted, whatever Git says.

use lockstep_manifest::ObjectId;

const RBAC: &str = "rbac.authorization.k8s.io";
const NAME: &str = "lockstep-synchronizer";

/// By group, kind and name; an overlay may have put a prefix before the name.
const SHIPPED: [(&str, &str, &str); 18] = [
    ("", "ConfigMap", NAME),
    ("", "Secret", "lockstep-synchronizer-tls"),
    ("", "Secret", "lockstep-automator-client"),
    ("", "Service", NAME),
    ("", "ServiceAccount", NAME),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "syncs.lockstep.dev"),
    ("apps", "Deployment", NAME),
    (RBAC, "ClusterRole", NAME),
    (RBAC, "ClusterRole", "lockstep-impersonates"),
    (RBAC, "ClusterRole", "lockstep-manages"),
    (RBAC, "ClusterRole", "lockstep-manages-workloads"),
    (RBAC, "ClusterRoleBinding", NAME),
    (RBAC, "ClusterRoleBinding", "lockstep-impersonates"),
    (RBAC, "ClusterRoleBinding", "lockstep-manages"),
    (RBAC, "Role", NAME),
    (RBAC, "Role", "lockstep-git-credentials"),
    (RBAC, "RoleBinding", NAME),
    (RBAC, "RoleBinding", "lockstep-git-credentials"),
];

/// The objects of the daemon in this namespace, and those of the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protected {
    namespace: String,
}

impl Protected {
    /// The daemon runs in this namespace.
    pub(crate) fn of(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    /// Whether the daemon would end without this object.
    pub(crate) fn covers(&self, id: &ObjectId) -> bool {
        if (&*id.group, &*id.kind) == ("", "Namespace") {
            return id.name == self.namespace;
        }
        let is_shipped = |(group, kind, name): &(&str, &str, &str)| {
            *group == &*id.group && *kind == &*id.kind && id.name.ends_with(name)
        };
        (id.namespace.is_empty() || id.namespace == self.namespace) && SHIPPED.iter().any(is_shipped)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lockstep_manifest::objects;

    use super::*;

    /// What is shipped with the daemon, and what its Deployment mounts.
    fn shipped() -> Vec<ObjectId> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kustomize");
        let files = ["namespace", "crd", "synchronizer-rbac", "synchronizer"].map(|name| format!("base/{name}.yaml"));
        let mut ids = Vec::new();
        for file in files.into_iter().chain(["components/impersonation/rbac.yaml".to_owned()]) {
            for object in objects(&file, &std::fs::read_to_string(folder.join(&file)).unwrap()).unwrap() {
                let volumes = object.value.pointer("/spec/template/spec/volumes").and_then(|it| it.as_array());
                for volume in volumes.into_iter().flatten() {
                    let mounted = |kind: &str, name: Option<&str>| {
                        name.map(|name| ObjectId::new("", kind, &*object.id.namespace, name))
                    };
                    ids.extend(mounted("Secret", volume["secret"]["secretName"].as_str()));
                    ids.extend(mounted("ConfigMap", volume["configMap"]["name"].as_str()));
                }
                ids.push(object.id);
            }
        }
        ids
    }

    #[test]
    fn all_that_is_shipped_is_protected_with_a_prefix_too() {
        let all = shipped();
        assert!(all.len() > SHIPPED.len(), "{all:?}");
        let protected = Protected::of("lockstep");
        for id in &all {
            assert!(protected.covers(id), "{id}");
            let is_prefixed = !matches!(&*id.kind, "Namespace" | "CustomResourceDefinition");
            let named = ObjectId::new(&*id.group, &*id.kind, &*id.namespace, format!("prod-{}", id.name));
            assert!(!is_prefixed || protected.covers(&named), "{named}");
        }
    }

    #[test]
    fn what_is_only_named_alike_is_not() {
        let protected = Protected::of("lockstep");
        for id in [
            "/Namespace//shop",
            "/ServiceAccount/shop/lockstep-synchronizer",
            "/ConfigMap/lockstep/lockstep-automator",
            "/Pod/lockstep/lockstep-synchronizer",
            "rbac.authorization.k8s.io/ClusterRole//lockstep-manages-widgets",
            "rbac.authorization.k8s.io/Role/shop/lockstep-git-credentials",
        ] {
            assert!(!protected.covers(&id.parse().unwrap()), "{id}");
        }
    }
}
