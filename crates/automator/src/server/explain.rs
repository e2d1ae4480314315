//! `Explain`: every tag of the places of an object, with the rule that kept or dropped it.

use jiff::Timestamp;
use lockstep_api::v1::{ExplainRequest, ExplainResponse, Explanation, ImageTag};
use lockstep_daemon::Identity;
use tonic::Status;

use super::{UpdatesService, images, requested};
use crate::asks::{ExplainQuestion, ExplainedPlace, ExplainedTag, Refusal, Request};
use crate::board::BranchKey;

const USUAL_LIMIT: usize = 100;
const HIGHEST_LIMIT: usize = 10_000;

pub(super) async fn explain(
    service: &UpdatesService,
    who: Identity,
    request: ExplainRequest,
) -> Result<ExplainResponse, Status> {
    let asked = request.subject.unwrap_or_default();
    let subject = requested::subject(&asked)?;
    if subject.is_everything() {
        return Err(Status::invalid_argument("name an object or a place"));
    }
    let limit = limit(request.limit, USUAL_LIMIT, HIGHEST_LIMIT);
    let mut response = ExplainResponse::default();
    let mut missing = None;
    for (branch, bell) in requested::branches(service, &who, &asked)? {
        let question = ExplainQuestion { subject: subject.clone(), who: who.clone(), limit };
        match requested::ask(service, bell, Request::Explain, question).await? {
            Ok(explained) => {
                let places = explained.places.into_iter().map(|place| explanation(service, branch, place));
                response.places.extend(places);
                response.problems.extend(explained.problems);
            }
            Err(refusal @ Refusal::NotFound(_)) => missing = Some(refusal),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    match missing {
        Some(missing) if response.places.is_empty() && response.problems.is_empty() => Err(missing.into()),
        _ => Ok(response),
    }
}

/// What was asked for, within bounds; 0 is what is usual.
pub(super) fn limit(asked: u32, usual: usize, highest: usize) -> usize {
    match usize::try_from(asked).unwrap_or(highest) {
        0 => usual,
        asked => asked.min(highest),
    }
}

pub(super) fn time(time: Timestamp) -> prost_types::Timestamp {
    lockstep_api::timestamp(time.as_second(), time.subsec_nanosecond())
}

fn explanation(service: &UpdatesService, branch: &BranchKey, place: ExplainedPlace) -> Explanation {
    Explanation {
        image: Some(images::image(service, branch, &place.state)),
        undone: place.undone,
        tags: place.tags.into_iter().map(tag).collect(),
        tags_total: u32::try_from(place.tags_total).unwrap_or(u32::MAX),
    }
}

fn tag(tag: ExplainedTag) -> ImageTag {
    let ExplainedTag { judged, pushed, first_seen, created } = tag;
    ImageTag {
        tag: judged.tag,
        verdict: judged.verdict,
        pushed: pushed.map(time),
        first_seen: first_seen.map(time),
        created: created.map(time),
    }
}
