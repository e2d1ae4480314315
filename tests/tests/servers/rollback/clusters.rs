//! A cluster: two namespaces of the plane, a synchronizer with an account of its own, and its Sync.

use std::path::Path;

use futures::stream;
use kube::Client;
use kube::api::DeleteParams;
use lockstep_daemon::{Endpoint, ListenAddress, TaskError};
use lockstep_synchronizer::{Listen, Settings, Synchronizer};
use lockstep_testkit::ControlPlane;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::plane::{self, api};

pub(super) struct Cluster {
    pub(super) name: &'static str,
    /// The namespace of what is synced.
    pub(super) shop: String,
    /// The namespace of the Sync.
    hall: String,
    client: Client,
    settings: Settings,
    running: JoinSet<Result<(), TaskError>>,
}

impl Cluster {
    /// Everything but the Sync and the daemon.
    pub(super) async fn make(plane: &ControlPlane, name: &'static str, automator: Endpoint, folder: &Path) -> Self {
        let hall = plane::daemon_namespace(plane, name).await;
        let shop = format!("{hall}-shop");
        let space = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {shop}}}\n");
        plane.apply_yaml(&space).await.unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let path = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).unwrap();
        let settings = Settings {
            kubeconfig: Some(path(plane.kubeconfig_for(&hall, "daemon").await.unwrap())),
            namespaces: vec![hall.clone()],
            data: path(folder.join(format!("data-of-{name}"))),
            automator: Some(automator),
            listen: Listen { grpc: ListenAddress::Tcp(local), admin: local },
            ..Settings::default()
        };
        let client = plane.admin_client().await.unwrap();
        Self { name, shop, hall, client, settings, running: JoinSet::new() }
    }

    /// Starts the synchronizer on the folder of this cluster.
    pub(super) async fn start(&mut self, plane: &ControlPlane, repository: &str) {
        let sync = json!({
            "apiVersion": "lockstep.dev/v1alpha1",
            "kind": "Sync",
            "metadata": {"name": "shop", "namespace": self.hall},
            "spec": {"source": {"repository": repository, "path": format!("clusters/{}", self.name)}, "interval": "1s"},
        });
        plane.apply_yaml(&sync.to_string()).await.unwrap();
        let started = Synchronizer::start(self.settings.clone()).await.unwrap();
        self.running.spawn(async move { started.run_until(stream::pending()).await.map(drop) });
    }

    /// The status of the Sync.
    pub(super) async fn status(&self) -> Value {
        let syncs = api(&self.client, "lockstep.dev", "v1alpha1", "Sync", Some(&self.hall));
        syncs.get("shop").await.map(|sync| sync.data["status"].clone()).unwrap_or_default()
    }

    /// Whether this commit is applied and all is well.
    pub(super) async fn is_ready(&self, commit: &str) -> bool {
        let status = self.status().await;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        ready && status["applied"]["commit"] == commit
    }

    /// Whether every replica of a workload runs this image, and nothing else does.
    pub(super) async fn runs(&self, kind: &str, name: &str, image: &str) -> bool {
        let workloads = api(&self.client, "apps", "v1", kind, Some(&self.shop));
        let Ok(found) = workloads.get(name).await else { return false };
        let (spec, status) = (&found.data["spec"], &found.data["status"]);
        let wanted = spec["replicas"].as_i64();
        spec["template"]["spec"]["containers"][0]["image"] == image
            && status["observedGeneration"].as_i64() >= found.metadata.generation
            && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|key| status[*key].as_i64() == wanted)
    }

    /// Deletes a pod, as a person does.
    pub(super) async fn delete_pod(&self, name: &str) {
        let pods = api(&self.client, "", "v1", "Pod", Some(&self.shop));
        drop(pods.delete(name, &DeleteParams::default()).await.unwrap());
    }
}
