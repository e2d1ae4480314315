//! The command lines of the control plane's programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::identity::{
    CA, CERTIFICATE, CONTROLLERS_KUBECONFIG, KEY, NODES_KUBECONFIG, SCHEDULER_KUBECONFIG, TOKEN_KEY, TOKEN_PUBLIC_KEY,
    TOKENS,
};
use crate::plane::Plane;
use crate::port;
use crate::process::Process;

/// Where the API server writes one line for each call.
pub(super) const AUDIT_LOG: &str = "audit.log";

const AUDIT_POLICY: &str = include_str!("audit_policy.yaml");
const STAGES: &str = include_str!("stages.yaml");

/// The ports of one control plane.
pub(super) struct Ports {
    pub(super) api_server: u16,
    etcd: u16,
    etcd_peers: u16,
    kwok: u16,
}

impl Ports {
    pub(super) fn free() -> Result<Self> {
        let [api_server, etcd, etcd_peers, kwok] = port::free()?;
        Ok(Self { api_server, etcd, etcd_peers, kwok })
    }
}

/// Starts etcd and the API server.
pub(super) fn start_api(plane: &Plane, folder: &Path, ports: &Ports) -> Result<Vec<Process>> {
    fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY).context("writing the audit policy")?;
    let at = |name: &str| folder.join(name).display().to_string();
    let etcd_url = format!("http://127.0.0.1:{}", ports.etcd);
    let peers_url = format!("http://127.0.0.1:{}", ports.etcd_peers);

    let mut etcd = plane.program("etcd");
    flags(
        &mut etcd,
        &[
            ("data-dir", &at("etcd")),
            ("listen-client-urls", &etcd_url),
            ("advertise-client-urls", &etcd_url),
            ("listen-peer-urls", &peers_url),
            ("initial-advertise-peer-urls", &peers_url),
            ("initial-cluster", &format!("default={peers_url}")),
            ("unsafe-no-fsync", "true"),
            ("log-level", "warn"),
        ],
    );
    // Whoever started it may die without a chance to clean up.
    etcd.env("LOCKSTEP_PLANE_REMOVE", folder);

    let mut api_server = plane.program("kube-apiserver");
    flags(
        &mut api_server,
        &[
            ("etcd-servers", &etcd_url),
            ("bind-address", "127.0.0.1"),
            ("advertise-address", "127.0.0.1"),
            ("endpoint-reconciler-type", "none"),
            ("secure-port", &ports.api_server.to_string()),
            ("tls-cert-file", &at(CERTIFICATE)),
            ("tls-private-key-file", &at(KEY)),
            ("cert-dir", &at("certificates")),
            ("service-account-issuer", "https://kubernetes.default.svc"),
            ("service-account-key-file", &at(TOKEN_PUBLIC_KEY)),
            ("service-account-signing-key-file", &at(TOKEN_KEY)),
            ("service-cluster-ip-range", "10.0.0.0/24"),
            ("authorization-mode", "RBAC"),
            ("token-auth-file", &at(TOKENS)),
            // Pods here have no use for a token, and need not wait for their ServiceAccount.
            ("disable-admission-plugins", "ServiceAccount"),
            ("audit-policy-file", &at("audit-policy.yaml")),
            ("audit-log-path", &at(AUDIT_LOG)),
            ("audit-log-maxsize", "4096"),
            ("allow-privileged", "true"),
            ("profiling", "false"),
        ],
    );

    Ok(vec![Process::spawn("etcd", etcd, folder)?, Process::spawn("kube-apiserver", api_server, folder)?])
}

/// Starts everything that works through the API server.
pub(super) fn start_controllers(plane: &Plane, folder: &Path, ports: &Ports) -> Result<Vec<Process>> {
    let stages = folder.join("stages.yaml");
    fs::write(&stages, STAGES).context("writing kwok's stages")?;
    let at = |name: &str| folder.join(name).display().to_string();

    let mut controllers = plane.program("kube-controller-manager");
    flags(
        &mut controllers,
        &[
            ("kubeconfig", &at(CONTROLLERS_KUBECONFIG)),
            ("leader-elect", "false"),
            ("service-account-private-key-file", &at(TOKEN_KEY)),
            ("root-ca-file", &at(CA)),
            ("controllers", "*,-nodeipam,-nodelifecycle,-ttl"),
            ("secure-port", "0"),
            ("kube-api-qps", "300"),
            ("kube-api-burst", "600"),
        ],
    );

    let mut scheduler = plane.program("kube-scheduler");
    flags(
        &mut scheduler,
        &[
            ("kubeconfig", &at(SCHEDULER_KUBECONFIG)),
            ("leader-elect", "false"),
            ("secure-port", "0"),
            ("kube-api-qps", "300"),
            ("kube-api-burst", "600"),
        ],
    );

    let mut kwok = plane.kwok();
    flags(
        &mut kwok,
        &[
            ("kubeconfig", &at(NODES_KUBECONFIG)),
            ("config", &stages.display().to_string()),
            ("manage-all-nodes", "true"),
            ("server-address", &format!("127.0.0.1:{}", ports.kwok)),
        ],
    );
    // It looks for a configuration of its own in the home folder.
    kwok.env("HOME", folder);

    Ok(vec![
        Process::spawn("kube-controller-manager", controllers, folder)?,
        Process::spawn("kube-scheduler", scheduler, folder)?,
        Process::spawn("kwok", kwok, folder)?,
    ])
}

fn flags(command: &mut Command, flags: &[(&str, &str)]) {
    for (name, value) in flags {
        command.arg(format!("--{name}={value}"));
    }
}
