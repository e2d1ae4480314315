//! From an object as Git has it to exactly what is applied.

use std::collections::HashMap;
use std::sync::Arc;

use lockstep_manifest::{Object, ObjectId};
use serde_json::{Map, Value};

use crate::canonical;
use crate::instructions::{self, ApplyMode, FieldPointer, Instructions};
use crate::ownership::{APPLIED_ANNOTATION, ID_ANNOTATION, Ownership};

mod body;
mod error;
mod secret;

pub use body::Body;
pub use error::RenderError;

use error::{FieldProblem, Flaw};

/// Where objects of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster as a whole.
    Cluster,
}

/// An object in its place, and what had to be changed to put it there.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The object with the namespace that it will have.
    pub object: Object,
    /// What a person should know about it.
    pub warning: Option<String>,
}

/// An object ready to be applied.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Its identity, file and line; all else is in the body.
    pub object: Object,
    /// What is sent to the API server.
    pub body: Body,
    /// The hash that `body` carries in the annotation `lockstep.dev/applied`.
    pub hash: Arc<str>,
    /// What its annotations ask for; `None` where they ask for nothing.
    pub instructions: Option<Box<Instructions>>,
}

impl Rendered {
    /// When the object is applied.
    pub fn apply_mode(&self) -> ApplyMode {
        self.instructions.as_ref().map_or(ApplyMode::Always, |instructions| instructions.apply)
    }

    /// The fields that Git leaves to others, as JSON pointers into the object as Git has it.
    pub(crate) fn ignored(&self) -> impl Iterator<Item = String> {
        let fields = self.instructions.iter().flat_map(|instructions| &instructions.ignore_fields);
        // The items of lists are still in the body; only fields of them were taken out.
        let body = self.instructions.as_ref().map(|_| self.body.value()).unwrap_or_default();
        fields.filter_map(move |field| field.in_object(&body))
    }
}

/// Set by the API server, never by Git: they are refused there or not kept.
pub(crate) const SERVER_METADATA: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Groups in which a null means what a missing field means. In a custom resource a null may be a value:
/// a chart's values take a default away with it.
const BUILT_IN_GROUPS: [&str; 16] = [
    "",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Gives an object the namespace that `kubectl apply` would: `default` where a namespaced one has none,
/// and none where a cluster-scoped one has one (the API server drops it there).
pub fn place(mut object: Object, scope: Scope) -> Placed {
    let mut warning = None;
    match scope {
        Scope::Namespaced if object.id.namespace.is_empty() => {
            object.id = object.id.in_namespace("default");
            set_namespace(&mut object.value, Some("default"));
        }
        Scope::Cluster if !object.id.namespace.is_empty() => {
            warning = Some(format!(
                "{}:{}: {} is cluster-scoped; its namespace is ignored",
                object.file, object.line, object.id
            ));
            object.id = object.id.in_namespace("");
            set_namespace(&mut object.value, None);
        }
        Scope::Namespaced | Scope::Cluster => {}
    }
    Placed { object, warning }
}

fn set_namespace(value: &mut Value, namespace: Option<&str>) {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    match namespace {
        Some(name) => metadata.insert("namespace".to_owned(), Value::from(name)),
        None => metadata.remove("namespace"),
    };
}

/// Checks that no object is declared twice; call it on placed objects, whose namespaces are known.
pub fn check_unique<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Result<(), Vec<RenderError>> {
    let mut seen: HashMap<&ObjectId, &Object> = HashMap::new();
    let mut errors = Vec::new();
    for object in objects {
        match seen.get(&object.id) {
            Some(first) => errors.push(RenderError::Duplicate {
                object: Box::new(object.id.clone()),
                file: object.file.clone(),
                line: object.line,
                first_file: first.file.clone(),
                first_line: first.line,
            }),
            None => drop(seen.insert(&object.id, object)),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Turns a placed object into what is applied: without what only the server sets, with the marks of
/// ownership and the hash of all that.
pub fn render(mut object: Object, ownership: &Ownership) -> Result<Rendered, RenderError> {
    // The body says it all; two copies would double the memory.
    let mut body = object.value.take();
    let (instructions, hash) = fill(&mut body, &object.id, ownership).map_err(|flaw| flaw.of(&object))?;
    Ok(Rendered { object, body: Body::of(&body), hash, instructions })
}

fn fill(body: &mut Value, id: &ObjectId, ownership: &Ownership) -> Result<(Option<Box<Instructions>>, Arc<str>), Flaw> {
    let Some(root) = body.as_object_mut() else { return Err((".".to_owned(), "must be a map").into()) };
    root.remove("status");
    if BUILT_IN_GROUPS.contains(&id.group.as_str()) {
        root.values_mut().for_each(drop_nulls);
        root.retain(|_, value| !value.is_null());
    }
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Secret") => secret::merge_string_data(root)?,
        // The controller fills the rules in; an empty list from us would empty the role at every apply.
        ("rbac.authorization.k8s.io", "ClusterRole") if root.contains_key("aggregationRule") => {
            drop(root.remove("rules"))
        }
        _ => {}
    }
    let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err((".metadata".to_owned(), "must be a map with a name").into());
    };
    for name in SERVER_METADATA {
        metadata.remove(name);
    }
    if metadata.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        let problem = "must be a text that is not empty; generateName cannot be synced";
        return Err((".metadata.name".to_owned(), problem).into());
    }
    let labels = text_map(metadata, "labels")?;
    labels.extend(ownership.labels().into_iter().map(|(name, value)| (name, Value::from(value))));
    let annotations = text_map(metadata, "annotations")?;
    annotations.remove(LAST_APPLIED);
    annotations.remove(APPLIED_ANNOTATION);
    annotations.insert(ID_ANNOTATION.to_owned(), Value::from(id.to_string()));
    let instructions = instructions::of_metadata(metadata).map_err(Flaw::Annotations)?;
    if let Some(instructions) = &instructions {
        leave_fields(body, &instructions.ignore_fields).map_err(Flaw::Annotations)?;
    }
    Ok((instructions, seal(body)))
}

/// Takes out what is left to others.
fn leave_fields(body: &mut Value, fields: &[FieldPointer]) -> Result<(), Vec<String>> {
    let lost = fields.iter().filter(|pointer| !pointer.remove(body));
    let problem = |pointer: &FieldPointer| {
        format!("lockstep.dev/ignore-fields: {pointer} must name a field of an item that is in the list")
    };
    let problems: Vec<String> = lost.map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Puts the hash of all that is to be applied on it.
pub(crate) fn seal(body: &mut Value) -> Arc<str> {
    if let Some(annotations) = annotations_of(body) {
        annotations.remove(APPLIED_ANNOTATION);
    }
    let hash = canonical::hash(body);
    if let Some(annotations) = annotations_of(body) {
        annotations.insert(APPLIED_ANNOTATION.to_owned(), Value::from(hash.clone()));
    }
    hash.into()
}

fn annotations_of(body: &mut Value) -> Option<&mut Map<String, Value>> {
    body.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
}

/// The labels or the annotations, made if they are missing; every value must be text.
fn text_map<'a>(metadata: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>, FieldProblem> {
    let map = metadata.entry(name).or_insert(Value::Null);
    if map.is_null() {
        *map = Value::Object(Map::new());
    }
    let Some(map) = map.as_object_mut() else { return Err((format!(".metadata.{name}"), "must be a map")) };
    map.retain(|_, value| !value.is_null());
    match map.iter().find(|(_, value)| !value.is_string()) {
        Some((key, _)) => Err((format!(".metadata.{name}[{key:?}]"), "must be text; put it in quotes")),
        None => Ok(map),
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
