//! Where container images are written.

use crate::error::ManifestError;
use crate::identity::ObjectId;
use crate::image_place::{Form, ImagePlace, Spot, Spots};
use crate::object::{Found, Object, find, parsed, values};
use crate::place::Place;
use crate::scalar::Scalar;
use crate::tree::{Kind, Tree};

/// Every image of the workloads in a file: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob and Pod, also
/// inside a list, init containers included.
///
/// # Errors
///
/// All that is wrong in the file, as [`crate::objects`], and images that are templates or not strings.
pub fn images(file: &str, text: &str) -> Result<Vec<ImagePlace>, Vec<ManifestError>> {
    let tree = parsed(file, text)?;
    let (found, errors) = find(file, &tree);
    all_images(file, &tree, &found, errors)
}

/// The objects of a file and the images in them, from one parse.
///
/// # Errors
///
/// As [`crate::objects`] and [`images`].
pub fn objects_with_images(file: &str, text: &str) -> Result<(Vec<Object>, Vec<ImagePlace>), Vec<ManifestError>> {
    let tree = parsed(file, text)?;
    let (found, errors) = find(file, &tree);
    let images = all_images(file, &tree, &found, errors)?;
    Ok((values(file, &tree, &found), images))
}

fn all_images(
    file: &str,
    tree: &Tree<'_>,
    found: &[Found],
    mut errors: Vec<ManifestError>,
) -> Result<Vec<ImagePlace>, Vec<ManifestError>> {
    let mut images = Vec::new();
    for object in found {
        let (of_object, wrong) = images_of(file, tree, object);
        images.extend(of_object);
        errors.extend(wrong);
    }
    errors.sort_by_key(|error| error.line);
    if errors.is_empty() { Ok(images) } else { Err(errors) }
}

/// The way from an object of this kind to its pod's spec.
fn pod_spec(id: &ObjectId, api_version: &str) -> Option<&'static [&'static str]> {
    let (groups, path): (&[&str], &'static [&'static str]) = match id.kind.as_str() {
        "Deployment" | "ReplicaSet" | "DaemonSet" => (&["apps", "extensions"], &["spec", "template", "spec"]),
        "StatefulSet" => (&["apps"], &["spec", "template", "spec"]),
        "Job" => (&["batch"], &["spec", "template", "spec"]),
        "CronJob" => (&["batch"], &["spec", "jobTemplate", "spec", "template", "spec"]),
        "Pod" => (&[""], &["spec"]),
        _ => return None,
    };
    // An object whose apiVersion could not be read is in error already, and may still be told by its kind.
    (groups.contains(&id.group.as_str()) || api_version.is_empty()).then_some(path)
}

/// Whether Lockstep knows where this kind keeps its containers.
pub(crate) fn is_workload(object: &Found) -> bool {
    pod_spec(&object.id, &object.api_version).is_some()
}

/// The images of one object, and what is wrong with those that are not here.
pub(crate) fn images_of(file: &str, tree: &Tree<'_>, object: &Found) -> (Vec<ImagePlace>, Vec<ManifestError>) {
    let mut images = Vec::new();
    let mut errors = Vec::new();
    let Some(path) = pod_spec(&object.id, &object.api_version) else {
        return (images, errors);
    };
    let Some(spec) = object.place.follow(tree, path) else {
        return (images, errors);
    };
    for (list, init) in [("initContainers", true), ("containers", false)] {
        let Some(containers) = spec.get(tree, list) else {
            continue;
        };
        for index in 0..tree.items(containers.node).len() {
            let pointer = format!("{}/{}/{list}/{index}/image", object.pointer, path.join("/"));
            let Some(container) = containers.index(tree, index) else {
                continue;
            };
            let Some(image) = container.get(tree, "image") else {
                continue;
            };
            let wrong = |place: Place, pointer: &str, message: &str| ManifestError {
                file: file.to_owned(),
                line: tree.node(place.node).line(),
                field: field_of(pointer),
                message: message.to_owned(),
            };
            let text = match tree.node(image.node).scalar() {
                Some(Ok(Scalar::Null)) => continue,
                Some(Ok(Scalar::Text(text))) if text.contains("{{") => {
                    errors.push(wrong(
                        image,
                        &pointer,
                        "not an image but a template ({{ stands here); render the file first",
                    ));
                    continue;
                }
                Some(Ok(Scalar::Text(_))) => source_text(tree, image),
                _ => {
                    errors.push(wrong(image, &pointer, "must be a string; put it in quotes"));
                    continue;
                }
            };
            let name = container.get(tree, "name").map(|name| tree.node(name.node).scalar());
            let Some(Some(Ok(Scalar::Text(name)))) = name else {
                let pointer = pointer.trim_end_matches("/image");
                errors.push(wrong(container, &format!("{pointer}/name"), "is missing, or not a string"));
                continue;
            };
            let whole = Spot { pointer, line: tree.node(image.node).line(), text };
            images.push(ImagePlace {
                object: Some(object.id.clone()),
                object_line: object.line,
                annotations: object.annotations.clone(),
                container: name.to_owned(),
                form: Form::Container { init },
                text: whole.text.clone(),
                line: whole.line,
                pointer: whole.pointer.clone(),
                document: object.document,
                spots: Spots { whole: Some(whole), ..Spots::default() },
                comment: None,
            });
        }
    }
    (images, errors)
}

/// The text of a scalar as it stands between its quotes, never its YAML value.
pub(crate) fn source_text(tree: &Tree<'_>, place: Place) -> String {
    match &tree.node(place.node).kind {
        Kind::Scalar { text, .. } => text.clone().into_owned(),
        _ => String::new(),
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
