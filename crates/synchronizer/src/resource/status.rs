//! The status of a Sync: what came of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Objects that are applied as soon as something else has happened, the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingObject>,
    /// The latest changes by other hands, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<DriftSeen>,
    /// The fights that go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fights: Vec<FightSeen>,
    /// Objects of this Sync that other Syncs want, and are refused, the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimSeen>,
    /// Fields that tools for people added to objects of this Sync, the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<ExtraSeen>,
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
    /// That are applied as soon as something else has happened.
    #[schemars(extend("format" = "int32"))]
    pub waiting: u32,
    /// Fields that tools for people added and Git does not have.
    #[schemars(extend("format" = "int32"))]
    pub extras: u32,
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
    /// Why that is suspicious.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The same for machines: `NothingWanted`, `EveryObject` or `OverLimit`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// `Kind/namespace/name` of the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
}

/// An object that is applied as soon as something else has happened.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WaitingObject {
    /// `Kind/namespace/name`.
    pub object: String,
    /// What for.
    pub why: String,
}

/// A change by another hand.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DriftSeen {
    /// `Kind/namespace/name`.
    pub object: String,
    /// The fields; none when the object was deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldSeen>,
    /// The field manager that took the first of them; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manager: String,
    /// When it was seen.
    pub at: Time,
    /// Whether it was changed back.
    #[serde(default)]
    pub repaired: bool,
}

/// A field that another hand took.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct FieldSeen {
    /// Where it is in the object.
    pub path: String,
    /// The field manager that took it; empty when unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manager: String,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// What Git says, as compact JSON that may be cut; `***` in a Secret.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git: String,
}

/// An object that another hand changes as often as it is changed back. It is repaired more and more slowly meanwhile.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FightSeen {
    /// `Kind/namespace/name`.
    pub object: String,
    /// The field manager on the other side; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manager: String,
    /// The fields that go to and fro.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// An object of this Sync that another Sync wants.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ClaimSeen {
    /// `Kind/namespace/name`.
    pub object: String,
    /// The other Sync, as `namespace/name`.
    pub by: String,
}

/// A field that a tool for people added, and that Git does not have.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ExtraSeen {
    /// `Kind/namespace/name`.
    pub object: String,
    /// Where the field is in it.
    pub path: String,
    /// The field manager that added it.
    pub manager: String,
    /// When, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
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
