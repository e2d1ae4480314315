//! Watches of a kind that is known at run time only.

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Event;
use kube::core::{ApiResource, DynamicObject, ObjectMeta};
use lockstep_plan::LiveMetadata;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    client::Cluster,
    error::CallError,
    kind::Kind,
    metadata::{live, strip},
};

mod follow;

use follow::{Follow, Form, Scope};

/// What a watch tells, in order: `Restarted`, an `Applied` per object that exists, `ListComplete`, then changes; and from
/// `Restarted` again whenever the API server cannot continue where the watch stood.
#[derive(Clone, Debug)]
pub enum WatchEvent<T> {
    /// A full list begins. What was known stays valid until `ListComplete`.
    Restarted,
    /// An object exists in this state.
    Applied(T),
    /// The list that `Restarted` began is complete: what was not in it is gone.
    ListComplete,
    /// An object is gone or no longer matches the selector, last seen in this state.
    Deleted(T),
    /// The API server could not be listed or watched; the watch goes on by itself after a pause.
    Failed(CallError),
}

/// An object of which only the metadata is read.
#[derive(Clone, Debug, Deserialize)]
struct MetadataOnly {
    #[serde(default)]
    metadata: ObjectMeta,
}

impl Cluster {
    /// Watches the metadata of all objects of `kind` that `selector` matches. Never ends.
    pub fn watch_metadata(
        &self,
        kind: &Kind,
        selector: &str,
    ) -> impl Stream<Item = WatchEvent<LiveMetadata>> + Send + use<> {
        let resource = kind.resource.clone();
        let scope = Scope { kind: kind.clone(), namespace: None, selector: Some(selector.to_owned()), fields: None };
        Follow::<MetadataOnly>::new(self.clone(), scope, Form::Metadata)
            .events()
            .map(move |event| event.map(|object| live(&resource, object.metadata)))
    }

    /// Watches whole objects of `kind`, in one namespace or in all: for the health of workloads and their pods. Managed
    /// fields are left out, and the values of Secrets.
    pub fn watch_objects(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> impl Stream<Item = WatchEvent<Value>> + Send + use<> {
        let (namespace, selector) = (namespace.map(str::to_owned), selector.map(str::to_owned));
        self.follow_whole(Scope { kind: kind.clone(), namespace, selector, fields: None })
    }

    /// Watches the Events of a namespace that have this reason.
    pub fn watch_events(&self, namespace: &str, reason: &str) -> impl Stream<Item = WatchEvent<Value>> + Send + use<> {
        let kind = Kind { resource: ApiResource::erase::<Event>(&()), scope: lockstep_plan::Scope::Namespaced };
        let fields = Some(format!("reason={reason}"));
        self.follow_whole(Scope { kind, namespace: Some(namespace.to_owned()), selector: None, fields })
    }

    fn follow_whole(&self, scope: Scope) -> impl Stream<Item = WatchEvent<Value>> + Send + use<> {
        let resource = scope.kind.resource.clone();
        Follow::<DynamicObject>::new(self.clone(), scope, Form::Whole)
            .events()
            .map(move |event| event.map(|object| whole(&resource, object)))
    }
}

impl<T> WatchEvent<T> {
    fn map<U>(self, make: impl FnOnce(T) -> U) -> WatchEvent<U> {
        match self {
            Self::Restarted => WatchEvent::Restarted,
            Self::Applied(object) => WatchEvent::Applied(make(object)),
            Self::ListComplete => WatchEvent::ListComplete,
            Self::Deleted(object) => WatchEvent::Deleted(make(object)),
            Self::Failed(error) => WatchEvent::Failed(error),
        }
    }
}

fn whole(resource: &ApiResource, mut object: DynamicObject) -> Value {
    strip(&mut object.metadata);
    let mut value = object.data;
    if let Value::Object(fields) = &mut value {
        if resource.group.is_empty() && resource.kind == "Secret" {
            fields.remove("data");
        }
        fields.insert("apiVersion".into(), resource.api_version.clone().into());
        fields.insert("kind".into(), resource.kind.clone().into());
        fields.insert("metadata".into(), serde_json::to_value(&object.metadata).unwrap_or_default());
    }
    value
}
