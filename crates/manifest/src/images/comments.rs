//! Comments on images: which place a comment is about, and the places that only a comment makes.

use lockstep_image::Reference;

use super::policy_comment::{Part, PolicyComment, is_ours, may_be_setter, read};
use super::{Owner, dotted, named, scalar};
use crate::comments::{CommentedScalar, LineComment, comments};
use crate::error::ManifestError;
use crate::image_place::{Form, ImagePlace, PlaceComment, Spot, Spots, has_registry};
use crate::object::Found;
use crate::place::Place;
use crate::tree::Tree;

/// Whether the comments of a text have to be looked at.
pub(super) fn may_have_any(text: &str) -> bool {
    text.contains("lockstep:") || text.contains("$imagepolicy")
}

/// Gives each comment to its place, or makes one for it. Returns what is wrong with comments for Lockstep; setters that
/// cannot be read are passed over, as by their own tool.
pub(super) fn attach(
    file: &str,
    tree: &Tree<'_>,
    objects: &[Found],
    places: &mut Vec<ImagePlace>,
) -> Vec<ManifestError> {
    let mut errors = Vec::new();
    for comment in comments(tree, |text| is_ours(text) || may_be_setter(text)) {
        let attached = attach_one(tree, objects, places, &comment);
        if let Err(message) = attached
            && is_ours(comment.text)
        {
            errors.push(ManifestError { file: file.to_owned(), line: comment.line, field: String::new(), message });
        }
    }
    errors
}

fn attach_one(
    tree: &Tree<'_>,
    objects: &[Found],
    places: &mut Vec<ImagePlace>,
    comment: &LineComment<'_>,
) -> Result<(), String> {
    let Some(said) = read(comment.text)? else { return Ok(()) };
    let Some(scalar) = &comment.beside else {
        return Err("the comment for Lockstep stands beside no value: put it behind a value that is plain or in quotes, on one line and outside of brackets".to_owned());
    };
    let key = scalar.pointer.rsplit('/').next().unwrap_or_default();
    let known = places.iter().enumerate().find_map(|(index, place)| Some((index, part_at(place, scalar)?)));
    let part = match known {
        Some((index, is)) if said.part.is_none_or(|part| part == is) => {
            let place = &mut places[index];
            let other = place.comment.as_ref().filter(|other| said.is_setter && other.policy != said.policy);
            if other.is_none() || place.form != Form::Setter {
                return give(place, &said, comment.line);
            }
            // Two ImagePolicies share an entry: each governs what it is written beside.
            place.spots.without(&scalar.pointer);
            place.settle(None);
            is
        }
        Some((index, _)) => {
            // It says that the scalar is something else than its key does.
            places.remove(index);
            said.part.unwrap_or(Part::Ref)
        }
        None => said.part.unwrap_or(Part::by_key(key)),
    };
    let taken = |spot: &Spot| {
        let mut others = places.iter().filter(|place| place.document == scalar.document);
        others.any(|place| place.spots.each().any(|its| its.pointer == spot.pointer))
    };
    let place = made(tree, objects, scalar, &said, comment.line, part, taken);
    places.push(place);
    Ok(())
}

/// What the scalar is to the place.
fn part_at(place: &ImagePlace, scalar: &CommentedScalar) -> Option<Part> {
    let is = |spot: &Option<Spot>| spot.as_ref().is_some_and(|spot| spot.pointer == scalar.pointer);
    let Spots { whole, registry, name, tag, digest } = &place.spots;
    let parent = |pointer: &str| pointer.rsplit_once('/').map(|(parent, _)| parent.to_owned());
    if place.document != scalar.document {
        None
    } else if place.form == Form::Kustomization
        && name.as_ref().is_some_and(|name| parent(&name.pointer) == parent(&scalar.pointer))
        && scalar.pointer.ends_with("/name")
    {
        Some(Part::Name)
    } else if is(whole) {
        Some(Part::Ref)
    } else if is(name) || is(registry) {
        Some(Part::Name)
    } else if is(tag) {
        Some(Part::Tag)
    } else if is(digest) {
        Some(Part::Digest)
    } else {
        None
    }
}

