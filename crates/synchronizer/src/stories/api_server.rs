//! An API server in memory: server-side apply with managed fields (every list is atomic), watches, refusals, a call log.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use futures::{StreamExt as _, channel::mpsc, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use lockstep_cluster::Kind;
use lockstep_manifest::ObjectId;
use lockstep_plan::{Class, GroupKind, LiveMetadata, SYNC_LABEL};
use serde_json::{Value, json};

use crate::{
    ports::{ClusterError, News},
    resource::SyncObject,
};

mod calls;
mod fields;
mod kinds;

pub(super) use calls::Account;

#[derive(Default)]
pub(super) struct ApiServer {
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<ObjectId, Stored>,
    version: u64,
    pub(super) calls: Vec<String>,
    refusals: Vec<(String, ClusterError)>,
    /// A field that admission sets anew with each apply.
    rewritten: Option<(ObjectId, Vec<&'static str>, Option<Value>)>,
    /// The definition of the Widgets is there, and they are not served.
    pub(super) hidden: bool,
    refusals_once: Vec<(String, ClusterError)>,
    watches: Vec<Watch>,
    /// By name, all in one namespace.
    pub(super) syncs: BTreeMap<String, SyncObject>,
    sync_watch: Option<mpsc::UnboundedSender<News<Box<SyncObject>>>>,
}

struct Watch {
    kind: GroupKind,
    /// What is without our label, too.
    all: bool,
    sender: mpsc::UnboundedSender<News<LiveMetadata>>,
}

#[derive(Clone)]
pub(super) struct Stored {
    uid: u64,
    version: u64,
    pub(super) body: Value,
    /// Fields by manager; through a subresource by `manager/subresource`.
    entries: Vec<(String, Value)>,
    deleting: bool,
    /// A finalizer of somebody keeps it when it is deleted.
    held: bool,
}

pub(super) fn refusal(code: u16, class: Class, message: &str) -> ClusterError {
    ClusterError { class, code: Some(code), message: message.to_owned(), retry_after: None }
}

impl ApiServer {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Takes the calls made so far.
    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// Refuses every call whose line in the log begins so.
    pub(super) fn refuse(&self, call: &str, error: ClusterError) {
        self.state().refusals.push((call.to_owned(), error));
    }

    /// Refuses the next call of that beginning only.
    pub(super) fn refuse_once(&self, call: &str, error: ClusterError) {
        self.state().refusals_once.push((call.to_owned(), error));
    }

    /// How many objects of a kind there are.
    pub(super) fn count(&self, kind: &str) -> usize {
        self.state().objects.keys().filter(|id| &*id.kind == kind).count()
    }

    pub(super) fn refuse_nothing(&self) {
        self.state().refusals.clear();
    }

    /// Somebody else makes an object.
    pub(super) fn create(&self, manager: &str, body: Value) {
        let mut state = self.state();
        let id = fields::id_of(&body);
        let entries = vec![(manager.to_owned(), fields::of(&body))];
        let (uid, version) = (state.next(), state.next());
        state.objects.insert(id.clone(), Stored { uid, version, body, entries, deleting: false, held: false });
        state.announce(&id, None);
    }

    /// Somebody else sets or removes a field.
    pub(super) fn edit(&self, id: &str, manager: &str, path: &[&str], value: Option<Value>) {
        let mut state = self.state();
        let id: ObjectId = id.parse().unwrap();
        let before = state.objects[&id].clone();
        let version = state.next();
        let stored = state.objects.get_mut(&id).unwrap();
        stored.version = version;
        fields::set(&mut stored.body, path, value.clone());
        let in_fields: Vec<String> = path.iter().map(|name| format!("f:{name}")).collect();
        let in_fields: Vec<&str> = in_fields.iter().map(String::as_str).collect();
        let mut taken = json!({});
        fields::set(&mut taken, &in_fields, Some(json!({})));
        for (_, owned) in &mut stored.entries {
            *owned = fields::without(owned, &taken);
        }
        if value.is_some() {
            stored.entries.push((manager.to_owned(), taken));
        }
        state.announce(&id, Some(before));
    }

