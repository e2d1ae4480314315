//! What a person wrote about the images of an object, in its annotations.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use lockstep_image::{Policy, Rule, TagFilter, parse_duration};
use lockstep_manifest::ObjectId;

const PREFIX: &str = "lockstep.dev/";

/// Keys that this version acts on.
const KEYS: [&str; 8] =
    ["automated", "policy", "tags", "skip-tags", "min-age", "locked", "on-failure", "allow-downgrade"];

/// Keys that have a meaning, which this version would not honour.
const NOT_SUPPORTED: [&str; 7] = ["calver", "follow", "group", "pin", "platforms", "verify", "window"];

/// Keys that are the synchronizer's business.
const SYNCHRONIZER: [&str; 14] = [
    "sync",
    "sync-namespace",
    "id",
    "applied",
    "prune",
    "apply",
    "ignore-fields",
    "replace",
    "wave",
    "depends-on",
    "adopt",
    "acknowledge",
    "health",
    "drift",
];

/// What becomes of a place when a cluster proves that our update of it does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The value before it is committed.
    Revert,
    /// Git is left as it is, and the tag goes to no further place.
    #[default]
    Hold,
    /// It is recorded.
    Ignore,
}

/// Everything that governs one place.
#[derive(Clone, Debug)]
pub(crate) struct PlacePolicy {
    /// Updates may be committed.
    pub(crate) automated: bool,
    pub(crate) rule: Rule,
    /// Why no automatic change is made.
    pub(crate) locked: Option<String>,
    pub(crate) on_failure: OnFailure,
}

/// Whether any annotation is addressed to the automator, readable or not.
pub(crate) fn concerns(annotations: &BTreeMap<String, String>) -> bool {
    keys(annotations).any(|(key, _, _)| !SYNCHRONIZER.contains(&key))
}

/// The key, the container it is for, and the value.
fn keys(annotations: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, Option<&str>, &str)> {
    annotations.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(PREFIX)?;
        let (key, container) = name.split_once('.').map_or((name, None), |(key, container)| (key, Some(container)));
        Some((key, container, value.as_str()))
    })
}

/// What governs each of an object's containers, in their order: the name, and the tag that it has. `None` for a container
/// that is left alone.
///
/// # Errors
/// Everything that is wrong with the annotations. Nothing may be selected for the object then.
pub(crate) fn read(
    object: &ObjectId,
    annotations: &BTreeMap<String, String>,
    containers: &[(&str, Option<&str>)],
) -> Result<Vec<Option<PlacePolicy>>, Vec<String>> {
    let mut wrong = check_keys(annotations, containers);
    let value = |key: &str, container: &str| {
        let own = annotations.get(&format!("{PREFIX}{key}.{container}"));
        own.or_else(|| annotations.get(&format!("{PREFIX}{key}"))).map(String::as_str)
    };
    let chosen_one_by_one = keys(annotations).any(|(key, container, _)| key == "policy" && container.is_some());
    let mut policies = Vec::with_capacity(containers.len());
    for (container, current) in containers {
        if chosen_one_by_one && value("policy", container).is_none() {
            policies.push(None);
            continue;
        }
        match place_policy(|key| value(key, container), *current) {
            Ok(mut policy) => {
                if let Some(reason) = annotations.get(&format!("{PREFIX}locked")) {
                    policy.locked = Some(reason.clone());
                }
                if policy.automated && is_immutable_job(object, annotations) {
                    wrong.push(format!(
                        "a Job's image cannot be changed in place: add {PREFIX}replace: on-immutable, or take {PREFIX}automated away"
                    ));
                }
                policies.push(Some(policy));
            }
            Err(problems) => {
                wrong.extend(problems.into_iter().map(|(key, problem)| format!("{PREFIX}{key}: {problem}")))
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    if wrong.is_empty() { Ok(policies) } else { Err(wrong) }
}

fn check_keys(annotations: &BTreeMap<String, String>, containers: &[(&str, Option<&str>)]) -> Vec<String> {
    let names: BTreeSet<&str> = containers.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for (key, container, _) in keys(annotations) {
        if NOT_SUPPORTED.contains(&key) {
            wrong.push(format!(
                "{PREFIX}{key} is not supported by this version; take it away, or automate this object later"
            ));
        } else if SYNCHRONIZER.contains(&key) {
            continue;
        } else if !KEYS.contains(&key) {
            wrong.push(format!("{PREFIX}{key} is no key that Lockstep knows; check the spelling"));
        } else if let Some(container) = container.filter(|container| !names.contains(container)) {
            wrong.push(format!("{PREFIX}{key}.{container}: the object has no container {container:?} with an image"));
        }
    }
    wrong
}

/// Jobs refuse another image; the synchronizer deletes and creates those that say so.
fn is_immutable_job(object: &ObjectId, annotations: &BTreeMap<String, String>) -> bool {
    let replaced = annotations.get("lockstep.dev/replace").is_some_and(|value| value == "on-immutable");
    object.kind == "Job" && !replaced
}

type Wrong = (&'static str, String);

fn place_policy<'a>(
    value: impl Fn(&'static str) -> Option<&'a str>,
    current: Option<&str>,
) -> Result<PlacePolicy, Vec<Wrong>> {
    let mut wrong: Vec<Wrong> = Vec::new();
    let policy = note(&mut wrong, "policy", Policy::parse(value("policy").unwrap_or_default(), current));
    let on_failure = note(&mut wrong, "on-failure", value("on-failure").map_or(Ok(OnFailure::default()), on_failure));
    let mut switch = |key| note(&mut wrong, key, value(key).map_or(Ok(false), is_true)).unwrap_or_default();
    let (automated, allow_downgrade) = (switch("automated"), switch("allow-downgrade"));
    let mut filter = |key| note(&mut wrong, key, value(key).map(TagFilter::parse).transpose()).flatten();
    let (tags, skip_tags) = (filter("tags"), filter("skip-tags"));
    let min_age: Option<SignedDuration> =
        note(&mut wrong, "min-age", value("min-age").map(parse_duration).transpose()).flatten();
    match (policy, on_failure) {
        (Some(policy), Some(on_failure)) if wrong.is_empty() => Ok(PlacePolicy {
            automated,
            rule: Rule { tags, skip_tags, min_age, allow_downgrade, ..Rule::new(policy) },
            locked: value("locked").map(str::to_owned),
            on_failure,
        }),
        _ => Err(wrong),
    }
}

fn note<T, E: ToString>(wrong: &mut Vec<Wrong>, key: &'static str, read: Result<T, E>) -> Option<T> {
    read.map_err(|error| wrong.push((key, error.to_string()))).ok()
}

fn is_true(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither \"true\" nor \"false\"")),
    }
}

fn on_failure(text: &str) -> Result<OnFailure, String> {
    match text {
        "revert" => Ok(OnFailure::Revert),
        "hold" => Ok(OnFailure::Hold),
        "ignore" => Ok(OnFailure::Ignore),
        other => Err(format!("{other:?} is neither revert, hold nor ignore")),
    }
}

#[cfg(test)]
mod tests;
