//! What the administrator does: the node, namespaces, manifests.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::core::discovery::{ApiCapabilities, ApiResource, Scope};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::ControlPlane;
use crate::eventually;

const NODE: &str = "node-1";

/// How long a kind may take to be served after its definition was applied.
const NEW_KIND: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// Makes a namespace whose name begins with `prefix` and is like no other; answers its name.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub async fn fresh_namespace(&self, prefix: &str) -> Result<String> {
        let namespaces: Api<Namespace> = Api::all(self.admin_client().await?);
        let wanted = Namespace {
            metadata: ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let made = namespaces
            .create(&PostParams::default(), &wanted)
            .await
            .with_context(|| format!("creating a namespace {prefix}-…"))?;
        made.metadata.name.context("a namespace without a name")
    }

    /// Applies every document of `text`, in order, as the administrator (server-side apply with
    /// the field manager `administrator`). Objects without a namespace go to `default`.
    ///
    /// # Errors
    ///
    /// At the first document that is no object, is of a kind that is not served, or is refused.
    pub async fn apply_yaml(&self, text: &str) -> Result<()> {
        self.apply_yaml_in("default", text).await
    }

    /// As [`ControlPlane::apply_yaml`], with another namespace for the objects that name none.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::apply_yaml`].
    pub async fn apply_yaml_in(&self, namespace: &str, text: &str) -> Result<()> {
        let client = self.admin_client().await?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("reading the manifests to apply")?;
        let mut kinds: Vec<(ApiResource, ApiCapabilities)> = Vec::new();
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            let object: DynamicObject =
                serde_json::from_value(document).context("a document is not a Kubernetes object")?;
            apply(&client, namespace, &object, &mut kinds).await?;
        }
        Ok(())
    }
}

async fn apply(
    client: &Client,
    namespace: &str,
    object: &DynamicObject,
    kinds: &mut Vec<(ApiResource, ApiCapabilities)>,
) -> Result<()> {
    let types = object.types.as_ref().context("an object without apiVersion and kind")?;
    let name = object.metadata.name.as_deref().context("an object without a name")?;
    let gvk = GroupVersionKind::try_from(types)?;
    let known =
        kinds.iter().find(|(resource, _)| resource.api_version == types.api_version && resource.kind == types.kind);
    let (resource, capabilities) = match known {
        Some(known) => known.clone(),
        None => {
            let found = served(client, &gvk).await?;
            kinds.push(found.clone());
            found
        }
    };
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    };
    api.patch(name, &PatchParams::apply(super::administrator()).force(), &Patch::Apply(object))
        .await
        .with_context(|| format!("applying {} {name}", types.kind))?;
    Ok(())
}

/// Looks a kind up, and again for a while when its definition may have just been applied.
async fn served(client: &Client, gvk: &GroupVersionKind) -> Result<(ApiResource, ApiCapabilities)> {
    let mut found = None;
    let what = format!("the API server to serve {} of {}", gvk.kind, gvk.api_version());
    eventually(NEW_KIND, &what, async || {
        found = kube::discovery::oneshot::pinned_kind(client, gvk).await.ok();
        found.is_some()
    })
    .await?;
    found.context(what)
}

pub(super) async fn is_ready(client: &Client) -> bool {
    let Ok(request) = axum::http::Request::get("/readyz").body(Vec::new()) else { return false };
    client.request_text(request).await.is_ok()
}

/// Whether the controllers do their work, told by what one of them makes.
pub(super) async fn are_controllers_ready(client: &Client) -> bool {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    accounts.get("default").await.is_ok()
}

pub(super) async fn create_node(client: &Client) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node: Node = serde_json::from_value(json!({
        "metadata": {"name": NODE, "labels": {
            "kubernetes.io/hostname": NODE,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
        }},
    }))?;
    nodes.create(&PostParams::default(), &node).await.context("creating the node")?;
    // Admission marks a new node as not ready; the controller that would take that back is off.
    let untainted = json!({"spec": {"taints": null}});
    nodes
        .patch(NODE, &PatchParams::default(), &Patch::Merge(untainted))
        .await
        .context("taking the taint of the node away")?;
    Ok(())
}

pub(super) async fn is_node_ready(client: &Client) -> bool {
    let nodes: Api<Node> = Api::all(client.clone());
    let Ok(node) = nodes.get(NODE).await else { return false };
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
