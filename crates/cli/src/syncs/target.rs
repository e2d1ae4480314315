//! What is looked at: a Sync of the daemon, or a folder before the cluster of a kubeconfig.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use lockstep_cluster::{Cluster, Connect, Options};
use lockstep_synchronizer::board::SyncKey;
use lockstep_synchronizer::inspect::Folder;

use crate::failure::Failure;
use crate::render::manifest_files;

/// How a folder meets a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "For a folder")]
pub(super) struct FolderArguments {
    /// The Sync whose objects the folder's would be
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = sync_key)]
    sync: Option<SyncKey>,
    /// The kubeconfig [default: KUBECONFIG, then ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<Utf8PathBuf>,
    /// The context in the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

fn sync_key(text: &str) -> Result<SyncKey, String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
            Ok(SyncKey { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}

/// `NAME|DIR`: a folder is written with a slash, so that no folder ever hides a Sync.
pub(super) fn folder(target: &str) -> Option<&Utf8Path> {
    (target.contains('/') || target == "." || target == "..").then(|| Utf8Path::new(target))
}

impl FolderArguments {
    /// The folder's files and the cluster that they are held against.
    pub(super) async fn open(&self, folder: &Utf8Path) -> Result<Folder, Failure> {
        let Some(sync) = self.sync.clone() else {
            return Err(Failure::usage(format!(
                "whose objects would those of {folder} be? Say it with --sync NAMESPACE/NAME"
            )));
        };
        let files = manifest_files(folder)?;
        let path = self.kubeconfig.clone().map(Into::into);
        let connect = Connect::Kubeconfig { path, context: self.context.clone() };
        let options =
            Options { user_agent: concat!("lockstep/", env!("CARGO_PKG_VERSION")).to_owned(), ..Options::default() };
        let cluster = Cluster::connect(connect, options).await.map_err(|error| {
            Failure::error(format!("cannot reach a cluster: {error}"))
                .next("Choose one with --kubeconfig and --context.")
        })?;
        Ok(Folder { cluster, sync, files })
    }

    /// What is worth saying about a Sync that is not in the cluster.
    pub(super) fn unknown_sync(&self) -> String {
        let sync = self.sync.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("there is no Sync {sync} in the cluster; this is what a new one would do")
    }
}

/// The place of a file in messages: below the folder as it was written.
pub(super) fn located(folder: Option<&Utf8Path>, file: String) -> String {
    match folder {
        Some(folder) if !file.is_empty() && !folder.is_file() => folder.join(file).into_string(),
        Some(folder) if !file.is_empty() => folder.to_string(),
        _ => file,
    }
}
