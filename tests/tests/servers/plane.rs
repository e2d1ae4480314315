//! The control plane of this program, and what tests of all kinds do with it.

use std::time::Duration;

use kube::{
    Api, Client,
    api::ListParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use lockstep_testkit::{ControlPlane, eventually, install_definitions, shared};

const PATIENCE: Duration = Duration::from_secs(90);

/// With the definitions and roles that Lockstep is installed with.
pub(crate) async fn defined() -> &'static ControlPlane {
    let plane = shared().await.unwrap();
    install_definitions(plane).await.unwrap();
    plane
}

/// A new namespace with the account `daemon`, which has the rights that the synchronizer is shipped with.
/// An account belongs to one daemon: the audit log tells calls apart by it.
pub(crate) async fn daemon_namespace(plane: &ControlPlane, name: &str) -> String {
    let namespace = plane.fresh_namespace(name).await.unwrap();
    let binding = |role: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {role}-{namespace}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects: [{{kind: ServiceAccount, name: daemon, namespace: {namespace}}}]\n"
        )
    };
    let account = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: daemon, namespace: {namespace}}}\n{}{}",
        binding("lockstep-synchronizer"),
        binding("lockstep-manages"),
    );
    plane.apply_yaml(&account).await.unwrap();
    // Rights take a moment to be known, and a right that is missing is not asked for again at once.
    let daemon = plane.client_as(&namespace, "daemon").await.unwrap();
    let one = ListParams::default().limit(1);
    let known = [("lockstep.dev", "v1alpha1", "Sync"), ("", "v1", "ConfigMap"), ("apps", "v1", "Deployment")]
        .map(|(group, version, kind)| api(&daemon, group, version, kind, None));
    for objects in known {
        eventually(PATIENCE, "the rights of the daemon", async || objects.list(&one).await.is_ok()).await.unwrap();
    }
    namespace
}

/// The objects of a kind, in a namespace or in all.
pub(crate) fn api(
    client: &Client,
    group: &str,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}
