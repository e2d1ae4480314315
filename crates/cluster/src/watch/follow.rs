//! A list, page by page, then watches one after the other from where the last one stood.
//!
//! A watch is asked to last for a random part of the set time, so that not all renew at once. Bookmarks, which the API
//! server sends about once a minute, are signs of life as events are. Half of the set time without any is silence: the
//! connection is dead, or the API server has lost the state that the watch began at (its storage was restored), and then
//! it sends nothing for ever. One object is asked for at that state: an answer proves that the state is known, and the
//! watch is opened again; a refusal means a new list. So hours without a change cost no list.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Resource as _,
    core::{
        DynamicObject, WatchEvent as Told,
        params::{ListParams, VersionMatch, WatchParams},
    },
};
use lockstep_plan::Class;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{MetadataOnly, WatchEvent};
use crate::{
    call::{Call, chain},
    client::Cluster,
    error::{CallError, mask},
    kind::Kind,
};

/// How many objects one answer holds.
const PAGE: u32 = 500;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What a busy API server asks for as a rule, in a header that kube does not hand on for a watch.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that it can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// What the API server may at most take longer than asked to end a watch.
const LONGEST_GRACE: Duration = Duration::from_secs(5);

/// What is watched.
pub(super) struct Scope {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    pub(super) selector: Option<String>,
    pub(super) fields: Option<String>,
}

/// How much of each object is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Metadata,
    Whole,
}

/// What is known of an object before all else: where in time it stands.
pub(super) trait Versioned: DeserializeOwned + Clone + Send + 'static {
    fn version(&self) -> Option<&str>;
}

impl Versioned for MetadataOnly {
    fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}

impl Versioned for DynamicObject {
    fn version(&self) -> Option<&str> {
        self.meta().resource_version.as_deref()
    }
}

/// Read by hand: kube's list type refuses items without a kind.
#[derive(Deserialize)]
struct Page<K> {
    #[serde(default)]
    metadata: Position,
    /// `null` for none, where the API server reads from its storage.
    #[serde(default = "Option::default")]
    items: Option<Vec<K>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Position {
    #[serde(rename = "continue")]
    next: String,
    resource_version: String,
}

type Events<K> = BoxStream<'static, Result<Told<K>, kube::Error>>;

enum Phase<K> {
    /// Nothing is known.
    Begin,
    /// In the middle of a list, at this page.
    Listing(Option<String>),
    /// All is known up to this version.
    Known(String),
    /// The same, and no sign of life since.
    Doubted(String),
    Watching(Watching<K>),
}

/// A watch that is open.
struct Watching<K> {
    version: String,
    events: Events<K>,
    /// When the API server ends it.
    end: Instant,
    /// The last sign of life.
    heard: Instant,
    alive: bool,
}

/// A watch that goes on by itself.
pub(super) struct Follow<K> {
    source: Source,
    phase: Phase<K>,
    ready: VecDeque<WatchEvent<K>>,
    failures: u32,
    /// To be waited before the next call.
    pause: Option<Duration>,
}

struct Source {
    cluster: Cluster,
    scope: Scope,
    form: Form,
}

impl<K: Versioned> Follow<K> {
    pub(super) fn new(cluster: Cluster, scope: Scope, form: Form) -> Self {
        let source = Source { cluster, scope, form };
        Self { source, phase: Phase::Begin, ready: VecDeque::new(), failures: 0, pause: None }
    }

    /// What there is to tell. Never ends.
    pub(super) fn events(self) -> impl Stream<Item = WatchEvent<K>> + Send {
        stream::unfold(self, |mut follow| async move {
            loop {
                if let Some(event) = follow.ready.pop_front() {
                    return Some((event, follow));
                }
                follow.step().await;
            }
        })
    }

    async fn step(&mut self) {
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Begin);
        self.phase = match phase {
            Phase::Begin => {
                self.ready.push_back(WatchEvent::Restarted);
                Phase::Listing(None)
            }
            Phase::Listing(page) => self.list(page).await,
            Phase::Known(version) => self.open(version).await,
            Phase::Doubted(version) => self.probe(version).await,
            Phase::Watching(watching) => self.hear(watching).await,
        };
    }

