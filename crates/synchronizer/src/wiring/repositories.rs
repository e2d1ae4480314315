//! Git for the Syncs: one clone per URL, shared, one talk with the server at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use camino::Utf8PathBuf;
use lockstep_cluster::Cluster;
use lockstep_repository::{
    BlobId, CommitId, Credentials, PlainHttp, RemoteUrl, Repository, RepositoryError, TreeFile, TreeId,
};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::ports::{Branch, Head, Source, SourceError};

/// The clones under one folder.
pub(super) struct Repositories {
    folder: Utf8PathBuf,
    cluster: Cluster,
    clones: Mutex<HashMap<RemoteUrl, Arc<SharedClone>>>,
    kept: Mutex<HashMap<(String, String), Kept>>,
}

/// What a Secret held when it was last read. It is read again when it no longer opens the door: a daemon at rest asks the
/// API server nothing, and a rotated credential works as soon as the old one does not.
#[derive(Clone)]
struct Kept {
    version: String,
    credentials: Credentials,
}

/// One clone; opened by the first who needs it, taken away when it proves damaged.
struct SharedClone {
    folder: Utf8PathBuf,
    url: RemoteUrl,
    repository: RwLock<Option<Arc<Repository>>>,
    talking: tokio::sync::Mutex<Answers>,
}

/// What the server has said.
#[derive(Default)]
struct Answers {
    known: HashMap<Asked, Answer>,
    /// The last head of each branch.
    heads: HashMap<String, CommitId>,
}

/// The branch, and the Secret and its version that opened the door. An answer is only for who may hear it.
type Asked = (String, Option<(String, String, String)>);

struct Answer {
    /// When the server was asked.
    began: Instant,
    head: Result<CommitId, SourceError>,
}

/// An answer that nobody asked for in so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);

impl Repositories {
    pub(super) fn new(data: Utf8PathBuf, cluster: Cluster) -> Self {
        Self { folder: data.join("clones"), cluster, clones: Mutex::default(), kept: Mutex::default() }
    }

    fn clone_of(&self, branch: &Branch) -> Result<Arc<SharedClone>, SourceError> {
        let plain = if branch.source.dangerous_plain_http { PlainHttp::Allowed } else { PlainHttp::LoopbackOnly };
        let url = RemoteUrl::parse(&branch.source.repository, plain)
            .map_err(|error| wrong("url", format!("the Sync's repository cannot be used: {error}")))?;
        let mut clones = self.clones.lock().unwrap_or_else(PoisonError::into_inner);
        let made = clones.entry(url).or_insert_with_key(|url| {
            let name = hex::encode(Sha256::digest(url.as_str()));
            let folder = self.folder.join(&name[..24]);
            Arc::new(SharedClone {
                folder,
                url: url.clone(),
                repository: RwLock::new(None),
                talking: tokio::sync::Mutex::default(),
            })
        });
        Ok(made.clone())
    }

    /// What the Sync's Secret holds at this moment.
    async fn read(&self, namespace: &str, name: &str) -> Result<Kept, SourceError> {
        let place = format!("{namespace}/{name}");
        let read = self.cluster.secret(namespace, name).await.map_err(|error| SourceError {
            category: "credentials",
            transient: error.class.is_transient(),
            message: format!("the credentials of the repository cannot be read: {error}"),
        })?;
        let missing =
            || wrong("credentials", format!("the Secret {place} that secretRef names does not exist; create it"));
        let values = read.ok_or_else(missing)?;
        let bytes = |key: &str| values.bytes(key).map(|bytes| (key.to_owned(), bytes.expose_secret().to_vec()));
        let data: BTreeMap<String, Vec<u8>> = values.keys().filter_map(bytes).collect();
        let credentials = Credentials::from_secret_data(&data)
            .map_err(|error| wrong("credentials", format!("the Secret {place} cannot be used: {error}")))?;
        Ok(Kept { version: values.resource_version, credentials })
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(String, String), Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrong(category: &'static str, message: String) -> SourceError {
    SourceError { category, message, transient: false }
}

impl SharedClone {
    fn opened(&self) -> Result<Arc<Repository>, RepositoryError> {
        if let Some(open) = &*self.repository.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(open.clone());
        }
        let mut slot = self.repository.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*slot {
            return Ok(open.clone());
        }
        let open = Arc::new(Repository::open_or_init(self.folder.as_std_path(), &self.url)?);
        *slot = Some(open.clone());
        Ok(open)
    }

    /// Takes the clone away; the next who needs it finds an empty one. Those who read it at this moment end with an error.
    fn discard(&self, damage: &RepositoryError) {
        tracing::warn!(repository = %self.url, error = %damage, "the clone is damaged and is fetched anew");
        let mut slot = self.repository.write().unwrap_or_else(PoisonError::into_inner);
        *slot = None;
        // Without its HEAD it is recognised as damaged and replaced when it is opened.
        if let Err(error) = std::fs::remove_file(self.folder.join("git").join("HEAD")) {
            tracing::warn!(repository = %self.url, %error, "the damaged clone cannot be marked");
        }
    }
}

/// Runs what blocks on a thread for that. `proof` says of an unreadable object that it ought to have been there.
async fn reading<T: Send + 'static>(
    clone: Arc<SharedClone>,
    proof: impl FnOnce(&Repository) -> bool + Send + 'static,
    read: impl FnOnce(&Repository) -> Result<T, RepositoryError> + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(move || {
        let repository = clone.opened()?;
        let result = read(&repository);
        if let Err(damage) = &result
            && is_damage(damage)
            && proof(&repository)
        {
            clone.discard(damage);
        }
        result
    });
    match done.await {
        Ok(result) => result.map_err(|error| SourceError::from(&error)),
        Err(_) => Err(SourceError {
            category: "object",
            message: "reading the repository was broken off".to_owned(),
            transient: true,
        }),
    }
}

