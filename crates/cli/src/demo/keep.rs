//! What is left when the story is over: something to try, or logs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lockstep_testkit::{Daemon, Story};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What to try while everything runs. `program` is this program.
pub(super) fn instructions(story: &Story<'_>, program: &Path) -> String {
    let installation = story.installation();
    let (automator, synchronizer) = (Daemon::Automator, Daemon::Synchronizer);
    let folder = installation.folder();
    let at = |path: PathBuf| {
        let inside = path.strip_prefix(folder).map(|inside| format!("$DEMO/{}", inside.display()));
        inside.unwrap_or_else(|_| path.display().to_string())
    };
    let names = installation.names();
    let (namespace, sync) = (&names.sync_namespace, &names.sync);
    let program = program.display();
    let person = at(installation.person_token_file(synchronizer));
    let curl = format!(
        "curl --silent --cacert {} --user robot:$(cat {})",
        at(installation.registry_ca_file()),
        at(installation.registry_password_file())
    );
    let registry = format!("https://{}/v2/shop/web/manifests", story.registry().address());
    format!(
        "
Everything is running until Ctrl-C. In another terminal, first

  export DEMO={folder}
  export KUBECONFIG={kubeconfig}
  export LOCKSTEP_SERVER={server} LOCKSTEP_AUTOMATOR={automator_url}
  export LOCKSTEP_CA_FILE={ca}

and then, for instance,

  {program} get syncs --token-file {person}
  {program} sync {sync} --wait --token-file {person}
  {program} get images --token-file {reader}

  kubectl get syncs --namespace {namespace}
  kubectl --namespace {workloads} scale deployment web --replicas 7

  git clone {repository} config

  {curl} --header 'Accept: {MANIFEST}' {registry}/1.4.3 > manifest.json
  {curl} --header 'Content-Type: {MANIFEST}' --upload-file manifest.json {registry}/1.4.4

Settings and logs are in {folder}, metrics at
{automator_admin}/metrics and {synchronizer_admin}/metrics",
        folder = folder.display(),
        kubeconfig = story.plane().admin_kubeconfig().display(),
        workloads = names.workloads,
        server = installation.grpc_url(synchronizer),
        automator_url = installation.grpc_url(automator),
        ca = at(installation.ca_file()),
        reader = at(installation.person_token_file(automator)),
        repository = story.git().repository().display(),
        automator_admin = installation.admin_url(automator),
        synchronizer_admin = installation.admin_url(synchronizer),
    )
}

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
