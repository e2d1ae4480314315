//! A daemon behind a proxy of its own, its Sync, what a person does to both, and what must be true whatever went wrong.

use std::{cell::RefCell, collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use futures::stream;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
    core::DynamicObject,
};
use lockstep_daemon::{ListenAddress, Period, TaskError};
use lockstep_synchronizer::{Listen, Settings, Synchronizer};
use lockstep_testkit::{ControlPlane, FaultProxy, GitServer, Human, Requests, Seen, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::plane::{self, api};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bed {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) proxy: FaultProxy,
    pub(crate) git: GitServer,
    pub(crate) human: Human,
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    /// The namespace of the Sync.
    pub(crate) namespace: String,
    /// The namespace of what is synced.
    pub(crate) shop: String,
    /// The ConfigMaps that the files describe, and their values.
    wanted: RefCell<BTreeMap<String, String>>,
    /// Objects of others, and how they were when the test began.
    bystanders: Vec<(String, Version)>,
    running: JoinSet<Result<(), TaskError>>,
    stop: Option<lockstep_daemon::Shutdown>,
    admin: Option<SocketAddr>,
    _folder: TempDir,
}

/// Uid and resourceVersion.
pub(crate) type Version = (String, String);

/// Objects of this kind in a namespace, or in all.
pub(crate) fn config_map(namespace: &str, name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{v: \"{value}\", w: fixed}}\n"
    )
}

pub(crate) fn version(object: &DynamicObject) -> Version {
    (object.metadata.uid.clone().unwrap(), object.metadata.resource_version.clone().unwrap())
}

impl Bed {
    /// Everything but the daemon.
    pub(crate) async fn make(name: &str) -> Self {
        let plane = plane::defined().await;
        let namespace = plane::daemon_namespace(plane, name).await;
        let (shop, other) = (format!("{namespace}-shop"), format!("{namespace}-other"));
        let space = |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n");
        let (theirs, near) = (config_map(&other, "theirs", "1"), config_map(&shop, "foreign", "1"));
        let all = format!("{}{}{theirs}---\n{near}", space(&shop), space(&other));
        plane.apply_yaml(&all).await.unwrap();
        let client = plane.admin_client().await.unwrap();
        let mut bystanders = Vec::new();
        for (namespace, name) in [(&other, "theirs"), (&shop, "foreign")] {
            let found = api(&client, "", "v1", "ConfigMap", Some(namespace)).get(name).await.unwrap();
            bystanders.push((format!("{namespace}/{name}"), version(&found)));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |path: std::path::PathBuf| camino::Utf8PathBuf::from_path_buf(path).unwrap();
        let proxy = FaultProxy::start(plane).unwrap();
        let direct = plane.kubeconfig_for(&namespace, "daemon").await.unwrap();
        let local = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            kubeconfig: Some(path(proxy.kubeconfig(&direct).unwrap())),
            namespaces: vec![namespace.clone()],
            data: path(folder.path().join("data")),
            listen: Listen { grpc: ListenAddress::Tcp(local), admin: local },
            request_timeout: Period::seconds(10),
            ..Settings::default()
        };
        let git = GitServer::start(Default::default()).unwrap();
        let bed = Self {
            human: git.human().unwrap(),
            plane,
            proxy,
            git,
            client,
            settings,
            namespace,
            shop,
            wanted: RefCell::default(),
            bystanders,
            running: JoinSet::new(),
            stop: None,
            admin: None,
            _folder: folder,
        };
        bed.sync(json!({})).await;
        bed
    }

    /// With so many ConfigMaps `c0`, `c1`, … committed and applied.
    pub(crate) async fn with_maps(name: &str, count: usize) -> (Self, String) {
        let mut bed = Self::make(name).await;
        for number in 0..count {
            bed.write(&format!("c{number}"), "1");
        }
        let commit = bed.commit("Open the shop");
        bed.start().await;
        bed.until_ready(&commit).await;
        (bed, commit)
    }

