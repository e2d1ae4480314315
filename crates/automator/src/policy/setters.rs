//! The ImagePolicies and ImageRepositories of Flux v2 that stand in the branch, for the setters that name them.

use std::collections::BTreeMap;

use lockstep_image::Reference;
use lockstep_manifest::Object;
use lockstep_registry::Repository;
use serde_json::Value;

const GROUP: &str = "image.toolkit.fluxcd.io";

/// What a file must mention to have any of them.
pub(crate) const MARK: &str = "image.toolkit.fluxcd.io/";

/// By namespace and name; the namespace is empty where the manifest names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setters {
    policies: BTreeMap<(String, String), ImagePolicy>,
    images: BTreeMap<(String, String), String>,
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

impl Setters {
    /// Those among the objects of a file.
    pub(crate) fn of(objects: &[Object]) -> Self {
        let mut setters = Self::default();
        for Object { id, value, file, line, .. } in objects.iter().filter(|object| object.id.group == GROUP) {
            let key = (id.namespace.clone(), id.name.clone());
            let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            match id.kind.as_str() {
                "ImageRepository" => {
                    setters.images.extend(text("/spec/image").map(|image| (key, image)));
                }
                "ImagePolicy" => {
                    let mut words = Vec::new();
                    flatten("spec", value.get("spec").unwrap_or(&Value::Null), &mut words);
                    let namespace = text("/spec/imageRepositoryRef/namespace").unwrap_or_else(|| id.namespace.clone());
                    let repository = (namespace, text("/spec/imageRepositoryRef/name").unwrap_or_default());
                    let policy = ImagePolicy { words, repository, file: file.to_string(), line: *line };
                    setters.policies.insert(key, policy);
                }
                _ => {}
            }
        }
        setters
    }

    /// Takes in those of another file.
    pub(crate) fn add(&mut self, other: &Self) {
        self.policies.extend(other.policies.clone());
        self.images.extend(other.images.clone());
    }

    /// The policy that a setter names as `NAMESPACE:NAME`.
    pub(super) fn policy(&self, named: &str) -> Option<&ImagePolicy> {
        let (namespace, name) = named.split_once(':')?;
        of(&self.policies, namespace, name)
    }

    /// The image that it is about.
    pub(super) fn image(&self, policy: &ImagePolicy) -> Option<Repository> {
        let (namespace, name) = &policy.repository;
        let image: Reference = of(&self.images, namespace, name)?.parse().ok()?;
        Some(Repository::from(&image))
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