    /// From now on admission sets this field with each apply: to this value, or to something else each time.
    pub(super) fn rewrite(&self, id: &str, path: &[&'static str], value: Option<Value>) {
        self.state().rewritten = Some((id.parse().unwrap(), path.to_vec(), value));
    }

    pub(super) fn rewrite_nothing(&self) {
        self.state().rewritten = None;
    }

    /// Somebody else sets a field without a trace in anybody's managed fields.
    pub(super) fn sneak(&self, id: &str, path: &[&str], value: Value) {
        let mut state = self.state();
        let id: ObjectId = id.parse().unwrap();
        let before = state.objects[&id].clone();
        let version = state.next();
        let stored = state.objects.get_mut(&id).unwrap();
        stored.version = version;
        fields::set(&mut stored.body, path, Some(value));
        state.announce(&id, Some(before));
    }

    /// Makes the Widgets a kind.
    pub(super) fn define_widgets(&self) {
        let name = json!({"name": "widgets.example.com"});
        let body =
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": name});
        self.create("somebody", body);
    }

    /// The Widgets are not served, or again, though their definition is there.
    pub(super) fn hide_widgets(&self, hidden: bool) {
        let mut state = self.state();
        state.hidden = hidden;
        let id: ObjectId = "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com".parse().unwrap();
        let version = state.next();
        state.objects.get_mut(&id).unwrap().version = version;
        state.announce(&id, None);
    }

    /// Somebody else deletes an object.
    pub(super) fn remove(&self, id: &str) {
        self.state().delete(&id.parse().unwrap());
    }

    /// Somebody's finalizer keeps an object from now on.
    pub(super) fn hold(&self, id: &str) {
        self.state().objects.get_mut(&id.parse().unwrap()).unwrap().held = true;
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.state().objects.contains_key(&id.parse().unwrap())
    }

    pub(super) fn value(&self, id: &str, pointer: &str) -> Option<Value> {
        self.state().objects.get(&id.parse().unwrap())?.body.pointer(pointer).cloned()
    }

    /// Changes the Sync, as a person would.
    pub(super) fn change_sync(&self, change: impl FnOnce(&mut SyncObject)) {
        self.change_sync_of("shop", change);
    }

    /// Makes a Sync whose spec is the default one with these changes.
    pub(super) fn make_sync(&self, name: &str, changes: Value) {
        let mut spec = json!({"source": {"repository": "https://git.example/c.git"}, "interval": "30s"});
        for (name, value) in changes.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let mut state = self.state();
        let uid = format!("u{}", state.next());
        let sync = json!({
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "Sync", "spec": spec,
            "metadata": {"name": name, "namespace": "lockstep", "uid": uid, "generation": 1},
        });
        state.syncs.insert(name.to_owned(), serde_json::from_value(sync).unwrap());
        state.announce_sync(name);
    }

    pub(super) fn change_sync_of(&self, name: &str, change: impl FnOnce(&mut SyncObject)) {
        let mut state = self.state();
        let sync = state.syncs.get_mut(name).unwrap();
        change(sync);
        sync.metadata.generation = sync.metadata.generation.map(|generation| generation + 1);
        state.announce_sync(name);
    }

    /// Deletes the Sync, or marks it while it has finalizers.
    pub(super) fn delete_sync(&self) {
        self.change_sync(|sync| sync.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH)));
        self.state().sweep_sync("shop");
    }
}

