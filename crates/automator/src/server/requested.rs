//! Which branches a call of a person is about, and their loops' answers.

use lockstep_api::v1;
use lockstep_daemon::Identity;
use tonic::Status;

use super::{UpdatesService, may_see};
use crate::asks::{Pending, Refusal, Request};
use crate::bell::Bell;
use crate::board::BranchKey;
use crate::repository_name::normalised;
use crate::subject::Subject;

/// A branch and the bell of its loop.
pub(super) type Asked<'a> = (&'a BranchKey, &'a Bell);

/// The branches that are meant and that the caller may see.
///
/// # Errors
/// If there is none.
pub(super) fn branches<'a>(
    service: &'a UpdatesService,
    who: &Identity,
    subject: &v1::Subject,
) -> Result<Vec<Asked<'a>>, Status> {
    let meant = |branch: &BranchKey| {
        (subject.repository.is_empty() || normalised(&branch.repository) == normalised(&subject.repository))
            && (subject.branch.is_empty() || branch.branch == subject.branch)
            && may_see(who, &branch.repository)
    };
    let found: Vec<_> =
        service.bells.iter().filter(|(branch, _)| meant(branch)).map(|(key, bell)| (key, bell)).collect();
    if found.is_empty() {
        return Err(Status::not_found("there is no such repository and branch here, or none that you may see"));
    }
    Ok(found)
}

pub(super) fn subject(subject: &v1::Subject) -> Result<Subject, Status> {
    Subject::read(&subject.name, &subject.container).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// Asks the loop of a branch, and waits for its answer or for the end of the daemon.
pub(super) async fn ask<Q, A>(
    service: &UpdatesService,
    bell: &Bell,
    request: fn(Pending<Q, A>) -> Request,
    question: Q,
) -> Result<Result<A, Refusal>, Status> {
    let (pending, answer) = Pending::new(question);
    if !bell.ask(request(pending)) {
        return Err(Status::resource_exhausted("too many wait for this branch; ask again in a moment"));
    }
    let stopping = || Status::unavailable("the server is stopping; connect again");
    tokio::select! {
        answer = answer => answer.map_err(|_| stopping()),
        () = service.shutdown.requested() => Err(stopping()),
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::NotFound(_) => Self::not_found(message),
            Refusal::Unfit(_) => Self::failed_precondition(message),
            Refusal::Invalid(_) => Self::invalid_argument(message),
            Refusal::Denied(_) => Self::permission_denied(message),
            Refusal::Unanswered(_) => Self::internal(message),
        }
    }
}