    /// Applies the Sync with this in its spec, as its user does.
    pub(crate) async fn sync(&self, more: Value) {
        let mut spec = json!({"source": {"repository": self.git.http_url()}, "interval": "1s", "timeout": "2m"});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let sync = json!({"apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "shop", "namespace": self.namespace}, "spec": spec});
        self.plane.apply_yaml(&sync.to_string()).await.unwrap();
    }

    pub(crate) async fn start(&mut self) {
        let started = Synchronizer::start(self.settings.clone()).await.unwrap();
        self.stop = Some(started.shutdown());
        self.admin = Some(started.admin_address());
        self.running.spawn(async move { started.run_until(stream::pending()).await.map(drop) });
    }

    /// Stops the daemon in good order.
    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().request();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    /// Writes the file of a ConfigMap, or of one that is to be changed.
    pub(crate) fn write(&self, name: &str, value: &str) {
        self.human.write(&format!("maps/{name}.yaml"), &config_map(&self.shop, name, value)).unwrap();
        self.wanted.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// The same, with these annotations.
    pub(crate) fn write_with(&self, name: &str, value: &str, annotations: &str) {
        let inside = format!("namespace: {}", self.shop);
        let text =
            config_map(&self.shop, name, value).replace(&inside, &format!("{inside}, annotations: {{{annotations}}}"));
        self.human.write(&format!("maps/{name}.yaml"), &text).unwrap();
        self.wanted.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn remove(&self, name: &str) {
        self.human.remove(&format!("maps/{name}.yaml")).unwrap();
        self.wanted.borrow_mut().remove(name);
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.human.commit(message).unwrap()
    }

    pub(crate) fn syncs(&self) -> Api<DynamicObject> {
        api(&self.client, "lockstep.dev", "v1alpha1", "Sync", Some(&self.namespace))
    }

    /// Lets the deletions of this commit go.
    pub(crate) async fn acknowledge(&self, commit: &str) {
        let patch = json!({"metadata": {"annotations": {"lockstep.dev/acknowledge": commit}}});
        self.syncs().patch("shop", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) fn maps(&self) -> Api<DynamicObject> {
        api(&self.client, "", "v1", "ConfigMap", Some(&self.shop))
    }

    pub(crate) async fn status(&self) -> Value {
        self.syncs().get("shop").await.unwrap().data["status"].clone()
    }

    /// Waits for a status.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.until_long(PATIENCE, what, condition).await
    }

    /// The same, for up to so long.
    pub(crate) async fn until_long(&self, patience: Duration, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        let waited = eventually(patience, what, async || {
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

    /// Waits for something that is not on the Sync.
    pub(crate) async fn wait(&self, what: &str, condition: impl AsyncFnMut() -> bool) {
        self.wait_long(PATIENCE, what, condition).await;
    }

    /// The same, for up to so long.
    pub(crate) async fn wait_long(&self, patience: Duration, what: &str, condition: impl AsyncFnMut() -> bool) {
        let waited = eventually(patience, what, condition).await;
        if let Err(error) = waited {
            panic!("{error}; the Sync: {:#}", self.status().await);
        }
    }

    pub(crate) async fn value(&self, name: &str) -> Option<String> {
        let found = self.maps().get_opt(name).await.unwrap()?;
        Some(found.data["data"]["v"].as_str().unwrap_or_default().to_owned())
    }

    /// Changes a ConfigMap as somebody else.
    pub(crate) async fn edit(&self, name: &str, value: &str) {
        let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
        self.maps().patch(name, &params, &Patch::Merge(json!({"data": {"v": value}}))).await.unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.maps().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until a ConfigMap has this value.
    pub(crate) async fn until_value(&self, name: &str, value: &str) {
        self.wait(&format!("{name} to be {value}"), async || self.value(name).await.as_deref() == Some(value)).await;
    }

    /// The sum of a metric of the daemon over the series whose name and labels hold all of `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.admin("metrics").await;
        let lines = text.lines().filter(|line| line.starts_with(&format!("lockstep_synchronizer_{name}")));
        let series = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// What the admin port answers with success; a daemon that is not live fails here.
    pub(crate) async fn admin(&self, path: &str) -> String {
        let answer = reqwest::get(format!("http://{}/{path}", self.admin.unwrap())).await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// The names of the objects that the daemon asked to be deleted.
    pub(crate) fn deletions(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.proxy.seen(&Requests::with(&["delete"])).into_iter().map(|it| it.asked.name).collect();
        names.dedup();
        names
    }

    /// The PATCHes of ConfigMaps that were made.
    pub(crate) fn patches(&self) -> Vec<Seen> {
        self.proxy.seen(&Requests::with(&["patch"]).of("configmaps"))
    }

    /// The notes of the Events about the Syncs.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = api(&self.client, "events.k8s.io", "v1", "Event", Some(&self.namespace));
        let all = events.list(&Default::default()).await.unwrap();
        let text = |event: &DynamicObject, field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
        all.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "note"))).collect()
    }

    /// Waits until the branch was looked at this often.
    pub(crate) async fn until_looked_at(&self, times: usize) {
        let before = self.git.http_requests();
        // A look is two requests: what the server can do, and where the branch is.
        self.wait("looks at the branch", async || self.git.http_requests() >= before + 2 * times).await;
    }

    /// Ends the test: the cluster becomes what the commit says with no human action, nothing else was changed, and
    /// nothing but `deleted` was deleted.
    pub(crate) async fn finish(self, commit: &str, deleted: &[&str]) {
        let asked = self.finish_after_deletions(commit).await;
        assert_eq!(asked, deleted);
    }

    /// The same for a test that has looked at the deletions itself; answers which were asked for.
    pub(crate) async fn finish_after_deletions(mut self, commit: &str) -> Vec<String> {
        let status = self.until_ready(commit).await;
        let ours = kube::api::ListParams::default().labels("lockstep.dev/sync=shop");
        let found: BTreeMap<String, String> = (self.maps().list(&ours).await.unwrap().into_iter())
            .map(|map| (map.metadata.name.unwrap(), map.data["data"]["v"].as_str().unwrap_or_default().to_owned()))
            .collect();
        assert_eq!(found, *self.wanted.borrow(), "the cluster is not as the commit");
        assert_eq!(status["failures"]["total"].as_u64().unwrap_or_default(), 0, "{status:#}");
        self.stop().await;
        for (place, before) in &self.bystanders {
            let (namespace, name) = place.split_once('/').unwrap();
            let now = api(&self.client, "", "v1", "ConfigMap", Some(namespace)).get(name).await.unwrap();
            assert_eq!(version(&now), *before, "{place} was changed");
        }
        self.deletions()
    }
}

impl fmt::Debug for Bed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)
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
