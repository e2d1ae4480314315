//! Writing about an object that is not ours to apply: its status, its labels and annotations.

use std::collections::BTreeMap;

use http::{HeaderValue, header::CONTENT_TYPE};
use kube::core::params::{Patch, PatchParams};
use lockstep_plan::{Class, FIELD_MANAGER};
use serde_json::{Value, json};

use crate::{
    call::{Call, METADATA},
    client::Cluster,
    error::CallError,
    kind::Kind,
};

/// What the API server says when a JSON patch's `test` does not hold.
const TEST_FAILED: &str = "the server rejected our request due to an error in our request";

impl Cluster {
    /// Makes `status` the whole status of the object that has this uid; ends with a conflict when another one has its
    /// name by now.
    pub async fn replace_status(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        uid: &str,
        status: &Value,
    ) -> Result<(), CallError> {
        let (requests, segment) = kind.one("write the status of", namespace, name)?;
        let operations = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        // Built as a merge patch and renamed: kube's type for JSON patches would be one more dependency.
        let request = requests.patch_subresource("status", &segment, &params, &Patch::Merge(operations));
        let mut call = Call::new("write the status of", kind.target(namespace, name), request)?.accepting(METADATA);
        call.request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json-patch+json"));
        match self.call(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.code == Some(422) && error.message.contains(TEST_FAILED) => {
                Err(CallError { class: Class::Conflict, ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// Merges labels and annotations into those of the object that has this uid.
    pub async fn annotate(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        uid: &str,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let patch = json!({"metadata": {"labels": labels, "annotations": annotations}});
        self.merge(kind, namespace, name, uid, FIELD_MANAGER, &patch).await
    }

    /// Merges `patch` into the object that has this uid, as this field manager; a conflict when another one has its name.
    pub async fn merge(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        uid: &str,
        manager: &str,
        patch: &Value,
    ) -> Result<(), CallError> {
        let (requests, segment) = kind.one("change", namespace, name)?;
        let mut body = patch.clone();
        body["metadata"]["uid"] = uid.into();
        let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
        let request = requests.patch(&segment, &params, &Patch::Merge(body));
        let call = Call::new("change", kind.target(namespace, name), request)?.accepting(METADATA);
        self.call(&call).await.map(drop)
    }
}
