//! The ports of the API server.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt as _, channel::mpsc, stream::BoxStream};
use lockstep_cluster::{Deletion, Kind, Precondition, Resolution};
use lockstep_manifest::ObjectId;
use lockstep_plan::{
    APPLIED_ANNOTATION, Body, Class, GroupKind, ID_ANNOTATION, LiveMetadata, ManagedFields, PART_OF_LABEL,
    ParentMetadata, SYNC_LABEL, SYNC_NAMESPACE_LABEL,
};
use serde_json::{Value, json};

use super::{ApiServer, Stored, fields, refusal};
use crate::{
    board::SyncKey,
    ports::{
        Applied, Cluster, ClusterError, FINALIZER, Finalizer, Freshness, Keep, KindName, News, Objects, SyncRef, Target,
    },
    resource::{SyncObject, SyncStatus},
};

/// The API server as one identity.
pub(in crate::stories) struct Account {
    server: Arc<ApiServer>,
    name: String,
}

fn id(target: &Target) -> ObjectId {
    ObjectId::new(
        target.kind.resource.group.clone(),
        target.kind.resource.kind.clone(),
        target.namespace.clone(),
        target.name.clone(),
    )
}

impl Account {
    pub(in crate::stories) fn daemon(server: &Arc<ApiServer>) -> Self {
        Self { server: server.clone(), name: String::new() }
    }

    fn line(&self, verb: &str, what: &str) -> String {
        match self.name.as_str() {
            "" => format!("{verb} {what}"),
            name => format!("{verb} {what} as {name}"),
        }
    }
}

#[async_trait]
impl Cluster for Account {
    async fn resolve(&self, kinds: &[KindName], freshness: Freshness) -> Result<Vec<Resolution>, ClusterError> {
        let mut state = self.server.state();
        if freshness == Freshness::Fresh {
            state.call("discover".to_owned())?;
        }
        Ok(kinds.iter().map(|name| state.kind(name).map_or(Resolution::Unknown, Resolution::Resolved)).collect())
    }

    fn objects(&self, sync: &SyncKey, account: Option<&str>) -> Result<Arc<dyn Objects>, ClusterError> {
        let name = account.map(|account| format!("{}/{account}", sync.namespace)).unwrap_or_default();
        Ok(Arc::new(Self { server: self.server.clone(), name }))
    }

    fn watch(&self, kind: &Kind, selector: &str) -> BoxStream<'static, News<LiveMetadata>> {
        self.server.state().watch(kind, selector)
    }

    fn watch_syncs(&self) -> BoxStream<'static, News<Box<SyncObject>>> {
        let (sender, receiver) = mpsc::unbounded();
        let mut state = self.server.state();
        sender.unbounded_send(News::Restarted).unwrap();
        state.sync_watch = Some(sender.clone());
        for name in state.syncs.keys() {
            state.announce_sync(name);
        }
        sender.unbounded_send(News::ListComplete).unwrap();
        receiver.boxed()
    }

    async fn write_status(&self, sync: &SyncRef, status: &SyncStatus) -> Result<(), ClusterError> {
        let mut state = self.server.state();
        state.call("status".to_owned())?;
        let name = &sync.key.name;
        if let Some(sync) = state.syncs.get_mut(name) {
            sync.status = Some(status.clone());
        }
        state.announce_sync(name);
        Ok(())
    }

    async fn set_finalizer(&self, sync: &SyncRef, wanted: Finalizer) -> Result<(), ClusterError> {
        let mut state = self.server.state();
        state.call(format!("finalizer {wanted:?}"))?;
        let name = &sync.key.name;
        if let Some(sync) = state.syncs.get_mut(name) {
            sync.metadata.finalizers = (wanted == Finalizer::Present).then(|| vec![FINALIZER.to_owned()]);
            state.announce_sync(name);
            state.sweep_sync(name);
        }
        Ok(())
    }

    async fn namespaced_kinds(&self) -> Result<Vec<Kind>, ClusterError> {
        let mut state = self.server.state();
        state.call("discover".to_owned())?;
        Ok(state.namespaced_kinds())
    }

    async fn is_defined(&self, kind: &GroupKind) -> Result<bool, ClusterError> {
        let mut state = self.server.state();
        state.call(format!("look for the definition of {kind}"))?;
        let name = KindName { group: kind.group.clone(), version: None, kind: kind.kind.clone() };
        let hidden = std::mem::take(&mut state.hidden);
        let is_defined = state.kind(&name).is_some();
        state.hidden = hidden;
        Ok(is_defined)
    }

    async fn drop_annotation(&self, sync: &SyncRef, annotation: &str, value: &str) -> Result<(), ClusterError> {
        let mut state = self.server.state();
        state.call(format!("forget {annotation}"))?;
        let name = &sync.key.name;
        if let Some(sync) = state.syncs.get_mut(name) {
            let annotations = sync.metadata.annotations.get_or_insert_default();
            if annotations.get(annotation).is_none_or(|found| found != value) {
                return Err(refusal(422, Class::Conflict, "the annotation has another value"));
            }
            annotations.remove(annotation);
        }
        state.announce_sync(name);
        Ok(())
    }

    async fn record_parent(&self, sync: &SyncRef, parent: &ParentMetadata) -> Result<(), ClusterError> {
        let mut state = self.server.state();
        state.call(format!("record {}", parent.annotations[lockstep_plan::GROUP_KINDS_ANNOTATION]))?;
        let name = &sync.key.name;
        if let Some(sync) = state.syncs.get_mut(name) {
            sync.metadata.annotations.get_or_insert_default().extend(parent.annotations.clone());
        }
        state.announce_sync(name);
        Ok(())
    }

    async fn request(&self, sync: &SyncRef, patch: &Value) -> Result<(), ClusterError> {
        let mut state = self.server.state();
        state.call(format!("request {patch}"))?;
        let object = state.syncs.get_mut(&sync.key.name).unwrap();
        assert_eq!(object.metadata.uid.as_ref(), Some(&sync.uid));
        let merged = fields::merged(&serde_json::to_value(&*object).unwrap(), patch, &json!({}));
        *object = serde_json::from_value(merged).unwrap();
        object.metadata.generation = object.metadata.generation.map(|generation| generation + 1);
        state.announce_sync(&sync.key.name);
        Ok(())
    }
}

