//! `History`: what happened to images, a page at a time. Branches follow each other in a fixed order.

use lockstep_api::v1;
use lockstep_daemon::Identity;
use lockstep_repository::CommitId;
use tonic::Status;

use super::explain::{limit, time};
use super::{UpdatesService, requested, scan};
use crate::asks::{HistoryEntry, HistoryQuestion, PlaceChange, Request};
use crate::board::BranchKey;

const USUAL_LIMIT: usize = 50;
const HIGHEST_LIMIT: usize = 1000;

pub(super) async fn history(
    service: &UpdatesService,
    who: Identity,
    request: v1::HistoryRequest,
) -> Result<v1::HistoryResponse, Status> {
    let asked = request.subject.unwrap_or_default();
    let subject = requested::subject(&asked)?;
    let image = scan::named(&request.image)?;
    let limit = limit(request.limit, USUAL_LIMIT, HIGHEST_LIMIT);
    let branches = requested::branches(service, &who, &asked)?;
    let (first, mut before) = read_page(&request.page)?;
    let mut response = v1::HistoryResponse::default();
    for (number, (branch, bell)) in branches.iter().enumerate().skip(first) {
        let room = limit - response.entries.len();
        if room == 0 {
            response.next_page = number.to_string();
            break;
        }
        let question = HistoryQuestion {
            subject: subject.clone(),
            image: image.clone(),
            who: who.clone(),
            limit: room,
            before: before.take(),
        };
        let page = requested::ask(service, bell, Request::History, question).await??;
        let last = page.entries.last().map(|entry| entry.commit);
        response.entries.extend(page.entries.into_iter().map(|entry| self::entry(branch, entry)));
        if let (true, Some(last)) = (page.more, last) {
            response.next_page = format!("{number}-{last}");
            break;
        }
    }
    Ok(response)
}

/// `BRANCH` or `BRANCH-COMMIT`; the beginning for an empty text.
fn read_page(page: &str) -> Result<(usize, Option<CommitId>), Status> {
    if page.is_empty() {
        return Ok((0, None));
    }
    let wrong = || Status::invalid_argument("page is none that an answer gave");
    let (number, commit) = page.split_once('-').map_or((page, None), |(number, commit)| (number, Some(commit)));
    let commit = commit.map(str::parse).transpose().map_err(|_| wrong())?;
    Ok((number.parse().map_err(|_| wrong())?, commit))
}

fn entry(branch: &BranchKey, entry: HistoryEntry) -> v1::HistoryEntry {
    let HistoryEntry { commit, at, author, requested_by, kind, subject, changes } = entry;
    v1::HistoryEntry {
        repository: branch.repository.clone(),
        branch: branch.branch.clone(),
        commit: commit.to_string(),
        at: Some(time(at)),
        author,
        requested_by: requested_by.unwrap_or_default(),
        kind,
        subject,
        changes: changes.into_iter().map(change).collect(),
    }
}

fn change(change: PlaceChange) -> v1::PlaceChange {
    let PlaceChange { place, from, to } = change;
    v1::PlaceChange { place, from: from.unwrap_or_default(), to: to.unwrap_or_default() }
}
