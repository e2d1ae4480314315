//! Images in an Argo CD Application: Helm parameters, Helm values that are written out, and kustomize images.

use std::collections::BTreeMap;

use lockstep_image::Reference;

use super::{Owner, spot, values};
use crate::image_place::{Form, ImagePlace, Spot, Spots};
use crate::object::Found;
use crate::place::Place;
use crate::tree::Tree;

pub(super) fn places(tree: &Tree<'_>, object: &Found, owner: &Owner) -> Vec<ImagePlace> {
    let path: &[&str] = if object.id.kind == "Application" { &["spec"] } else { &["spec", "template", "spec"] };
    let Some(spec) = object.place.follow(tree, path) else { return Vec::new() };
    let pointer = format!("{}/{}", object.pointer, path.join("/"));
    let mut places = Vec::new();
    if let Some(source) = spec.get(tree, "source") {
        places.extend(of_source(tree, source, &format!("{pointer}/source"), "", owner));
    }
    if let Some(sources) = spec.get(tree, "sources") {
        for (index, source) in sources.items(tree).enumerate() {
            let prefix = format!("sources.{index}.");
            places.extend(of_source(tree, source, &format!("{pointer}/sources/{index}"), &prefix, owner));
        }
    }
    places
}

fn of_source(tree: &Tree<'_>, source: Place, pointer: &str, prefix: &str, owner: &Owner) -> Vec<ImagePlace> {
    let mut places = Vec::new();
    if let Some(helm) = source.get(tree, "helm") {
        if let Some(parameters) = helm.get(tree, "parameters") {
            places.extend(of_parameters(tree, parameters, &format!("{pointer}/helm/parameters"), prefix, owner));
        }
        if let Some(object) = helm.get(tree, "valuesObject") {
            let of_values =
                values::places(tree, object, &format!("{pointer}/helm/valuesObject"), Form::ArgoApplication, owner);
            places.extend(of_values.into_iter().map(|place| {
                let container = format!("{prefix}{}", place.container);
                ImagePlace { container, ..place }
            }));
        }
    }
    if let Some(images) = source.follow(tree, &["kustomize", "images"]) {
        for (index, image) in images.items(tree).enumerate() {
            let Some(whole) = spot(tree, image, format!("{pointer}/kustomize/images/{index}")) else { continue };
            let (name, image) = match whole.text.split_once('=') {
                Some((name, image)) => (name.to_owned(), image),
                None => (String::new(), whole.text.as_str()),
            };
            let Ok(reference) = image.parse::<Reference>() else { continue };
            let name = if name.is_empty() { reference.name().to_owned() } else { name };
            let spots = Spots { whole: Some(whole), ..Spots::default() };
            places.push(owner.place(format!("{prefix}images.{name}"), Form::ArgoApplication, spots));
        }
    }
    places
}

/// `image.repository` and `image.tag` are one image, and so is `image` alone.
fn of_parameters(tree: &Tree<'_>, list: Place, pointer: &str, prefix: &str, owner: &Owner) -> Vec<ImagePlace> {
    let mut groups: BTreeMap<String, Spots> = BTreeMap::new();
    for (index, parameter) in list.items(tree).enumerate() {
        let text = |name: &str| parameter.get(tree, name);
        let (Some(name), Some(value)) = (text("name"), text("value")) else { continue };
        let Some(name) = spot(tree, name, String::new()).map(|name| name.text) else { continue };
        let Some(value) = spot(tree, value, format!("{pointer}/{index}/value")) else { continue };
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
