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

/// The field manager of finalizers.
const FINALIZER_MANAGER: &str = "lockstep-finalizer";

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
        let request = requests.patch_subresource("status", &segment, &params, &Patch::Merge(operations));
        let call = Call::new("write the status of", kind.target(namespace, name), request)?;
        self.send_tested(call).await
    }

    /// Sends a JSON patch that begins with tests; a conflict when one of them does not hold. It was built as a merge patch:
    /// kube's type for JSON patches would be one more dependency.
    async fn send_tested(&self, call: Call) -> Result<(), CallError> {
        let mut call = call.accepting(METADATA);
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

    /// Takes an annotation with this value off the object that has this uid; a conflict when it has another one by now.
    pub async fn drop_annotation(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        uid: &str,
        (annotation, value): (&str, &str),
    ) -> Result<(), CallError> {
        let (requests, segment) = kind.one("annotate", namespace, name)?;
        let path = format!("/metadata/annotations/{}", annotation.replace('~', "~0").replace('/', "~1"));
        let operations = json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": path, "value": value},
            {"op": "remove", "path": path},
        ]);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let request = requests.patch(&segment, &params, &Patch::Merge(operations));
        self.send_tested(Call::new("annotate", kind.target(namespace, name), request)?).await
    }

    /// Makes `finalizer` the only one of ours on the object that has this uid. It is applied under a manager of its own,
    /// so that finalizers of others stay, and what Git says of the object is not touched.
    pub async fn hold(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        uid: &str,
        finalizer: Option<&str>,
    ) -> Result<(), CallError> {
        let (requests, segment) = kind.one("set the finalizer of", namespace, name)?;
        let body = json!({
            "apiVersion": kind.resource.api_version, "kind": kind.resource.kind,
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "finalizers": finalizer.map(|one| [one])},
        });
        let params = PatchParams::apply(FINALIZER_MANAGER).force();
        let request = requests.patch(&segment, &params, &Patch::Apply(body));
        let call = Call::new("set the finalizer of", kind.target(namespace, name), request)?.accepting(METADATA);
        self.call(&call).await.map(drop)
    }
}
