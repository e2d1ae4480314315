//! A branch in a bare clone on disk. Everything of Git blocks, so all of it happens on threads made for that.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use async_trait::async_trait;
use camino::Utf8Path;
use jiff::Timestamp;
use lockstep_daemon::{SecretFile, SecretFileError};
use lockstep_repository::{
    AllowedSigners, Authentication, BlobId, CommitId, CommitInfo, Credentials, NewCommit, PlainHttp, PushOutcome,
    RemoteUrl, Repository, RepositoryError, Signature, Step, TreeFile,
};
use secrecy::ExposeSecret as _;

use crate::ports::{Branch, FileChange, OwnBranch, PortError};
use crate::repository_name::normalised;
use crate::settings::{GitCredentials, RepositorySettings, Signing};

/// No manifest is larger.
const LARGEST_FILE: u64 = 8 << 20;

/// One branch of one clone; the branches of a repository share it.
#[derive(Clone)]
pub(crate) struct GitBranch {
    clone: Arc<Repository>,
    settings: Arc<RepositorySettings>,
}

/// The clones of the settings' repositories below one folder, one for each URL.
#[derive(Default)]
pub(crate) struct Clones(BTreeMap<String, Arc<Repository>>);

impl GitBranch {
    /// Opens the clone, or begins an empty one; nothing is fetched.
    ///
    /// # Errors
    /// If the URL or the folder cannot be used.
    pub(crate) fn open(
        settings: &RepositorySettings,
        folder: &Utf8Path,
        clones: &mut Clones,
    ) -> Result<Self, PortError> {
        let clone = match clones.0.get(&settings.url) {
            Some(clone) => Arc::clone(clone),
            None => {
                let plain = if settings.dangerous_plain_http { PlainHttp::Allowed } else { PlainHttp::LoopbackOnly };
                let url = RemoteUrl::parse(&settings.url, plain)
                    .map_err(|error| PortError { category: "settings", message: error.to_string() })?;
                let folder = folder.join(folder_name(&settings.url));
                let clone = Arc::new(Repository::open_or_init(folder.as_std_path(), &url).map_err(failed)?);
                clones.0.insert(settings.url.clone(), Arc::clone(&clone));
                clone
            }
        };
        Ok(Self { clone, settings: Arc::new(settings.clone()) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repository, &RepositorySettings) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let Self { clone, settings } = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&clone, &settings)).await;
        done.unwrap_or_else(|broken| {
            let message = format!("work with Git broke off: {broken}; this is a fault in Lockstep, please report it");
            Err(PortError { category: "broken", message })
        })
    }
}

#[async_trait]
impl Branch for GitBranch {
    async fn head(&self) -> Result<CommitId, PortError> {
        self.blocking(|clone, settings| clone.fetch(&settings.branch, &credentials(settings)?).map_err(failed)).await
    }

    async fn files(&self, commit: CommitId) -> Result<Vec<TreeFile>, PortError> {
        self.blocking(move |clone, settings| {
            let everything = [String::new()];
            let paths: &[String] = if settings.paths.is_empty() { &everything } else { &settings.paths };
            // A file below two of the folders is one file.
            let mut files = BTreeMap::new();
            for path in paths {
                for file in clone.files(commit, path).map_err(failed)? {
                    files.insert(file.path.clone(), file);
                }
            }
            Ok(files.into_values().collect())
        })
        .await
    }

    async fn blob(&self, blob: BlobId) -> Result<Vec<u8>, PortError> {
        self.blocking(move |clone, _| clone.blob(blob, LARGEST_FILE).map_err(failed)).await
    }

    async fn steps(&self, from: CommitId, until: Option<CommitId>, limit: usize) -> Result<Vec<Step>, PortError> {
        self.blocking(move |clone, _| {
            let commits = clone.first_parents(from, limit);
            let newer = commits.take_while(|commit| !commit.as_ref().is_ok_and(|commit| Some(commit.id) == until));
            newer.map(|commit| clone.step(commit?)).collect::<Result<_, _>>().map_err(failed)
        })
        .await
    }

    async fn commit(
        &self,
        parent: CommitId,
        changes: Vec<FileChange>,
        message: String,
        author: Option<Signature>,
        time: Timestamp,
    ) -> Result<CommitId, PortError> {
        self.blocking(move |clone, settings| {
            if let Some(verify) = &settings.verify_head {
                clone.signer(parent, &verify.signers()?).map_err(failed)?;
            }
            let changes = borrowed(&changes);
            let key = settings.signing.as_ref().map(Signing::key).transpose()?;
            let new = NewCommit {
                parent,
                changes: &changes,
                message: &message,
                author: &author.unwrap_or_else(|| settings.author.signature()),
                committer: &settings.committer().signature(),
                time,
                key: key.as_ref(),
            };
            clone.commit(&new).map_err(failed)
        })
        .await
    }

