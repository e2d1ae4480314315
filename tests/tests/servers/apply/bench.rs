//! A daemon with an account of its own, its Sync, and what a person can do to both.

use std::time::Duration;

use futures::stream;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::DynamicObject,
};
use lockstep_daemon::{ListenAddress, TaskError};
use lockstep_synchronizer::{Listen, Settings, Synchronizer};
use lockstep_testkit::{ControlPlane, GitServer, Human, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::plane;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) human: Human,
    /// The namespace of what is synced; it exists.
    pub(crate) shop: String,
    namespace: String,
    client: Client,
    _running: JoinSet<Result<(), TaskError>>,
    git: GitServer,
    _folder: TempDir,
}

pub(crate) fn config_map(namespace: &str, name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {data}\n---\n")
}

impl Bench {
    /// Everything, running; nothing is committed yet.
    pub(crate) async fn make(name: &str) -> Self {
        let plane = plane::defined().await;
        let namespace = plane::daemon_namespace(plane, name).await;
        let shop = format!("{namespace}-shop");
        let space = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {shop}}}\n");
        plane.apply_yaml(&space).await.unwrap();
        let git = GitServer::start(Default::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            kubeconfig: Some(path(plane.kubeconfig_for(&namespace, "daemon").await.unwrap())),
            namespaces: vec![namespace.clone()],
            data: path(folder.path().join("data")),
            listen: Listen { grpc: ListenAddress::Tcp(local), admin: local },
            ..Settings::default()
        };
        let sync = json!({
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "shop", "namespace": namespace},
            "spec": {"source": {"repository": git.http_url()}, "interval": "1s", "timeout": "2m"},
        });
        plane.apply_yaml(&sync.to_string()).await.unwrap();
        let started = Synchronizer::start(settings).await.unwrap();
        let mut running = JoinSet::new();
        running.spawn(async move { started.run_until(stream::pending()).await.map(drop) });
        Self {
            human: git.human().unwrap(),
            client: plane.admin_client().await.unwrap(),
            plane,
            shop,
            namespace,
            _running: running,
            git,
            _folder: folder,
        }
    }

    /// Makes these files, with `SHOP` filled in, the whole commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.human.write(path, &text.replace("SHOP", &self.shop)).unwrap();
        }
        self.human.commit("Change the shop").unwrap()
    }

    pub(crate) async fn status(&self) -> Value {
        let syncs: Api<DynamicObject> = self.in_namespace(&self.namespace, "lockstep.dev", "v1alpha1", "Sync");
        syncs.get("shop").await.unwrap().data["status"].clone()
    }

    /// Changes the Sync, as its user does.
    pub(crate) async fn patch_spec(&self, spec: Value) {
        let syncs: Api<DynamicObject> = self.in_namespace(&self.namespace, "lockstep.dev", "v1alpha1", "Sync");
        self.merge(&syncs, "shop", "kubectl-edit", json!({"spec": spec})).await;
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        let waited = eventually(PATIENCE, what, async || {
            seen = self.status().await;
            condition(&seen)
        })
        .await;
        assert!(waited.is_ok(), "{waited:?}: {seen:#}");
        seen
    }

    pub(crate) async fn until_ready(&self, commit: &str) -> Value {
        self.until(&format!("{commit} to be ready"), |status| {
            status["applied"]["commit"] == commit && ready(status).0 == "True"
        })
        .await
    }

    /// Waits until this commit ended in failures that say all of these words.
    pub(crate) async fn until_told(&self, words: &[&str]) -> Value {
        self.until(&format!("{words:?}"), |status| {
            let told = format!("{} {}", status["failures"], status["waiting"]);
            words.iter().all(|word| told.contains(word))
        })
        .await
    }

    /// The namespace of the Sync and of the daemon's account.
    pub(crate) fn sync_namespace(&self) -> &str {
        &self.namespace
    }

    /// Waits until the branch was looked at this often.
    pub(crate) async fn until_looked_at(&self, times: usize) {
        let before = self.git.http_requests();
        // A look is two requests: what the server can do, and where the branch is.
        eventually(PATIENCE, "looks at the branch", async || self.git.http_requests() >= before + 2 * times)
            .await
            .unwrap();
    }

    fn in_namespace(&self, namespace: &str, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        plane::api(&self.client, group, version, kind, Some(namespace))
    }

    pub(crate) fn of(&self, group: &str, kind: &str) -> Api<DynamicObject> {
        self.in_namespace(&self.shop, group, "v1", kind)
    }

    pub(crate) async fn data(&self, name: &str) -> Value {
        let found = self.of("", "ConfigMap").get_opt(name).await.unwrap();
        found.map_or(Value::Null, |found| found.data["data"].clone())
    }

    pub(crate) async fn until_data(&self, name: &str, wanted: Value) {
        let mut seen = Value::Null;
        let waited = eventually(PATIENCE, "the data", async || {
            seen = self.data(name).await;
            seen == wanted
        })
        .await;
        assert!(waited.is_ok(), "{seen} is not {wanted}; {:#}", self.status().await);
    }

    /// Creates an object as this manager, as a client-side tool does.
    pub(crate) async fn create_as(&self, manager: &str, group: &str, object: Value) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        self.of(group, &kind).create(&params, &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    pub(crate) async fn merge(&self, api: &Api<DynamicObject>, name: &str, manager: &str, patch: Value) {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        api.patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// The reasons of the Events about the Sync.
    pub(crate) async fn until_event(&self, reason: &str) {
        let events = self.in_namespace(&self.namespace, "events.k8s.io", "v1", "Event");
        let waited = eventually(PATIENCE, reason, async || {
            let all = events.list(&Default::default()).await.unwrap();
            all.iter().any(|event| event.data["reason"] == reason)
        })
        .await;
        assert!(waited.is_ok(), "no Event {reason}");
    }
}

/// Status and reason of the condition `Ready`.
pub(crate) fn ready(status: &Value) -> (String, String) {
    let mut all = status["conditions"].as_array().into_iter().flatten();
    let found = all.rfind(|condition| condition["type"] == "Ready");
    let text = |field: &str| found.and_then(|found| found[field].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}
