//! A daemon, its Sync, and what a person can do to both.

use std::{ops::RangeBounds, time::Duration};

use futures::stream;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
    core::DynamicObject,
};
use lockstep_daemon::TaskError;
use lockstep_synchronizer::{Listen, Settings, Synchronizer};
use lockstep_testkit::{Calls, ControlPlane, GitServer, Human, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::plane::{self, api};

const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Bed {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) human: Human,
    /// The namespace of what is synced.
    pub(crate) shop: String,
    namespace: String,
    client: Client,
    settings: Settings,
    running: JoinSet<Result<(), TaskError>>,
    stop: Option<lockstep_daemon::Shutdown>,
    git: GitServer,
    _folder: TempDir,
}

pub(crate) fn config_map(namespace: &str, name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{v: \"{value}\", w: fixed}}\n"
    )
}

impl Bed {
    /// Everything but the daemon and the Sync.
    pub(crate) async fn make(name: &str) -> Self {
        let plane = plane::defined().await;
        let namespace = plane::daemon_namespace(plane, name).await;
        let git = GitServer::start(Default::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            kubeconfig: Some(path(plane.kubeconfig_for(&namespace, "daemon").await.unwrap())),
            namespaces: vec![namespace.clone()],
            data: path(folder.path().join("data")),
            listen: Listen { grpc: lockstep_daemon::ListenAddress::Tcp(local), admin: local },
            ..Settings::default()
        };
        let bed = Self {
            plane,
            human: git.human().unwrap(),
            shop: format!("{namespace}-shop"),
            client: plane.admin_client().await.unwrap(),
            settings,
            running: JoinSet::new(),
            stop: None,
            git,
            _folder: folder,
            namespace,
        };
        let url = bed.git.http_url();
        bed.sync(json!({"source": {"repository": url}, "interval": "1s", "timeout": "2m"})).await;
        bed
    }

    pub(crate) async fn start(&mut self) {
        let started = Synchronizer::start(self.settings.clone()).await.unwrap();
        self.stop = Some(started.shutdown());
        self.running.spawn(async move { started.run_until(stream::pending()).await.map(drop) });
    }

    /// Stops the daemon in good order.
    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().request();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    /// Applies the Sync with this spec, as its user does.
    pub(crate) async fn sync(&self, spec: Value) {
        let sync = json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "shop", "namespace": self.namespace}, "spec": spec});
        self.plane.apply_yaml(&sync.to_string()).await.unwrap();
    }

    pub(crate) async fn acknowledge(&self, commit: &str) {
        let patch = json!({"metadata": {"annotations": {"lockstep.dev/acknowledge": commit}}});
        self.syncs().patch("shop", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    fn syncs(&self) -> Api<DynamicObject> {
        api(&self.client, "lockstep.dev", "v1alpha1", "Sync", Some(&self.namespace))
    }

    pub(crate) async fn status(&self) -> Value {
        self.syncs().get("shop").await.unwrap().data["status"].clone()
    }

    /// Waits for a status.
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

    /// Waits until this commit is applied, and all is well.
    pub(crate) async fn until_ready(&self, commit: &str) -> Value {
        self.until(&format!("{commit} to be ready"), |status| {
            status["applied"]["commit"] == commit && condition(status, "Ready").0 == "True"
        })
        .await
    }

    pub(crate) async fn until_reason(&self, reason: &str) -> Value {
        self.until(reason, |status| condition(status, "Ready").1 == reason).await
    }

    pub(crate) fn config_maps(&self) -> Api<DynamicObject> {
        api(&self.client, "", "v1", "ConfigMap", Some(&self.shop))
    }

    pub(crate) fn of(&self, group: &str, kind: &str) -> Api<DynamicObject> {
        api(&self.client, group, "v1", kind, Some(&self.shop))
    }

    /// An account that may write ConfigMaps in the shop and read Secrets, and that the daemon may act as.
    pub(crate) fn account(&self, name: &str) -> String {
        let (shop, namespace) = (&self.shop, &self.namespace);
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}, namespace: {shop}}}\nrules:\n\
             - {{apiGroups: [\"\"], resources: [configmaps], verbs: [get, list, create, patch, delete]}}\n\
             - {{apiGroups: [\"\"], resources: [secrets], verbs: [get]}}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: {shop}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
             subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: as-{name}, namespace: {namespace}}}\n\
             rules: [{{apiGroups: [\"\"], resources: [serviceaccounts], resourceNames: [{name}], verbs: [impersonate]}}]\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: as-{name}, namespace: {namespace}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: as-{name}}}\n\
             subjects: [{{kind: ServiceAccount, name: daemon, namespace: {namespace}}}]\n"
        )
    }

    /// The same Sync, as an account.
    pub(crate) async fn sync_as(&self, account: &str) {
        let source = json!({"repository": self.git.http_url()});
        self.sync(json!({"source": source, "interval": "1s", "timeout": "2m", "serviceAccountName": account})).await;
    }

    /// The same Sync, with checks of health.
    pub(crate) async fn check(&self, checks: Value) {
        let source = json!({"repository": self.git.http_url()});
        self.sync(json!({"source": source, "interval": "1s", "timeout": "2m", "healthChecks": checks})).await;
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) async fn value(&self, name: &str) -> Option<String> {
        let found = self.config_maps().get_opt(name).await.unwrap()?;
        Some(found.data["data"]["v"].as_str().unwrap_or_default().to_owned())
    }

    /// Changes a ConfigMap as somebody else.
    pub(crate) async fn edit(&self, name: &str, value: &str) {
        let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
        self.config_maps().patch(name, &params, &Patch::Merge(json!({"data": {"v": value}}))).await.unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.config_maps().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The notes of the Events about the Sync.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = api(&self.client, "events.k8s.io", "v1", "Event", Some(&self.namespace));
        let all = events.list(&Default::default()).await.unwrap();
        let text = |event: &DynamicObject, field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
        all.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "note"))).collect()
    }

    /// The calls of the daemon, but for the beginnings of watches.
    pub(crate) fn calls(&self, window: impl RangeBounds<Timestamp>) -> Calls {
        let user = format!("system:serviceaccount:{}:daemon", self.namespace);
        self.plane.count_calls(&user, window).unwrap().requests()
    }

    /// Waits until the daemon has made no call for two seconds.
    pub(crate) async fn until_quiet(&self) {
        let mut quiet_since = (Timestamp::now(), self.calls(..).len());
        eventually(PATIENCE, "the daemon to have nothing to do", async || {
            let count = self.calls(..).len();
            if count != quiet_since.1 {
                quiet_since = (Timestamp::now(), count);
            }
            quiet_since.0.duration_until(Timestamp::now()) > jiff::SignedDuration::from_secs(2)
        })
        .await
        .unwrap();
    }
}

impl Bed {
    /// Waits until the branch was looked at this often.
    pub(crate) async fn until_looked_at(&self, times: usize) {
        let before = self.git.http_requests();
        // A look is two requests: what the server can do, and where the branch is.
        eventually(PATIENCE, "the branch to be looked at", async || self.git.http_requests() >= before + 2 * times)
            .await
            .unwrap();
    }
}

/// Status and reason.
pub(crate) fn condition(status: &Value, kind: &str) -> (String, String) {
    let all = status["conditions"].as_array().into_iter().flatten();
    let mut found = all.filter(|condition| condition["type"] == kind).map(|condition| {
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    });
    found.next_back().unwrap_or_default()
}
