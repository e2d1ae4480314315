//! What a commit holds for us: every place with its policy and its history.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_image::Reference;
use lockstep_image::compat::Tool;
use lockstep_manifest::{Form, ImagePlace, Spots};
use lockstep_registry::Repository;
use lockstep_repository::CommitId;

use crate::board::Problem;
use crate::places::{self, Owner, ParsedFiles, PlaceId, Read};
use crate::policy::{self, Container, Given, PlacePolicy, Setters, Subject};
use crate::ports::{Branch, PortError};
use crate::settings::PlaceSettings;
use crate::undone::{History, PlaceHistory};

/// An image in Git that a policy governs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: PlaceId,
    /// Where it is written.
    pub(crate) image: Arc<ImagePlace>,
    pub(crate) line: usize,
    /// As written.
    pub(crate) text: String,
    pub(crate) reference: Reference,
    pub(crate) repository: Repository,
    pub(crate) policy: PlacePolicy,
    pub(crate) history: PlaceHistory,
}

impl Place {
    /// Whether it is in an object; a kustomization and a file of values are none.
    pub(crate) fn is_in_object(&self) -> bool {
        self.image.object.is_some()
    }
}

/// Every place of a commit, by file and line, and what could not be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) places: Vec<Place>,
    pub(crate) problems: Vec<Problem>,
}

/// Surveys the tree of `head`.
pub(crate) async fn survey(
    branch: &dyn Branch,
    head: CommitId,
    files: &mut ParsedFiles,
    history: &mut History,
    settings: &PlaceSettings,
) -> Result<Survey, PortError> {
    let Read { owners, setters, problems } = places::read(branch, head, files, settings).await?;
    files.expressions.begin_survey();
    let given = Given {
        rules: &settings.rules,
        compat: &settings.compat,
        setters,
        reviewed: settings.reviewed,
        expressions: &files.expressions,
    };
    let most = owners.iter().map(|owner| owner.images.len()).sum();
    let mut survey = Survey { places: Vec::with_capacity(most), problems };
    for owner in owners {
        govern(&owner, &given, &mut survey);
    }
    let overridden = files.overlays.refuse(branch, head, &mut survey.places).await?;
    survey.problems.extend(overridden);
    history.advance(branch, head).await?;
    let mut followed: BTreeMap<String, bool> = BTreeMap::new();
    for place in &mut survey.places {
        let file = &place.id.file;
        if !followed.contains_key(file) {
            let result = history.follow(branch, file).await;
            followed.insert(file.clone(), result.is_ok());
            if let Err(error) = result {
                let message = format!("cannot read what was undone in {file}, so nothing is decided there: {error}");
                survey.problems.push(Problem { category: "history", message });
            }
        }
        place.history = history.place(&place.id);
    }
    survey.places.retain(|place| followed.get(&place.id.file) == Some(&true));
    Ok(survey)
}

/// The image with what its setter knows of it: the name may stand far from the tag, or nowhere. None for a setter that is
/// beside the name alone, where nothing changes.
fn completed(image: &Arc<ImagePlace>, setters: &Setters) -> Option<Arc<ImagePlace>> {
    let as_it_is = Some(Arc::clone(image));
    let Some(setter) = image.comment.as_ref().filter(|_| image.form == Form::Setter) else { return as_it_is };
    let Spots { whole, tag, digest, .. } = &image.spots;
    if whole.is_none() && tag.is_none() && digest.is_none() {
        return None;
    }
    let of_policy = setters.image(&setter.policy).filter(|_| image.text.starts_with([':', '@']));
    of_policy.map_or(as_it_is, |name| Some(Arc::new(image.with_name(name))))
}

fn is_named(image: &ImagePlace, written: &Reference, setters: &Setters) -> bool {
    let named = image.comment.as_ref().and_then(|setter| setters.image(&setter.policy));
    let named = named.and_then(|named| named.parse::<Reference>().ok());
    named.is_some_and(|named| Repository::from(&named) == Repository::from(written))
}

/// Adds the object's places; or, if anything about it cannot be read, the reasons and no place.
fn govern(owner: &Owner, given: &Given<'_>, survey: &mut Survey) {
    let Owner { file, id, line, annotations, annotation_lines, labels, images, linked } = owner;
    let mut problems = Vec::new();
    let problem = |category, line: usize, message: String| {
        let of = if id.kind.is_empty() { String::new() } else { format!("{}: ", id.short()) };
        Problem { category, message: format!("{file}:{line}: {of}{message}") }
    };
    let images: Vec<Arc<ImagePlace>> = images.iter().filter_map(|image| completed(image, &given.setters)).collect();
    let by_flux1 = given.compat.contains(&Tool::Flux1) && policy::is_of_flux1_alone(annotations);
    let references: Vec<Result<Reference, String>> = images
        .iter()
        .map(|image| match image.form {
            // Flux v1 reads a name without a registry as Docker does.
            Form::HelmRelease if by_flux1 => image.docker_reference(),
            // What an ImagePolicy is about is what it names, whoever completes the name that is written.
            Form::Setter => image.reference().or_else(|reason| {
                let written = image.docker_reference().map_err(|_| reason.clone())?;
                if is_named(image, &written, &given.setters) { Ok(written) } else { Err(reason) }
            }),
            _ => image.reference(),
        })
        .collect();
    let repositories: Vec<Option<Repository>> =
        references.iter().map(|reference| reference.as_ref().ok().map(Repository::from)).collect();
    let containers: Vec<Container<'_>> = images
        .iter()
        .zip(references.iter().zip(&repositories))
        .map(|(image, (reference, repository))| Container {
            name: &image.container,
            repository: repository.as_ref(),
            tag: reference.as_ref().ok().and_then(Reference::tag),
            form: image.form,
            comment: image.comment.as_ref().filter(|_| image.form != Form::Setter),
            setter: image.comment.as_ref().filter(|_| image.form == Form::Setter),
            takes_digest: image.spots.whole.is_some() || image.spots.digest.is_some(),
        })
        .collect();
    let subject = Subject { file, object: id, line: *line, annotations, annotation_lines, labels };
    let absent = policy::absent(&subject, &containers, given).into_iter();
    let policies = policy::read(&subject, &containers, given).unwrap_or_else(|wrong| {
        problems.extend(wrong.into_iter().map(|wrong| problem("policy", wrong.line.unwrap_or(*line), wrong.message)));
        Vec::new()
    });
    problems.extend(absent.map(|wrong| problem("policy", wrong.line.unwrap_or(*line), wrong.message)));
    let mut places = Vec::new();
    let mut unnamed = Vec::new();
    for ((image, reference), policy) in images.iter().zip(references).zip(policies) {
        let Some(policy) = policy else { continue };
        match reference {
            Ok(reference) => places.push(Place {
                id: places::place_id(file, image),
                image: Arc::clone(image),
                line: image.line,
                text: image.text.clone(),
                repository: Repository::from(&reference),
                reference,
                policy,
                history: PlaceHistory::default(),
            }),
            Err(error) => unnamed.push((image.line, error)),
        }
    }
    if *linked && !places.is_empty() {
        let message = "the file is reached through a link; let the paths of the settings name the file itself";
        problems.push(problem("manifest", *line, message.to_owned()));
        places.clear();
    }
    problems.extend(unnamed.into_iter().map(|(line, error)| problem("reference", line, error)));
    survey.places.extend(places);
    survey.problems.extend(problems);
}

#[cfg(test)]
mod tests;
