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
        // Another daemon may lead by now.
        if cluster.may_write() {
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
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shutdown.requested() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use kube::Config;
    use lockstep_cluster::{Fence, Options};
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_no_longer_leads_creates_nothing() {
        for is_open in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
            let fence = Fence::closed();
            if is_open {
                fence.open_until(tokio::time::Instant::now() + 1000 * PAUSE);
            }
            let cluster = Cluster::with_config(Config::new(url), Options::default()).unwrap().fenced(fence);
            let spec = serde_json::from_value(json!({"source": {"repository": "https://git.example/c.git"}})).unwrap();
            let wanted = Bootstrap { name: "shop".into(), namespace: "lockstep".into(), spec };
            // Until the first pause is over, or the server, which says nothing, was called.
            let called = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if listener.accept().is_ok() {
                        return true;
                    }
                }
            };
            let found = tokio::select! {
                _ = create(wanted, cluster, Shutdown::new()) => false,
                called = called => called,
                () = tokio::time::sleep(2 * PAUSE) => false,
            };
            assert_eq!(found, is_open);
        }
    }
}
