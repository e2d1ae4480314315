//! What a person wrote on an object for the synchronizer: how it is applied, whether it may go, what it waits for.
//!
//! `lockstep.dev/…` is read first. The annotations of other tools that mean the same are understood as they are, so that
//! a repository can move without being rewritten; among themselves the most careful one wins. A value that cannot be
//! read and would change what is applied or deleted is an error: a misspelt `never` must not delete anything.

use std::collections::BTreeMap;

use lockstep_manifest::{AUTOMATOR_KEYS, MARK_KEYS, ObjectId, SYNCHRONIZER_KEYS};
use serde_json::{Map, Value};

use crate::live::LiveMetadata;

mod peers;
mod pointer;

pub use pointer::FieldPointer;

const PREFIX: &str = "lockstep.dev/";
const DEPENDS_ON: &str = "group/namespaces/NAMESPACE/Kind/NAME or group/Kind/NAME, separated by commas";

/// When an object is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplyMode {
    /// Whenever it is not as Git wants it.
    #[default]
    Always,
    /// When it is not there; never touched afterwards.
    CreateOnly,
    /// Never. It is not looked at and not deleted while it stands in Git.
    Ignore,
}

/// Everything that the annotations of an object ask for. The default is what holds without any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instructions {
    /// When it is applied.
    pub apply: ApplyMode,
    /// It is never deleted, only let go.
    pub prune_never: bool,
    /// Fields that are left to others. They are not in what is applied.
    pub ignore_fields: Vec<FieldPointer>,
    /// It may be deleted and created again when a field has to change that cannot.
    pub replace_on_immutable: bool,
    /// It is taken over from the owner that it has.
    pub adopt: bool,
    /// It waits until everything of the waves before is healthy. Without a wave it is in wave 0.
    pub wave: Option<i32>,
    /// It waits until these are healthy.
    pub depends_on: Vec<ObjectId>,
    /// The hook that another tool would run it as. Hooks are not run here.
    pub hook: Option<String>,
    /// Its replicas are left to an autoscaler of the same commit.
    pub autoscaled: Option<Autoscaled>,
}

/// An autoscaler that has the say over an object's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autoscaled {
    /// The autoscaler.
    pub by: ObjectId,
    /// The replicas that Git names, for the time after it.
    pub(crate) replicas: Option<Value>,
}

/// What is wrong with the annotations: which one, and what it must be.
pub(crate) type Problems = Vec<String>;

/// Reads the metadata of an object as Git has it. `None`: nothing is asked for.
pub(crate) fn of_metadata(metadata: &Map<String, Value>) -> Result<Option<Box<Instructions>>, Problems> {
    let map = |name: &str| metadata.get(name).and_then(Value::as_object);
    let texts = |map: Option<&'_ Map<String, Value>>| -> BTreeMap<String, String> {
        let entries = map.into_iter().flatten().filter(|(key, _)| is_known(key));
        entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    let (labels, annotations) = (texts(map("labels")), texts(map("annotations")));
    if labels.is_empty() && annotations.is_empty() {
        return Ok(None);
    }
    let unknown: Problems = annotations.keys().filter_map(|key| unknown_key(key)).collect();
    match read(&labels, &annotations) {
        Ok(instructions) if unknown.is_empty() => {
            Ok((instructions != Instructions::default()).then(|| Box::new(instructions)))
        }
        Ok(_) => Err(unknown),
        Err(problems) => Err([unknown, problems].concat()),
    }
}

/// Reads what stands on an object in the cluster.
pub(crate) fn of_live(live: &LiveMetadata) -> Result<Instructions, Problems> {
    read(&live.labels, &live.annotations)
}

fn is_known(key: &str) -> bool {
    key.starts_with(PREFIX) || peers::is_known(key)
}

fn unknown_key(name: &str) -> Option<String> {
    let key = name.strip_prefix(PREFIX)?;
    let of_images = key.split_once('.').map_or(key, |(key, _)| key);
    let is_known = SYNCHRONIZER_KEYS.contains(&key) || MARK_KEYS.contains(&key) || AUTOMATOR_KEYS.contains(&of_images);
    (!is_known).then(|| format!("{name} is no annotation that Lockstep knows; check the spelling"))
}

fn read(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Result<Instructions, Problems> {
    let mut instructions = Instructions::default();
    let mut problems = Problems::new();
    let from_labels = labels.iter().filter(|(key, _)| peers::is_label(key));
    for (key, value) in from_labels.chain(annotations) {
        if let Err(problem) = peers::read(&mut instructions, key, value) {
            problems.push(format!("{key} {problem}"));
        }
    }
    for (key, value) in annotations {
        if let Some(own) = key.strip_prefix(PREFIX)
            && let Err(problem) = instructions.read_own(own, value.trim())
        {
            problems.push(format!("{key} {problem}"));
        }
    }
    if instructions.hook.is_some() {
        instructions.apply = ApplyMode::Ignore;
    }
    if problems.is_empty() { Ok(instructions) } else { Err(problems) }
}

impl Instructions {
    fn read_own(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, value) {
            ("apply", "always") => (self.apply, self.hook) = (ApplyMode::Always, None),
            ("apply", "create-only") => (self.apply, self.hook) = (ApplyMode::CreateOnly, None),
            ("apply", "ignore") => self.apply = ApplyMode::Ignore,
            ("apply", _) => return Err("must be ignore, create-only or always".to_owned()),
            ("prune", "never") => self.prune_never = true,
            ("prune", "always") => self.prune_never = false,
            ("prune", _) => return Err("must be never or always".to_owned()),
            ("replace", "on-immutable") => self.replace_on_immutable = true,
            ("replace", "never") => self.replace_on_immutable = false,
            ("replace", _) => return Err("must be on-immutable or never".to_owned()),
            ("adopt", "true") => self.adopt = true,
            ("adopt", "false") => self.adopt = false,
            ("adopt", _) => return Err("must be \"true\" or \"false\"".to_owned()),
            ("wave", text) => self.wave = Some(wave(text)?),
            ("depends-on", text) => self.depends_on = dependencies(text)?,
            ("ignore-fields", text) => {
                self.ignore_fields = text.split(',').map(|one| one.trim().parse()).collect::<Result<_, String>>()?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn wave(text: &str) -> Result<i32, String> {
    text.trim().parse().map_err(|_| "must be a whole number, such as \"-1\" or \"2\"".to_owned())
}

/// Reads the form of cli-utils: `apps/namespaces/shop/Deployment/web`, `/namespaces/shop/ConfigMap/web` in the core group,
/// `rbac.authorization.k8s.io/ClusterRole/web` for what is cluster-scoped.
fn dependencies(text: &str) -> Result<Vec<ObjectId>, String> {
    text.split(',').map(|one| dependency(one.trim())).collect()
}

fn dependency(text: &str) -> Result<ObjectId, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (group, namespace, kind, name) = match parts[..] {
        [group, "namespaces", namespace, kind, name] if !namespace.is_empty() => (group, namespace, kind, name),
        [group, kind, name] => (group, "", kind, name),
        _ => return Err(format!("must be {DEPENDS_ON}")),
    };
    if kind.is_empty() || name.is_empty() {
        return Err(format!("must be {DEPENDS_ON}"));
    }
    Ok(ObjectId::new(group, kind, namespace, name))
}

#[cfg(test)]
mod tests;
