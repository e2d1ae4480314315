//! The `images` of a kustomization, and of what takes the same list.

use super::{Owner, named, scalar};
use crate::image_place::{Form, ImagePlace, Spots};
use crate::place::Place;
use crate::tree::Tree;

/// The entries of `images` below `parent`.
pub(super) fn places(tree: &Tree<'_>, parent: Place, pointer: &str, owner: &Owner) -> Vec<ImagePlace> {
    let Some(images) = parent.get(tree, "images") else { return Vec::new() };
    let entry = |index: usize| {
        let (entry, pointer) = (images.index(tree, index)?, format!("{pointer}/images/{index}"));
        let name = named(tree, entry, "name", &pointer)?;
        let container = format!("images.{}", name.text);
        let spots = Spots {
            name: named(tree, entry, "newName", &pointer).or(Some(name)),
            tag: scalar(tree, entry, "newTag", &pointer),
            digest: scalar(tree, entry, "digest", &pointer),
            ..Spots::default()
        };
        Some(owner.place(container, Form::Kustomization, spots))
    };
    (0..tree.items(images.node).len()).filter_map(entry).collect()
}
