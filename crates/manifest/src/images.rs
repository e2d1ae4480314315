//! Where images are written in a file, in whatever form.
//!
//! ```text
//! document ─┬─► object ────────► containers, release, application ─┐
//!           ├─► kustomization ─► kustomization                     ├─► comments ─► places
//!           └─► anything else ─► values ───────────────────────────┘
//! ```

mod application;
mod comments;
mod containers;
mod kustomization;
mod policy_comment;
mod release;
mod values;

pub(crate) use policy_comment::comment_of;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::ManifestError;
use crate::image_place::{Form, ImagePlace, Spot, Spots};
use crate::object::{Found, find_in};
use crate::parse::{Comments, parse};
use crate::place::Place;
use crate::scalar::Scalar;
use crate::tree::{Kind, Tree};
use crate::value::check;

/// What marks a file in which somebody said something about images: our annotations and comments, and other tools' words.
const MARKS: [&str; 7] = [
    "lockstep.dev/",
    "lockstep:",
    "$imagepolicy",
    "fluxcd.io/",
    "flux.weave.works/",
    "keel.sh/",
    "argocd-image-updater.argoproj.io/",
];

/// Whether a file may say anything about how its images are updated. A file that does not need not be parsed.
pub fn mentions_updates(text: &str) -> bool {
    MARKS.iter().any(|mark| text.contains(mark))
}

/// Every image in a file: those of containers, of kustomizations, of Helm values, HelmReleases and Argo CD Applications, and
/// every scalar with a comment for Lockstep or a setter of Flux v2. Those of one object follow each other.
///
/// # Errors
///
/// All that is wrong in the file, as [`crate::objects`] for its objects; images of containers that are templates or not
/// strings; comments for Lockstep that cannot be read or stand beside no value.
pub fn images(file: &str, text: &str) -> Result<Vec<ImagePlace>, Vec<ManifestError>> {
    let kept = if comments::may_have_any(text) { Comments::Kept } else { Comments::Skipped };
    let tree = parse(file, text, kept).map_err(|error| vec![error])?;
    let errors = check(file, &tree);
    if !errors.is_empty() {
        return Err(errors);
    }
    let content = |document: &usize| content(file, &tree, *document);
    let objects = (0..tree.documents.len()).filter(|document| content(document) == Content::Objects);
    let (found, mut errors) = find_in(file, &tree, objects);
    let mut places = Vec::new();
    for object in &found {
        let (of_object, wrong) = places_of(file, &tree, object);
        places.extend(of_object);
        errors.extend(wrong);
    }
    for document in 0..tree.documents.len() {
        let Some(root) = Place::root(&tree, document) else { continue };
        let owner = Owner { line: tree.node(root.node).line(), document, ..Owner::default() };
        match content(&document) {
            Content::Objects => {}
            Content::Kustomization => places.extend(kustomization::places(&tree, root, "", &owner)),
            Content::Values => places.extend(values::places(&tree, root, "", Form::HelmValues, &owner)),
        }
    }
    errors.extend(comments::attach(file, &tree, &found, &mut places));
    places.sort_by_key(|place| (place.document, place.object_line));
    errors.sort_by_key(|error| error.line);
    if errors.is_empty() { Ok(places) } else { Err(errors) }
}

/// The images of one object, and what is wrong with those that are not here.
pub(crate) fn places_of(file: &str, tree: &Tree<'_>, object: &Found) -> (Vec<ImagePlace>, Vec<ManifestError>) {
    let owner = Owner::of(object);
    let (mut places, mut errors) = containers::places(file, tree, object, &owner);
    places.extend(match (object.id.group.as_str(), object.id.kind.as_str()) {
        (_, "HelmRelease" | "FluxHelmRelease") => release::places(tree, object, &owner),
        ("argoproj.io", "Application" | "ApplicationSet") => {
            let (places, wrong) = application::places(file, tree, object, &owner);
            errors.extend(wrong);
            places
        }
        ("kustomize.toolkit.fluxcd.io", "Kustomization") => match object.place.get(tree, "spec") {
            Some(spec) => kustomization::places(tree, spec, &format!("{}/spec", object.pointer), &owner),
            None => Vec::new(),
        },
        _ => Vec::new(),
    });
    (places, errors)
}

/// Whether Lockstep knows where this kind keeps its containers.
pub(crate) fn is_workload(object: &Found) -> bool {
    containers::is_workload(object)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Objects,
    Kustomization,
    Values,
}

