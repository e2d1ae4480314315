//! What happened to images, as the branch's own commits tell it.

use lockstep_image::Reference;
use lockstep_registry::Repository;

use super::{HistoryPage, HistoryQuestion, PlaceChange, Refusal};
use crate::memory::Memory;
use crate::ports::Ports;
use crate::survey;
use crate::turn::Target;

/// A page of the history up to the head of the branch. Followed are the files that are governed, and those that hold or
/// held what is meant, as far as the branch still has them.
///
/// # Errors
/// If the branch cannot be read, or the page begins at a commit that is not on it.
pub(crate) async fn history(
    question: &HistoryQuestion,
    target: &Target,
    memory: &mut Memory,
    ports: &Ports<'_>,
) -> Result<HistoryPage, Refusal> {
    let head = ports.branch.head().await?;
    let Memory { files, history, .. } = memory;
    survey::survey(ports.branch, head, files, history, &target.places).await?;
    if let Some(file) = question.subject.file() {
        history.follow(ports.branch, file).await?;
    } else if !question.subject.is_everything() {
        let (found, _) = super::find::find(ports.branch, head, &question.subject, &question.who).await?;
        for found in found {
            history.follow(ports.branch, &found.file).await?;
        }
    }
    let wanted = |file: &str, place: &crate::places::PlaceId, change: &PlaceChange| {
        question.who.may_touch(file)
            && question.subject.means(place)
            && question.image.as_ref().is_none_or(|image| concerns(change, image))
    };
    let of_object = |object: &str| {
        let file = object.rsplit_once('#').map_or("", |(file, _)| file);
        question.image.is_none() && question.who.may_touch(file) && question.subject.means_written(object)
    };
    history.log(wanted, of_object, question.before, question.limit).ok_or_else(|| {
        Refusal::Invalid("the page begins at a commit that is not on the branch any more; begin anew".to_owned())
    })
}

fn concerns(change: &PlaceChange, image: &Repository) -> bool {
    let is = |text: &String| text.parse::<Reference>().is_ok_and(|reference| Repository::from(&reference) == *image);
    change.from.iter().chain(&change.to).any(is)
}