    /// Asks for the newest state: only that proves that an object is gone.
    async fn list(&mut self, page: Option<String>) -> Phase<K> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector.clone_from(&self.source.scope.selector);
        params.field_selector.clone_from(&self.source.scope.fields);
        params.continue_token = page;
        match self.source.page::<K>(&params).await {
            Ok(page) => {
                self.failures = 0;
                self.ready.extend(page.items.into_iter().flatten().map(WatchEvent::Applied));
                match (page.metadata.next, page.metadata.resource_version) {
                    (next, _) if !next.is_empty() => Phase::Listing(Some(next)),
                    (_, version) if version.is_empty() => {
                        let message = "the list says no resourceVersion".to_owned();
                        self.fail(CallError::unanswered("list", self.source.plural(), message), Phase::Begin)
                    }
                    (_, version) => {
                        self.ready.push_back(WatchEvent::ListComplete);
                        Phase::Known(version)
                    }
                }
            }
            Err(error) => self.fail(error, Phase::Begin),
        }
    }

    async fn open(&mut self, version: String) -> Phase<K> {
        let lasting = self.source.watch_timeout().mul_f64(0.7 + 0.3 * random());
        match self.source.watch::<K>(&version, lasting).await {
            Ok(events) => {
                let now = Instant::now();
                Phase::Watching(Watching { version, events, end: now + lasting, heard: now, alive: false })
            }
            Err(error) => self.refused(error, version),
        }
    }

    async fn hear(&mut self, mut watching: Watching<K>) -> Phase<K> {
        let silence = watching.heard + self.source.watch_timeout() / 2;
        let patience = watching.end.min(silence) + self.source.grace();
        let told = match timeout_at(patience, watching.events.next()).await {
            Ok(Some(Ok(told))) => told,
            Ok(Some(Err(error))) => return self.refused(self.source.error(&error), watching.version),
            Ok(None) if watching.alive => return Phase::Known(watching.version),
            Ok(None) if Instant::now() + self.source.grace() < watching.end => {
                self.rest();
                return Phase::Known(watching.version);
            }
            Ok(None) | Err(_) => return Phase::Doubted(watching.version),
        };
        self.failures = 0;
        (watching.alive, watching.heard) = (true, Instant::now());
        match told {
            Told::Added(object) | Told::Modified(object) => {
                watching.stands_at(object.version());
                self.ready.push_back(WatchEvent::Applied(object));
            }
            Told::Deleted(object) => {
                watching.stands_at(object.version());
                self.ready.push_back(WatchEvent::Deleted(object));
            }
            Told::Bookmark(mark) => watching.stands_at(Some(&mark.metadata.resource_version)),
            Told::Error(status) => {
                return self.refused(self.source.error(&kube::Error::Api(status)), watching.version);
            }
        }
        Phase::Watching(watching)
    }

    /// Asks whether the API server knows the state at `version`, by one object of any label: a list by label could have to
    /// read them all to find none.
    async fn probe(&mut self, version: String) -> Phase<K> {
        let params = ListParams::default().limit(1).at(&version).matching(VersionMatch::NotOlderThan);
        match self.source.page::<K>(&params).await {
            Ok(_) => Phase::Known(version),
            Err(error) if matches!(error.code, Some(410 | 504)) => {
                let kind = self.source.plural();
                tracing::warn!(kind, %error, "the API server does not know the state that was watched; listing anew");
                self.rest();
                Phase::Begin
            }
            Err(error) => self.fail(error, Phase::Doubted(version)),
        }
    }

    /// What a watch was answered with instead of events.
    fn refused(&mut self, error: CallError, version: String) -> Phase<K> {
        self.fail(error, Phase::Known(version))
    }

    /// Tells a failure, and what comes next after a pause. A state that the API server has forgotten is no failure, and
    /// many watches learn of it at once. After a refusal only a new list can prove anything.
    fn fail(&mut self, error: CallError, next: Phase<K>) -> Phase<K> {
        self.rest();
        let busy = if error.class == Class::Throttled { BUSY_PAUSE } else { Duration::ZERO };
        let asked = error.retry_after.unwrap_or(busy).min(LONGEST_ASKED);
        self.pause = self.pause.map(|pause| pause + asked);
        let next = if matches!(error.class, Class::Transient | Class::Throttled) { next } else { Phase::Begin };
        if error.class != Class::Expired {
            self.ready.push_back(WatchEvent::Failed(error));
        }
        next
    }

    /// Between half of a pause and all of it; each failure in a row doubles it.
    fn rest(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.pause = Some(pause.mul_f64(0.5 + random() / 2.0));
    }
}

impl<K> Watching<K> {
    fn stands_at(&mut self, version: Option<&str>) {
        if let Some(version) = version.filter(|version| !version.is_empty()) {
            version.clone_into(&mut self.version);
        }
    }
}

impl Source {
    fn plural(&self) -> &str {
        &self.scope.kind.resource.plural
    }

    fn watch_timeout(&self) -> Duration {
        self.cluster.options().watch_timeout
    }

    fn grace(&self) -> Duration {
        (self.watch_timeout() / 20).min(LONGEST_GRACE)
    }

    async fn page<K: Versioned>(&self, params: &ListParams) -> Result<Page<K>, CallError> {
        let requests = self.scope.kind.all("list", self.scope.namespace.as_deref())?;
        let request = match self.form {
            Form::Metadata => requests.list_metadata(params),
            Form::Whole => requests.list(params),
        };
        let call = Call::new("list", self.plural().to_owned(), request)?;
        call.read(&self.cluster.call(&call).await?)
    }

    async fn watch<K: Versioned>(&self, version: &str, lasting: Duration) -> Result<Events<K>, CallError> {
        let seconds = u32::try_from(lasting.as_secs()).unwrap_or(u32::MAX).max(1);
        let mut params = WatchParams::default().timeout(seconds);
        params.label_selector.clone_from(&self.scope.selector);
        params.field_selector.clone_from(&self.scope.fields);
        let requests = self.scope.kind.all("watch", self.scope.namespace.as_deref())?;
        let request = match self.form {
            Form::Metadata => requests.watch_metadata(&params, version),
            Form::Whole => requests.watch(&params, version),
        };
        let call = Call::new("watch", self.plural().to_owned(), request)?;
        let client = self.cluster.client();
        match timeout(self.cluster.options().request_timeout, client.request_events::<K>(call.request)).await {
            Ok(Ok(events)) => Ok(events.boxed()),
            Ok(Err(error)) => Err(self.error(&error)),
            Err(_) => Err(CallError::unanswered("watch", self.plural(), "no answer in time".to_owned())),
        }
    }

    fn error(&self, error: &kube::Error) -> CallError {
        match error {
            kube::Error::Api(status) => CallError::with_status("watch", self.plural(), status),
            kube::Error::SerdeError(error) => CallError::unreadable("watch", self.plural(), error),
            error => CallError::unanswered("watch", self.plural(), mask("", &chain(error))),
        }
    }
}

/// Between 0 and 1: the hasher is keyed at random, so its answer to a fixed question is a random number.
fn random() -> f64 {
    (RandomState::new().hash_one(0) % 1000) as f64 / 1000.0
}

#[cfg(test)]
mod tests;
