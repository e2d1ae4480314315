//! Who may speak with the API server: certificates, tokens, kubeconfigs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::ControlPlane;
use crate::tls::{Authority, token_keys_pem};

pub(super) const ADMINISTRATOR: &str = "administrator";
pub(super) const CA: &str = "ca.pem";
pub(super) const CERTIFICATE: &str = "server.pem";
pub(super) const KEY: &str = "server-key.pem";
pub(super) const TOKENS: &str = "tokens.csv";
pub(super) const TOKEN_KEY: &str = "service-accounts.pem";
pub(super) const TOKEN_PUBLIC_KEY: &str = "service-accounts-public.pem";
pub(super) const CONTROLLERS_KUBECONFIG: &str = "controllers.kubeconfig";
pub(super) const SCHEDULER_KUBECONFIG: &str = "scheduler.kubeconfig";
pub(super) const NODES_KUBECONFIG: &str = "nodes.kubeconfig";
const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";

/// A day, so that no test outlives its token.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// The files by which everybody knows everybody, in the control plane's folder.
pub(super) struct Identities {
    folder: PathBuf,
    server: String,
    ca_pem: String,
    written: AtomicUsize,
}

impl Identities {
    /// Makes keys, certificates, static tokens and the kubeconfigs that use them.
    pub(super) fn write(folder: &Path, port: u16) -> Result<Self> {
        let authority = Authority::new()?;
        let certificate = authority.server_certificate()?;
        let this = Self {
            folder: folder.to_owned(),
            server: format!("https://127.0.0.1:{port}"),
            ca_pem: authority.pem().to_owned(),
            written: AtomicUsize::new(0),
        };
        this.file(CA, &this.ca_pem)?;
        this.file(CERTIFICATE, &certificate.certificate_pem)?;
        this.file(KEY, &certificate.key_pem)?;
        let (private, public) = token_keys_pem()?;
        this.file(TOKEN_KEY, &private)?;
        this.file(TOKEN_PUBLIC_KEY, &public)?;
        let mut tokens = String::new();
        for (user, kubeconfig) in [
            (ADMINISTRATOR, ADMIN_KUBECONFIG),
            ("plane:controllers", CONTROLLERS_KUBECONFIG),
            ("plane:scheduler", SCHEDULER_KUBECONFIG),
            ("plane:nodes", NODES_KUBECONFIG),
        ] {
            let token = hex::encode(rand::rng().random::<[u8; 16]>());
            tokens.push_str(&format!("{token},{user},{user},\"system:masters\"\n"));
            this.file(kubeconfig, &this.kubeconfig(user, "default", &token.into()))?;
        }
        this.file(TOKENS, &tokens)?;
        Ok(this)
    }

    pub(super) fn server_url(&self) -> &str {
        &self.server
    }

    pub(super) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(super) fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join(ADMIN_KUBECONFIG)
    }

    fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// JSON, which is YAML too.
    fn kubeconfig(&self, user: &str, namespace: &str, token: &SecretString) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lockstep-test", "cluster": {
                "server": self.server,
                "certificate-authority-data": STANDARD.encode(&self.ca_pem),
            }}],
            "users": [{"name": user, "user": {"token": token.expose_secret()}}],
            "contexts": [{"name": "lockstep-test", "context": {
                "cluster": "lockstep-test", "user": user, "namespace": namespace,
            }}],
            "current-context": "lockstep-test",
        })
        .to_string()
    }
}

impl ControlPlane {
    /// A client of the administrator, for use in the present tokio runtime only.
    ///
    /// # Errors
    ///
    /// When the kubeconfig is gone or makes no client.
    pub async fn admin_client(&self) -> Result<Client> {
        let text = fs::read_to_string(self.admin_kubeconfig()).context("reading the kubeconfig")?;
        client(&text).await
    }

    /// A client with the rights of a ServiceAccount, which must exist: `client_as("shop", "deployer")`.
    ///
    /// # Errors
    ///
    /// When no token is to be had for it.
    pub async fn client_as(&self, namespace: &str, service_account: &str) -> Result<Client> {
        client(&self.service_account_kubeconfig(namespace, service_account).await?).await
    }

    /// A kubeconfig file with a token of a ServiceAccount, which must exist; for a daemon that runs
    /// as a process of its own. The token is good for a day.
    ///
    /// # Errors
    ///
    /// When no token is to be had for it.
    pub async fn kubeconfig_for(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let text = self.service_account_kubeconfig(namespace, service_account).await?;
        let number = self.identities.written.fetch_add(1, Ordering::Relaxed);
        self.identities.file(&format!("{namespace}-{service_account}-{number}.kubeconfig"), &text)
    }

    /// A token of a ServiceAccount, which must exist.
    ///
    /// # Errors
    ///
    /// When the API server refuses.
    pub async fn token_for(&self, namespace: &str, service_account: &str) -> Result<SecretString> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, namespace);
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: None,
                expiration_seconds: Some(TOKEN_SECONDS),
                bound_object_ref: None,
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(service_account, &PostParams::default(), &wanted)
            .await
            .with_context(|| format!("asking for a token of {namespace}/{service_account}"))?;
        let token = answer.status.and_then(|status| status.token);
        Ok(token.context("a token request without a token")?.into())
    }

    async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<String> {
        let token = self.token_for(namespace, name).await?;
        let user = format!("system:serviceaccount:{namespace}:{name}");
        Ok(self.identities.kubeconfig(&user, namespace, &token))
    }
}

async fn client(kubeconfig: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    Ok(Client::try_from(config)?)
}
