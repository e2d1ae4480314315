//! A daemon behind a proxy, its Sync, its repository, and objects of others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use lockstep_testkit::{ControlPlane, DaemonProcess, FaultProxy, GitServer, Human, Requests, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::daemon::{self, NAME, PATIENCE};
use crate::plane;

pub(crate) struct Stand {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) proxy: FaultProxy,
    pub(crate) git: GitServer,
    pub(crate) human: Human,
    pub(crate) client: Client,
    /// The namespace of the Sync.
    pub(crate) namespace: String,
    /// The namespace of what is synced; it may come from Git.
    pub(crate) shop: String,
    /// Objects of others, and how they were when the test began.
    bystanders: Vec<(Value, Version)>,
    daemon: Option<DaemonProcess>,
    kubeconfig: PathBuf,
    folder: TempDir,
}

/// Uid and resourceVersion.
pub(crate) type Version = (String, String);

pub(crate) fn version(object: &DynamicObject) -> Version {
    (object.metadata.uid.clone().unwrap(), object.metadata.resource_version.clone().unwrap())
}

/// The objects of a kind, in a namespace or in all.
pub(crate) fn api(client: &Client, api_version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    plane::api(client, group, version, kind, namespace)
}

pub(crate) fn config_map(namespace: &str, name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data})
}

pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// The definition of a kind of this name's own group.
pub(crate) fn definition(shop: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"spec": {
        "type": "object",
        "properties": {"size": {"type": "integer"}, "colour": {"type": "string"}},
    }}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{shop}.example.com")},
        "spec": {
            "group": format!("{shop}.example.com"),
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

pub(crate) fn widget(shop: &str, name: &str, size: usize) -> Value {
    let api_version = format!("{shop}.example.com/v1");
    json!({"apiVersion": api_version, "kind": "Widget", "metadata": {"name": name, "namespace": shop}, "spec": {"size": size}})
}

pub(crate) fn deployment(shop: &str, name: &str, tag: usize) -> Value {
    let containers =
        json!([{"name": "web", "image": format!("registry.example/web:{tag}"), "ports": [{"containerPort": 80}]}]);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": shop},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}},
        },
    })
}

/// A right of the daemon for the kind of the test.
fn widgets(namespace: &str, shop: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: widgets-{namespace}}}
\
         rules: [{{apiGroups: [{shop}.example.com], resources: [widgets], verbs: [get, list, watch, create, patch, delete]}}]
---
\
         apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: widgets-{namespace}}}
\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: widgets-{namespace}}}
\
         subjects: [{{kind: ServiceAccount, name: daemon, namespace: {namespace}}}]
"
    )
}

impl Stand {
    /// Everything but the daemon.
    pub(crate) async fn make(name: &str) -> Self {
        let plane = plane::defined().await;
        let own = plane::daemon_namespace(plane, name).await;
        let (shop, other) = (format!("{own}-shop"), format!("{own}-other"));
        plane.apply_yaml(&widgets(&own, &shop)).await.unwrap();
        let client = plane.admin_client().await.unwrap();
        let theirs = config_map(&other, "theirs", json!({"v": "theirs"}));
        plane.apply_yaml(&format!("{}\n---\n{theirs}", namespace(&other))).await.unwrap();
        let proxy = FaultProxy::start(plane).unwrap();
        let direct = plane.kubeconfig_for(&own, "daemon").await.unwrap();
        let git = GitServer::start(Default::default()).unwrap();
        let mut this = Self {
            human: git.human().unwrap(),
            kubeconfig: proxy.kubeconfig(&direct).unwrap(),
            plane,
            proxy,
            git,
            client,
            namespace: own,
            shop,
            bystanders: Vec::new(),
            daemon: None,
            folder: tempfile::tempdir().unwrap(),
        };
        this.settings("");
        this.leave_alone(theirs).await;
        this.sync(json!({})).await;
        this
    }

    /// Writes the settings for the next start, with these lines besides.
    pub(crate) fn settings(&self, more: &str) {
        let text = format!(
            "kubeconfig: {}\nnamespaces: [{}]\ndata: {}\nlisten: {{grpc: '127.0.0.1:0', admin: '127.0.0.1:0'}}\n{more}",
            self.kubeconfig.display(),
            self.namespace,
            self.folder.path().join("data").display(),
        );
        fs::write(self.folder.path().join("settings.yaml"), text).unwrap();
    }

    /// Copies what a daemon of another user reads to this folder: `settings.yaml`, `kubeconfig`, and an empty `data`.
    pub(crate) fn hand_over(&self, folder: &Path) {
        fs::copy(&self.kubeconfig, folder.join("kubeconfig")).unwrap();
        fs::create_dir(folder.join("data")).unwrap();
        let text = fs::read_to_string(self.folder.path().join("settings.yaml")).unwrap();
        let text = text.replace(&*self.kubeconfig.to_string_lossy(), &folder.join("kubeconfig").to_string_lossy());
        let text = text.replace(&*self.data().to_string_lossy(), &folder.join("data").to_string_lossy());
        fs::write(folder.join("settings.yaml"), text).unwrap();
    }

