//! A tag that a person chooses, newer or older.

use std::collections::BTreeSet;

use lockstep_image::Reference;
use lockstep_manifest::ImagePlace;
use lockstep_registry::Repository;
use lockstep_repository::CommitId;

use super::{Fulfilled, named};
use crate::asks::Refusal;
use crate::asks::find::Found;
use crate::memory::Memory;
use crate::policy::Pin;
use crate::ports::Ports;
use crate::publish::Move;
use crate::subject::Subject;
use crate::survey::{self, Place};
use crate::turn::Target;
use crate::update::edit_files;

/// Gives the containers that are meant this tag. If it was undone there it is so no more, because the place holds it again.
#[allow(clippy::too_many_arguments, reason = "each is another thing, and one caller has them all")]
pub(super) async fn release(
    tag: &str,
    force: bool,
    found: &Found,
    subject: &Subject,
    head: CommitId,
    target: &Target,
    memory: &mut Memory,
    ports: &Ports<'_>,
) -> Result<Fulfilled, Refusal> {
    let Memory { files, history, .. } = memory;
    let survey = survey::survey(ports.branch, head, files, history, &target.places).await?;
    let images = meant(found, subject)?;
    let summary = format!("Release {} to {tag}", named(found));
    let mut moves = Vec::new();
    for image in images {
        let id = found.place(image);
        let place = survey.places.iter().find(|place| place.id == id);
        if let Some(reason) = locked(image, place).filter(|_| !force) {
            return Err(Refusal::Unfit(format!("{id} is locked: {reason}; --force releases all the same")));
        }
        moves.extend(one_move(tag, image, place, found, target, ports).await?);
    }
    let (files, made, refused) = edit_files(ports, head, moves).await?;
    if let Some((_, problem)) = refused.first() {
        return Err(Refusal::Unfit(problem.message.clone()));
    }
    Ok(Fulfilled { summary, word: "release", files, moves: made, objects: Vec::new() })
}

/// One container, or several of one image repository.
fn meant<'a>(found: &'a Found, subject: &Subject) -> Result<&'a [ImagePlace], Refusal> {
    let repositories: BTreeSet<Repository> =
        found.images.iter().filter_map(|image| reference(image).ok()).map(|image| Repository::from(&image)).collect();
    if subject.container().is_none() && repositories.len() > 1 {
        let names: Vec<&str> = found.images.iter().map(|image| image.container.as_str()).collect();
        return Err(Refusal::Unfit(format!(
            "{} has containers of different images; name one of {}",
            named(found),
            names.join(", ")
        )));
    }
    Ok(&found.images)
}

fn reference(image: &ImagePlace) -> Result<Reference, Refusal> {
    image.text.parse().map_err(|error: lockstep_image::ReferenceError| Refusal::Unfit(error.to_string()))
}

fn locked(image: &ImagePlace, place: Option<&Place>) -> Option<String> {
    // An object with an error in its annotations is no place, and may be locked all the same.
    let key = format!("lockstep.dev/locked.{}", image.container);
    let written = || ["lockstep.dev/locked", &key].iter().find_map(|key| image.annotations.get(*key)).cloned();
    place.map_or_else(written, |place| place.policy.locked.clone())
}

async fn one_move(
    tag: &str,
    image: &ImagePlace,
    place: Option<&Place>,
    found: &Found,
    target: &Target,
    ports: &Ports<'_>,
) -> Result<Option<Move>, Refusal> {
    let current = reference(image)?;
    let repository = place.map_or_else(|| Repository::from(&current), |place| place.repository.clone());
    if !target.allowed.allows(&repository) {
        return Err(Refusal::Unfit(format!(
            "{repository} may not be contacted: add its registry to registries, or it to allow-repositories"
        )));
    }
    let Some(digest) = ports.tags.digest(&repository, tag).await? else {
        return Err(Refusal::NotFound(format!("{repository} has no tag {tag}")));
    };
    let pinned = match place.map(|place| place.policy.pin).unwrap_or_default() {
        Pin::AsFound => current.digest().is_some(),
        Pin::Tag => false,
        Pin::TagAndDigest => true,
    };
    let unfit = |error: String| Refusal::Unfit(error);
    let to = current.with_tag(tag).and_then(|to| if pinned { to.with_digest(&digest) } else { Ok(to) });
    let to = to.map_err(|error| unfit(error.to_string()))?;
    if to == current {
        return Ok(None);
    }
    Ok(Some(Move {
        place: found.place(image),
        edits: image.write(&to).map_err(unfit)?,
        line: image.line,
        from: image.text.clone(),
        to: to.to_string(),
        tag: tag.to_owned(),
        evidence: vec![format!("digest {digest}")],
        digest: Some(digest),
        group: None,
    }))
}
