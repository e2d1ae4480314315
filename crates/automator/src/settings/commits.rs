//! How the commits of a repository are: whom they name, what they say, who signs them, and on what they are made.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use lockstep_daemon::SecretFile;
use lockstep_repository::{AllowedSigners, Signature, SigningKey};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::check::Problems;
use super::{RepositorySettings, Settings};
use crate::message::MessageTemplate;
use crate::ports::PortError;

/// Whom commits name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address, which need not receive mail.
    pub email: String,
}

impl Default for Author {
    fn default() -> Self {
        Self { name: "Lockstep".to_owned(), email: "lockstep@localhost".to_owned() }
    }
}

impl Author {
    pub(crate) fn signature(&self) -> Signature {
        Signature { name: self.name.clone(), email: self.email.clone() }
    }
}

/// What commits are signed with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signing {
    /// A private SSH key without passphrase, Ed25519 or ECDSA.
    pub key_file: SecretFile,
}

impl Signing {
    /// The key as the file holds it now.
    pub(crate) fn key(&self) -> Result<SigningKey, PortError> {
        let failed = |message: String| PortError { category: "signing", message };
        let text = self.key_file.read().map_err(|error| failed(error.to_string()))?;
        let wrong = |error| failed(format!("the signing key in {} cannot be used: {error}", self.key_file.path()));
        SigningKey::parse(&text).map_err(wrong)
    }
}

/// Whose signature the head of the branch must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifyHead {
    /// In the form of ssh-keygen(1), "ALLOWED SIGNERS".
    pub allowed_signers_file: Utf8PathBuf,
}

impl VerifyHead {
    /// The signers that the file allows now.
    pub(crate) fn signers(&self) -> Result<AllowedSigners, PortError> {
        let failed = |message: String| PortError { category: "allowed-signers", message };
        let file = SecretFile::new(self.allowed_signers_file.clone());
        let text = file.read().map_err(|error| failed(error.to_string()))?;
        let wrong = |error| failed(format!("the allowed signers in {} cannot be used: {error}", file.path()));
        AllowedSigners::parse(text.expose_secret()).map_err(wrong)
    }
}

impl RepositorySettings {
    /// Who commits.
    pub(crate) fn committer(&self) -> &Author {
        self.committer.as_ref().unwrap_or(&self.author)
    }

    /// What the messages of commits say.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub(crate) fn message_template(&self) -> Result<MessageTemplate, String> {
        let template =
            self.message.as_deref().map_or_else(|| Ok(MessageTemplate::default()), MessageTemplate::parse)?;
        let Author { name, email } = self.committer();
        Ok(if self.sign_off { template.signed_off_by(format!("{name} <{email}>")) } else { template })
    }
}

/// What is wrong with these settings of one repository.
pub(super) fn problems(repository: &RepositorySettings, key: &str, problems: &mut Problems) {
    let named = [("author", Some(&repository.author)), ("committer", repository.committer.as_ref())];
    for (who, author) in named.into_iter().filter_map(|(who, author)| Some((who, author?))) {
        for (part, text) in [("name", &author.name), ("email", &author.email)] {
            if text.trim().is_empty() || text.contains(|letter: char| letter.is_control() || "<>".contains(letter)) {
                problems.add(format!("{key}.{who}.{part}"), "must be one line that is not empty and has no < or >");
            }
        }
    }
    if let Err(problem) = repository.message_template() {
        problems.add(format!("{key}.message"), problem);
    }
    if repository.verify_head.is_some() && repository.signing.is_none() && repository.pull_requests.is_none() {
        let message = "needs signing.key-file: without it the first commit of Lockstep's own would not pass";
        problems.add(format!("{key}.verify-head"), message);
    }
}

/// Files that can be read and are not what they should be.
pub(super) fn unusable_files(settings: &Settings, problems: &mut Problems) {
    for (index, repository) in settings.repositories.iter().enumerate() {
        let key = |name: &str| format!("repositories.{index}.{name}");
        let readable = |key: &str, problems: &Problems| !problems.names(key);
        let signing = key("signing.key-file");
        let mut ours = None;
        if let Some(Err(error)) = repository.signing.as_ref().map(|signing| signing.key().map(|key| ours = Some(key)))
            && readable(&signing, problems)
        {
            problems.add(signing, error.message);
        }
        let allowed = key("verify-head.allowed-signers-file");
        match repository.verify_head.as_ref().map(VerifyHead::signers) {
            Some(Err(error)) if readable(&allowed, problems) => problems.add(allowed, error.message),
            Some(Ok(signers)) if ours.is_some_and(|ours| !signers.allow(&ours, Timestamp::now())) => {
                let message = "does not allow the key of signing.key-file for the namespace git now: Lockstep would not go on from its own commits";
                problems.add(allowed, message);
            }
            _ => {}
        }
    }
}
