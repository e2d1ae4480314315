//! One Lease, by which daemons agree who of them works.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Resource,
    core::{
        Request,
        params::{GetParams, Patch, PatchParams, PostParams},
    },
};
use serde_json::json;

use crate::{call::Call, client::Cluster, error::CallError};

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Who holds it; empty when nobody does.
    pub holder: String,
    /// For how long after a renewal it is held; whole seconds.
    pub duration: Duration,
    /// When the holder last wrote it, by the holder's clock: only good for noticing that it was written.
    pub renewed: Option<Timestamp>,
    /// When the holder got it, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// How often it changed hands.
    pub transitions: i32,
    /// The resourceVersion that was read, and that a write expects; empty for a Lease that does not exist.
    pub version: String,
}

/// The Lease of one name. Its calls wait for no others, are not sent again by themselves, and no fence holds them up.
#[derive(Clone, Debug)]
pub struct Leases {
    cluster: Cluster,
    namespace: String,
    name: String,
}

impl Leases {
    /// The Lease `name` in `namespace`. A call that is not answered within `timeout` has failed.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str, name: &str, timeout: Duration) -> Self {
        Self { cluster: cluster.apart(timeout), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// What it says; `None` when it does not exist.
    pub async fn read(&self) -> Result<Option<LeaseRecord>, CallError> {
        let call = self.call("read", |requests| requests.get(&self.name, &GetParams::default()))?;
        match self.cluster.call(&call).await {
            Ok(answer) => Ok(Some(record(call.read(&answer)?))),
            Err(error) if error.says_absent(&self.name) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes it say this, renewed now, and acquired now where the record does not say when; a conflict when it is not at
    /// that version any more, or exists already.
    pub async fn write(&self, record: &LeaseRecord) -> Result<LeaseRecord, CallError> {
        let now = Timestamp::now();
        let record = &LeaseRecord { renewed: Some(now), acquired: record.acquired.or(Some(now)), ..record.clone() };
        let call = if record.version.is_empty() { self.creation(record)? } else { self.change(record)? };
        let answer = self.cluster.call(&call).await?;
        Ok(self::record(call.read(&answer)?))
    }

    fn creation(&self, record: &LeaseRecord) -> Result<Call, CallError> {
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            ..ObjectMeta::default()
        };
        let lease = Lease { metadata, spec: Some(spec(record)) };
        let body = serde_json::to_vec(&lease)
            .map_err(|error| CallError::unsendable("create", &self.target(), error.to_string()))?;
        self.call("create", |requests| requests.create(&PostParams::default(), body))
    }

    fn change(&self, record: &LeaseRecord) -> Result<Call, CallError> {
        let mut spec = json!(spec(record));
        // A merge keeps what it is not told to take away.
        spec["holderIdentity"] = json!(holder(record));
        let body = json!({"metadata": {"resourceVersion": record.version}, "spec": spec});
        self.call("renew", |requests| requests.patch(&self.name, &PatchParams::default(), &Patch::Merge(body)))
    }

    fn call(
        &self,
        doing: &'static str,
        request: impl FnOnce(&Request) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Call, CallError> {
        let requests = Request::new(Lease::url_path(&(), Some(&self.namespace)));
        Call::new(doing, self.target(), request(&requests))
    }

    fn target(&self) -> String {
        format!("Lease {}/{}", self.namespace, self.name)
    }
}

fn holder(record: &LeaseRecord) -> Option<String> {
    (!record.holder.is_empty()).then(|| record.holder.clone())
}

fn spec(record: &LeaseRecord) -> LeaseSpec {
    LeaseSpec {
        holder_identity: holder(record),
        // The API server refuses zero.
        lease_duration_seconds: Some(i32::try_from(record.duration.as_secs()).unwrap_or(i32::MAX).max(1)),
        renew_time: record.renewed.map(MicroTime),
        acquire_time: record.acquired.map(MicroTime),
        lease_transitions: Some(record.transitions),
        ..LeaseSpec::default()
    }
}

fn record(lease: Lease) -> LeaseRecord {
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    LeaseRecord {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(seconds.unwrap_or_default()),
        renewed: spec.renew_time.map(|time| time.0),
        acquired: spec.acquire_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or_default(),
        version: lease.metadata.resource_version.unwrap_or_default(),
    }
}