    /// The folder of the clones.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Applies the Sync with this in its spec, as its user does.
    pub(crate) async fn sync(&self, more: Value) {
        let mut spec = json!({"source": {"repository": self.git.http_url()}, "interval": "1s", "timeout": "2m"});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let metadata = json!({"name": "shop", "namespace": self.namespace});
        let sync = json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": metadata, "spec": spec});
        self.plane.apply_yaml(&sync.to_string()).await.unwrap();
    }

    pub(crate) fn syncs(&self) -> Api<DynamicObject> {
        api(&self.client, "lockstep.dev/v1alpha1", "Sync", Some(&self.namespace))
    }

    /// Lets the deletions of this commit go.
    pub(crate) async fn acknowledge(&self, commit: &str) {
        let patch = json!({"metadata": {"annotations": {"lockstep.dev/acknowledge": commit}}});
        self.syncs().patch("shop", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// The objects of the kind and namespace of `object`.
    pub(crate) fn of(&self, object: &Value) -> Api<DynamicObject> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        api(&self.client, &version, &kind, object["metadata"]["namespace"].as_str())
    }

    pub(crate) fn start(&mut self) {
        self.daemon = Some(daemon::start(&self.folder.path().join("settings.yaml"), self.folder.path()));
    }

    pub(crate) fn daemon(&self) -> &DaemonProcess {
        self.daemon.as_ref().unwrap()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    /// Kills the daemon. What it has asked for and what the proxy still holds never reaches the API server.
    pub(crate) async fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
        eventually(PATIENCE, "the last connection to be closed", async || {
            self.proxy.seen(&Requests::all()).iter().all(|seen| seen.ended.is_some())
        })
        .await
        .unwrap();
    }

    /// Stops the daemon in good order.
    pub(crate) async fn stop(&mut self) {
        let ended = daemon::stop(self.daemon.take().unwrap()).await;
        assert!(ended.success(), "{ended}: {}", self.log());
    }

    /// The daemon, for a test that ends it itself.
    pub(crate) fn take(&mut self) -> DaemonProcess {
        self.daemon.take().unwrap()
    }

    /// What the daemon has said since its last start.
    pub(crate) fn log(&self) -> String {
        let text = fs::read(self.folder.path().join(format!("{NAME}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) async fn status(&self) -> Value {
        self.syncs().get("shop").await.unwrap().data["status"].clone()
    }

    /// Waits for something; a daemon that ends by itself fails here.
    pub(crate) async fn wait(&mut self, what: &str, mut condition: impl AsyncFnMut(&Self) -> bool) {
        let mut ended = Ok(());
        let waited = eventually(PATIENCE, what, async || {
            ended = self.daemon.as_mut().map_or(Ok(()), DaemonProcess::check);
            ended.is_err() || condition(&*self).await
        })
        .await;
        if let Err(error) = ended.and(waited) {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            panic!("{error}; the Sync: {:#}; the end of the log:\n{tail}", self.status().await);
        }
    }

    /// Waits until this commit is applied, and all is well.
    pub(crate) async fn until_ready(&mut self, commit: &str) {
        self.wait(&format!("{commit} to be ready"), async |stand| is_ready(&stand.status().await, commit)).await;
    }

    /// Waits until the Sync gives this reason for its state.
    pub(crate) async fn until_reason(&mut self, reason: &str) -> Value {
        self.wait(reason, async |stand| condition(&stand.status().await, "Ready").1 == reason).await;
        self.status().await
    }

    /// An object that must not be changed from now on.
    pub(crate) async fn leave_alone(&mut self, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let found = self.of(&object).get(name).await.unwrap();
        self.bystanders.push((object, version(&found)));
    }

    /// What was changed of what must be left alone.
    pub(crate) async fn harmed(&self) -> Vec<String> {
        let mut harmed = Vec::new();
        for (object, before) in &self.bystanders {
            let name = object["metadata"]["name"].as_str().unwrap();
            let now = self.of(object).get_opt(name).await.unwrap();
            if now.as_ref().map(version).as_ref() != Some(before) {
                harmed.push(format!("{name}, which is not ours, was changed or deleted: {now:?}"));
            }
        }
        harmed
    }

    /// Whether an object of this name is somebody else's.
    pub(crate) fn is_bystander(&self, kind: &str, name: &str) -> bool {
        self.bystanders.iter().any(|(object, _)| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
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

pub(crate) fn is_ready(status: &Value, commit: &str) -> bool {
    status["applied"]["commit"] == commit && condition(status, "Ready").0 == "True"
}
