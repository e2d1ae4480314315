//! The one Sync of the settings, created if it does not exist, so that an empty cluster begins to follow Git.

use std::time::Duration;

use kube::Api;
use kube::api::PostParams;
use lockstep_cluster::Cluster;
use lockstep_daemon::Shutdown;

use crate::resource::SyncObject;
use crate::settings::Bootstrap;

/// The resource definition, the namespace or the API server may come after us.
const PAUSE: Duration = Duration::from_secs(10);

/// Why the Sync cannot be created, and waiting does not help.
#[derive(Debug, thiserror::Error)]
#[error("create the Sync {namespace}/{name} of the settings: {message}; correct the settings and restart")]
pub(crate) struct BootstrapError {
    namespace: String,
    name: String,
    message: String,
}

/// Creates the Sync unless it exists. One that exists is left as it is, whatever the settings say.
///
/// # Errors
/// If the API server refuses the Sync as it is written.
pub(crate) async fn create(bootstrap: Bootstrap, cluster: Cluster, shutdown: Shutdown) -> Result<(), BootstrapError> {
    let Bootstrap { name, namespace, spec } = bootstrap;
    let api: Api<SyncObject> = Api::namespaced(cluster.client(), &namespace);
    let object = SyncObject::new(&name, spec);
    loop {
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => {
                tracing::info!(namespace, name, "created the Sync of the settings");
                return Ok(());
            }
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 422 || status.code == 400 => {
                return Err(BootstrapError { namespace, name, message: status.message.clone() });
            }
            Err(error) => {
                tracing::warn!(namespace, name, %error, "the Sync of the settings cannot be created yet; trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shutdown.requested() => return Ok(()),
        }
    }
}
