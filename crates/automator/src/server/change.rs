//! `Change`: what a person asks for becomes a commit in that person's name.

use lockstep_api::v1::change_request::Change;
use lockstep_api::v1::{self, ChangeRequest, ChangeResponse};
use lockstep_daemon::Identity;
use tonic::Status;
use tracing::info;

use super::UpdatesService;
use super::requested::{self, Asked};
use crate::asks::{ChangeQuestion, Request, Wish};
use crate::subject::Subject;

pub(super) async fn change(
    service: &UpdatesService,
    who: Identity,
    request: ChangeRequest,
) -> Result<ChangeResponse, Status> {
    let asked = request.subject.unwrap_or_default();
    let subject = requested::subject(&asked)?;
    if subject.is_everything() {
        return Err(Status::invalid_argument("name an object or a place"));
    }
    let wish = wish(request.change)?;
    let branches = requested::branches(service, &who, &asked)?;
    let (branch, bell) = one(service, &subject, &branches)?;
    let name = who.name.clone();
    let question = ChangeQuestion { subject, who, wish };
    let changed = requested::ask(service, bell, Request::Change, question).await??;
    let commit = changed.commit.map(|commit| commit.to_string()).unwrap_or_default();
    info!(%branch, who = name, commit, summary = changed.summary, "asked for");
    let (repository, branch) = (branch.repository.clone(), branch.branch.clone());
    Ok(ChangeResponse { repository, branch, commit, summary: changed.summary, requested: changed.requested })
}

fn wish(change: Option<Change>) -> Result<Wish, Status> {
    Ok(match change.ok_or_else(|| Status::invalid_argument("say what is to be changed"))? {
        Change::Release(v1::Release { tag, force }) => Wish::Release { tag, force },
        Change::Lock(v1::Lock { reason }) => Wish::Lock { reason },
        Change::Unlock(v1::Unlock {}) => Wish::Unlock,
        Change::Automate(v1::Automate {}) => Wish::Automate,
        Change::Deautomate(v1::Deautomate {}) => Wish::Deautomate,
        Change::SetPolicy(v1::SetPolicy { policy }) => Wish::Policy(policy),
    })
}

/// The one branch that has it. Where several could, what the last turns have seen decides; only then the caller must say.
fn one<'a>(service: &UpdatesService, subject: &Subject, branches: &[Asked<'a>]) -> Result<Asked<'a>, Status> {
    if let [one] = branches {
        return Ok(*one);
    }
    let has = |(branch, _): &&Asked<'_>| {
        let state = service.board.get(branch);
        state.is_some_and(|state| state.places.iter().any(|place| subject.means_shown(place)))
    };
    match branches.iter().filter(has).collect::<Vec<_>>()[..] {
        [one] => Ok(*one),
        _ => {
            let names: Vec<String> = branches.iter().map(|(branch, _)| branch.to_string()).collect();
            Err(Status::failed_precondition(format!(
                "say the repository and the branch; there are {}",
                names.join(", ")
            )))
        }
    }
}
