//! A release that cannot run, and the way back.

use anyhow::{Context, Result, bail};
use lockstep_api::v1::updates_client::UpdatesClient;
use lockstep_api::v1::{ListImagesRequest, ScanRequest, ScanResponse};

use super::asks::short;
use super::shop::{WORKER, WORKER_FIRST, file};
use super::{Story, Told};
use crate::Daemon;

/// The trailer by which a revert of ours is known.
const REVERT: &str = "Lockstep-Change: revert";

impl Story<'_> {
    /// The publisher pushes a build of the worker that no node can pull. It must come into Git,
    /// for nobody knows yet. Answers the commit too.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn bad_image_pushed(&self, tag: &str) -> Result<(String, Told)> {
        self.pushed(WORKER, tag).await
    }

    /// The rollout of the bad build fails; one revert commit must take back what `commit` changed,
    /// and every replica run the old build again.
    ///
    /// # Errors
    ///
    /// When something of that does not happen.
    pub async fn bad_image_reverted(&self, commit: &str) -> Result<Told> {
        let revert = self.next_commit(commit, "the revert commit").await?;
        let message = self.human.message(&revert)?;
        if !message.lines().any(|line| line == REVERT) {
            bail!("commit {} should be a revert of ours, but its message is:\n{message}", short(&revert));
        }
        let lines = self.changed_lines(&revert, 1)?;
        if !lines[1].contains(&self.shop.image(WORKER, WORKER_FIRST)) {
            bail!("commit {} should go back to {WORKER_FIRST}, but writes {}", short(&revert), lines[1]);
        }
        self.is_live(&revert).await?;
        self.rolled_out("worker", &self.shop.image(WORKER, WORKER_FIRST)).await?;
        let mut paragraphs = message.lines().filter(|line| !line.is_empty() && !line.contains("Lockstep-"));
        let subject = paragraphs.next().unwrap_or_default().to_owned();
        let told = Told::new(format!("commit {} \"{subject}\"; worker is healthy again", short(&revert)));
        Ok(told.with(paragraphs.map(str::to_owned)))
    }

    /// Asks the automator to scan now; the bad tag is still the newest, and must not come back.
    ///
    /// # Errors
    ///
    /// When it comes back, or the automator does not answer.
    pub async fn bad_image_stays_away(&self, tag: &str) -> Result<Told> {
        let before = self.human.head()?;
        let answer = self.scan().await?;
        if let Some(error) = answer.errors.first() {
            bail!("the automator could not look at everything: {error}");
        }
        let worker = self.human.show(&file("worker.yaml"))?;
        if !answer.commits.is_empty() || self.human.head()? != before {
            bail!("a scan should commit nothing, but committed {:?}", answer.commits);
        }
        if !worker.contains(&self.shop.image(WORKER, WORKER_FIRST)) {
            bail!("{} should still be at {WORKER_FIRST}:\n{worker}", file("worker.yaml"));
        }
        let reverts = self.commits_with(REVERT)?;
        if reverts != 1 {
            bail!("there should be one revert commit, not {reverts}");
        }
        let places = answer.places;
        let told = Told::new(format!("a scan of all {places} places commits nothing: {tag} stays undone"));
        Ok(told.with(self.reason("worker").await?))
    }

    /// A newer build is pushed; it must be taken, for only the bad one is shut out.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub async fn newer_image_goes_on(&self, tag: &str) -> Result<Told> {
        let (commit, told) = self.pushed(WORKER, tag).await?;
        self.is_live(&commit).await?;
        self.rolled_out("worker", &self.shop.image(WORKER, tag)).await?;
        Ok(Told { what: format!("{}; every replica runs it", told.what), evidence: Vec::new() })
    }

    /// One scan by the automator, waited for.
    ///
    /// # Errors
    ///
    /// When the automator refuses or cannot be reached.
    pub async fn scan(&self) -> Result<ScanResponse> {
        let mut client = UpdatesClient::new(self.installation.channel(Daemon::Automator)?);
        let answer = client.scan(ScanRequest::default()).await.context("asking the automator for a scan")?;
        Ok(answer.into_inner())
    }

    /// Why the automator leaves the image of a container as it is, if it says so.
    async fn reason(&self, container: &str) -> Result<Option<String>> {
        let mut client = UpdatesClient::new(self.installation.channel(Daemon::Automator)?);
        let answer = client.list_images(ListImagesRequest::default()).await.context("asking for the images")?;
        let image = answer.into_inner().images.into_iter().find(|image| image.container == container);
        let held = image.map(|image| image.held).filter(|held| !held.is_empty());
        Ok(held.map(|held| format!("the automator says of {container}: {held}")))
    }
}
