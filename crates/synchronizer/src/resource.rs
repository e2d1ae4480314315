//! The custom resource `Sync`: what is synced, how, and what came of it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod read;
mod span;
mod status;

pub(crate) use read::read;
pub use span::Span;
use span::{PATTERN, within};
pub use status::{
    ClaimSeen, CommitAt, DriftSeen, ExtraSeen, Failure, Failures, FieldSeen, FightSeen, HeldPrune, ObjectCounts,
    SyncStatus, WaitingObject,
};

/// What a Sync is to do.
#[allow(clippy::duplicated_attributes, reason = "each printcolumn has a type of its own")]
#[derive(CustomResource, Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "lockstep.dev",
    version = "v1alpha1",
    kind = "Sync",
    root = "SyncObject",
    plural = "syncs",
    shortname = "ls",
    category = "lockstep",
    namespaced,
    status = "SyncStatus",
    derive = "PartialEq",
    doc = "Keeps the objects that one folder of a Git branch describes in the cluster.",
    label("applyset.kubernetes.io/is-parent-type", "true"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Commit", type_ = "string", json_path = ".status.applied.commit"),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".status.objects.total"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct SyncSpec {
    /// Where the objects are described.
    pub source: Source,
    /// How often the branch is looked at when nothing hints at a change.
    #[serde(default = "thirty_seconds")]
    #[schemars(with = "String", extend("default" = "30s", "pattern" = PATTERN, "minLength" = 2, "maxLength" = 32, "x-kubernetes-validations" = within("1s")))]
    pub interval: Span,
    /// How long after an apply everything must be healthy.
    #[serde(default = "five_minutes")]
    #[schemars(with = "String", extend("default" = "5m", "pattern" = PATTERN, "minLength" = 2, "maxLength" = 32, "x-kubernetes-validations" = within("1s")))]
    pub timeout: Span,
    /// What happens to objects that left Git.
    #[serde(default)]
    pub prune: Prune,
    /// What happens when somebody else changes an applied field.
    #[serde(default)]
    pub drift: Drift,
    /// Within how much time every object is once compared with Git as the API server sees it, by a dry run; `0s`: never.
    #[serde(default = "six_hours")]
    #[schemars(with = "String", extend("default" = "6h", "pattern" = PATTERN, "minLength" = 2, "maxLength" = 32, "x-kubernetes-validations" = within("0s")))]
    pub audit: Span,
    /// How the health of kinds is judged that is not known otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["apiVersion", "kind"]))]
    pub health_checks: Vec<HealthCheck>,
    /// Syncs that must be ready before this one applies anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub depends_on: Vec<Dependency>,
    /// What becomes of the objects when this Sync is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// The service account of this namespace that every call is made as; without one, calls are made as the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"), length(max = 253))]
    pub service_account_name: Option<String>,
    /// Nothing is fetched, applied, repaired, pruned or audited while this is set.
    #[serde(default)]
    pub suspend: bool,
    /// Why the specification cannot be read, where this stands for one that cannot; never in the cluster.
    #[serde(skip)]
    pub(crate) unreadable: Option<String>,
}

/// A folder of a branch of a Git repository.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!self.repository.startsWith('http://') || self.dangerousPlainHttp || self.repository.matches('^http://(127[.][0-9.]+|localhost|[[]::1[]])(:[0-9]+)?/')",
        "message": "plain http to another machine sends credentials and commits in the clear: use https, or set dangerousPlainHttp",
    },
    {
        "rule": "!self.repository.matches('^[a-z]+://[^/@]*:[^/@]*@')",
        "message": "a password in the URL would be shown to everybody: use secretRef",
    },
]))]
pub struct Source {
    /// The repository: `https://…`, `ssh://…` or `git@host:path`.
    #[schemars(
        regex(pattern = r"^((https?|ssh)://[^\s]+|[A-Za-z0-9._]+@[A-Za-z0-9._-]+:[^\s]+)$"),
        length(max = 2048)
    )]
    pub repository: String,
    /// The branch.
    #[serde(default = "main_branch")]
    #[schemars(regex(pattern = r"^[^-\s][^\s]*$"), length(max = 255))]
    pub branch: String,
    /// The folder within the repository.
    #[serde(default = "whole_tree")]
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.startsWith('/')", "message": "must be relative to the root of the repository"},
        {"rule": "!self.matches('(^|/)[.][.](/|$)')", "message": "must stay within the repository"},
    ]))]
    pub path: String,
    /// The Secret of this namespace that holds the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Allows a repository that is reached without TLS.
    #[serde(default)]
    pub dangerous_plain_http: bool,
}

/// A Secret in the namespace of the Sync.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SecretRef {
    /// Its name.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"), length(max = 253))]
    pub name: String,
}

/// Deletion of objects that left Git, and its brake.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Prune {
    /// Whether they are deleted at all.
    pub enabled: bool,
    /// A commit that would delete more than this and more than `maxPercent` is held until a person acknowledges it.
    #[schemars(range(min = 0, max = 1_000_000), extend("format" = "int32"))]
    pub max_objects: u32,
    /// See `maxObjects`.
    #[schemars(range(min = 0, max = 100), extend("format" = "int32"))]
    pub max_percent: u32,
}

/// What happens when somebody else changes an applied field.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// It is changed back.
    #[default]
    Repair,
    /// It is reported and left.
    Report,
    /// It is changed back, and what tools for people added is removed.
    Strict,
}

/// A Sync of the same namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Dependency {
    /// Its name.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"), length(max = 253))]
    pub name: String,
    /// The namespace of this Sync, for those who want to write it; another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}

/// What becomes of the objects when the Sync is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Orphan,
    /// They are deleted.
    Prune,
    /// They are deleted, and the Sync goes when they are gone.
    Wait,
}

/// How the health of a kind is judged, in CEL. The top-level fields of the object are variables.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// The group and version, `group/version`, of the kind.
    #[schemars(length(min = 1, max = 317))]
    pub api_version: String,
    /// The kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// True when the object is healthy.
    #[schemars(length(min = 1, max = 1024))]
    pub current: String,
    /// True while it is on its way; asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub in_progress: Option<String>,
    /// True when it will not become healthy by itself; asked before `current`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub failed: Option<String>,
}

/// The definition of `Sync` for the API server.
pub fn crd() -> CustomResourceDefinition {
    SyncObject::crd()
}

/// The same as a file for `kubectl apply`.
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let yaml = serde_saphyr::to_string(&crd())?;
    Ok(format!(
        "# Written by `UPDATE_EXPECT=1 cargo test -p lockstep-synchronizer crd` from crates/synchronizer/src/resource.rs.\n{yaml}"
    ))
}

impl Default for Prune {
    fn default() -> Self {
        Self { enabled: true, max_objects: 10, max_percent: 20 }
    }
}

fn thirty_seconds() -> Span {
    Span::seconds(30)
}

fn five_minutes() -> Span {
    Span::seconds(300)
}

fn six_hours() -> Span {
    Span::seconds(6 * 3600)
}

fn main_branch() -> String {
    "main".to_owned()
}

fn whole_tree() -> String {
    ".".to_owned()
}

#[cfg(test)]
mod tests;
