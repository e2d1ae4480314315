//! The story that the demo plays and the tests hold true: a tag travels from a registry through
//! Git into a cluster, and whatever goes wrong on the way is put right.
//!
//! A step does what a person, a publisher or bad luck would do, by real requests, waits for what
//! Lockstep must do about it, and tells. Who runs the daemons is not the story's business.

mod asks;
mod changes;
mod failing;
mod releases;
mod shop;

use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;

use crate::{ControlPlane, GitServer, GitWay, Human, Installation, Names, Registry};
use shop::Shop;

/// What a step had to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// One line.
    pub what: String,
    /// The evidence, if there is more: a diff, a message.
    pub evidence: Vec<String>,
}

impl Told {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), evidence: Vec::new() }
    }

    fn with(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// An installation with its servers, a shop in the config repository, and its images.
pub struct Story<'a> {
    plane: &'a ControlPlane,
    client: Client,
    shop: Shop,
    human: Human,
    git: GitServer,
    registry: Registry,
    installation: Installation,
    patience: Duration,
}

impl<'a> Story<'a> {
    /// Starts registry and Git server, installs Lockstep, pushes the first images and commits the
    /// shop. No daemon runs yet, and the Sync is created by [`Story::first_sync`].
    ///
    /// # Errors
    ///
    /// When a server cannot be started or the installation fails. `patience` is how long a step
    /// waits for each thing that must happen.
    pub async fn begin(plane: &'a ControlPlane, names: Names, way: GitWay, patience: Duration) -> Result<Self> {
        let installation = Installation::prepare(names, way)?;
        let git = GitServer::start(installation.git_options()).context("starting the Git server")?;
        let registry = installation.start_registry().await.context("starting the registry")?;
        installation.install(plane, &registry, &git).await?;
        let shop = Shop::new(&installation.names().workloads, &registry.address());
        let human = git.human()?;
        let this =
            Self { plane, client: plane.admin_client().await?, shop, human, git, registry, installation, patience };
        this.open_the_shop().await?;
        Ok(this)
    }

    async fn open_the_shop(&self) -> Result<()> {
        for (repository, tag) in [(shop::WEB, shop::WEB_FIRST), (shop::WORKER, shop::WORKER_FIRST)] {
            self.registry.push_image(repository, tag, None).await.context("pushing the first images")?;
        }
        for (path, text) in self.shop.files() {
            self.human.write(&path, &text)?;
        }
        self.human.commit("Open the shop")?;
        Ok(())
    }

    /// The settings, addresses and tokens.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The Git server.
    #[must_use]
    pub fn git(&self) -> &GitServer {
        &self.git
    }

    /// The person who commits.
    #[must_use]
    pub fn human(&self) -> &Human {
        &self.human
    }

    /// The control plane.
    #[must_use]
    pub fn plane(&self) -> &'a ControlPlane {
        self.plane
    }
}
