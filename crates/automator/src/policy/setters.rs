//! The ImagePolicies, ImageRepositories and ImageUpdateAutomations of Flux v2 that stand in the branch, for the setters
//! that name them.

use std::collections::BTreeMap;

use lockstep_image::{Reference, TagFilter};
use lockstep_manifest::Object;
use lockstep_registry::Repository;
use serde_json::Value;

const GROUP: &str = "image.toolkit.fluxcd.io";

/// What a file must mention to have any of them.
pub(crate) const MARK: &str = "image.toolkit.fluxcd.io/";

/// What Flux leaves out where an ImageRepository has no `exclusionList`.
const EXCLUDED: &str = r"^.*\.sig$";

/// By namespace and name; the namespace is empty where the manifest names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setters {
    policies: BTreeMap<(String, String), ImagePolicy>,
    repositories: BTreeMap<(String, String), ImageRepository>,
    automations: BTreeMap<(String, String), Automation>,
}

/// An ImagePolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImagePolicy {
    /// Its `spec`, by paths with dots.
    pub(super) words: Vec<(String, String)>,
    repository: (String, String),
    pub(super) file: String,
    pub(super) line: usize,
}

/// An ImageRepository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImageRepository {
    image: String,
    suspended: bool,
    exclusions: Option<Vec<String>>,
}

/// An ImageUpdateAutomation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Automation {
    /// The folder that it writes to, without `./` and the last slash.
    path: String,
    suspended: bool,
}

impl Setters {
    /// Those among the objects of a file.
    pub(crate) fn of(objects: &[Object]) -> Self {
        let mut setters = Self::default();
        for Object { id, value, file, line, .. } in objects.iter().filter(|object| object.id.group == GROUP) {
            let key = (id.namespace.clone(), id.name.clone());
            let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            let suspended = value.pointer("/spec/suspend") == Some(&Value::Bool(true));
            match id.kind.as_str() {
                "ImageRepository" => {
                    let listed = value.pointer("/spec/exclusionList").and_then(Value::as_array);
                    let exclusions = listed
                        .map(|listed| listed.iter().map(|item| item.as_str().unwrap_or_default().to_owned()).collect());
                    let image = text("/spec/image").unwrap_or_default();
                    setters.repositories.insert(key, ImageRepository { image, suspended, exclusions });
                }
                "ImagePolicy" => {
                    let mut words = Vec::new();
                    flatten("spec", value.get("spec").unwrap_or(&Value::Null), &mut words);
                    let namespace = text("/spec/imageRepositoryRef/namespace").unwrap_or_else(|| id.namespace.clone());
                    let repository = (namespace, text("/spec/imageRepositoryRef/name").unwrap_or_default());
                    let policy = ImagePolicy { words, repository, file: file.to_string(), line: *line };
                    setters.policies.insert(key, policy);
                }
                "ImageUpdateAutomation" => {
                    let path = text("/spec/update/path").unwrap_or_default();
                    let path = path.trim_start_matches("./").trim_matches('/').to_owned();
                    setters.automations.insert(key, Automation { path, suspended });
                }
                _ => {}
            }
        }
        setters
    }

    /// Takes in those of another file.
    pub(crate) fn add(&mut self, other: &Self) {
        self.policies.extend(other.policies.clone());
        self.repositories.extend(other.repositories.clone());
        self.automations.extend(other.automations.clone());
    }

    /// The policy that a setter names as `NAMESPACE:NAME`.
    pub(super) fn policy(&self, named: &str) -> Option<&ImagePolicy> {
        let (namespace, name) = named.split_once(':')?;
        of(&self.policies, namespace, name)
    }

    /// What it is about.
    pub(super) fn repository(&self, policy: &ImagePolicy) -> Option<&ImageRepository> {
        let (namespace, name) = &policy.repository;
        of(&self.repositories, namespace, name)
    }

    /// The image that a setter is about.
    pub(crate) fn image(&self, named: &str) -> Option<&str> {
        Some(self.repository(self.policy(named)?)?.image.as_str())
    }

    /// What is suspended so that Flux would write nothing for this setter in this file.
    pub(super) fn suspended(&self, named: &str, file: &str) -> Option<String> {
        let (namespace, _) = named.split_once(':')?;
        let policy = self.policy(named)?;
        if policy.words.iter().any(|(key, value)| key == "spec.suspend" && value == "true") {
            return Some(format!("the ImagePolicy {named} is suspended"));
        }
        if self.repository(policy).is_some_and(|repository| repository.suspended) {
            return Some(format!("the ImageRepository {} is suspended", policy.repository.1));
        }
        // An automation writes for the policies of its own namespace.
        let mut covering = self
            .automations
            .iter()
            .filter(|((of, _), automation)| (of == namespace || of.is_empty()) && automation.covers(file));
        let ((_, name), first) = covering.next()?;
        let all = first.suspended && covering.all(|(_, automation)| automation.suspended);
        all.then(|| format!("the ImageUpdateAutomation {name} is suspended"))
    }
}

impl ImagePolicy {
    /// Whether Flux would write the digest beside the tag.
    pub(super) fn reflects_digests(&self) -> bool {
        let said = self.words.iter().find(|(key, _)| key == "spec.digestReflectionPolicy");
        said.is_some_and(|(_, value)| value == "Always" || value == "IfNotPresent")
    }
}

impl ImageRepository {
    pub(super) fn image(&self) -> Option<Repository> {
        let image: Reference = self.image.parse().ok()?;
        Some(Repository::from(&image))
    }

    /// The tags that are not looked at.
    pub(super) fn excluded(&self) -> Result<Option<TagFilter>, String> {
        let listed = self.exclusions.as_deref();
        let expressions: Vec<String> = match listed {
            None => vec![EXCLUDED.to_owned()],
            Some(listed) => listed.iter().map(|expression| format!("(?:{expression})")).collect(),
        };
        if expressions.is_empty() {
            return Ok(None);
        }
        TagFilter::parse(&expressions.join("|")).map(Some).map_err(|error| error.to_string())
    }
}

impl Automation {
    fn covers(&self, file: &str) -> bool {
        let below = file.strip_prefix(&self.path);
        self.path.is_empty() || below.is_some_and(|below| below.starts_with('/'))
    }
}

/// A manifest may leave its namespace to a kustomization.
fn of<'a, T>(all: &'a BTreeMap<(String, String), T>, namespace: &str, name: &str) -> Option<&'a T> {
    let key = |namespace: &str| (namespace.to_owned(), name.to_owned());
    all.get(&key(namespace)).or_else(|| all.get(&key("")))
}

fn flatten(path: &str, value: &Value, words: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                flatten(&format!("{path}.{name}"), value, words);
            }
        }
        Value::String(text) => words.push((path.to_owned(), text.clone())),
        Value::Object(_) | Value::Null => words.push((path.to_owned(), String::new())),
        other => words.push((path.to_owned(), other.to_string())),
    }
}
