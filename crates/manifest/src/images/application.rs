//! Images in an Argo CD Application: Helm parameters, Helm values that are written out, and kustomize images.

use std::collections::BTreeMap;

use lockstep_image::Reference;

use super::{Owner, by_path, comments, spot, values};
use crate::error::ManifestError;
use crate::image_place::{Form, ImagePlace, Spot, Spots};
use crate::object::Found;
use crate::parse::{Comments, parse};
use crate::place::Place;
use crate::tree::{Kind, Style, Tree};
use crate::value::check;

mod aliases;

pub(super) fn places(
    file: &str,
    tree: &Tree<'_>,
    object: &Found,
    owner: &Owner,
) -> (Vec<ImagePlace>, Vec<ManifestError>) {
    let mut finder = Finder { file, tree, owner, places: Vec::new(), errors: Vec::new() };
    let path: &[&str] = if object.id.kind == "Application" { &["spec"] } else { &["spec", "template", "spec"] };
    let pointer = format!("{}/{}", object.pointer, path.join("/"));
    let spec = object.place.follow(tree, path);
    if let Some(source) = spec.and_then(|spec| spec.get(tree, "source")) {
        finder.source(source, &format!("{pointer}/source"), "");
    }
    if let Some(sources) = spec.and_then(|spec| spec.get(tree, "sources")) {
        for (index, source) in sources.items(tree).enumerate() {
            finder.source(source, &format!("{pointer}/sources/{index}"), &format!("sources.{index}."));
        }
    }
    (finder.places, finder.errors)
}

struct Finder<'f, 't> {
    file: &'f str,
    tree: &'f Tree<'t>,
    owner: &'f Owner,
    places: Vec<ImagePlace>,
    errors: Vec<ManifestError>,
}

impl Finder<'_, '_> {
    fn source(&mut self, source: Place, pointer: &str, prefix: &str) {
        let (tree, owner) = (self.tree, self.owner);
        if let Some(helm) = source.get(tree, "helm") {
            if let Some(parameters) = helm.get(tree, "parameters") {
                let pointer = format!("{pointer}/helm/parameters");
                let parameters = parameters_of(tree, parameters, &pointer);
                let said =
                    aliases::places(owner, &format!("{prefix}parameters."), |name| parameters.get(name).cloned());
                let found = of_parameters(&parameters, prefix, owner);
                self.places.extend(aliases::over(found, said));
            }
            if let Some(text) = helm.get(tree, "values") {
                self.text(text, &format!("{pointer}/helm/values"), prefix);
            }
            if let Some(object) = helm.get(tree, "valuesObject") {
                let pointer = format!("{pointer}/helm/valuesObject");
                let mut places = values::places(tree, object, &pointer, Form::ArgoApplication, owner);
                places.iter_mut().for_each(|place| place.container.insert_str(0, prefix));
                let said = aliases::places(owner, prefix, |path| by_path(tree, object, &pointer, path));
                self.places.extend(aliases::over(places, said));
            }
        }
        let images = source.follow(tree, &["kustomize", "images"]);
        for (index, image) in images.iter().flat_map(|images| images.items(tree)).enumerate() {
            let whole = spot(tree, image, format!("{pointer}/kustomize/images/{index}"));
            self.places.extend(whole.and_then(|whole| of_kustomize(whole, prefix, owner)));
        }
    }

    /// Values that are a text, and the comments in it; no places if the text is no YAML.
    fn text(&mut self, text: Place, pointer: &str, prefix: &str) {
        let node = self.tree.node(text.node);
        let Kind::Scalar { text, style: Style::Block } = &node.kind else { return };
        let Ok(inner) = parse(self.file, text, Comments::Kept) else { return };
        let clean = check(self.file, &inner).is_empty();
        let Some(root) = Place::root(&inner, 0).filter(|_| clean) else { return };
        let mut places = values::places(&inner, root, "", Form::ArgoApplication, &Owner::default());
        let mut errors = comments::attach(self.file, &inner, &[], &mut places);
        errors.iter_mut().for_each(|error| error.line += node.line());
        self.errors.extend(errors);
        for place in &mut places {
            place.spots.each_mut().for_each(|spot| {
                spot.pointer.insert_str(0, pointer);
                spot.line += node.line();
            });
            place.pointer.insert_str(0, pointer);
            place.line += node.line();
            place.container.insert_str(0, prefix);
            if let Some(comment) = &mut place.comment {
                comment.line += node.line();
            }
            self.owner.take(place);
        }
        self.places.extend(places);
    }
}

/// `IMAGE`, or `NAME=IMAGE` for what a kustomization writes as `name` and `newName`.
fn of_kustomize(whole: Spot, prefix: &str, owner: &Owner) -> Option<ImagePlace> {
    let (name, image) = whole.text.split_once('=').unwrap_or(("", &whole.text));
    let reference: Reference = image.parse().ok()?;
    let name = if name.is_empty() { reference.name() } else { name };
    let container = format!("{prefix}images.{name}");
    Some(owner.place(container, Form::ArgoApplication, Spots { whole: Some(whole), ..Spots::default() }))
}

/// The values of Helm parameters by their names.
fn parameters_of(tree: &Tree<'_>, list: Place, pointer: &str) -> BTreeMap<String, Spot> {
    let value = |(index, parameter): (usize, Place)| {
        let name = spot(tree, parameter.get(tree, "name")?, String::new())?;
        let value = spot(tree, parameter.get(tree, "value")?, format!("{pointer}/{index}/value"))?;
        Some((name.text, value))
    };
    list.items(tree).enumerate().filter_map(value).collect()
}

/// `image.repository` and `image.tag` are one image, and so is `image` alone.
fn of_parameters(parameters: &BTreeMap<String, Spot>, prefix: &str, owner: &Owner) -> Vec<ImagePlace> {
    let mut groups: BTreeMap<String, Spots> = BTreeMap::new();
    for (name, value) in parameters {
        let (group, part) = name.rsplit_once('.').unwrap_or(("", name.as_str()));
        let mut put = |group: &str, slot: fn(&mut Spots) -> &mut Option<Spot>| {
            *slot(groups.entry(group.to_owned()).or_default()) = Some(value.clone());
        };
        match part {
            "tag" => put(group, |spots| &mut spots.tag),
            "digest" => put(group, |spots| &mut spots.digest),
            "registry" => put(group, |spots| &mut spots.registry),
            "repository" => put(group, |spots| &mut spots.name),
            "image" => put(group, |spots| &mut spots.whole),
            "name" if group.to_ascii_lowercase().ends_with("image") => put(group, |spots| &mut spots.name),
            _ => {}
        }
    }
    let place = |(group, mut spots): (String, Spots)| {
        let alone = spots.registry.is_none() && spots.tag.is_none() && spots.digest.is_none();
        if !alone && spots.name.is_none() {
            spots.name = spots.whole.take();
        } else if spots.name.is_some() {
            spots.whole = None;
        }
        let path = if group.is_empty() { "image" } else { &group };
        let place = owner.place(format!("{prefix}parameters.{path}"), Form::ArgoApplication, spots);
        place.text.parse::<Reference>().is_ok().then_some(place)
    };
    groups.into_iter().filter_map(place).collect()
}
