//! What a commit holds for us: every place with its policy and its history.

use std::collections::BTreeMap;

use lockstep_image::Reference;
use lockstep_manifest::ImagePlace;
use lockstep_registry::Repository;
use lockstep_repository::CommitId;

use crate::board::Problem;
use crate::places::{self, AnnotatedObject, ParsedFiles, PlaceId};
use crate::policy::{self, PlacePolicy};
use crate::ports::{Branch, PortError};
use crate::undone::{History, PlaceHistory};

/// An image in Git that a policy governs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: PlaceId,
    /// Where it is written.
    pub(crate) image: ImagePlace,
    pub(crate) line: usize,
    /// As written.
    pub(crate) text: String,
    pub(crate) reference: Reference,
    pub(crate) repository: Repository,
    pub(crate) policy: PlacePolicy,
    pub(crate) history: PlaceHistory,
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
) -> Result<Survey, PortError> {
    let (objects, problems) = places::read(branch, head, files).await?;
    let mut survey = Survey { places: Vec::new(), problems };
    for object in &objects {
        govern(object, &mut survey);
    }
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

/// Adds the object's places; or, if anything about it cannot be read, the reasons and no place.
fn govern(object: &AnnotatedObject, survey: &mut Survey) {
    let AnnotatedObject { file, id, line, annotations, images, linked } = object;
    let mut wrong = Vec::new();
    let mut problem = |category, line: usize, message: String| {
        wrong.push(Problem { category, message: format!("{file}:{line}: {}: {message}", id.short()) });
    };
    if *linked {
        let message =
            "the file is reached through a link; let the paths of the settings name the file itself".to_owned();
        problem("manifest", *line, message);
    }
    let references: Vec<Option<Reference>> = images
        .iter()
        .map(|image| {
            let read = image.text.parse().map_err(|error: lockstep_image::ReferenceError| error.to_string());
            read.map_err(|error| problem("reference", image.line, error)).ok()
        })
        .collect();
    let tags = |number: usize| references.get(number).and_then(|reference| reference.as_ref()?.tag());
    let containers: Vec<(&str, Option<&str>)> =
        images.iter().enumerate().map(|(number, image)| (image.container.as_str(), tags(number))).collect();
    let policies = policy::read(id, annotations, &containers).unwrap_or_else(|messages| {
        messages.into_iter().for_each(|message| problem("policy", *line, message));
        Vec::new()
    });
    if !wrong.is_empty() {
        survey.problems.extend(wrong);
        return;
    }
    for ((image, reference), policy) in images.iter().zip(references).zip(policies) {
        let (Some(reference), Some(policy)) = (reference, policy) else { continue };
        survey.places.push(Place {
            id: PlaceId { file: file.clone(), object: id.clone(), container: image.container.clone() },
            image: image.clone(),
            line: image.line,
            text: image.text.clone(),
            repository: Repository::from(&reference),
            reference,
            policy,
            history: PlaceHistory::default(),
        });
    }
}