impl State {
    /// An object as admission lets it through.
    fn admitted(&mut self, id: &ObjectId, mut body: Value) -> Value {
        let number = self.next();
        if let Some((_, path, value)) = self.rewritten.as_ref().filter(|(rewritten, ..)| rewritten == id) {
            fields::set(&mut body, path, Some(value.clone().unwrap_or_else(|| json!(number.to_string()))));
        }
        body
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Logs a call, and refuses it if it is to be refused.
    fn call(&mut self, line: String) -> Result<(), ClusterError> {
        let refused = self.refusals.iter().find(|(call, _)| line.starts_with(call)).map(|(_, error)| error.clone());
        let once = self.refusals_once.iter().position(|(call, _)| line.starts_with(call));
        self.calls.push(line);
        if let Some(at) = once {
            return Err(self.refusals_once.remove(at).1);
        }
        refused.map_or(Ok(()), Err)
    }

    pub(super) fn live(&self, id: &ObjectId) -> Option<LiveMetadata> {
        Some(self.objects.get(id)?.live(id))
    }

    fn delete(&mut self, id: &ObjectId) {
        let mut gone = self.objects.remove(id).unwrap();
        gone.version = self.next();
        for watch in self.watches.iter().filter(|watch| watch.kind == GroupKind::of(id)) {
            if watch.all || gone.is_labelled() {
                drop(watch.sender.unbounded_send(News::Deleted(gone.live(id))));
            }
        }
    }

    /// Changes an object if it still has this resourceVersion.
    fn rewrite(
        &mut self,
        id: &ObjectId,
        resource_version: &str,
        change: impl FnOnce(&mut Stored),
    ) -> Result<LiveMetadata, ClusterError> {
        let before = self.objects.get(id).cloned().filter(|stored| stored.version.to_string() == resource_version);
        let Some(before) = before else { return Err(refusal(409, Class::Conflict, "the object has been modified")) };
        let mut stored = before.clone();
        change(&mut stored);
        stored.version = self.next();
        let live = stored.live(id);
        self.objects.insert(id.clone(), stored);
        self.announce(id, Some(before));
        Ok(live)
    }

    /// Tells the watches how an object stands, given how it stood before.
    fn announce(&self, id: &ObjectId, before: Option<Stored>) {
        let stored = &self.objects[id];
        let was_labelled = before.is_some_and(|before| before.is_labelled());
        for watch in self.watches.iter().filter(|watch| watch.kind == GroupKind::of(id)) {
            let news = match (was_labelled, watch.all || stored.is_labelled()) {
                (_, true) => News::Applied(stored.live(id)),
                (true, false) => News::Deleted(stored.live(id)),
                (false, false) => continue,
            };
            drop(watch.sender.unbounded_send(news));
        }
    }

    fn announce_sync(&self, name: &str) {
        let (Some(watch), Some(sync)) = (&self.sync_watch, self.syncs.get(name)) else { return };
        drop(watch.unbounded_send(News::Applied(Box::new(sync.clone()))));
    }

    /// A Sync that is marked as deleted goes with its last finalizer.
    fn sweep_sync(&mut self, name: &str) {
        let metadata = &self.syncs[name].metadata;
        let held = metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty());
        if metadata.deletion_timestamp.is_some() && !held {
            let gone = self.syncs.remove(name).unwrap();
            drop(self.sync_watch.as_ref().unwrap().unbounded_send(News::Deleted(Box::new(gone))));
        }
    }

    fn watch(&mut self, kind: &Kind, selector: &str) -> BoxStream<'static, News<LiveMetadata>> {
        let name = GroupKind { group: kind.resource.group.clone(), kind: kind.resource.kind.clone() };
        let (sender, receiver) = mpsc::unbounded();
        match self.call(format!("watch {name}")) {
            Ok(()) => {
                sender.unbounded_send(News::Restarted).unwrap();
                let of_kind = self.objects.iter().filter(|(id, _)| GroupKind::of(id) == name);
                for (id, stored) in of_kind.filter(|(_, stored)| selector.is_empty() || stored.is_labelled()) {
                    sender.unbounded_send(News::Applied(stored.live(id))).unwrap();
                }
                sender.unbounded_send(News::ListComplete).unwrap();
            }
            Err(error) => sender.unbounded_send(News::Failed(error)).unwrap(),
        }
        self.watches.push(Watch { kind: name, all: selector.is_empty(), sender });
        receiver.boxed()
    }
}

impl Stored {
    fn is_labelled(&self) -> bool {
        self.body["metadata"]["labels"].get(SYNC_LABEL).is_some()
    }

    fn live(&self, id: &ObjectId) -> LiveMetadata {
        LiveMetadata::from_object(id.clone(), &self.object())
    }

    /// As the API server shows it.
    fn object(&self) -> Value {
        let mut object = self.body.clone();
        let api_version = self.body["apiVersion"].clone();
        let entry = |(manager, fields): &(String, Value)| {
            let operation = if manager == "lockstep" { "Apply" } else { "Update" };
            let mut entry = json!({"operation": operation, "apiVersion": api_version, "fieldsV1": fields});
            let (manager, subresource) = manager.split_once('/').unwrap_or((manager, ""));
            entry["manager"] = json!(manager);
            if !subresource.is_empty() {
                entry["subresource"] = json!(subresource);
            }
            entry
        };
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.insert("uid".into(), json!(self.uid.to_string()));
        metadata.insert("resourceVersion".into(), json!(self.version.to_string()));
        metadata.insert("managedFields".into(), self.entries.iter().map(entry).collect());
        if self.deleting {
            metadata.insert("deletionTimestamp".into(), json!("2026-01-01T00:00:00Z"));
        }
        object
    }
}
