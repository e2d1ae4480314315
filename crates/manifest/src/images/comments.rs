//! Comments on images: which place a comment is about, and the places that only a comment makes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;

use lockstep_image::Reference;

use super::policy_comment::{Part, PolicyComment, is_ours, may_be_setter, read};
use super::{Owner, dotted, named, scalar as scalar_at};
use crate::comments::{CommentedScalar, LineComment, comments};
use crate::error::ManifestError;
use crate::image_place::{Form, ImagePlace, PlaceComment, Spot, Spots, has_registry};
use crate::object::Found;
use crate::place::Place;
use crate::tree::{NodeId, Tree};

/// Above so many entries a mapping is a list of values and not an image: nothing is looked up beside a scalar, lest a hostile
/// file cost the square of its size.
const MOST_BESIDE: usize = 100;

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
    let comments = comments(tree, |text| is_ours(text) || may_be_setter(text));
    if comments.is_empty() {
        return Vec::new();
    }
    let mut attacher = Attacher {
        tree,
        owners: objects.iter().map(|object| ((object.document, object.pointer.as_str()), object)).collect(),
        places: Vec::new(),
        parts: HashMap::new(),
    };
    mem::take(places).into_iter().for_each(|place| attacher.push(place));
    let mut errors = Vec::new();
    for comment in comments {
        if let Err(message) = attacher.attach(&comment)
            && is_ours(comment.text)
        {
            errors.push(ManifestError { file: file.to_owned(), line: comment.line, field: String::new(), message });
        }
    }
    *places = attacher.places.into_iter().flatten().collect();
    errors.extend(join_setters(file, places));
    errors
}

/// Joins what setters of one ImagePolicy make of a name, a tag and a digest that stand apart in one document: a tag that is
/// written without its digest would leave the old image running.
fn join_setters(file: &str, places: &mut Vec<ImagePlace>) -> Vec<ManifestError> {
    let mut apart: BTreeMap<(usize, String), [Vec<usize>; 3]> = BTreeMap::new();
    for (index, place) in places.iter().enumerate().filter(|(_, place)| place.form == Form::Setter) {
        let Spots { whole, registry, name, tag, digest } = &place.spots;
        let part = match (whole, registry, name, tag, digest) {
            (None, None, Some(_), None, None) => 0,
            (None, _, _, Some(_), None) => 1,
            (None, None, None, None, Some(_)) => 2,
            _ => continue,
        };
        let Some(comment) = &place.comment else { continue };
        apart.entry((place.document, comment.policy.clone())).or_default()[part].push(index);
    }
    let mut errors = Vec::new();
    let mut joined = BTreeSet::new();
    for ((_, policy), [names, tags, digests]) in apart {
        match (&names[..], &tags[..], &digests[..]) {
            (_, [], _) => {}
            (names, &[tag], digests) if digests.len() < 2 => {
                for &digest in digests {
                    places[tag].spots.digest = places[digest].spots.digest.clone();
                    joined.insert(digest);
                }
                if let (&[name], None) = (names, &places[tag].spots.name) {
                    places[tag].spots.name = places[name].spots.name.clone();
                    joined.insert(name);
                }
                places[tag].settle(None);
            }
            (_, _, []) => {}
            (_, _, &[digest, ..]) => errors.push(ManifestError {
                file: file.to_owned(),
                line: places[digest].line,
                field: String::new(),
                message: format!(
                    "it cannot be told which of several tags of the ImagePolicy {policy} this digest is for; put it beside its tag"
                ),
            }),
        }
    }
    let mut index = 0..;
    places.retain(|_| index.next().is_none_or(|index| !joined.contains(&index)));
    errors
}

struct Attacher<'a, 't> {
    tree: &'a Tree<'t>,
    /// The objects by document and pointer.
    owners: HashMap<(usize, &'a str), &'a Found>,
    /// The places; none where a comment says that a scalar is something else.
    places: Vec<Option<ImagePlace>>,
    /// By document and pointer of a scalar: to which place it belongs, and as what.
    parts: HashMap<(usize, String), (usize, Part)>,
}

impl Attacher<'_, '_> {
    fn push(&mut self, place: ImagePlace) {
        let Spots { whole, registry, name, tag, digest } = &place.spots;
        let parts =
            [(whole, Part::Ref), (registry, Part::Name), (name, Part::Name), (tag, Part::Tag), (digest, Part::Digest)];
        for (spot, part) in parts {
            let Some(spot) = spot else { continue };
            self.parts.insert((place.document, spot.pointer.clone()), (self.places.len(), part));
            // Where there is a `newName`, a comment behind `name` is about the same entry.
            if let Some(entry) = spot.pointer.strip_suffix("/newName").filter(|_| place.form == Form::Kustomization) {
                self.parts.insert((place.document, format!("{entry}/name")), (self.places.len(), part));
            }
        }
        self.places.push(Some(place));
    }

