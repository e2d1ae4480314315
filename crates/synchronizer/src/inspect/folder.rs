//! The same look from outside of the daemon: at a folder instead of a commit, with the rights of whoever looks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lockstep_api::v1::{DiffResponse, PlanResponse};
use lockstep_cluster::{CallError, Cluster, Kind};
use lockstep_daemon::Shutdown;
use lockstep_repository::{BlobId, CommitId, FileMode, TreeFile, TreeId};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{InspectError, Inspector, PlanOptions, Sight};
use crate::{
    actor::Common,
    board::{Board, SyncKey},
    drift::Watches,
    mailbox::Mailboxes,
    ports::{Branch, Head, Source, SourceError},
    protected::Protected,
    resource::SyncObject,
    wiring,
};

/// Calls in flight to the API server.
const CALLS: usize = 8;

/// A folder of manifests before a cluster, as if the Sync's branch held it.
pub struct Folder {
    /// The API server, as whoever looks.
    pub cluster: Cluster,
    /// The Sync whose objects they would be. One that does not exist owns nothing yet.
    pub sync: SyncKey,
    /// The files by their path below the folder.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Why a folder could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The API server did not say what it was asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The Sync in the cluster is of a version that this program does not know.
    #[error("the Sync {sync} cannot be understood: {problem}")]
    Sync {
        /// Which.
        sync: SyncKey,
        /// What is odd about it.
        problem: String,
    },
    /// The commit, or the cluster, cannot be read.
    #[error("{0}")]
    Look(String),
}

impl From<InspectError> for LookError {
    fn from(error: InspectError) -> Self {
        Self::Look(error.to_string())
    }
}

impl Folder {
    /// What a turn would do, object by object, and whether the Sync exists.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn plan(self, options: PlanOptions) -> Result<(PlanResponse, bool), LookError> {
        let (object, exists) = self.object().await?;
        let key = self.sync.clone();
        let (inspector, watches) = self.inspector();
        let plan = inspector.plan(&key, &object, "", options);
        let mut answer = while_watching(&watches, plan).await?;
        answer.commit.clear();
        answer.held.iter_mut().for_each(|held| held.commit.clear());
        Ok((answer, exists))
    }

    /// What a turn would change, field by field, and whether the Sync exists.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn diff(self) -> Result<(DiffResponse, bool), LookError> {
        let (object, exists) = self.object().await?;
        let key = self.sync.clone();
        let (inspector, watches) = self.inspector();
        let mut answer = while_watching(&watches, inspector.diff(&key, &object, "", &OwnEyes)).await?;
        answer.commit.clear();
        answer.held.iter_mut().for_each(|held| held.commit.clear());
        Ok((answer, exists))
    }

    /// The Sync as it stands, with this folder as its source; a new one if there is none.
    async fn object(&self) -> Result<(SyncObject, bool), LookError> {
        let SyncKey { namespace, name } = &self.sync;
        let found = self.cluster.object(&wiring::sync_kind(), namespace, name).await;
        let found = match found {
            Ok(found) => found,
            // Without its definition there is no Sync.
            Err(error) if error.code == Some(404) => None,
            Err(error) => return Err(error.into()),
        };
        let exists = found.is_some();
        let mut value = found.unwrap_or_else(|| {
            json!({
                "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync",
                "metadata": {"namespace": namespace, "name": name}, "spec": {},
            })
        });
        value["spec"]["source"] = json!({"repository": "https://folder.invalid/", "path": "."});
        if let Some(spec) = value["spec"].as_object_mut() {
            spec.remove("serviceAccountName");
        }
        let sync = || self.sync.clone();
        let object = serde_json::from_value(value)
            .map_err(|error| LookError::Sync { sync: sync(), problem: error.to_string() })?;
        Ok((object, exists))
    }

    fn inspector(self) -> (Inspector, Arc<Watches>) {
        let ports = wiring::looking_ports(self.cluster, Arc::new(Files(self.files)));
        let mailboxes = Arc::new(Mailboxes::default());
        let watches = Arc::new(Watches::new(ports.cluster.clone(), mailboxes.clone()));
        let common = Common {
            ports,
            board: Board::default(),
            mailboxes,
            watches: watches.clone(),
            concurrency: CALLS,
            turns: Arc::new(Semaphore::new(1)),
            protected: Protected::of(&self.sync.namespace),
            shutdown: Shutdown::new(),
        };
        (Inspector::new(common), watches)
    }
}

/// The watches fill the index for as long as somebody looks.
async fn while_watching<T>(
    watches: &Watches,
    look: impl Future<Output = Result<T, InspectError>>,
) -> Result<T, InspectError> {
    tokio::select! {
        answer = look => answer,
        () = watches.run(Shutdown::new()) => Err(InspectError::Stopping),
    }
}

/// Whoever reads the cluster by themselves sees what they may see.
struct OwnEyes;

#[async_trait]
impl Sight for OwnEyes {
    async fn may_read(&self, _: &Kind, _: &str, _: &str) -> bool {
        true
    }
}

/// Files as a repository of one commit; the id of a blob is the file's number.
struct Files(Vec<(String, Vec<u8>)>);

fn id<T: std::str::FromStr<Err = String>>(number: usize) -> Result<T, SourceError> {
    let odd = |message| SourceError { category: "object", message, transient: false };
    format!("{number:040x}").parse().map_err(odd)
}

#[async_trait]
impl Source for Files {
    async fn head(&self, _: &Branch, _: Duration) -> Result<Head, SourceError> {
        Ok(Head { commit: CommitId::none(), is_news: false })
    }

    async fn tree(&self, _: &Branch, _: CommitId) -> Result<Option<TreeId>, SourceError> {
        if self.0.is_empty() { Ok(None) } else { id(0).map(Some) }
    }

    async fn matching(&self, _: &Branch, head: CommitId, _: &str) -> Result<Vec<CommitId>, SourceError> {
        Ok(vec![head])
    }

    async fn files(&self, _: &Branch, _: CommitId) -> Result<Vec<TreeFile>, SourceError> {
        let file = |(number, (path, _)): (usize, &(String, Vec<u8>))| {
            Ok(TreeFile { path: path.clone(), blob: id(number)?, mode: FileMode::Plain, linked: false })
        };
        self.0.iter().enumerate().map(file).collect()
    }

    async fn blobs(&self, _: &Branch, blobs: &[BlobId], _: u64) -> Vec<Result<Vec<u8>, SourceError>> {
        let bytes = |blob: &BlobId| {
            let number = usize::from_str_radix(&blob.to_string(), 16).unwrap_or(usize::MAX);
            let missing = || SourceError { category: "object", message: "no such file".to_owned(), transient: false };
            self.0.get(number).map(|(_, bytes)| bytes.clone()).ok_or_else(missing)
        };
        blobs.iter().map(bytes).collect()
    }
}
