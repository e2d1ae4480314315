//! Images whose Helm parameters or values Argo CD Image Updater is told by annotations: `ALIAS.helm.image-spec`, or
//! `ALIAS.helm.image-name` and `ALIAS.helm.image-tag`. The alias is that of its `image-list`.

use crate::image_place::{Form, ImagePlace, Spot, Spots};
use crate::images::Owner;

const TOOL: &str = "argocd-image-updater.argoproj.io/";

/// The images that annotations name; `find` has the scalar of a parameter, or at a path with dots.
pub(super) fn places(owner: &Owner, prefix: &str, find: impl Fn(&str) -> Option<Spot>) -> Vec<ImagePlace> {
    let Some(list) = owner.annotations.get(&format!("{TOOL}image-list")) else { return Vec::new() };
    let entries = list.split(',').filter_map(|entry| entry.trim().split_once('='));
    let place = |(alias, image): (&str, &str)| {
        let said = |what: &str| {
            let name = owner.annotations.get(&format!("{TOOL}{alias}.helm.image-{what}"))?;
            find(name)
        };
        let spots = match said("spec") {
            Some(whole) => Spots { whole: Some(whole), ..Spots::default() },
            None => Spots { name: said("name"), tag: said("tag"), ..Spots::default() },
        };
        spots.each().next()?;
        let unnamed = spots.whole.is_none() && spots.name.is_none();
        let mut place = owner.place(format!("{prefix}{alias}"), Form::ArgoApplication, spots);
        if unnamed {
            // The chart knows the name, and so does the list; a constraint may stand behind it.
            let tag = image.rfind(':').filter(|colon| !image[*colon..].contains('/'));
            place.settle(Some(&image[..tag.unwrap_or(image.len())]));
        }
        Some(place)
    };
    entries.filter_map(place).collect()
}

/// Those that were told, and of those that were found the others.
pub(super) fn over(found: Vec<ImagePlace>, said: Vec<ImagePlace>) -> Vec<ImagePlace> {
    let shares = |one: &ImagePlace, other: &ImagePlace| {
        one.container == other.container
            || one.spots.each().any(|spot| other.spots.each().any(|its| its.pointer == spot.pointer))
    };
    let others = found.into_iter().filter(|place| !said.iter().any(|told| shares(told, place))).collect::<Vec<_>>();
    others.into_iter().chain(said).collect()
}
