//! The change requests of one branch on its forge.

use async_trait::async_trait;
use lockstep_forge::{Forge, ForgeError, NewRequest, Request};
use lockstep_repository::{CommitId, OWN_BRANCHES};

use crate::change_requests::{Requests, Texts};
use crate::message::MessageTemplate;
use crate::ports::PortError;
use crate::settings::{PullRequests, RepositorySettings};

/// A project on a forge, and what the settings want there.
#[derive(Debug)]
pub(crate) struct ForgeRequests {
    forge: Forge,
    base: String,
    settings: PullRequests,
    texts: Texts,
}

impl ForgeRequests {
    /// Makes the client; nothing is sent.
    ///
    /// # Errors
    /// If the settings cannot be used.
    pub(crate) fn open(repository: &RepositorySettings, settings: &PullRequests) -> Result<Self, PortError> {
        let template = |text: &Option<String>| text.as_deref().map(MessageTemplate::parse).transpose();
        let unusable = |message| PortError { category: "settings", message };
        let title = template(&settings.title).map_err(unusable)?;
        let texts = Texts {
            title: title.map_or_else(|| repository.message_template(), Ok).map_err(unusable)?,
            body: template(&settings.body).map_err(unusable)?,
            file_link: settings.file_link(),
        };
        let forge = settings.client(repository.ca_file.as_deref())?;
        Ok(Self { forge, base: repository.branch.clone(), settings: settings.clone(), texts })
    }
}

#[async_trait]
impl Requests for ForgeRequests {
    async fn open(&self) -> Result<Vec<Request>, PortError> {
        self.forge.open(&self.base, OWN_BRANCHES).await.map_err(failed)
    }

    async fn closed(&self) -> Result<Vec<Request>, PortError> {
        self.forge.closed(&self.base, OWN_BRANCHES).await.map_err(failed)
    }

    async fn create(&self, branch: &str, title: &str, body: &str) -> Result<Request, PortError> {
        self.forge.create(&NewRequest { branch, base: &self.base, title, body }).await.map_err(failed)
    }

    async fn rewrite(&self, request: &Request, title: &str, body: &str) -> Result<(), PortError> {
        self.forge.rewrite(request, title, body).await.map_err(failed)
    }

    async fn equip(&self, request: &Request, commit: CommitId) -> Result<(), PortError> {
        self.forge.label(request, &self.settings.labels).await.map_err(failed)?;
        // Where the forge does not say whether it was asked, it is asked again.
        if self.settings.auto_merge && request.merges_itself != Some(true) {
            self.forge.merge_when_ready(request, &commit.to_string()).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn close(&self, request: &Request, body: &str) -> Result<(), PortError> {
        self.forge.close(request, body).await.map_err(failed)
    }

    fn texts(&self) -> &Texts {
        &self.texts
    }
}

fn failed(error: ForgeError) -> PortError {
    PortError { category: error.category(), message: error.to_string() }
}
