//! What the story asks: the cluster, the Sync, Git.

use anyhow::{Context, Error, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Story;
use crate::eventually;

/// How many characters of a commit are shown.
const SHORT: usize = 7;

impl Story<'_> {
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.shop.namespace)
    }

    pub(super) fn deployments(&self) -> Api<Deployment> {
        self.api()
    }

    pub(super) fn services(&self) -> Api<Service> {
        self.api()
    }

    pub(super) fn maps(&self) -> Api<ConfigMap> {
        self.api()
    }

    /// The identity of an object, which a new one of the same name does not have.
    pub(super) async fn uid<K>(&self, name: &str) -> Result<String>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let object = self.api::<K>().get(name).await.with_context(|| format!("reading {name}"))?;
        object.meta().uid.clone().with_context(|| format!("{name} has no uid"))
    }

    /// The Sync's object, as it is now.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn sync(&self) -> Result<Value> {
        let kind = GroupVersionKind::gvk("lockstep.dev", "v1alpha1", "Sync");
        let resource = ApiResource::from_gvk_with_plural(&kind, "syncs");
        let names = self.installation.names();
        let syncs: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &names.sync_namespace, &resource);
        let sync = syncs.get(&names.sync).await.with_context(|| format!("reading the Sync {}", names.sync))?;
        Ok(serde_json::to_value(sync)?)
    }

    /// Waits until `condition` holds of the Sync's status; answers with the whole Sync.
    ///
    /// # Errors
    ///
    /// When that does not come true in time; the error has the Sync's conditions.
    pub async fn sync_is(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut found = Value::Null;
        self.wait(what, async || match self.sync().await {
            Ok(sync) if condition(&sync["status"]) => {
                found = sync;
                true
            }
            _ => false,
        })
        .await?;
        Ok(found)
    }

    /// Waits until the commit is applied and all of it healthy.
    ///
    /// # Errors
    ///
    /// When that does not come true in time; the error has the Sync's conditions.
    pub async fn is_live(&self, commit: &str) -> Result<Value> {
        let what = format!("commit {} to be applied and healthy", short(commit));
        self.sync_is(&what, |status| {
            status["applied"]["commit"] == commit && condition(status, "Ready")["status"] == "True"
        })
        .await
    }

    /// Waits until `what` is so; if it never is, the error has the state of the Sync.
    pub(super) async fn wait(&self, what: &str, condition: impl AsyncFnMut() -> bool) -> Result<()> {
        match eventually(self.patience, what, condition).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explained(error).await),
        }
    }

    async fn explained(&self, error: Error) -> Error {
        let Ok(sync) = self.sync().await else { return error };
        let status = &sync["status"];
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let words = conditions.iter().map(|condition| {
            let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
            format!("{}={} {}: {}", text("type"), text("status"), text("reason"), text("message"))
        });
        let commit = |key: &str| short(status[key]["commit"].as_str().unwrap_or("nothing")).to_owned();
        let state = format!("fetched {}, applied {}", commit("fetched"), commit("applied"));
        error.context(format!("the Sync says: {state}; {}", words.collect::<Vec<_>>().join("; ")))
    }

    /// Waits until a Deployment runs `image` with all of its replicas, and nothing else.
    pub(super) async fn rolled_out(&self, name: &str, image: &str) -> Result<()> {
        let deployments = self.deployments();
        self.wait(&format!("every replica of {name} to run {image}"), async || {
            deployments.get(name).await.is_ok_and(|deployment| runs(&deployment, image))
        })
        .await
    }

    /// Waits for a commit after `before`; answers its hash.
    ///
    /// # Errors
    ///
    /// When none comes in time.
    pub async fn next_commit(&self, before: &str, what: &str) -> Result<String> {
        let mut head = before.to_owned();
        self.wait(what, async || {
            head = self.human.head().unwrap_or_else(|_| before.to_owned());
            head != before
        })
        .await?;
        Ok(head)
    }

    /// The lines that a commit changed, which must be `lines` old ones and as many new ones.
    pub(super) fn changed_lines(&self, commit: &str, lines: usize) -> Result<Vec<String>> {
        let diff = self.human.diff(commit)?;
        let changed: Vec<String> = diff
            .lines()
            .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
            .map(str::to_owned)
            .collect();
        let old = changed.iter().filter(|line| line.starts_with('-')).count();
        if old != lines || changed.len() != 2 * lines {
            bail!("commit {} should change {lines} line(s), but changes this:\n{diff}", short(commit));
        }
        Ok(changed)
    }

    /// How many commits of the branch have a line in their message.
    ///
    /// # Errors
    ///
    /// When git refuses.
    pub fn commits_with(&self, line: &str) -> Result<usize> {
        let mut count = 0;
        for entry in self.human.log()? {
            let commit = entry.split(' ').next().unwrap_or_default();
            count += usize::from(self.human.message(commit)?.lines().any(|found| found == line));
        }
        Ok(count)
    }
}

/// One condition of a Sync's status, or null.
pub(super) fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let found = status["conditions"].as_array().and_then(|all| all.iter().find(|one| one["type"] == kind));
    found.unwrap_or(&Value::Null)
}

pub(super) fn short(commit: &str) -> &str {
    commit.get(..SHORT).unwrap_or(commit)
}

fn runs(deployment: &Deployment, image: &str) -> bool {
    let spec = deployment.spec.as_ref();
    let containers = spec.and_then(|spec| spec.template.spec.as_ref()).map(|pod| pod.containers.as_slice());
    let wanted = containers.is_some_and(|all| all.iter().all(|one| one.image.as_deref() == Some(image)));
    let replicas = spec.and_then(|spec| spec.replicas);
    let status = deployment.status.clone().unwrap_or_default();
    wanted
        && status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas == replicas
        && status.available_replicas == replicas
        && status.replicas == replicas
}
