//! A tag that a person chooses, newer or older.

use std::collections::BTreeSet;

use lockstep_image::{Platform, Reference};
use lockstep_manifest::{Form, ImagePlace};
use lockstep_registry::{Repository, Verification};
use lockstep_repository::CommitId;

use super::{Fulfilled, named};
use crate::asks::Refusal;
use crate::asks::find::Found;
use crate::memory::Memory;
use crate::policy::{self, Container, PlacePolicy};
use crate::ports::{PortError, Ports};
use crate::publish::Move;
use crate::settings::PlaceRule;
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
    let mut moves = Vec::new();
    let mut overridden = BTreeSet::new();
    for image in meant(found, subject)? {
        let id = found.place(image);
        let place = survey.places.iter().find(|place| place.id == id);
        let bounds = bounds(image, place, found, &target.places.rules)?;
        let (change, forbidden) = one_move(tag, image, place, &bounds, found, target, ports).await?;
        if let Some(reason) = forbidden.first().filter(|_| !force) {
            return Err(Refusal::Unfit(format!("{reason}; --force releases all the same")));
        }
        if change.is_some() {
            overridden.extend(forbidden);
        }
        moves.extend(change);
    }
    let (files, made, refused) = edit_files(ports, head, moves).await?;
    if let Some((_, problem)) = refused.first() {
        return Err(Refusal::Unfit(problem.message.clone()));
    }
    let mut summary = format!("Release {} to {tag}", named(found));
    if !overridden.is_empty() {
        summary.push_str(&format!(" by force: {}", overridden.into_iter().collect::<Vec<_>>().join("; ")));
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

/// What governs the image. An object with an error in its annotations is no place, and binds a person all the same.
fn bounds(
    image: &ImagePlace,
    place: Option<&Place>,
    found: &Found,
    rules: &[PlaceRule],
) -> Result<PlacePolicy, Refusal> {
    if let Some(place) = place {
        return Ok(place.policy.clone());
    }
    let current = reference(image)?;
    let container = Container {
        name: &image.container,
        repository: Some(&Repository::from(&current)),
        tag: current.tag(),
        form: image.form,
        comment: image.comment.as_ref().filter(|_| image.form != Form::Setter),
        setter: None,
        takes_digest: true,
    };
    let subject = policy::Subject {
        file: &found.file,
        object: &found.id,
        line: image.object_line,
        annotations: &image.annotations,
        annotation_lines: &image.annotation_lines,
        labels: &image.labels,
    };
    policy::bounds(&subject, &container, rules).map_err(|wrong| {
        let wrong: Vec<String> = wrong.into_iter().map(|wrong| wrong.message).collect();
        Refusal::Unfit(format!("{}: {}", found.place(image), wrong.join("; ")))
    })
}

/// The move, if there is one to make, and what forbids it.
async fn one_move(
    tag: &str,
    image: &ImagePlace,
    place: Option<&Place>,
    bounds: &PlacePolicy,
    found: &Found,
    target: &Target,
    ports: &Ports<'_>,
) -> Result<(Option<Move>, Vec<String>), Refusal> {
    let current = reference(image)?;
    let repository = place.map_or_else(|| Repository::from(&current), |place| place.repository.clone());
    if !target.allowed.allows(&repository) {
        return Err(Refusal::Unfit(format!(
            "{repository} may not be contacted: add its registry to registries, or it to allow-repositories"
        )));
    }
    let id = found.place(image);
    let mut forbidden: Vec<String> = bounds.locked.iter().map(|reason| format!("{id} is locked: {reason}")).collect();
    let Some(digest) = ports.tags.digest(&repository, tag).await? else {
        return Err(Refusal::NotFound(format!("{repository} has no tag {tag}")));
    };
    let unfit = |error: String| Refusal::Unfit(error);
    let pinned = bounds.writes_digest(current.digest().is_some());
    let to = current.with_tag(tag).and_then(|to| if pinned { to.with_digest(&digest) } else { Ok(to) });
    let to = to.map_err(|error| unfit(error.to_string()))?;
    if to == current {
        return Ok((None, forbidden));
    }
    let mut evidence = vec![format!("digest {digest}")];
    if let Some(key) = &bounds.verify {
        match unsigned(ports.tags.verify(&repository, &digest, key).await) {
            None => evidence.push(format!("signed by cosign:{key}")),
            Some(reason) => forbidden.push(format!("{repository}:{tag} is not signed by cosign:{key}: {reason}")),
        }
    }
    if !bounds.rule.platforms.is_empty() {
        let runs_on = ports.tags.platforms(&repository, &digest).await;
        let missing = missing(&bounds.rule.platforms, runs_on);
        forbidden.extend(missing.map(|reason| format!("{repository}:{tag} does not run where it has to: {reason}")));
    }
    evidence.extend(forbidden.iter().map(|reason| format!("by force: {reason}")));
    let change = Move {
        place: id,
        edits: image.write(&to).map_err(unfit)?,
        line: image.line,
        from: image.text.clone(),
        to: to.to_string(),
        tag: tag.to_owned(),
        evidence,
        digest: Some(digest),
        group: None,
    };
    Ok((Some(change), forbidden))
}

/// Why an image does not count as signed.
fn unsigned(verified: Result<Verification, PortError>) -> Option<String> {
    match verified {
        Ok(Verification::Signed) => None,
        Ok(Verification::NotSigned) => Some("there is no signature".to_owned()),
        Ok(Verification::Wrong(reason)) => Some(reason),
        Err(error) => Some(error.message),
    }
}

/// Why it is not known that an image runs on all platforms.
fn missing(wanted: &[Platform], runs_on: Result<Vec<Platform>, PortError>) -> Option<String> {
    match runs_on {
        Ok(runs_on) => {
            wanted.iter().find(|wanted| !runs_on.contains(wanted)).map(|lacking| format!("not on {lacking}"))
        }
        Err(error) => Some(error.message),
    }
}
