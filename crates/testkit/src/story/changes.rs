//! What other hands do: to the cluster, and to Git.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::asks::{condition, short};
use super::shop::{CATALOG, entry, file};
use super::{Story, Told};

/// What `kubectl edit` calls itself.
const EDITOR: &str = "kubectl-edit";

impl Story<'_> {
    /// Somebody scales the web shop by hand; it must be scaled back, and the Sync must say who
    /// changed what.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn manual_edit(&self) -> Result<Told> {
        let deployments = self.deployments();
        let edit = PatchParams { field_manager: Some(EDITOR.to_owned()), ..PatchParams::default() };
        let five = Patch::Merge(json!({"spec": {"replicas": 5}}));
        deployments.patch("web", &edit, &five).await.context("scaling the Deployment web")?;
        let start = Instant::now();
        self.wait("the Deployment web to have 2 replicas again", async || {
            deployments.get("web").await.is_ok_and(|web| web.spec.and_then(|spec| spec.replicas) == Some(2))
        })
        .await?;
        let took = start.elapsed().as_millis();
        let wanted = self.object("Deployment", "web");
        let seen = |status: &Value| drift(status, &wanted, EDITOR).is_some();
        let sync = self.sync_is("the Sync to name kubectl-edit and the field", seen).await?;
        let drift = drift(&sync["status"], &wanted, EDITOR).context("no drift in the status")?;
        let fields = drift["fields"].as_array().into_iter().flatten();
        let fields: Vec<&str> = fields.filter_map(|field| field["path"].as_str()).collect();
        if !fields.iter().any(|field| field.contains("replicas")) {
            bail!("the Sync should name the field spec.replicas, but names {}", drift["fields"]);
        }
        let fields = fields.join(", ");
        Ok(Told::new(format!("{EDITOR} set {fields} of {wanted} to 5; back at 2 after {took} ms")))
    }

    /// Somebody deletes the Service; there must be a new one.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn deletion(&self) -> Result<Told> {
        let old = self.uid::<Service>("web").await?;
        self.services().delete("web", &DeleteParams::default()).await.context("deleting the Service web")?;
        let start = Instant::now();
        self.wait("a new Service web", async || self.uid::<Service>("web").await.is_ok_and(|new| new != old)).await?;
        let took = start.elapsed().as_millis();
        Ok(Told::new(format!("{} deleted; there again after {took} ms", self.object("Service", "web"))))
    }

    /// A person removes a file with one object from Git; the object must go, and nothing else.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn removal(&self) -> Result<Told> {
        self.human.pull()?;
        self.human.remove(&file("banner.yaml"))?;
        let commit = self.human.commit("The sale is over")?;
        let maps = self.maps();
        self.wait("the ConfigMap banner to be pruned", async || {
            maps.get_opt("banner").await.is_ok_and(|found| found.is_none())
        })
        .await?;
        self.is_live(&commit).await?;
        self.uid::<ConfigMap>("settings").await?;
        let name = self.object("ConfigMap", "banner");
        Ok(Told::new(format!("commit {} without banner.yaml; {name} pruned", short(&commit))))
    }

    /// A person's commit removes almost everything; it must be held, and nothing be deleted.
    /// Answers the commit too.
    ///
    /// # Errors
    ///
    /// When it is not held.
    pub async fn mass_removal(&self) -> Result<(String, Told)> {
        self.human.pull()?;
        for name in ["catalog.yaml", "web.yaml"] {
            self.human.remove(&file(name))?;
        }
        let commit = self.human.commit("Tidy up")?;
        let held = |status: &Value| status["held"]["commit"] == commit.as_str();
        let sync = self.sync_is(&format!("commit {} to be held", short(&commit)), held).await?;
        let status = &sync["status"];
        self.nothing_is_missing().await?;
        let message = condition(status, "Ready")["message"].as_str().unwrap_or_default().to_owned();
        let would = &status["held"]["wouldPrune"];
        let told = Told::new(format!("commit {} would delete {would} objects: held, nothing deleted", short(&commit)));
        Ok((commit, told.with([message])))
    }

    /// The person reverts that commit; the hold must go and everything still be the same object.
    ///
    /// # Errors
    ///
    /// When something does not.
    pub async fn mass_removal_reverted(&self, commit: &str) -> Result<Told> {
        let before = self.uid::<Deployment>("web").await?;
        let revert = self.human.revert(commit)?;
        let sync = self.is_live(&revert).await?;
        if !sync["status"]["held"].is_null() {
            bail!("nothing should be held any more, but the Sync's status says {}", sync["status"]["held"]);
        }
        self.nothing_is_missing().await?;
        if self.uid::<Deployment>("web").await? != before {
            bail!("the Deployment web was deleted and made again");
        }
        Ok(Told::new(format!(
            "the person reverts it (commit {}); the hold is over, no object was touched",
            short(&revert)
        )))
    }

    async fn nothing_is_missing(&self) -> Result<()> {
        self.uid::<Deployment>("web").await?;
        self.uid::<Service>("web").await?;
        for number in 1..=CATALOG {
            self.uid::<ConfigMap>(&entry(number)).await?;
        }
        Ok(())
    }

    /// The words of the status for an object of the shop.
    fn object(&self, kind: &str, name: &str) -> String {
        format!("{kind}/{}/{name}", self.shop.namespace)
    }
}

/// The entry of the status about an object that was changed back.
fn drift<'a>(status: &'a Value, object: &str, manager: &str) -> Option<&'a Value> {
    let mut all = status["drift"].as_array()?.iter();
    all.find(|one| one["object"] == object && one["manager"] == manager && one["repaired"] == true)
}
