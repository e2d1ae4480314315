//! Server-side apply of one object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::params::{Patch, PatchParams, PostParams, ValidationDirective};
use lockstep_plan::{Body, FIELD_MANAGER, FieldChange, LiveMetadata, rewritten};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    call::{Answer, Call, METADATA},
    client::Cluster,
    error::CallError,
    kind::Kind,
    metadata::{Partial, live},
};

/// What must hold for an apply to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The object is still the one that was read; otherwise the apply ends with a conflict.
    ResourceVersion(String),
}

/// What an apply did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object's metadata after it, our entry of managed fields included.
    pub live: LiveMetadata,
    /// It did not exist before. After a retried attempt this can be false though the first attempt created it.
    pub created: bool,
    /// The fields that admission stored otherwise: the stored value before, Git's after.
    pub rewritten: Vec<FieldChange>,
}

impl Cluster {
    /// Applies a rendered object by force. The answer is the whole object, since nothing else tells what admission made of
    /// it; it is compared here and goes no further.
    pub async fn apply(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        body: &Body,
        precondition: &Precondition,
    ) -> Result<Applied, CallError> {
        let sent = conditional(body, precondition);
        let call = patch("apply", kind, namespace, name, &sent, &params(), "application/json")?;
        let answer = self.call(&call).await?;
        let object: Value = call.read(&answer)?;
        let metadata = ObjectMeta::deserialize(&object["metadata"]).map_err(|error| call.misread(&error))?;
        let live = live(&kind.resource, metadata);
        let rewritten = rewritten(&body.value(), &live, &object);
        Ok(Applied { live, created: answer.status == 201, rewritten })
    }

    /// What the metadata would be after an apply. An entry of managed fields with another time than before means that
    /// the apply would change something.
    pub async fn dry_run(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        body: &Body,
    ) -> Result<LiveMetadata, CallError> {
        let params = PatchParams { dry_run: true, ..params() };
        let call = patch("dry-run", kind, namespace, name, body, &params, METADATA)?;
        let answer = self.call(&call).await?;
        metadata_of(kind, &call, &answer)
    }

    /// Whether the object could be created if it did not exist. The API server says that the name is taken only after
    /// admission and validation have let the object through.
    pub async fn dry_run_create(&self, kind: &Kind, namespace: &str, name: &str, body: &Body) -> Result<(), CallError> {
        let (requests, _) = kind.one("dry-run", namespace, name)?;
        let target = kind.target(namespace, name);
        let params = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.into()) };
        let mut call =
            Call::new("dry-run", target, requests.create(&params, body.bytes().to_vec()))?.accepting(METADATA);
        // kube's parameters of a create know no validation.
        if let Ok(uri) = format!("{}&fieldValidation=Strict", call.request.uri()).parse() {
            *call.request.uri_mut() = uri;
        }
        match self.call(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.reason == "AlreadyExists" => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What the whole object would be after an apply. The caller masks what it shows of it.
    pub async fn preview(&self, kind: &Kind, namespace: &str, name: &str, body: &Body) -> Result<Value, CallError> {
        let params = PatchParams { dry_run: true, ..params() };
        let call = patch("dry-run", kind, namespace, name, body, &params, "application/json")?;
        let answer = self.call(&call).await?;
        call.read(&answer)
    }
}

/// Strict validation is free: the API server decodes the object anyway, and a misspelt field of a custom resource is
/// then an error instead of being dropped in silence.
fn params() -> PatchParams {
    PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply(FIELD_MANAGER).force() }
}

fn conditional(body: &Body, precondition: &Precondition) -> Body {
    match precondition {
        Precondition::None => body.clone(),
        Precondition::ResourceVersion(version) => {
            let mut value = body.value();
            value["metadata"]["resourceVersion"] = json!(version);
            Body::of(&value)
        }
    }
}

fn patch(
    doing: &'static str,
    kind: &Kind,
    namespace: &str,
    name: &str,
    body: &Body,
    params: &PatchParams,
    accept: &'static str,
) -> Result<Call, CallError> {
    let (requests, segment) = kind.one(doing, namespace, name)?;
    let request = requests.patch(&segment, params, &Patch::Apply(()));
    let mut call = Call::new(doing, kind.target(namespace, name), request)?.accepting(accept);
    *call.request.body_mut() = body.bytes().to_vec();
    Ok(call)
}

pub(crate) fn metadata_of(kind: &Kind, call: &Call, answer: &Answer) -> Result<LiveMetadata, CallError> {
    let partial: Partial = call.read(answer)?;
    Ok(live(&kind.resource, partial.metadata))
}
