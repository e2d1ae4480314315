//! A daemon with an account of its own, and other hands.

use std::{net::SocketAddr, ops::RangeBounds, time::Duration};

use futures::stream;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use lockstep_daemon::{ListenAddress, Shutdown, TaskError};
use lockstep_synchronizer::{Listen, Settings, Synchronizer};
use lockstep_testkit::{Calls, ControlPlane, GitServer, Human, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::plane;

const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Bed {
    pub(crate) namespace: String,
    pub(crate) plane: &'static ControlPlane,
    client: Client,
    settings: Settings,
    /// Where the daemon answers: gRPC, and the admin port.
    pub(crate) addresses: Option<(ListenAddress, SocketAddr)>,
    running: JoinSet<Result<(), TaskError>>,
    stop: Option<Shutdown>,
    git: GitServer,
    human: Human,
    _folder: TempDir,
}

impl Bed {
    /// A daemon that runs, and a Sync with these settings whose objects are the manifests; `NS` in them is the namespace.
    pub(crate) async fn ready(name: &str, spec: Value, manifests: &str) -> Self {
        let plane = plane::defined().await;
        let namespace = plane.fresh_namespace(name).await.unwrap();
        let account = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: robot, namespace: {namespace}}}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {namespace}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}\n\
             subjects: [{{kind: ServiceAccount, name: robot, namespace: {namespace}}}]\n"
        );
        plane.apply_yaml(&account).await.unwrap();
        let git = GitServer::start(Default::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            kubeconfig: Some(path(plane.kubeconfig_for(&namespace, "robot").await.unwrap())),
            namespaces: vec![namespace.clone()],
            data: path(folder.path().join("data")),
            listen: Listen { grpc: ListenAddress::Tcp(local), admin: local },
            ..Settings::default()
        };
        let human = git.human().unwrap();
        human.write("all.yaml", &manifests.replace("NS", &namespace)).unwrap();
        human.commit("Begin").unwrap();
        let mut all = json!({"source": {"repository": git.http_url()}, "interval": "2s"});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let sync = json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "shop", "namespace": namespace}, "spec": all});
        plane.apply_yaml(&sync.to_string()).await.unwrap();
        let client = plane.admin_client().await.unwrap();
        let mut bed = Self {
            namespace,
            plane,
            client,
            settings,
            addresses: None,
            running: JoinSet::new(),
            stop: None,
            git,
            human,
            _folder: folder,
        };
        bed.start().await;
        bed.until("the Sync to be ready", |status| reason(status) == "Succeeded").await;
        bed
    }

    pub(crate) async fn start(&mut self) {
        let started = Synchronizer::start(self.settings.clone()).await.unwrap();
        self.stop = Some(started.shutdown());
        self.addresses = Some((started.grpc_address().clone(), started.admin_address()));
        self.running.spawn(async move { started.run_until(stream::pending()).await.map(drop) });
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().request();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match kind {
            "ClusterRole" | "ValidatingWebhookConfiguration" => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), &self.namespace, &resource),
        }
    }

    pub(crate) fn of(&self, kind: &str) -> Api<DynamicObject> {
        let group = match kind {
            "ClusterRole" | "Role" => "rbac.authorization.k8s.io",
            "Deployment" => "apps",
            "NetworkPolicy" => "networking.k8s.io",
            "ValidatingWebhookConfiguration" => "admissionregistration.k8s.io",
            "Widget" => "lists.example.com",
            _ => "",
        };
        self.api(group, "v1", kind)
    }

    /// Makes these manifests the whole commit.
    pub(crate) fn commit(&self, manifests: &str) -> String {
        self.human.write("all.yaml", &manifests.replace("NS", &self.namespace)).unwrap();
        self.human.commit("Change").unwrap()
    }

    /// The notes of the Events about the Sync, each after its reason.
    pub(crate) async fn events(&self) -> Vec<String> {
        let all = self.api("events.k8s.io", "v1", "Event").list(&Default::default()).await.unwrap();
        let text = |event: &DynamicObject, field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
        all.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "note"))).collect()
    }

    /// What was seen of an object last, if anything was.
    pub(crate) async fn drift_of(&self, object: &str) -> Option<Value> {
        let status = self.status().await;
        let all = status["drift"].as_array()?;
        all.iter().find(|seen| seen["object"].as_str().is_some_and(|name| name.ends_with(object))).cloned()
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Value {
        let found = self.of(kind).get_opt(name).await.unwrap();
        found.map(|found| serde_json::to_value(found).unwrap()).unwrap_or_default()
    }

    /// A merge patch by another hand.
    pub(crate) async fn patch(&self, manager: &str, kind: &str, name: &str, patch: Value) {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.of(kind).patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// The whole object written by another hand.
    pub(crate) async fn replace(&self, manager: &str, kind: &str, name: &str, change: impl Fn(&mut Value)) {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        // A controller may write the status in between.
        eventually(PATIENCE, "the object to be written", async || {
            let mut object = self.get(kind, name).await;
            change(&mut object);
            self.of(kind).replace(name, &params, &serde_json::from_value(object).unwrap()).await.is_ok()
        })
        .await
        .unwrap();
    }

    /// A forced apply under any name, ours included.
    pub(crate) async fn apply_as(&self, manager: &str, kind: &str, name: &str, body: Value) {
        self.of(kind).patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(body)).await.unwrap();
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        self.of(kind).delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) async fn status(&self) -> Value {
        self.api("lockstep.dev", "v1alpha1", "Sync").get("shop").await.unwrap().data["status"].clone()
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

    /// Waits for something that is not on the Sync.
    pub(crate) async fn wait(&self, what: &str, condition: impl AsyncFnMut() -> bool) {
        if let Err(error) = eventually(PATIENCE, what, condition).await {
            panic!("{error}; the Sync: {:#}", self.status().await);
        }
    }

    /// Waits until an object is so.
    pub(crate) async fn until_object(&self, kind: &str, name: &str, condition: impl Fn(&Value) -> bool) {
        let mut seen = Value::Null;
        let waited = eventually(PATIENCE, "the object to be as Git says", async || {
            seen = self.get(kind, name).await;
            condition(&seen)
        })
        .await;
        assert!(waited.is_ok(), "{waited:?}: {seen:#}");
    }

    /// The daemon's calls about objects of a resource, as `VERB` or `dry-run`.
    pub(crate) fn calls(&self, resource: &str, window: impl RangeBounds<Timestamp>) -> Vec<String> {
        let user = format!("system:serviceaccount:{}:robot", self.namespace);
        let calls: Calls = self.plane.count_calls(&user, window).unwrap().requests();
        let verb = |call: &lockstep_testkit::Call| {
            if call.uri.contains("dryRun=All") { "dry-run".to_owned() } else { call.verb.clone() }
        };
        calls.iter().filter(|call| call.resource == resource).map(verb).collect()
    }

    /// Waits until the branch was looked at this often.
    pub(crate) async fn until_looked_at(&self, times: usize) {
        let before = self.git.http_requests();
        eventually(PATIENCE, "the branch to be looked at", async || self.git.http_requests() >= before + 2 * times)
            .await
            .unwrap();
    }
}

pub(crate) fn reason(status: &Value) -> &str {
    let all = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ready = all.iter().find(|condition| condition["type"] == "Ready");
    ready.and_then(|ready| ready["reason"].as_str()).unwrap_or_default()
}
