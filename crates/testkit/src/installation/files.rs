//! The settings files, and the files that they name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Daemon, GitWay, Installation, PATH, ROBOT, random};
use crate::{GitServer, Registry};

impl Installation {
    pub(super) fn write_files(
        &self,
        kubeconfig: &Path,
        operator: &SecretString,
        registry: &Registry,
        git: &GitServer,
    ) -> Result<()> {
        let cluster = random();
        self.write_automator(&cluster, registry, git)?;
        self.write_certificate(Daemon::Synchronizer)?;
        write(&self.person_token_file(Daemon::Synchronizer), operator.expose_secret())?;
        write(&self.file(Daemon::Synchronizer, "automator-token"), cluster.expose_secret())?;
        write(&self.settings(Daemon::Synchronizer), &self.synchronizer_settings(kubeconfig))
    }

    /// Writes what the automator alone needs: it knows no cluster.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn install_automator(&self, registry: &Registry, git: &GitServer) -> Result<()> {
        self.write_automator(&random(), registry, git)
    }

    /// Changes the settings file of a daemon, which reads it at its next start.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub fn change_settings(&self, daemon: Daemon, change: impl FnOnce(&mut serde_json::Value)) -> Result<()> {
        let path = self.settings(daemon);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut settings = serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        change(&mut settings);
        // JSON, which is YAML too.
        write(&path, &settings.to_string())
    }

    fn write_certificate(&self, daemon: Daemon) -> Result<()> {
        let pair = self.authority.server_certificate()?;
        write(&self.file(daemon, "tls.crt"), &pair.certificate_pem)?;
        write(&self.file(daemon, "tls.key"), &pair.key_pem)
    }

    fn write_automator(&self, cluster: &SecretString, registry: &Registry, git: &GitServer) -> Result<()> {
        write(&self.ca_file(), self.authority.pem())?;
        self.write_certificate(Daemon::Automator)?;
        let person = random();
        write(&self.person_token_file(Daemon::Automator), person.expose_secret())?;
        write(&self.file(Daemon::Automator, "tokens.yaml"), &tokens(cluster, &person, &self.git_url(git)))?;
        write(&self.file(Daemon::Automator, "webhook-secret"), self.webhook_secret.expose_secret())?;
        write(&self.registry_password_file(), self.registry_password.expose_secret())?;
        write(&self.registry_ca_file(), registry.ca_pem().context("the registry has no certificate")?)?;
        match self.way {
            GitWay::Https => {
                write(&self.file(Daemon::Automator, "git-password"), self.git_password.expose_secret())?;
                write(&self.file(Daemon::Automator, "git-ca.crt"), git.ca_pem().context("Git has no certificate")?)?;
            }
            GitWay::Ssh => {
                write(&self.file(Daemon::Automator, "git-identity"), git.ssh_identity().expose_secret())?;
                write(&self.file(Daemon::Automator, "git-known-hosts"), &git.known_hosts()?)?;
            }
        }
        write(&self.settings(Daemon::Automator), &self.automator_settings(registry, git))
    }

    /// The repository's URL as the daemons know it.
    pub(super) fn git_url(&self, git: &GitServer) -> String {
        match self.way {
            GitWay::Https => git.http_url(),
            GitWay::Ssh => git.ssh_url(),
        }
    }

    fn automator_settings(&self, registry: &Registry, git: &GitServer) -> String {
        let at = |name: &str| self.file(Daemon::Automator, name).display().to_string();
        let credentials = match self.way {
            GitWay::Https => format!(
                "credentials:
      username: {ROBOT}
      password-file: {}
    ca-file: {}",
                at("git-password"),
                at("git-ca.crt"),
            ),
            GitWay::Ssh => format!(
                "credentials:
      identity-file: {}
      known-hosts-file: {}",
                at("git-identity"),
                at("git-known-hosts"),
            ),
        };
        format!(
            "repositories:
  - url: {url}
    branch: main
    paths: [{PATH}]
    author: {{name: Lockstep, email: lockstep@example.com}}
    {credentials}
registries:
  - host: {host}
    username: {ROBOT}
    password-file: {registry_password}
    ca-file: {registry_ca}
intervals: {{registries: 5m, git: 2s, batch: 1s, settle: 0s}}
data: {data}
listen:
  grpc: 127.0.0.1:{grpc}
  admin: 127.0.0.1:{admin}
  webhook: 127.0.0.1:{webhook}
tls:
  certificate-file: {certificate}
  key-file: {key}
tokens-file: {tokens}
webhooks:
  - kind: distribution
    secret-file: {webhook_secret}
",
            url = self.git_url(git),
            host = registry.address(),
            registry_password = self.registry_password_file().display(),
            registry_ca = self.registry_ca_file().display(),
            data = self.data(Daemon::Automator).display(),
            grpc = self.ports.automator_grpc,
            admin = self.ports.automator_admin,
            webhook = self.ports.webhook,
            certificate = at("tls.crt"),
            key = at("tls.key"),
            tokens = at("tokens.yaml"),
            webhook_secret = at("webhook-secret"),
        )
    }

    fn synchronizer_settings(&self, kubeconfig: &Path) -> String {
        let at = |name: &str| self.file(Daemon::Synchronizer, name).display().to_string();
        format!(
            "kubeconfig: {kubeconfig}
namespaces: [{namespace}]
data: {data}
automator:
  address: {automator}
  token-file: {token}
  ca-file: {ca}
listen:
  grpc: 127.0.0.1:{grpc}
  admin: 127.0.0.1:{admin}
tls:
  certificate-file: {certificate}
  key-file: {key}
",
            kubeconfig = kubeconfig.display(),
            namespace = self.names.sync_namespace,
            data = self.data(Daemon::Synchronizer).display(),
            automator = self.grpc_url(Daemon::Automator),
            token = at("automator-token"),
            ca = self.ca_file().display(),
            grpc = self.ports.synchronizer_grpc,
            admin = self.ports.synchronizer_admin,
            certificate = at("tls.crt"),
            key = at("tls.key"),
        )
    }
}

/// Who may call the automator: the cluster and a person.
fn tokens(cluster: &SecretString, person: &SecretString, repository: &str) -> String {
    let hash = |token: &SecretString| hex::encode(Sha256::digest(token.expose_secret()));
    format!(
        "- name: demo-cluster
  sha256: {}
  roles: [vote]
  repositories: [\"{repository}\"]
- name: person
  sha256: {}
  roles: [read, scan]
",
        hash(cluster),
        hash(person),
    )
}

/// Writes a file that only its owner may read, as a secret should be.
fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
