//! Images of containers, in the kinds that the API server knows and in every other object with a pod template.

use super::{Owner, source_text, spot};
use crate::error::ManifestError;
use crate::identity::ObjectId;
use crate::image_place::{Form, ImagePlace, Spots};
use crate::object::Found;
use crate::place::Place;
use crate::scalar::Scalar;
use crate::tree::Tree;

type Path = &'static [&'static str];

const TEMPLATE: Path = &["spec", "template", "spec"];
const JOB_TEMPLATE: Path = &["spec", "jobTemplate", "spec", "template", "spec"];

/// The way from an object of this kind to its pod's spec.
fn pod_spec(id: &ObjectId, api_version: &str) -> Option<Path> {
    let (groups, path): (&[&str], Path) = match id.kind.as_str() {
        "Deployment" | "ReplicaSet" | "DaemonSet" => (&["apps", "extensions"], TEMPLATE),
        "StatefulSet" => (&["apps"], TEMPLATE),
        "ReplicationController" => (&[""], TEMPLATE),
        "Job" => (&["batch"], TEMPLATE),
        "CronJob" => (&["batch"], JOB_TEMPLATE),
        "PodTemplate" => (&[""], &["template", "spec"]),
        "Pod" => (&[""], &["spec"]),
        _ => return None,
    };
    // An object whose apiVersion could not be read is in error already, and may still be told by its kind.
    (groups.contains(&id.group.as_str()) || api_version.is_empty()).then_some(path)
}

pub(super) fn is_workload(object: &Found) -> bool {
    pod_spec(&object.id, &object.api_version).is_some()
}

pub(super) fn places(
    file: &str,
    tree: &Tree<'_>,
    object: &Found,
    owner: &Owner,
) -> (Vec<ImagePlace>, Vec<ManifestError>) {
    let mut finder = Finder { file, tree, owner, strict: true, places: Vec::new(), errors: Vec::new() };
    let known = pod_spec(&object.id, &object.api_version);
    finder.strict = known.is_some();
    let paths = known.map_or(vec![TEMPLATE, JOB_TEMPLATE], |path| vec![path]);
    for path in paths {
        if let Some(spec) = object.place.follow(tree, path) {
            let pointer = format!("{}/{}", object.pointer, path.join("/"));
            finder.list(spec, &pointer, "initContainers", Form::Container { init: true });
            finder.list(spec, &pointer, "containers", Form::Container { init: false });
        }
    }
    (finder.places, finder.errors)
}

struct Finder<'f, 't> {
    file: &'f str,
    tree: &'f Tree<'t>,
    owner: &'f Owner,
    /// The API server would refuse what is wrong. What a custom resource means by a field is not ours to say.
    strict: bool,
    places: Vec<ImagePlace>,
    errors: Vec<ManifestError>,
}

impl Finder<'_, '_> {
    fn list(&mut self, spec: Place, pointer: &str, list: &str, form: Form) {
        let Some(containers) = spec.get(self.tree, list) else { return };
        for index in 0..self.tree.items(containers.node).len() {
            if let Some(container) = containers.index(self.tree, index) {
                self.container(container, format!("{pointer}/{list}/{index}"), form);
            }
        }
    }

    fn container(&mut self, container: Place, pointer: String, form: Form) {
        let tree = self.tree;
        let Some(image) = container.get(tree, "image") else { return };
        let image_pointer = format!("{pointer}/image");
        match tree.node(image.node).scalar() {
            Some(Ok(Scalar::Null)) => return,
            Some(Ok(Scalar::Text(text))) if text.contains("{{") => {
                let message = "not an image but a template ({{ stands here); render the file first";
                return self.error(image, &image_pointer, message);
            }
            Some(Ok(Scalar::Text(_))) => {}
            _ => return self.error(image, &image_pointer, "must be a string; put it in quotes"),
        }
        let name = container.get(tree, "name");
        let name = match name.map(|name| (name, tree.node(name.node).scalar())) {
            Some((name, Some(Ok(Scalar::Text(_))))) => source_text(tree, name),
            // Knative has one container, which needs no name.
            _ if !self.strict => {
                pointer.rsplit('/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(".")
            }
            _ => return self.error(container, &format!("{pointer}/name"), "is missing, or not a string"),
        };
        let spots = Spots { whole: spot(tree, image, image_pointer), ..Spots::default() };
        self.places.push(self.owner.place(name, form, spots));
    }

    fn error(&mut self, place: Place, pointer: &str, message: &str) {
        if self.strict {
            self.errors.push(ManifestError {
                file: self.file.to_owned(),
                line: self.tree.node(place.node).line(),
                field: field_of(pointer),
                message: message.to_owned(),
            });
        }
    }
}

/// `/spec/containers/0/image` as `spec.containers[0].image`.
fn field_of(pointer: &str) -> String {
    let mut field = String::new();
    for step in pointer.split('/').skip(1) {
        if step.bytes().all(|b| b.is_ascii_digit()) {
            field.push_str(&format!("[{step}]"));
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(step);
        }
    }
    field
}
