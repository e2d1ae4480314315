//! Reads of one object.

use kube::core::params::GetParams;
use lockstep_plan::LiveMetadata;
use serde_json::Value;

use crate::{
    call::Call,
    client::Cluster,
    error::CallError,
    kind::Kind,
    metadata::{Partial, live},
};

/// What one read says about an object.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The API server serves the kind and has no such object.
    Absent,
    /// It exists.
    Present(Box<LiveMetadata>),
    /// The read failed; nothing is known.
    Unknown(CallError),
}

impl Cluster {
    /// Reads the metadata of one object; no value of the object is sent over.
    pub async fn lookup(&self, kind: &Kind, namespace: &str, name: &str) -> Lookup {
        match self.metadata(kind, namespace, name).await {
            Ok(live) => Lookup::Present(Box::new(live)),
            Err(error) if error.says_absent(name) => Lookup::Absent,
            Err(error) => Lookup::Unknown(error),
        }
    }

    async fn metadata(&self, kind: &Kind, namespace: &str, name: &str) -> Result<LiveMetadata, CallError> {
        let (requests, segment) = kind.one("read", namespace, name)?;
        let request = requests.get_metadata(&segment, &GetParams::default());
        let call = Call::new("read", kind.target(namespace, name), request)?;
        let partial: Partial = call.read(&self.call(&call).await?)?;
        Ok(live(&kind.resource, partial.metadata))
    }

    /// Reads one whole object; `None` when it does not exist. The caller masks what it shows of it.
    pub async fn object(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Value>, CallError> {
        let (requests, segment) = kind.one("read", namespace, name)?;
        let request = requests.get(&segment, &GetParams::default());
        let call = Call::new("read", kind.target(namespace, name), request)?.accepting("application/json");
        match self.call(&call).await {
            Ok(answer) => call.read(&answer).map(Some),
            Err(error) if error.says_absent(name) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