fn content(file: &str, tree: &Tree<'_>, document: usize) -> Content {
    let Some(root) = Place::root(tree, document).filter(|root| tree.is_mapping(root.node)) else {
        return Content::Values;
    };
    let field = |name: &str| root.get(tree, name);
    let text = |name: &str| field(name).map(|place| source_text(tree, place)).unwrap_or_default();
    let of_kustomize = text("apiVersion").starts_with("kustomize.config.k8s.io/");
    let by_name = matches!(file.rsplit('/').next(), Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"));
    if (of_kustomize && matches!(text("kind").as_str(), "Kustomization" | "Component"))
        || (by_name && (field("kind").is_none() || field("apiVersion").is_none()))
    {
        return Content::Kustomization;
    }
    // A chart may have a value of any of these names; two of them are an object, or were meant to be one.
    match ["apiVersion", "kind", "metadata"].iter().filter(|name| field(name).is_some()).count() {
        2.. => Content::Objects,
        _ => Content::Values,
    }
}

/// Whose an image is.
#[derive(Clone, Default)]
struct Owner {
    object: Option<crate::ObjectId>,
    line: usize,
    annotations: Arc<BTreeMap<String, String>>,
    annotation_lines: Arc<BTreeMap<String, usize>>,
    labels: Arc<BTreeMap<String, String>>,
    document: usize,
}

impl Owner {
    fn of(found: &Found) -> Self {
        Owner {
            object: Some(found.id.clone()),
            line: found.line,
            annotations: Arc::clone(&found.annotations),
            annotation_lines: Arc::clone(&found.annotation_lines),
            labels: Arc::clone(&found.labels),
            document: found.document,
        }
    }

    /// Makes a place its own.
    fn take(&self, place: &mut ImagePlace) {
        place.object.clone_from(&self.object);
        place.annotations = Arc::clone(&self.annotations);
        place.annotation_lines = Arc::clone(&self.annotation_lines);
        place.labels = Arc::clone(&self.labels);
        (place.object_line, place.document) = (self.line, self.document);
    }

    /// A place of this owner. Where no object tells its document apart, the container's name does.
    fn place(&self, container: String, form: Form, spots: Spots) -> ImagePlace {
        let container = match (&self.object, self.document) {
            (None, 1..) => format!("{}-{container}", self.document),
            _ => container,
        };
        let mut place = ImagePlace {
            object: self.object.clone(),
            object_line: self.line,
            annotations: Arc::clone(&self.annotations),
            annotation_lines: Arc::clone(&self.annotation_lines),
            labels: Arc::clone(&self.labels),
            container,
            form,
            text: String::new(),
            line: self.line,
            pointer: String::new(),
            document: self.document,
            spots,
            comment: None,
        };
        place.settle(None);
        place
    }
}

/// A scalar as a part of an image; null is empty.
fn spot(tree: &Tree<'_>, place: Place, pointer: String) -> Option<Spot> {
    let text = match tree.node(place.node).scalar()? {
        Ok(Scalar::Null) => String::new(),
        Ok(_) => source_text(tree, place),
        Err(_) => return None,
    };
    Some(Spot { pointer, line: tree.node(place.node).line(), text })
}

/// A field that is a text and not empty.
fn named(tree: &Tree<'_>, place: Place, name: &str, pointer: &str) -> Option<Spot> {
    let field = place.get(tree, name).filter(|field| tree.node(field.node).is_text())?;
    spot(tree, field, format!("{pointer}/{}", escaped(name))).filter(|spot| !spot.text.is_empty())
}

/// A field that is any scalar.
fn scalar(tree: &Tree<'_>, place: Place, name: &str, pointer: &str) -> Option<Spot> {
    spot(tree, place.get(tree, name)?, format!("{pointer}/{}", escaped(name)))
}

/// The scalar at a path with dots.
fn by_path(tree: &Tree<'_>, from: Place, pointer: &str, path: &str) -> Option<Spot> {
    let steps: Vec<&str> = path.split('.').collect();
    let place = from.follow(tree, &steps)?;
    let pointer = steps.iter().fold(pointer.to_owned(), |pointer, step| format!("{pointer}/{}", escaped(step)));
    spot(tree, place, pointer)
}

/// A step of a JSON pointer (RFC 6901).
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// A JSON pointer as a path with dots.
fn dotted(pointer: &str) -> String {
    let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    steps.collect::<Vec<_>>().join(".")
}

/// The text of a scalar that is there.
pub(crate) fn scalar_text(tree: &Tree<'_>, place: Place) -> Option<String> {
    spot(tree, place, String::new()).map(|spot| spot.text)
}

/// The text of a scalar as it stands between its quotes, never its YAML value.
fn source_text(tree: &Tree<'_>, place: Place) -> String {
    match &tree.node(place.node).kind {
        Kind::Scalar { text, .. } => text.clone().into_owned(),
        _ => String::new(),
    }
}
