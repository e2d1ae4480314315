//! Images in the values of a Helm chart, told by the names of their keys.
//!
//! | shape | name | tag |
//! | --- | --- | --- |
//! | `image: NAME:TAG` | in one scalar | |
//! | `image: NAME`, `tag: TAG` | `image` | `tag` |
//! | `image: {repository: NAME, tag: TAG}` | `repository` | `tag` |
//! | `image: {name: NAME, tag: TAG}` | `name` | `tag` |
//!
//! Each may have `registry` and `digest` beside, and stand at any depth and in lists.

use lockstep_image::Reference;

use super::{Owner, escaped, named, scalar};
use crate::image_place::{Form, ImagePlace, Spot, Spots};
use crate::place::Place;
use crate::tree::{Key, Kind, Tree};

/// The images below a node. A place is named by the way from there to its image, with dots.
pub(super) fn places(tree: &Tree<'_>, from: Place, pointer: &str, form: Form, owner: &Owner) -> Vec<ImagePlace> {
    let mut walk = Walk { tree, form, owner, places: Vec::new() };
    walk.node(from, pointer.to_owned(), "");
    walk.places
}

struct Walk<'w, 't> {
    tree: &'w Tree<'t>,
    form: Form,
    owner: &'w Owner,
    places: Vec<ImagePlace>,
}

impl Walk<'_, '_> {
    fn node(&mut self, place: Place, pointer: String, path: &str) {
        if place.is_alias() {
            return;
        }
        let tree = self.tree;
        match &tree.node(place.node).kind {
            Kind::Sequence { .. } => {
                for (index, item) in place.items(tree).enumerate() {
                    self.node(item, format!("{pointer}/{index}"), &below(path, &index.to_string()));
                }
            }
            Kind::Mapping { .. } => {
                self.image(place, &pointer, path);
                for (key, value) in place.own_fields(tree) {
                    if let Ok(Key::Name(name)) = tree.key(key) {
                        self.node(value, format!("{pointer}/{}", escaped(&name)), &below(path, &name));
                    }
                }
            }
            Kind::Scalar { .. } | Kind::Alias(_) => {}
        }
    }

    fn image(&mut self, mapping: Place, pointer: &str, path: &str) {
        let tree = self.tree;
        let (mut image, mut repository, mut name, mut tag, mut digest) = (false, false, false, false, false);
        for (key, _) in tree.entries(mapping.node) {
            match tree.key(key) {
                Ok(Key::Name(key)) if key == "image" => image = true,
                Ok(Key::Name(key)) if key == "repository" => repository = true,
                Ok(Key::Name(key)) if key == "name" => name = true,
                Ok(Key::Name(key)) if key == "tag" => tag = true,
                Ok(Key::Name(key)) if key == "digest" => digest = true,
                _ => {}
            }
        }
        let called_image = path.rsplit('.').next().is_some_and(|key| key.to_ascii_lowercase().ends_with("image"));
        let mut found = |key: &str, path: String| {
            let spots = spots(tree, mapping, pointer, named(tree, mapping, key, pointer)?);
            let place = self.owner.place(path, self.form, spots);
            place.text.parse::<Reference>().ok()?;
            self.places.push(place);
            Some(())
        };
        if image && found("image", below(path, "image")).is_some() {
            return;
        }
        let path = if path.is_empty() { "image".to_owned() } else { path.to_owned() };
        if repository && (tag || digest || called_image) {
            found("repository", path);
        } else if name && tag && called_image {
            found("name", path);
        }
    }
}

/// An image by the scalar of its name and what stands beside it.
pub(super) fn spots(tree: &Tree<'_>, mapping: Place, pointer: &str, name: Spot) -> Spots {
    let registry = named(tree, mapping, "registry", pointer);
    let (tag, digest) = (scalar(tree, mapping, "tag", pointer), scalar(tree, mapping, "digest", pointer));
    if name.pointer.ends_with("/image") && registry.is_none() && tag.is_none() && digest.is_none() {
        return Spots { whole: Some(name), ..Spots::default() };
    }
    Spots { whole: None, registry, name: Some(name), tag, digest }
}

fn below(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}