    async fn push(&self, commit: CommitId) -> Result<PushOutcome, PortError> {
        self.blocking(move |clone, settings| {
            clone.push(commit, &settings.branch, &credentials(settings)?).map_err(failed)
        })
        .await
    }

    async fn own(&self, branch: &str) -> Result<Option<OwnBranch>, PortError> {
        let branch = branch.to_owned();
        self.blocking(move |clone, settings| {
            let tip = match clone.fetch(&branch, &credentials(settings)?) {
                Ok(tip) => tip,
                Err(RepositoryError::BranchMissing { .. }) => return Ok(None),
                Err(error) => return Err(failed(error)),
            };
            let Some(tip) = clone.first_parents(tip, 1).next().transpose().map_err(failed)? else { return Ok(None) };
            let committer = clone.committer(tip.id).map_err(failed)?;
            let by_us = committer == settings.committer().signature() && tip.trailer("Lockstep-Change").is_some();
            Ok(Some(OwnBranch { tip, by_us }))
        })
        .await
    }

    async fn is_genuine(&self, commit: &CommitInfo, changes: Vec<FileChange>) -> Result<bool, PortError> {
        let (commit, parent) = (commit.id, commit.parent);
        self.blocking(move |clone, settings| {
            let Some(parent) = parent else { return Ok(false) };
            if let Some(signing) = &settings.signing
                && let Err(error) = clone.signer(commit, &AllowedSigners::only(&signing.key()?))
            {
                tracing::info!(%commit, %error, "a commit in our name is not signed by us; it is made anew");
                return Ok(false);
            }
            clone.has_just(commit, parent, &borrowed(&changes)).map_err(failed)
        })
        .await
    }

    async fn replace(
        &self,
        branch: &str,
        commit: CommitId,
        expected: Option<CommitId>,
    ) -> Result<PushOutcome, PortError> {
        let branch = branch.to_owned();
        self.blocking(move |clone, settings| {
            clone.replace(commit, &branch, expected, &credentials(settings)?).map_err(failed)
        })
        .await
    }
}

fn borrowed(changes: &[FileChange]) -> Vec<(&str, &[u8])> {
    changes.iter().map(|change| (change.path.as_str(), change.bytes.as_slice())).collect()
}

fn failed(error: RepositoryError) -> PortError {
    PortError { category: error.category(), message: error.to_string() }
}

/// What the files hold now: a rotated password works at the next use.
fn credentials(settings: &RepositorySettings) -> Result<Credentials, PortError> {
    let read = || -> Result<Credentials, SecretFileError> {
        let text = |path: &Utf8Path| SecretFile::new(path).read().map(|text| text.expose_secret().to_owned());
        let ca_pem = settings.ca_file.as_deref().map(text).transpose()?;
        let authentication = match &settings.credentials {
            None => Authentication::None,
            Some(GitCredentials { username: Some(username), password_file: Some(file), .. }) => {
                Authentication::Basic { username: username.clone(), password: file.read()? }
            }
            Some(GitCredentials { bearer_token_file: Some(file), .. }) => Authentication::Bearer(file.read()?),
            Some(GitCredentials { identity_file: Some(identity), known_hosts_file: Some(known_hosts), .. }) => {
                // A private key is not one without the newline at its end.
                let identity = format!("{}\n", identity.read()?.expose_secret());
                Authentication::Ssh { identity: identity.into(), known_hosts: text(known_hosts)? }
            }
            Some(_) => Authentication::None,
        };
        Ok(Credentials { authentication, ca_pem })
    };
    read().map_err(|error| PortError { category: "credentials", message: format!("{}: {error}", settings.url) })
}

/// A name for the clone's folder: readable, and different for different URLs.
fn folder_name(url: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    let readable: String = normalised(url).chars().map(plain).take(80).collect();
    let mut hash = DefaultHasher::new();
    url.hash(&mut hash);
    format!("{}-{:016x}", readable.trim_start_matches('.'), hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repository_has_a_folder_of_its_own_with_a_plain_name() {
        let urls =
            ["https://git.example/a/b.git", "https://git.example/a-b.git", "git@git.example:../../x", "ssh://h/x"];
        let names: std::collections::BTreeSet<String> = urls.iter().map(|url| folder_name(url)).collect();
        assert_eq!(names.len(), urls.len());
        for name in names {
            assert!(!name.contains('/') && !name.starts_with('.') && name.len() < 100, "{name}");
        }
        assert!(folder_name(urls[0]).starts_with("git.example-a-b-"));
    }
}
