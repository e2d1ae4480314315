//! The good news: what is in Git runs, and what is pushed comes into Git.

use anyhow::{Result, bail};

use super::asks::short;
use super::shop::{OBJECTS, WEB, WEB_FIRST, WORKER, WORKER_FIRST};
use super::{Story, Told};

impl Story<'_> {
    /// The person creates the Sync; everything that Git holds must come to life.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn first_sync(&self) -> Result<Told> {
        self.installation.create_sync(self.plane, &self.git).await?;
        let head = self.human.head()?;
        let sync = self.is_live(&head).await?;
        self.rolled_out("web", &self.shop.image(WEB, WEB_FIRST)).await?;
        self.rolled_out("worker", &self.shop.image(WORKER, WORKER_FIRST)).await?;
        let total = sync["status"]["objects"]["total"].as_u64();
        if total != Some(OBJECTS as u64) {
            bail!("the Sync should have {OBJECTS} objects, but its status says {}", sync["status"]["objects"]);
        }
        let healthy = &sync["status"]["objects"]["healthy"];
        Ok(Told::new(format!(
            "commit {} applied: {OBJECTS} objects in namespace {}, {healthy} healthy",
            short(&head),
            self.shop.namespace
        )))
    }

    /// The publisher pushes an image; a commit of one line must appear.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn image_pushed(&self, tag: &str) -> Result<(String, Told)> {
        self.pushed(WEB, tag).await
    }

    /// The commit with an image must be applied and the rollout complete.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub async fn image_runs(&self, tag: &str, commit: &str) -> Result<Told> {
        self.is_live(commit).await?;
        self.rolled_out("web", &self.shop.image(WEB, tag)).await?;
        Ok(Told::new(format!("commit {} applied; every replica of web runs {tag}", short(commit))))
    }

    /// Pushes and waits for the commit; answers its hash.
    pub(super) async fn pushed(&self, repository: &str, tag: &str) -> Result<(String, Told)> {
        let before = self.human.head()?;
        self.registry.push_image(repository, tag, None).await?;
        let commit = self.next_commit(&before, &format!("a commit with {repository}:{tag}")).await?;
        let lines = self.changed_lines(&commit, 1)?;
        if !lines[1].contains(&self.shop.image(repository, tag)) {
            bail!("commit {} should write {repository}:{tag}, but writes {}", short(&commit), lines[1]);
        }
        let message = self.human.message(&commit)?;
        let subject = message.lines().next().unwrap_or_default();
        let told = Told::new(format!("{repository}:{tag} pushed; commit {} \"{subject}\"", short(&commit)));
        Ok((commit, told.with(lines.into_iter().map(|line| squeezed(&line)))))
    }
}

/// A line of a diff with its indentation shortened.
fn squeezed(line: &str) -> String {
    let (sign, text) = line.split_at(1);
    format!("{sign} {}", text.trim_start())
}
