//! What is left when the story is over: something to try, or logs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use lockstep_testkit::{Daemon, Story};

/// What to try while everything runs.
pub(super) fn instructions(story: &Story<'_>) -> String {
    let installation = story.installation();
    let registry = story.registry().address();
    let names = installation.names();
    let (automator, synchronizer) = (Daemon::Automator, Daemon::Synchronizer);
    format!(
        "
Everything is running until Ctrl-C. To try, in another terminal:

  the cluster       export KUBECONFIG={kubeconfig}
                    kubectl get syncs --namespace {sync_namespace}
                    kubectl --namespace {workloads} scale deployment web --replicas 7

  the daemons       export LOCKSTEP_SERVER={server} LOCKSTEP_AUTOMATOR={automator_url} LOCKSTEP_CA_FILE={ca}
                    {program} get syncs --all-namespaces --token-file {person}
                    {program} sync {sync} --namespace {sync_namespace} --wait --token-file {person}
                    {program} get images --token-file {reader}

  Git               git clone {repository} config

  a new image       curl -s --cacert {registry_ca} -u robot:$(cat {password}) -H 'Accept: {MANIFEST}' \\
                      https://{registry}/v2/shop/web/manifests/1.4.3 > manifest.json
                    curl -s --cacert {registry_ca} -u robot:$(cat {password}) -H 'Content-Type: {MANIFEST}' \\
                      -X PUT --data-binary @manifest.json https://{registry}/v2/shop/web/manifests/1.4.4

  settings, logs    {folder}
  metrics           {automator_admin}/metrics  {synchronizer_admin}/metrics
",
        kubeconfig = story.plane().admin_kubeconfig().display(),
        sync_namespace = names.sync_namespace,
        workloads = names.workloads,
        sync = names.sync,
        server = installation.grpc_url(synchronizer),
        automator_url = installation.grpc_url(automator),
        ca = installation.ca_file().display(),
        program = std::env::current_exe().unwrap_or_else(|_| "lockstep".into()).display(),
        person = installation.person_token_file(synchronizer).display(),
        reader = installation.person_token_file(automator).display(),
        repository = story.git().repository().display(),
        registry_ca = installation.registry_ca_file().display(),
        password = installation.registry_password_file().display(),
        folder = installation.folder().display(),
        automator_admin = installation.admin_url(automator),
        synchronizer_admin = installation.admin_url(synchronizer),
    )
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Copies every log to `folder`, which is emptied first: what runs goes, and its folders with it.
pub(super) fn logs(story: &Story<'_>, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    for source in [story.installation().folder(), story.plane().folder()] {
        for entry in fs::read_dir(source).with_context(|| format!("reading {}", source.display()))? {
            let path = entry?.path();
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "log")) {
                fs::copy(&path, folder.join(name)).with_context(|| format!("copying {}", path.display()))?;
            }
        }
    }
    Ok(())
}
