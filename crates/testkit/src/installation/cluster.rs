//! What the administrator of the cluster does once.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{ACCOUNT, GitWay, HOME, Installation, PATH, ROBOT};
use crate::{ControlPlane, GitServer, eventually};

/// What `kubectl apply --kustomize deploy/kustomize/base` would apply, but for the two Deployments.
const DEFINITIONS: [&str; 4] = [
    include_str!("../../../../deploy/kustomize/base/namespace.yaml"),
    include_str!("../../../../deploy/kustomize/base/crd.yaml"),
    include_str!("../../../../deploy/kustomize/base/synchronizer-rbac.yaml"),
    include_str!("../../../../deploy/kustomize/base/user-rbac.yaml"),
];

/// The account of the person who may look at Syncs and trigger them.
pub(super) const OPERATOR: &str = "operator";

const CREDENTIALS: &str = "git-credentials";

/// The role whose rules Kubernetes itself gathers.
const AGGREGATED: &str = "lockstep-manages";

const SOON: Duration = Duration::from_secs(60);

impl Installation {
    pub(super) async fn prepare_cluster(&self, plane: &ControlPlane, git: &GitServer) -> Result<()> {
        install_definitions(plane).await?;
        let namespace = &self.names.sync_namespace;
        if namespace != HOME {
            plane.apply_yaml_in(namespace, &credentials_rights()).await?;
        }
        plane.apply_yaml_in(namespace, &operator_rights()).await?;
        plane.apply_yaml_in(namespace, &self.credentials(git)?.to_string()).await
    }

    /// Applies the Sync: from now on the synchronizer has work.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub async fn create_sync(&self, plane: &ControlPlane, git: &GitServer) -> Result<()> {
        let sync = json!({
            "apiVersion": "lockstep.dev/v1alpha1",
            "kind": "Sync",
            "metadata": {"name": self.names.sync, "namespace": self.names.sync_namespace},
            "spec": {
                "source": {
                    "repository": self.git_url(git),
                    "branch": "main",
                    "path": PATH,
                    "secretRef": {"name": CREDENTIALS},
                },
                "interval": "2s",
                "timeout": "2m",
            },
        });
        plane.apply_yaml(&sync.to_string()).await
    }

    fn credentials(&self, git: &GitServer) -> Result<Value> {
        let data = match self.way {
            GitWay::Https => json!({
                "username": ROBOT,
                "password": self.git_password.expose_secret(),
                "ca.crt": git.ca_pem().context("Git has no certificate")?,
            }),
            GitWay::Ssh => json!({
                "identity": git.ssh_identity().expose_secret(),
                "known_hosts": git.known_hosts()?,
            }),
        };
        Ok(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CREDENTIALS}, "stringData": data}))
    }
}

/// Applies the namespace, the definition of `Sync` and all rights, once for each control plane, and
/// waits until they hold.
///
/// # Errors
///
/// When the API server refuses something, or the aggregated rights do not come.
pub async fn install_definitions(plane: &ControlPlane) -> Result<()> {
    static DEFINED: Mutex<Vec<String>> = Mutex::const_new(Vec::new());
    let mut defined = DEFINED.lock().await;
    if defined.iter().any(|server| server == plane.server_url()) {
        return Ok(());
    }
    for definitions in DEFINITIONS {
        plane.apply_yaml(definitions).await?;
    }
    let roles: Api<ClusterRole> = Api::all(plane.admin_client().await?);
    eventually(SOON, "the rules of the role lockstep-manages to be gathered", async || {
        roles.get(AGGREGATED).await.is_ok_and(|role| role.rules.is_some_and(|rules| !rules.is_empty()))
    })
    .await?;
    defined.push(plane.server_url().to_owned());
    Ok(())
}

/// What a Sync outside the daemon's own namespace needs there.
fn credentials_rights() -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: lockstep-git-credentials}}
rules: [{{apiGroups: [''], resources: [secrets], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: lockstep-git-credentials}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: lockstep-git-credentials}}
subjects: [{{kind: ServiceAccount, name: {ACCOUNT}, namespace: {HOME}}}]
"
    )
}

fn operator_rights() -> String {
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata: {{name: {OPERATOR}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {OPERATOR}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lockstep-operator}}
subjects: [{{kind: ServiceAccount, name: {OPERATOR}}}]
"
    )
}
