//! Watches of a kind that is known at run time only.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api,
    core::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use lockstep_plan::LiveMetadata;
use serde_json::Value;

use crate::{
    call::chain,
    client::Cluster,
    error::{CallError, mask},
    kind::Kind,
    metadata::{Partial, live, strip},
};

/// After how long a watch lists again though nothing seems wrong: a watch from a resourceVersion that the API server
/// has not reached (its storage was restored) is silent for ever.
const RELIST: Duration = Duration::from_secs(30 * 60);

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

impl Cluster {
    /// Watches the metadata of all objects of `kind` that `selector` matches. Never ends.
    pub fn watch_metadata(
        &self,
        kind: &Kind,
        selector: &str,
    ) -> impl Stream<Item = WatchEvent<LiveMetadata>> + Send + use<> {
        let api: Api<Partial> = Api::all_with(self.client(), &kind.resource);
        let config = watcher::Config::default().labels(selector);
        let resource = kind.resource.clone();
        relisting(spread(&resource), move || watcher::watcher(api.clone(), config.clone()).default_backoff().boxed())
            .map(move |event| translate(&resource, event, |partial: Partial| live(&resource, partial.metadata)))
    }

    /// Watches whole objects of `kind`, in one namespace or in all: for the health of workloads and their pods. Managed
    /// fields are left out, and the values of Secrets.
    pub fn watch_objects(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> impl Stream<Item = WatchEvent<Value>> + Send + use<> {
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &kind.resource),
            None => Api::all_with(self.client(), &kind.resource),
        };
        let config = watcher::Config { label_selector: selector.map(str::to_owned), ..watcher::Config::default() };
        let resource = kind.resource.clone();
        relisting(spread(&resource), move || watcher::watcher(api.clone(), config.clone()).default_backoff().boxed())
            .map(move |event| translate(&resource, event, |object: DynamicObject| whole(&resource, object)))
    }
}

/// Drops a stream and starts it anew after `period`.
fn relisting<T, S>(period: Duration, start: impl Fn() -> S + Send) -> impl Stream<Item = T> + Send
where
    S: Stream<Item = T> + Send,
    T: Send,
{
    stream::repeat(()).map(move |()| start().take_until(tokio::time::sleep(period))).flatten()
}

/// `RELIST` and up to half of it more, so that the kinds do not all list at once.
fn spread(resource: &ApiResource) -> Duration {
    let mut hasher = DefaultHasher::new();
    (&resource.group, &resource.kind).hash(&mut hasher);
    RELIST + RELIST.mul_f64((hasher.finish() % 1000) as f64 / 2000.0)
}

fn translate<K, T>(
    resource: &ApiResource,
    event: Result<Event<K>, watcher::Error>,
    make: impl Fn(K) -> T,
) -> WatchEvent<T> {
    match event {
        Ok(Event::Init) => WatchEvent::Restarted,
        Ok(Event::InitApply(object) | Event::Apply(object)) => WatchEvent::Applied(make(object)),
        Ok(Event::InitDone) => WatchEvent::ListComplete,
        Ok(Event::Delete(object)) => WatchEvent::Deleted(make(object)),
        Err(error) => WatchEvent::Failed(failure(resource, &error)),
    }
}

fn failure(resource: &ApiResource, error: &watcher::Error) -> CallError {
    use kube::Error::Api as Refused;
    let status = match error {
        watcher::Error::InitialListFailed(Refused(status))
        | watcher::Error::WatchStartFailed(Refused(status))
        | watcher::Error::WatchFailed(Refused(status))
        | watcher::Error::WatchError(status) => status,
        watcher::Error::InitialListFailed(kube::Error::SerdeError(error))
        | watcher::Error::WatchFailed(kube::Error::SerdeError(error)) => {
            return CallError::unreadable("watch", &resource.plural, error);
        }
        error => return CallError::unanswered("watch", &resource.plural, mask("", &chain(error))),
    };
    CallError::with_status("watch", &resource.plural, status)
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