impl Stored {
    fn answer(&self, id: &ObjectId, applied: &Value, created: bool) -> Applied {
        let live = self.live(id);
        let rewritten = lockstep_plan::rewritten(applied, &live, &self.body);
        Applied { live, created, rewritten }
    }
}

#[async_trait]
impl Objects for Account {
    async fn apply(&self, target: &Target, body: &Body, precondition: &Precondition) -> Result<Applied, ClusterError> {
        // As over a network: others can act between two calls.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (id, body) = (id(target), &body.value());
        let mut state = self.server.state();
        state.call(self.line("apply", &id.short()))?;
        let before = state.objects.get(&id).cloned();
        if let (Precondition::ResourceVersion(wanted), Some(before)) = (precondition, &before)
            && *wanted != before.version.to_string()
        {
            return Err(refusal(409, Class::Conflict, "the object has been modified"));
        }
        let Some(mut stored) = before.clone() else {
            let (uid, version) = (state.next(), state.next());
            let entries = vec![("lockstep".to_owned(), fields::of(body))];
            let admitted = state.admitted(&id, body.clone());
            state
                .objects
                .insert(id.clone(), Stored { uid, version, body: admitted, entries, deleting: false, held: false });
            state.announce(&id, None);
            return Ok(state.objects[&id].answer(&id, body, true));
        };
        let owned = fields::of(body);
        let known = stored.entries.iter().find(|(manager, _)| manager == "lockstep").cloned();
        let dropped = known.as_ref().map_or(json!({}), |(_, known)| fields::without(known, &owned));
        stored.body = fields::merged(&stored.body, body, &dropped);
        stored.body = state.admitted(&id, stored.body);
        stored.entries.retain(|(manager, _)| manager != "lockstep");
        for (_, others) in &mut stored.entries {
            *others = fields::without(others, &owned);
        }
        stored.entries.insert(0, ("lockstep".to_owned(), owned.clone()));
        let is_same = before.as_ref().is_some_and(|before| before.body == stored.body);
        if !is_same || known.is_none_or(|(_, known)| known != owned) {
            stored.version = state.next();
            state.objects.insert(id.clone(), stored);
            state.announce(&id, before);
        }
        Ok(state.objects[&id].answer(&id, body, false))
    }

    async fn dry_run(&self, target: &Target, body: &Body) -> Result<LiveMetadata, ClusterError> {
        let id = id(target);
        let mut state = self.server.state();
        state.call(self.line("dry-run", &id.short()))?;
        let Some(mut live) = state.live(&id) else { return Ok(LiveMetadata::from_object(id, &body.value())) };
        let stored = state.objects[&id].body.clone();
        let merged = fields::merged(&stored, &body.value(), &json!({}));
        if state.admitted(&id, merged) != stored {
            let own = live.managed_fields.iter_mut().find(|entry| entry.manager == "lockstep");
            own.unwrap().time = Some("2027-01-15T08:00:09Z".to_owned());
        }
        Ok(live)
    }

