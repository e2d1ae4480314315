//! The custom resource `Sync`: what is synced, how, and what came of it.

use std::time::Duration;

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Go's way to write a duration, without parts of seconds.
const DURATION: &str = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$";

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
    #[schemars(extend("default" = "30s", "pattern" = DURATION, "minLength" = 2, "maxLength" = 32, "x-kubernetes-validations" = [
        {"rule": "duration(self) >= duration('1s')", "message": "must be at least 1s"},
    ]))]
    pub interval: kube::core::Duration,
    /// How long after an apply everything must be healthy.
    #[serde(default = "five_minutes")]
    #[schemars(extend("default" = "5m", "pattern" = DURATION, "minLength" = 2, "maxLength" = 32, "x-kubernetes-validations" = [
        {"rule": "duration(self) >= duration('1s')", "message": "must be at least 1s"},
    ]))]
    pub timeout: kube::core::Duration,
    /// What happens to objects that left Git.
    #[serde(default)]
    pub prune: Prune,
    /// What happens when somebody else changes an applied field.
    #[serde(default)]
    pub drift: Drift,
    /// The service account of this namespace that every call is made as; without one, calls are made as the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"), length(max = 253))]
    pub service_account_name: Option<String>,
    /// Nothing is fetched, applied or pruned while this is set.
    #[serde(default)]
    pub suspend: bool,
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
}

/// What came of a Sync. `kubectl wait --for=condition=Ready` works on it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The head of the branch when it was last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<CommitAt>,
    /// The commit that was last applied without an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<CommitAt>,
    /// How many objects there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectCounts>,
    /// The commit whose deletions wait for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldPrune>,
    /// `Ready`, `Reconciling`, `Stalled`, `Healthy`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The latest changes by other hands, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<DriftSeen>,
    /// What could not be read, applied or made healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
}

/// A commit and a time.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CommitAt {
    /// 40 hex digits.
    pub commit: String,
    /// When it was fetched or applied.
    pub at: Time,
}

/// How many objects there are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct ObjectCounts {
    /// That the applied commit describes.
    #[schemars(extend("format" = "int32"))]
    pub total: u32,
    /// That are as healthy as they can be.
    #[schemars(extend("format" = "int32"))]
    pub healthy: u32,
    /// That differ from Git now.
    #[schemars(extend("format" = "int32"))]
    pub drifted: u32,
    /// That could not be applied or cannot become healthy.
    #[schemars(extend("format" = "int32"))]
    pub failed: u32,
}

/// Deletions that wait for a person.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPrune {
    /// The commit; annotate the Sync with `lockstep.dev/acknowledge: COMMIT` to let it go.
    pub commit: String,
    /// How many objects it would delete.
    #[schemars(extend("format" = "int32"))]
    pub would_prune: u32,
}

/// A change by another hand.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DriftSeen {
    /// `Kind/namespace/name`.
    pub object: String,
    /// The paths of the fields; none when the object was deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The field manager that took them; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manager: String,
    /// When it was seen.
    pub at: Time,
    /// Whether it was changed back.
    #[serde(default)]
    pub repaired: bool,
}

/// What went wrong, the first of it in words.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Failures {
    /// How many there are in all.
    #[schemars(extend("format" = "int32"))]
    pub total: u32,
    /// The first of them.
    pub first: Vec<Failure>,
}

/// One thing that went wrong.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Failure {
    /// `Kind/namespace/name`; empty when a file could not be read as objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// The file in the repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The line in it, from 1; 0 when unknown.
    #[schemars(extend("format" = "int32"))]
    pub line: u32,
    /// What is wrong, without values of Secrets.
    pub message: String,
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

fn thirty_seconds() -> kube::core::Duration {
    Duration::from_secs(30).into()
}

fn five_minutes() -> kube::core::Duration {
    Duration::from_secs(300).into()
}

fn main_branch() -> String {
    "main".to_owned()
}

fn whole_tree() -> String {
    ".".to_owned()
}

#[cfg(test)]
mod tests;