/// The head of the branch, which is in the clone then. One question is in flight at a time; those who wait meanwhile share
/// the answer to the next.
async fn fetched(
    clone: &Arc<SharedClone>,
    branch: &Branch,
    kept: Option<(&(String, String), &Kept)>,
    age: Duration,
) -> Result<Head, SourceError> {
    let asked_at = Instant::now();
    let name = branch.source.branch.clone();
    let door = kept.map(|((namespace, secret), kept)| (namespace.clone(), secret.clone(), kept.version.clone()));
    let asked: Asked = (name.clone(), door);
    let mut answers = clone.talking.lock().await;
    if let Some(Answer { began, head }) = answers.known.get(&asked) {
        let is_fresh = *began >= asked_at || (head.is_ok() && asked_at.duration_since(*began) <= age);
        if is_fresh {
            return head.clone().map(|commit| Head { commit, is_news: false });
        }
    }
    let began = Instant::now();
    let with = kept.map_or_else(Credentials::none, |(_, kept)| kept.credentials.clone());
    let ask = {
        let name = name.clone();
        move |repository: &Repository| {
            let head = repository.remote_head(&name, &with)?;
            if repository.tree_id(head, "").is_ok() { Ok(head) } else { repository.fetch(&name, &with) }
        }
    };
    let head = reading(clone.clone(), |_| true, ask).await;
    answers.known.retain(|_, known| began.duration_since(known.began) < FORGOTTEN);
    answers.known.insert(asked, Answer { began, head: head.clone() });
    let commit = head?;
    let before = answers.heads.insert(name, commit);
    Ok(Head { commit, is_news: before.is_some_and(|before| before != commit) })
}

#[async_trait]
impl Source for Repositories {
    async fn head(&self, branch: &Branch, age: Duration) -> Result<Head, SourceError> {
        let clone = self.clone_of(branch)?;
        let Some(reference) = &branch.source.secret_ref else {
            return fetched(&clone, branch, None, age).await;
        };
        let key = (branch.namespace.clone(), reference.name.clone());
        let kept = self.kept().get(&key).cloned();
        let failed = match &kept {
            Some(kept) => match fetched(&clone, branch, Some((&key, kept)), age).await {
                Ok(head) => return Ok(head),
                Err(error) => Some((kept.version.clone(), error)),
            },
            None => None,
        };
        // Forgotten first: a Secret that cannot be read opens no door.
        self.kept().remove(&key);
        let read = self.read(&key.0, &key.1).await?;
        self.kept().insert(key.clone(), read.clone());
        match failed {
            Some((version, error)) if version == read.version => Err(error),
            _ => fetched(&clone, branch, Some((&key, &read)), age).await,
        }
    }

    async fn tree(&self, branch: &Branch, commit: CommitId) -> Result<Option<TreeId>, SourceError> {
        let path = branch.source.path.clone();
        let read = move |repository: &Repository| match repository.tree_id(commit, &path) {
            Ok(tree) => Ok(Some(tree)),
            Err(RepositoryError::PathMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        // Anybody may ask for a commit that is not there.
        reading(self.clone_of(branch)?, |_| false, read).await
    }

    async fn matching(&self, branch: &Branch, head: CommitId, digits: &str) -> Result<Vec<CommitId>, SourceError> {
        let digits = digits.to_owned();
        reading(self.clone_of(branch)?, |_| true, move |repository| repository.matching(head, &digits)).await
    }

    async fn files(&self, branch: &Branch, commit: CommitId) -> Result<Vec<TreeFile>, SourceError> {
        let path = branch.source.path.clone();
        let has_commit = move |repository: &Repository| repository.tree_id(commit, "").is_ok();
        reading(self.clone_of(branch)?, has_commit, move |repository| repository.files(commit, &path)).await
    }

    async fn blobs(&self, branch: &Branch, blobs: &[BlobId], limit: u64) -> Vec<Result<Vec<u8>, SourceError>> {
        let clone = match self.clone_of(branch) {
            Ok(clone) => clone,
            Err(error) => return blobs.iter().map(|_| Err(error.clone())).collect(),
        };
        let wanted = blobs.to_vec();
        let read = move |repository: &Repository| {
            Ok(wanted.iter().map(|blob| repository.blob(*blob, limit)).collect::<Vec<_>>())
        };
        // A tree names them, so they ought to be there.
        let read = reading(clone.clone(), |_| true, read).await;
        let all = match read {
            Ok(all) => all,
            Err(error) => return blobs.iter().map(|_| Err(error.clone())).collect(),
        };
        if let Some(damage) = all.iter().find_map(|one| one.as_ref().err().filter(|error| is_damage(error))) {
            clone.discard(damage);
        }
        all.into_iter().map(|one| one.map_err(|error| SourceError::from(&error))).collect()
    }
}

fn is_damage(error: &RepositoryError) -> bool {
    matches!(error, RepositoryError::Object { .. })
}
