//! Deletion of exactly the object that was seen.

use kube::core::params::{DeleteParams, Preconditions};
use lockstep_plan::LiveMetadata;
use serde::Deserialize;

use crate::{
    call::{Call, METADATA},
    client::Cluster,
    error::CallError,
    kind::Kind,
};

/// What became of an object that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone by our doing.
    Deleted,
    /// It is marked and goes when its finalizers and dependents let it.
    Deleting,
    /// It was gone already.
    Gone,
    /// It is no longer what was seen: not deleted.
    Changed,
}

#[derive(Deserialize)]
struct Kinded {
    #[serde(default)]
    kind: String,
}

impl Cluster {
    /// Deletes the object with this uid at this resourceVersion and nothing else: the uid alone would let a delete
    /// through after somebody took our label away.
    pub async fn delete(&self, kind: &Kind, seen: &LiveMetadata) -> Result<Deletion, CallError> {
        let (namespace, name) = (&seen.id.namespace, &seen.id.name);
        let target = kind.target(namespace, name);
        if seen.uid.is_empty() || seen.resource_version.is_empty() {
            let message = "uid or resourceVersion is missing: refusing to delete without proof".to_owned();
            return Err(CallError::unsendable("delete", &target, message));
        }
        let (requests, segment) = kind.one("delete", namespace, name)?;
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(seen.uid.clone()),
            resource_version: Some(seen.resource_version.clone()),
        });
        let call = Call::new("delete", target, requests.delete(&segment, &params))?.accepting(METADATA);
        match self.call(&call).await {
            Ok(answer) => {
                let answer: Kinded = call.read(&answer)?;
                Ok(if answer.kind == "Status" { Deletion::Deleted } else { Deletion::Deleting })
            }
            Err(error) if error.says_absent(name) => Ok(Deletion::Gone),
            Err(error) if error.is_conflict() => Ok(Deletion::Changed),
            Err(error) => Err(error),
        }
    }
}
