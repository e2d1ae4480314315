//! A daemon with an account of its own, a repository, and as many Syncs as a test wants.

use std::time::Duration;

use futures::stream;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::DynamicObject,
};
use lockstep_daemon::{ListenAddress, TaskError};
use lockstep_synchronizer::{Listen, Settings, Synchronizer};
use lockstep_testkit::{Calls, ControlPlane, GitServer, Human, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::plane::{self, api};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Town {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) git: GitServer,
    pub(crate) human: Human,
    pub(crate) client: Client,
    /// The namespace of the Syncs.
    pub(crate) hall: String,
    /// The namespace of what is synced.
    pub(crate) shop: String,
    pub(super) settings: Settings,
    running: JoinSet<Result<(), TaskError>>,
    started: Timestamp,
    _folder: TempDir,
}

/// The namespace of what is synced, and the right to act as the accounts beside the Syncs.
fn rights(hall: &str, shop: &str) -> String {
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: {shop}}}
---
\
         apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: acts, namespace: {hall}}}
\
         rules: [{{apiGroups: [\"\"], resources: [serviceaccounts], verbs: [impersonate]}}]
---
\
         apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: acts, namespace: {hall}}}
\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: acts}}
\
         subjects: [{{kind: ServiceAccount, name: daemon, namespace: {hall}}}]
"
    )
}

impl Town {
    /// Everything but the daemon and the Syncs.
    pub(crate) async fn make(name: &str) -> Self {
        let plane = plane::defined().await;
        let hall = plane::daemon_namespace(plane, name).await;
        let shop = format!("{hall}-shop");
        plane.apply_yaml(&rights(&hall, &shop)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            kubeconfig: Some(path(plane.kubeconfig_for(&hall, "daemon").await.unwrap())),
            namespaces: vec![hall.clone()],
            data: path(folder.path().join("data")),
            listen: Listen { grpc: ListenAddress::Tcp(local), admin: local },
            ..Settings::default()
        };
        let git = GitServer::start(Default::default()).unwrap();
        Self {
            human: git.human().unwrap(),
            plane,
            git,
            client: plane.admin_client().await.unwrap(),
            hall,
            shop,
            settings,
            running: JoinSet::new(),
            started: Timestamp::now(),
            _folder: folder,
        }
    }

    pub(crate) async fn start(&mut self) {
        self.started = Timestamp::now();
        let started = Synchronizer::start(self.settings.clone()).await.unwrap();
        self.running.spawn(async move { started.run_until(stream::pending()).await.map(drop) });
    }

    /// Applies a Sync of this folder, as its user does.
    pub(crate) async fn sync(&self, name: &str, path: &str, changes: Value) {
        let mut spec = json!({"source": {"repository": self.git.http_url(), "path": path}, "interval": "2s"});
        for (field, value) in changes.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let sync = json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": name, "namespace": self.hall}, "spec": spec});
        self.plane.apply_yaml(&sync.to_string()).await.unwrap();
    }

    pub(crate) fn config_map(&self, name: &str, value: &str) -> String {
        let shop = &self.shop;
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {shop}}}\ndata: {{v: \"{value}\"}}\n"
        )
    }

    pub(crate) fn maps(&self) -> Api<DynamicObject> {
        api(&self.client, "", "v1", "ConfigMap", Some(&self.shop))
    }

    pub(crate) fn syncs(&self) -> Api<DynamicObject> {
        api(&self.client, "lockstep.dev", "v1alpha1", "Sync", Some(&self.hall))
    }

    pub(crate) async fn has(&self, name: &str) -> bool {
        self.maps().get_opt(name).await.unwrap().is_some()
    }

    /// Sets the finalizers of a ConfigMap, as another controller does.
    pub(crate) async fn finalize(&self, name: &str, finalizers: &[&str]) {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        let params = PatchParams { field_manager: Some("elsewhere".into()), ..PatchParams::default() };
        self.maps().patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete_sync(&self, name: &str) {
        drop(self.syncs().delete(name, &DeleteParams::default()).await.unwrap());
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        let gone = async || self.syncs().get_opt(name).await.unwrap().is_none();
        eventually(PATIENCE, "the end of the Sync", gone).await.unwrap();
    }

    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFnMut() -> bool) {
        let waited = eventually(PATIENCE, what, condition).await;
        let all = self.syncs().list(&ListParams::default()).await.unwrap();
        let told: Vec<_> = all.iter().map(|sync| (sync.metadata.name.clone(), ready(&sync.data["status"]))).collect();
        assert!(waited.is_ok(), "{waited:?}: {told:#?}");
    }

    /// Waits until this commit is applied by the Sync and all is well.
    pub(crate) async fn until_ready(&self, name: &str, commit: &str) {
        self.until(&format!("{name} to be ready"), async || {
            let status = self.status(name).await;
            status["applied"]["commit"] == commit && ready(&status).0 == "True"
        })
        .await;
    }

    pub(crate) async fn status(&self, name: &str) -> Value {
        self.syncs().get_opt(name).await.unwrap().map(|sync| sync.data["status"].clone()).unwrap_or_default()
    }

    /// The notes of the Events about Syncs.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = api(&self.client, "events.k8s.io", "v1", "Event", Some(&self.hall));
        let all = events.list(&ListParams::default()).await.unwrap();
        let text = |event: &DynamicObject, field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
        all.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "note"))).collect()
    }

    /// The calls of the daemon since its start, whomever it made them as.
    pub(crate) fn calls(&self) -> Calls {
        self.plane.count_calls(&format!("system:serviceaccount:{}:daemon", self.hall), self.started..).unwrap()
    }
}

/// Status, reason and message of the condition `Ready`.
pub(crate) fn ready(status: &Value) -> (String, String, String) {
    let all = status["conditions"].as_array().into_iter().flatten();
    let mut found = all.filter(|condition| condition["type"] == "Ready").map(|condition| {
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    });
    found.next_back().unwrap_or_default()
}
