//! Images in the values of a HelmRelease, with the names that Flux v1 gives them.
//!
//! The image of the chart itself is `chart-image`, one below a key of the first level is called like the key, and the
//! annotations `repository.fluxcd.io/ALIAS`, `registry.…`, `tag.…` name others by their paths: the rules of Flux v1
//! (fluxcd/flux, `pkg/cluster/kubernetes/resource/helmrelease.go`). Deeper ones are called by their paths.

use super::{Owner, by_path, kustomization, values};
use crate::image_place::{Form, ImagePlace, Spots};
use crate::object::Found;
use crate::place::Place;
use crate::tree::Tree;

/// What Flux v1 calls the image of the chart itself.
const CHART_IMAGE: &str = "chart-image";

pub(super) fn places(tree: &Tree<'_>, object: &Found, owner: &Owner) -> Vec<ImagePlace> {
    let mut places = Vec::new();
    if let Some(values) = object.place.follow(tree, &["spec", "values"]) {
        let pointer = format!("{}/spec/values", object.pointer);
        let mapped = mapped(tree, values, &pointer, owner);
        places = values::places(tree, values, &pointer, Form::HelmRelease, owner);
        for place in &mut places {
            place.container = name(&place.container);
        }
        places.retain(|place| !mapped.iter().any(|alias| alias.container == place.container || shares(alias, place)));
        places.extend(mapped);
        places.sort_by(|a, b| {
            (a.container != CHART_IMAGE).cmp(&(b.container != CHART_IMAGE)).then(a.container.cmp(&b.container))
        });
    }
    if let Some(renderers) = object.place.follow(tree, &["spec", "postRenderers"]) {
        for (index, renderer) in renderers.items(tree).enumerate() {
            if let Some(kustomize) = renderer.get(tree, "kustomize") {
                let pointer = format!("{}/spec/postRenderers/{index}/kustomize", object.pointer);
                places.extend(kustomization::places(tree, kustomize, &pointer, owner));
            }
        }
    }
    places
}

fn name(path: &str) -> String {
    match path.split('.').collect::<Vec<_>>()[..] {
        ["image"] => CHART_IMAGE.to_owned(),
        [key, "image"] | [key] => key.to_owned(),
        _ => path.to_owned(),
    }
}

fn shares(one: &ImagePlace, other: &ImagePlace) -> bool {
    one.spots.each().any(|spot| other.spots.each().any(|its| its.pointer == spot.pointer))
}

/// The images that annotations name.
fn mapped(tree: &Tree<'_>, values: Place, pointer: &str, owner: &Owner) -> Vec<ImagePlace> {
    let said = owner.annotations.iter().filter_map(|(key, path)| {
        let alias = key.strip_prefix("repository.fluxcd.io/")?;
        let at = |what: &str| {
            let path = owner.annotations.get(&format!("{what}.fluxcd.io/{alias}"))?;
            by_path(tree, values, pointer, path)
        };
        let name = by_path(tree, values, pointer, path).filter(|spot| !spot.text.is_empty())?;
        let (registry, tag) = (at("registry"), at("tag"));
        let spots = if registry.is_none() && tag.is_none() {
            Spots { whole: Some(name), ..Spots::default() }
        } else {
            Spots { registry, name: Some(name), tag, ..Spots::default() }
        };
        Some(owner.place(alias.to_owned(), Form::HelmRelease, spots))
    });
    said.collect()
}
