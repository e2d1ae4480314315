//! A control plane of its own, a repository with so many ConfigMaps, and the two daemons.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use lockstep_api::v1::{Outcome, TriggerRequest, syncs_client::SyncsClient};
use lockstep_testkit::{
    Calls, ControlPlane, Daemon, DaemonProcess, GitServer, GitWay, Human, Installation, Names, Registry,
};

pub(crate) const USER: &str = "system:serviceaccount:lockstep:lockstep-synchronizer";
/// Where the objects of Git are.
pub(crate) const SHOP: &str = "bench-shop";
/// Where the bare client works.
pub(crate) const BARE: &str = "bench-bare";
/// Objects in a file.
const PER_FILE: usize = 10;
const PATIENCE: Duration = Duration::from_secs(900);

/// Everything that is measured at one size.
pub(crate) struct Stage {
    pub(crate) size: usize,
    pub(crate) synchronizer: Option<DaemonProcess>,
    pub(crate) plane: ControlPlane,
    pub(crate) installation: Installation,
    pub(crate) git: GitServer,
    pub(crate) human: Human,
    pub(crate) client: Client,
    pub(crate) registry: Registry,
}

impl Stage {
    pub(crate) async fn set(size: usize) -> Result<Self> {
        let plane = ControlPlane::start().await?;
        let namespace = plane.fresh_namespace("bench").await?;
        let names = Names { sync_namespace: namespace, sync: "bench".into(), workloads: SHOP.into() };
        let installation = Installation::prepare(names, GitWay::Https)?;
        let git = GitServer::start(installation.git_options())?;
        let registry = installation.start_registry().await?;
        installation.install(&plane, &registry, &git).await?;
        let human = git.human()?;
        write_all(&human, size)?;
        plane.apply_yaml(&namespace_of(BARE)).await?;
        let client = plane.admin_client().await?;
        Ok(Self { size, synchronizer: None, plane, installation, git, human, client, registry })
    }

    pub(crate) fn maps(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Starts the synchronizer, and says how long it took until it was ready.
    pub(crate) async fn start_synchronizer(&mut self) -> Result<Duration> {
        let program = program(Daemon::Synchronizer)?;
        let start = Instant::now();
        self.synchronizer = Some(self.installation.spawn(Daemon::Synchronizer, &program).await?);
        Ok(start.elapsed())
    }

    pub(crate) fn process(&self) -> Result<&DaemonProcess> {
        self.synchronizer.as_ref().context("the synchronizer does not run")
    }

    /// Starts a turn; with `wait`, returns when the branch's head is applied and healthy.
    pub(crate) async fn trigger(&self, wait: bool) -> Result<()> {
        let names = self.installation.names();
        let request = TriggerRequest {
            namespace: names.sync_namespace.clone(),
            name: names.sync.clone(),
            wait,
            commit: String::new(),
        };
        let mut syncs = SyncsClient::new(self.installation.channel(Daemon::Synchronizer)?);
        let start = Instant::now();
        loop {
            match syncs.trigger(request.clone()).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    if matches!(answer.outcome(), Outcome::Ready | Outcome::Started) {
                        return Ok(());
                    }
                    bail!("the turn ended as {:?}: {:?}", answer.outcome(), answer.state);
                }
                // A Sync that was just made is not known yet.
                Err(status) if status.code() == tonic::Code::NotFound && start.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// Test kit Syncs look at the branch every two seconds; users' Syncs every thirty.
    pub(crate) async fn use_default_interval(&self) -> Result<()> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("lockstep.dev", "v1alpha1", "Sync"));
        let names = self.installation.names();
        let syncs: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &names.sync_namespace, &resource);
        let patch = serde_json::json!({"spec": {"interval": "30s"}});
        syncs.patch(&names.sync, &PatchParams::default(), &Patch::Merge(patch)).await?;
        self.trigger(true).await
    }

    /// The daemon's calls since then, once it has asked nothing for two seconds.
    pub(crate) async fn calls_since(&self, began: Timestamp) -> Result<Calls> {
        let mut known = (self.plane.count_calls(USER, began..)?, Instant::now());
        let start = Instant::now();
        while known.1.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let calls = self.plane.count_calls(USER, began..)?;
            if calls.len() != known.0.len() {
                known = (calls, Instant::now());
            }
            if start.elapsed() > PATIENCE {
                bail!("the synchronizer does not come to rest");
            }
        }
        Ok(known.0)
    }
}

/// The program that was built beside this one.
pub(crate) fn program(daemon: Daemon) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(daemon.program());
    if !path.exists() {
        bail!("{} is missing: build it with cargo build -p {} and the same profile", path.display(), daemon.program());
    }
    Ok(path)
}

pub(crate) fn namespace_of(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

fn write_all(human: &Human, size: usize) -> Result<()> {
    human.write("clusters/demo/namespace.yaml", &namespace_of(SHOP))?;
    for first in (0..size).step_by(PER_FILE) {
        let text: String = (first..(first + PER_FILE).min(size)).map(|number| one(&name(number), "first")).collect();
        human.write(&format!("clusters/demo/maps-{first}.yaml"), &text)?;
    }
    human.commit("Write all")?;
    Ok(())
}

/// So that the order of names is the order of numbers.
pub(crate) fn name(number: usize) -> String {
    format!("c{number:06}")
}

pub(crate) fn one(name: &str, value: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {SHOP}}}\ndata: {{value: {value}, other: fixed}}\n"
    )
}

/// The file of one object, rewritten with another value in it.
pub(crate) fn file_with(human: &Human, size: usize, number: usize, value: &str) -> Result<()> {
    let first = number / PER_FILE * PER_FILE;
    let text: String = (first..(first + PER_FILE).min(size))
        .map(|other| one(&name(other), if other == number { value } else { "first" }))
        .collect();
    human.write(&format!("clusters/demo/maps-{first}.yaml"), &text)
}

/// The object as a bare client sends it.
pub(crate) fn body(namespace: &str, name: &str, value: &str) -> serde_json::Value {
    let labels: BTreeMap<&str, &str> = BTreeMap::from([("bench", "bare")]);
    serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": {"value": value, "other": "fixed"},
    })
}
