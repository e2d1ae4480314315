//! `ListImages`: every place and what was decided for it.

use lockstep_api::v1::{Image, ListImagesResponse};
use lockstep_daemon::Identity;

use super::{UpdatesService, may_see};
use crate::board::{BranchKey, PlaceState};

/// The places of the repositories that the caller may see, by branch, file and line.
pub(super) fn list(service: &UpdatesService, identity: &Identity) -> ListImagesResponse {
    let (mut images, mut problems) = (Vec::new(), Vec::new());
    for (branch, state) in service.board.all() {
        if may_see(identity, &branch.repository) {
            let places = state.places.iter().filter(|place| identity.may_touch(&place.file));
            images.extend(places.map(|place| image(service, &branch, place)));
            let messages = state.problems.iter().map(|problem| &problem.message);
            problems.extend(messages.filter(|message| identity.may_touch(file_of(message))).cloned());
        }
    }
    ListImagesResponse { images, problems }
}

/// The file that a problem begins with. Whoever may see some files only sees no problem that names none.
pub(super) fn file_of(message: &str) -> &str {
    message.split(':').next().unwrap_or_default()
}

pub(super) fn image(service: &UpdatesService, branch: &BranchKey, place: &PlaceState) -> Image {
    let note = || service.notes.of(branch, &place.file, &place.object, &place.container, &place.current);
    Image {
        repository: branch.repository.clone(),
        branch: branch.branch.clone(),
        file: place.file.clone(),
        line: u32::try_from(place.line).unwrap_or(u32::MAX),
        object: place.object.clone(),
        container: place.container.clone(),
        current: place.current.clone(),
        policy: place.policy.clone(),
        automated: place.automated,
        selected: place.selected.clone().unwrap_or_default(),
        held: note().into_iter().chain(place.held.clone()).collect::<Vec<_>>().join("; "),
        origin: place.origin.clone(),
    }
}
