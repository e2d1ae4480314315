//! A daemon with an account of its own, a repository, and as many Syncs as a test wants.

use std::time::Duration;

use futures::stream;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use lockstep_daemon::{ListenAddress, TaskError};
use lockstep_synchronizer::{Listen, Settings, Synchronizer};
use lockstep_testkit::{Calls, ControlPlane, GitServer, Human, eventually, install_definitions, shared};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::OnceCell, task::JoinSet};

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

pub(crate) fn api(client: &Client, group: &str, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// The rights of the daemon: what it is shipped with, and to act as accounts of its namespace.
fn rights(hall: &str, shop: &str) -> String {
    let binding = |role: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {role}-{hall}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects: [{{kind: ServiceAccount, name: daemon, namespace: {hall}}}]\n---\n"
        )
    };
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {shop}}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: daemon, namespace: {hall}}}\n---\n{}{}\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: acts, namespace: {hall}}}\n\
         rules: [{{apiGroups: [\"\"], resources: [serviceaccounts], verbs: [impersonate]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: acts, namespace: {hall}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: acts}}\n\
         subjects: [{{kind: ServiceAccount, name: daemon, namespace: {hall}}}]\n",
        binding("lockstep-synchronizer"),
        binding("lockstep-manages")
    )
}

impl Town {
    /// Everything but the daemon and the Syncs.
    pub(crate) async fn make(name: &str) -> Self {
        static DEFINITIONS: OnceCell<()> = OnceCell::const_new();
        let plane = shared().await.unwrap();
        DEFINITIONS.get_or_init(async || install_definitions(plane).await.unwrap()).await;
        let hall = plane.fresh_namespace(name).await.unwrap();
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
        let town = Self {
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
        };
        town.until_allowed().await;
        town
    }

    /// Rights take a moment to be known.
    async fn until_allowed(&self) {
        let daemon = self.plane.client_as(&self.hall, "daemon").await.unwrap();
        let syncs = api(&daemon, "lockstep.dev", "v1alpha1", "Sync", &self.hall);
        let maps = api(&daemon, "", "v1", "ConfigMap", &self.shop);
        let one = ListParams::default().limit(1);
        eventually(PATIENCE, "the rights of the daemon", async || {
            syncs.list(&one).await.is_ok() && maps.list(&one).await.is_ok()
        })
        .await
        .unwrap();
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
        api(&self.client, "", "v1", "ConfigMap", &self.shop)
    }

    pub(crate) fn syncs(&self) -> Api<DynamicObject> {
        api(&self.client, "lockstep.dev", "v1alpha1", "Sync", &self.hall)
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
        let events = api(&self.client, "events.k8s.io", "v1", "Event", &self.hall);
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