    async fn lookup(&self, target: &Target) -> Result<Option<LiveMetadata>, ClusterError> {
        let id = id(target);
        let mut state = self.server.state();
        state.call(self.line("lookup", &id.short()))?;
        Ok(state.live(&id))
    }

    async fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        keep: Keep<'_>,
    ) -> Result<Vec<LiveMetadata>, ClusterError> {
        let mut state = self.server.state();
        state.call(self.line("list", &kind.resource.kind))?;
        let is_there = |id: &ObjectId| namespace.is_none_or(|namespace| id.namespace == namespace);
        let of_kind = state.objects.iter().filter(|(id, _)| id.kind == kind.resource.kind && is_there(id));
        Ok(of_kind.map(|(id, stored)| stored.live(id)).filter(|live| keep(live)).collect())
    }

    async fn preview(&self, target: &Target, body: &Body) -> Result<Value, ClusterError> {
        let id = id(target);
        let mut state = self.server.state();
        state.call(self.line("preview", &id.short()))?;
        let Some(mut stored) = state.objects.get(&id).cloned() else { return Ok(state.admitted(&id, body.value())) };
        let before = stored.body.clone();
        stored.body = state.admitted(&id, fields::merged(&before, &body.value(), &json!({})));
        let mut shown = stored.object();
        if stored.body != before {
            let entries = shown["metadata"]["managedFields"].as_array_mut().unwrap();
            let own = entries.iter_mut().find(|entry| entry["manager"] == "lockstep");
            own.unwrap()["time"] = json!("2027-01-15T08:00:09Z");
        }
        Ok(shown)
    }

    async fn dry_run_create(&self, target: &Target, _: &Body) -> Result<(), ClusterError> {
        self.server.state().call(self.line("dry-run-create", &id(target).short()))
    }

    async fn set_managed_fields(
        &self,
        target: &Target,
        entries: &[ManagedFields],
        resource_version: &str,
    ) -> Result<LiveMetadata, ClusterError> {
        let id = id(target);
        let mut state = self.server.state();
        state.call(self.line("migrate", &id.short()))?;
        state.rewrite(&id, resource_version, |stored| {
            let name = |entry: &ManagedFields| match &entry.subresource {
                Some(subresource) => format!("{}/{subresource}", entry.manager),
                None => entry.manager.clone(),
            };
            stored.entries = entries.iter().map(|entry| (name(entry), entry.fields.clone())).collect();
        })
    }

    async fn release(&self, _: &Kind, seen: &LiveMetadata) -> Result<LiveMetadata, ClusterError> {
        let mut state = self.server.state();
        state.call(self.line("release", &seen.id.short()))?;
        state.rewrite(&seen.id, &seen.resource_version, |stored| {
            for (parent, key) in [
                ("labels", SYNC_LABEL),
                ("labels", SYNC_NAMESPACE_LABEL),
                ("labels", PART_OF_LABEL),
                ("annotations", ID_ANNOTATION),
                ("annotations", APPLIED_ANNOTATION),
            ] {
                fields::set(&mut stored.body, &["metadata", parent, key], None);
            }
            stored.entries.retain(|(manager, _)| manager != "lockstep");
        })
    }

    async fn delete(&self, _: &Kind, seen: &LiveMetadata) -> Result<Deletion, ClusterError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut state = self.server.state();
        state.call(self.line("delete", &seen.id.short()))?;
        match state.live(&seen.id) {
            None => Ok(Deletion::Gone),
            Some(live) if live.uid != seen.uid || live.resource_version != seen.resource_version => {
                Ok(Deletion::Changed)
            }
            Some(_) if state.objects[&seen.id].held => {
                let (before, version) = (state.objects[&seen.id].clone(), state.next());
                let stored = state.objects.get_mut(&seen.id).unwrap();
                (stored.deleting, stored.version) = (true, version);
                state.announce(&seen.id, Some(before));
                Ok(Deletion::Deleting)
            }
            Some(_) => {
                state.delete(&seen.id);
                Ok(Deletion::Deleted)
            }
        }
    }

    async fn read(&self, target: &Target) -> Result<Option<Value>, ClusterError> {
        let id = id(target);
        let mut state = self.server.state();
        state.call(self.line("read", &id.short()))?;
        Ok(state.objects.get(&id).map(|stored| {
            let mut body = stored.body.clone();
            if id.kind == "CustomResourceDefinition" {
                body["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
            }
            body
        }))
    }
}
