//! `Scan`: look at the registries now, and say what came of it.

use lockstep_api::v1::ScanResponse;
use lockstep_daemon::Identity;
use lockstep_image::Reference;
use lockstep_registry::Repository;
use tonic::Status;

use super::images::file_of;
use super::{UpdatesService, may_see};

/// Wakes the loops and waits for their turns; ends early when the caller hangs up or the daemon stops.
pub(super) async fn scan(service: &UpdatesService, identity: &Identity, image: &str) -> Result<ScanResponse, Status> {
    let image = named(image)?;
    let bells = service.bells.iter().filter(|(branch, _)| may_see(identity, &branch.repository));
    let waiting: Option<Vec<_>> = bells.map(|(_, bell)| bell.scan(image.clone())).collect();
    let too_many = || Status::resource_exhausted("too many wait for a scan already; try again when they are answered");
    let mut response = ScanResponse::default();
    for answer in waiting.ok_or_else(too_many)? {
        let answer = tokio::select! {
            answer = answer => answer,
            () = service.shutdown.requested() => return Err(stopping()),
        };
        match answer.map_err(|_| stopping())?.as_ref() {
            Ok(outcome) => {
                response.commits.extend(outcome.pushed.map(|commit| commit.to_string()));
                response.places += u32::try_from(outcome.places).unwrap_or(u32::MAX);
                let problems = outcome.problems.iter().map(|problem| &problem.message);
                response.errors.extend(problems.filter(|message| identity.may_touch(file_of(message))).cloned());
            }
            Err(error) => response.errors.push(error.to_string()),
        }
    }
    Ok(response)
}

fn stopping() -> Status {
    Status::unavailable("the server is stopping; connect again")
}

/// The repository that is meant; none for an empty text.
pub(super) fn named(image: &str) -> Result<Option<Repository>, Status> {
    if image.is_empty() {
        return Ok(None);
    }
    let reference: Result<Reference, _> = image.parse();
    match reference {
        Ok(reference) if reference.tag().is_none() && reference.digest().is_none() => {
            Ok(Some(Repository::from(&reference)))
        }
        _ => Err(Status::invalid_argument(
            "image must be the name of a repository without tag and digest, as in ghcr.io/acme/app",
        )),
    }
}