fn give(place: &mut ImagePlace, said: &PolicyComment, line: usize) -> Result<(), String> {
    if let Some(other) = &place.comment {
        // A setter may stand on each scalar of an image.
        let same = (other.policy == said.policy && other.options == said.options)
            || (said.is_setter && place.form != Form::Setter);
        return if same {
            Ok(())
        } else {
            Err(format!("another comment at line {} is about the same image; keep one", other.line))
        };
    }
    if said.is_setter {
        place.form = Form::Setter;
    }
    place.comment = Some(PlaceComment { policy: said.policy.clone(), options: said.options.clone(), line });
    place.settle(said.options.get("image").map(String::as_str));
    Ok(())
}

/// The place of a scalar that is an image by its comment alone, with the name and the digest that stand beside it.
fn made(
    tree: &Tree<'_>,
    objects: &[Found],
    scalar: &CommentedScalar,
    said: &PolicyComment,
    line: usize,
    part: Part,
    taken: impl Fn(&Spot) -> bool,
) -> ImagePlace {
    let object = objects.iter().find(|object| {
        let below = scalar.pointer.strip_prefix(&object.pointer);
        object.document == scalar.document && below.is_some_and(|below| below.starts_with('/'))
    });
    let root = Place::root(tree, scalar.document);
    let owner = match object {
        Some(object) => Owner::of(object),
        None => Owner {
            line: root.map_or(line, |root| tree.node(root.node).line()),
            document: scalar.document,
            ..Owner::default()
        },
    };
    let path = scalar.pointer.strip_prefix(object.map_or("", |object| &object.pointer)).unwrap_or_default();
    let here = Spot { pointer: scalar.pointer.clone(), line, text: scalar.text.clone() };
    let mut spots = Spots::default();
    match part {
        Part::Ref => spots.whole = Some(here),
        Part::Name => spots.name = Some(here),
        Part::Tag => spots.tag = Some(here),
        Part::Digest => spots.digest = Some(here),
    }
    let parent = scalar.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    if let (Some(mapping), None) = (root.and_then(|root| root.pointer(tree, parent)), &spots.whole) {
        beside(tree, mapping, parent, &mut spots, said.options.contains_key("image"), taken);
    }
    let form = if said.is_setter { Form::Setter } else { Form::Comment };
    let mut place = owner.place(dotted(path), form, spots);
    place.comment = Some(PlaceComment { policy: said.policy.clone(), options: said.options.clone(), line });
    place.settle(said.options.get("image").map(String::as_str));
    place
}

/// The parts of the image that stand beside the scalar and in no other place. No name where one `is_said`.
fn beside(
    tree: &Tree<'_>,
    mapping: Place,
    pointer: &str,
    spots: &mut Spots,
    is_said: bool,
    taken: impl Fn(&Spot) -> bool,
) {
    if spots.name.is_none() && !is_said {
        let plausible = |spot: &Spot| {
            let is_image = spot.text.parse::<Reference>().is_ok();
            is_image && !taken(spot) && (!spot.pointer.ends_with("/name") || has_registry(&spot.text))
        };
        let mut names = ["newName", "repository", "image", "name"].into_iter();
        spots.name = names.find_map(|name| named(tree, mapping, name, pointer).filter(plausible));
        spots.registry = spots.name.as_ref().and_then(|_| named(tree, mapping, "registry", pointer));
    }
    if spots.tag.is_none() {
        let tag = ["newTag", "tag"].into_iter().find_map(|name| scalar(tree, mapping, name, pointer));
        spots.tag = tag.filter(|spot| !taken(spot));
    }
    if spots.digest.is_none() {
        spots.digest = scalar(tree, mapping, "digest", pointer).filter(|spot| !taken(spot));
    }
}
