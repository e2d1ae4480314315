//! One object, ours and other hands.

use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject},
};
use lockstep_cluster::{Applied, Cluster, Connect, Kind, Lookup, Options, Precondition, Resolution};
use lockstep_manifest::{Object, objects};
use lockstep_plan::{Body, Cover, LiveMetadata, Ownership, Rendered, Scope, cover, place, render};
use lockstep_testkit::ControlPlane;
use serde_json::Value;

/// An object as Git has it, on the real API server.
pub(crate) struct Stand {
    pub(crate) cluster: Cluster,
    pub(crate) kind: Kind,
    pub(crate) rendered: Rendered,
    /// The object as Git has it.
    pub(crate) manifest: Value,
    api: Api<DynamicObject>,
}

pub(crate) async fn connect(plane: &ControlPlane) -> Cluster {
    let connect = Connect::Kubeconfig { path: Some(plane.admin_kubeconfig()), context: None };
    Cluster::connect(connect, Options::default()).await.unwrap()
}

fn object(text: &str) -> Object {
    objects("file.yaml", text).unwrap().remove(0)
}

pub(crate) fn rendered(text: &str, scope: Scope) -> Rendered {
    let ownership = Ownership { sync: "shop".into(), sync_namespace: "lockstep".into() };
    render(place(object(text), scope).object, &ownership).unwrap()
}

pub(crate) fn by(manager: &str) -> PatchParams {
    PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() }
}

impl Stand {
    /// The object of this manifest; nothing is written yet.
    pub(crate) async fn new(cluster: &Cluster, text: &str) -> Self {
        let object = object(text);
        let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
        let kind = match cluster.discover().await.unwrap().resolve(group, version, &object.id.kind) {
            Resolution::Resolved(kind) => kind,
            other => panic!("{} is {other:?}", object.id.kind),
        };
        Self::of(cluster, kind, text)
    }

    /// The same for a kind that is known.
    pub(crate) fn of(cluster: &Cluster, kind: Kind, text: &str) -> Self {
        let rendered = rendered(text, kind.scope);
        let resource: &ApiResource = &kind.resource;
        let api = match kind.scope {
            Scope::Namespaced => Api::namespaced_with(cluster.client(), &rendered.object.id.namespace, resource),
            Scope::Cluster => Api::all_with(cluster.client(), resource),
        };
        Self { cluster: cluster.clone(), kind, rendered, manifest: object(text).value, api }
    }

    fn name(&self) -> &str {
        &self.rendered.object.id.name
    }

    fn namespace(&self) -> &str {
        &self.rendered.object.id.namespace
    }

    /// Applies it as we do.
    pub(crate) async fn apply(&self) -> Applied {
        self.apply_body(&self.rendered.body).await
    }

    pub(crate) async fn apply_body(&self, body: &Body) -> Applied {
        self.cluster.apply(&self.kind, self.namespace(), self.name(), body, &Precondition::None).await.unwrap()
    }

    /// Writes a list of managed fields, if there is one to write.
    pub(crate) async fn set_managed_fields(
        &self,
        live: &LiveMetadata,
        list: Option<Vec<lockstep_plan::ManagedFields>>,
    ) {
        let list = list.expect("a list to write");
        let (namespace, name) = (self.namespace(), self.name());
        self.cluster.set_managed_fields(&self.kind, namespace, name, &list, &live.resource_version).await.unwrap();
    }

    pub(crate) async fn live(&self) -> LiveMetadata {
        match self.cluster.lookup(&self.kind, self.namespace(), self.name()).await {
            Lookup::Present(live) => *live,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn whole(&self) -> DynamicObject {
        self.api.get(self.name()).await.unwrap()
    }

    pub(crate) async fn value(&self) -> Value {
        serde_json::to_value(self.whole().await).unwrap()
    }

    pub(crate) async fn cover(&self) -> Cover {
        cover(&self.rendered.body.value(), &self.live().await)
    }

    /// What our apply would change, as the server says; it may also refuse what it would come to.
    pub(crate) async fn would_change(&self) -> Result<Change, lockstep_cluster::CallError> {
        let shown = self.cluster.preview(&self.kind, self.namespace(), self.name(), &self.rendered.body).await?;
        let ((shown, our), (stored, known)) = (substance(shown), substance(self.value().await));
        Ok(match (shown == stored, our == known) {
            (true, true) => Change::Nothing,
            (true, false) => Change::Ownership,
            (false, _) => Change::Value,
        })
    }

    /// A merge patch by another hand.
    pub(crate) async fn patch(&self, manager: &str, patch: Value) -> kube::Result<DynamicObject> {
        self.api.patch(self.name(), &by(manager), &Patch::Merge(patch)).await
    }

    /// A merge patch of the scale by another hand.
    pub(crate) async fn scale(&self, manager: &str, replicas: usize) {
        let patch = serde_json::json!({"spec": {"replicas": replicas}});
        self.api.patch_scale(self.name(), &by(manager), &Patch::Merge(patch)).await.unwrap();
    }

    /// A forced apply by another hand.
    pub(crate) async fn apply_as(&self, manager: &str, body: &Value) -> kube::Result<DynamicObject> {
        self.api.patch(self.name(), &PatchParams::apply(manager).force(), &Patch::Apply(body)).await
    }

    /// The whole object written by another hand.
    pub(crate) async fn replace(&self, manager: &str, object: &DynamicObject) -> kube::Result<DynamicObject> {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        self.api.replace(self.name(), &params, object).await
    }

    /// The object made by another hand.
    pub(crate) async fn create(&self, manager: &str, object: &Value) {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        self.api.create(&params, &object).await.unwrap();
    }
}

/// What an apply would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// Only what our entry holds.
    Ownership,
    Value,
}

/// An object without what controllers write beside us, and our entry.
fn substance(mut object: Value) -> (Value, Value) {
    let root = object.as_object_mut().unwrap();
    root.remove("status");
    let metadata = root["metadata"].as_object_mut().unwrap();
    for name in ["resourceVersion", "generation"] {
        metadata.remove(name);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
    }
    let entries = metadata.remove("managedFields").unwrap_or_default();
    let is_ours = |entry: &&Value| entry["manager"] == "lockstep";
    let own = entries.as_array().into_iter().flatten().find(is_ours).map(|entry| entry["fieldsV1"].clone());
    one_nothing(&mut object);
    (object, own.unwrap_or_default())
}

/// Where the last field of a free map is removed, the server keeps a null in place of the empty map.
fn one_nothing(value: &mut Value) {
    match value {
        Value::Object(map) if map.is_empty() => *value = Value::Null,
        Value::Object(map) => map.values_mut().for_each(one_nothing),
        Value::Array(items) => items.iter_mut().for_each(one_nothing),
        _ => {}
    }
}