    fn attach(&mut self, comment: &LineComment<'_>) -> Result<(), String> {
        let Some(said) = read(comment.text)? else { return Ok(()) };
        let Some(scalar) = &comment.beside else {
            return Err("the comment for Lockstep stands beside no value: put it behind a value that is plain or in quotes, on one line and outside of brackets".to_owned());
        };
        let key = scalar.pointer.rsplit('/').next().unwrap_or_default();
        let known = self.parts.get(&(scalar.document, scalar.pointer.clone())).copied();
        let known = known.and_then(|(index, is)| Some((self.places.get_mut(index)?, is)));
        let part = match known {
            Some((Some(place), is)) if said.part.is_none_or(|part| part == is) => {
                let other = place.comment.as_ref().filter(|other| said.is_setter && other.policy != said.policy);
                if other.is_none() || place.form != Form::Setter {
                    return give(place, &said, comment.line);
                }
                // Two ImagePolicies share an entry: each governs what it is written beside.
                place.spots.without(&scalar.pointer);
                place.settle(None);
                is
            }
            Some((place, _)) => {
                // It says that the scalar is something else than its key does.
                *place = None;
                said.part.unwrap_or(Part::Ref)
            }
            None => said.part.unwrap_or(Part::by_key(key)),
        };
        let place = self.made(scalar, &said, comment.line, part);
        self.push(place);
        Ok(())
    }

    /// Whether the scalar belongs to another place already.
    fn is_taken(&self, document: usize, spot: &Spot) -> bool {
        let of = self.parts.get(&(document, spot.pointer.clone()));
        let place = of.and_then(|(index, _)| self.places.get(*index)?.as_ref());
        place.is_some_and(|place| place.spots.each().any(|its| its.pointer == spot.pointer))
    }

    /// The object around a scalar.
    fn owner(&self, scalar: &CommentedScalar) -> Option<&Found> {
        let ends = scalar.pointer.match_indices('/').map(|(at, _)| at);
        ends.rev().find_map(|end| self.owners.get(&(scalar.document, &scalar.pointer[..end])).copied())
    }

    /// The place of a scalar that is an image by its comment alone, with the name and the digest that stand beside it.
    fn made(&self, scalar: &CommentedScalar, said: &PolicyComment, line: usize, part: Part) -> ImagePlace {
        let object = self.owner(scalar);
        let root = self.tree.documents.get(scalar.document);
        let owner = match object {
            Some(object) => Owner::of(object),
            None => Owner {
                line: root.map_or(line, |root| self.tree.node(*root).line()),
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
        if spots.whole.is_none() {
            self.beside(scalar, &mut spots, said.options.contains_key("image"));
        }
        let form = if said.is_setter { Form::Setter } else { Form::Comment };
        let mut place = owner.place(dotted(path), form, spots);
        place.comment = Some(PlaceComment { policy: said.policy.clone(), options: said.options.clone(), line });
        place.settle(said.options.get("image").map(String::as_str));
        place
    }

    /// The parts of the image that stand beside the scalar and in no other place. No name where one `is_said`.
    fn beside(&self, scalar: &CommentedScalar, spots: &mut Spots, is_said: bool) {
        let (tree, document) = (self.tree, scalar.document);
        let is_small = |mapping: &NodeId| tree.entries(*mapping).nth(MOST_BESIDE).is_none();
        let Some(mapping) = scalar.parent.filter(is_small) else { return };
        let mapping = Place::plain(mapping);
        let pointer = scalar.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        if spots.name.is_none() && !is_said {
            let plausible = |spot: &Spot| {
                let is_image = spot.text.parse::<Reference>().is_ok();
                let free = !self.is_taken(document, spot);
                is_image && free && (!spot.pointer.ends_with("/name") || has_registry(&spot.text))
            };
            let mut names = ["newName", "repository", "image", "name"].into_iter();
            spots.name = names.find_map(|name| named(tree, mapping, name, pointer).filter(plausible));
            spots.registry = spots.name.as_ref().and_then(|_| named(tree, mapping, "registry", pointer));
        }
        let free = |spot: &Spot| !self.is_taken(document, spot);
        if spots.tag.is_none() {
            let tag = ["newTag", "tag"].into_iter().find_map(|name| scalar_at(tree, mapping, name, pointer));
            spots.tag = tag.filter(free);
        }
        if spots.digest.is_none() {
            spots.digest = scalar_at(tree, mapping, "digest", pointer).filter(free);
        }
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
