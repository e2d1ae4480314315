//! Setting one container's image by the names that a person uses.

use lockstep_image::Reference;

use crate::edit::{edit_tree, first, refusal};
use crate::error::EditError;
use crate::image_place::ImagePlace;
use crate::images::{is_workload, places_of};
use crate::object::{Found, find, parsed};

/// Which container of which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The kind: any case, singular, plural or short (`deployment`, `deployments`, `deploy`).
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The namespace that the manifest names; `None` where the kind and name say enough.
    pub namespace: Option<String>,
    /// The name of the container or init container.
    pub container: String,
}

/// Every way to say a kind, lower case, the kind itself first.
const KINDS: &[&[&str]] = &[
    &["deployment", "deployments", "deploy"],
    &["statefulset", "statefulsets", "sts"],
    &["daemonset", "daemonsets", "ds"],
    &["replicaset", "replicasets", "rs"],
    &["job", "jobs"],
    &["cronjob", "cronjobs", "cj"],
    &["pod", "pods", "po"],
];

/// A kind as a person says it (any case, singular, plural or short) as the kind in lower case.
pub fn canonical_kind(said: &str) -> String {
    let said = said.to_ascii_lowercase();
    KINDS.iter().find(|words| words.contains(&said.as_str())).map_or(said.clone(), |words| words[0].to_owned())
}

impl Selector {
    fn matches(&self, found: &Found) -> bool {
        found.id.kind.to_ascii_lowercase() == canonical_kind(&self.kind)
            && found.id.name == self.name
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == found.id.namespace)
    }

    fn object(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{}/{}", self.kind, namespace, self.name),
            None => format!("{}/{}", self.kind, self.name),
        }
    }
}

/// The text with one container's image set to this reference, changed as [`crate::edit`] does it.
///
/// # Errors
///
/// As [`crate::edit`]; where the new image is not a reference; and where no object or container answers to the selector, or more than one does.
pub fn set_image(file: &str, text: &str, selector: &Selector, reference: &str) -> Result<String, EditError> {
    let new = reference
        .parse::<Reference>()
        .map_err(|error| refusal(file, 1, format!("the new image is not a reference: {error}")))?;
    let tree = parsed(file, text).map_err(|errors| first(file, errors))?;
    let (found, errors) = find(file, &tree);
    let matching: Vec<&Found> = found.iter().filter(|found| selector.matches(found)).collect();
    let object = match matching[..] {
        [object] => object,
        [] => {
            if !errors.is_empty() {
                return Err(first(file, errors));
            }
            let there = list(found.iter().filter(|found| is_workload(found)));
            let reason = format!("no object {} here; there is {there}", selector.object());
            return Err(refusal(file, 1, reason));
        }
        [one, ..] => {
            let reason = format!(
                "{} is not the only one: there is {}; name its namespace, or give each one name",
                selector.object(),
                list(matching.iter().copied())
            );
            return Err(refusal(file, one.line, reason));
        }
    };
    let (images, wrong) = places_of(file, &tree, object);
    if images.is_empty() && wrong.is_empty() && !is_workload(object) {
        let reason = format!("{} is of a kind that has no containers of its own", object.id.short());
        return Err(refusal(file, object.line, reason));
    }
    let containers: Vec<&ImagePlace> = images.iter().filter(|image| image.container == selector.container).collect();
    let place = match containers[..] {
        [place] => place,
        [] if !wrong.is_empty() => return Err(first(file, wrong)),
        [] => {
            let mut names: Vec<&str> = images.iter().map(|image| image.container.as_str()).collect();
            names.dedup();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let reason = format!(
                "{} has no container {} with an image; containers with one: {there}",
                object.id.short(),
                selector.container
            );
            return Err(refusal(file, object.line, reason));
        }
        [one, ..] => {
            let lines: Vec<String> = containers.iter().map(|c| c.line.to_string()).collect();
            let reason = format!(
                "{} has {} containers named {}, their images at lines {}",
                object.id.short(),
                containers.len(),
                selector.container,
                lines.join(", ")
            );
            return Err(refusal(file, one.line, reason));
        }
    };
    let edits = place.write(&new).map_err(|reason| refusal(file, place.line, reason))?;
    edit_tree(file, &tree, &edits)
}

fn list<'f>(found: impl Iterator<Item = &'f Found>) -> String {
    let mut words: Vec<String> = found.map(|found| format!("{} at line {}", found.id.short(), found.line)).collect();
    const SHOWN: usize = 20;
    if words.is_empty() {
        return "no workload".to_owned();
    }
    if words.len() > SHOWN {
        let more = words.len() - SHOWN;
        words.truncate(SHOWN);
        words.push(format!("{more} more"));
    }
    words.join(", ")
}
