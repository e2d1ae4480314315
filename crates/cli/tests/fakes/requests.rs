//! What the automator answers to people.

use lockstep_api::timestamp;
use lockstep_api::v1::{
    ChangeResponse, ExplainResponse, Explanation, HistoryEntry, HistoryResponse, Image, ImageTag, PlaceChange, Subject,
};
use tonic::Status;

use super::COMMIT;

pub(super) fn named(subject: &Option<Subject>) -> String {
    let Subject { name, container, repository, branch } = subject.clone().unwrap_or_default();
    [name, container, repository, branch].join("|")
}

pub(super) fn explain(name: &str) -> Result<ExplainResponse, Status> {
    let held = match name {
        "deployment/shop/web" => "",
        "deployment/shop/held" => "2 tags tie",
        _ => return Err(Status::not_found("there is nothing of that name below the configured paths")),
    };
    let image = Image {
        repository: "https://git.example/config.git".to_owned(),
        branch: "main".to_owned(),
        file: "clusters/prod/web.yaml".to_owned(),
        line: 12,
        object: "Deployment/shop/web".to_owned(),
        container: "web".to_owned(),
        current: "ghcr.io/acme/web:1.4.2".to_owned(),
        policy: "semver:~1.4".to_owned(),
        automated: true,
        selected: if held.is_empty() { "1.4.4".to_owned() } else { String::new() },
        held: held.to_owned(),
        origin: "clusters/prod/web.yaml:7".to_owned(),
    };
    let tag = |tag: &str, verdict: &str| ImageTag {
        tag: tag.to_owned(),
        verdict: verdict.to_owned(),
        pushed: Some(timestamp(1_767_225_600, 0)),
        ..ImageTag::default()
    };
    let tags = vec![tag("1.4.4", "selected"), tag("1.4.3", "dropped: undone here")];
    let explanation = Explanation { image: Some(image), undone: vec!["1.4.3".to_owned()], tags, tags_total: 7 };
    Ok(ExplainResponse { places: vec![explanation], problems: Vec::new() })
}

pub(super) fn history(page: &str) -> HistoryResponse {
    let entry = |kind: &str, requested_by: &str, changes: Vec<PlaceChange>| HistoryEntry {
        repository: "https://git.example/config.git".to_owned(),
        branch: "main".to_owned(),
        commit: COMMIT.to_owned(),
        at: Some(timestamp(1_767_225_600, 0)),
        author: "Lockstep".to_owned(),
        requested_by: requested_by.to_owned(),
        kind: kind.to_owned(),
        subject: "Lock shop/web: audit".to_owned(),
        changes,
    };
    let change = PlaceChange {
        place: "clusters/prod/web.yaml#Deployment/shop/web/web".to_owned(),
        from: "web:1.4.2".to_owned(),
        to: "web:1.4.3".to_owned(),
    };
    match page {
        "" => HistoryResponse { entries: vec![entry("lock", "alice", Vec::new())], next_page: "0-x".to_owned() },
        _ => HistoryResponse { entries: vec![entry("update", "", vec![change])], next_page: String::new() },
    }
}

pub(super) fn change(name: &str) -> Result<ChangeResponse, Status> {
    let commit = match name {
        "deployment/shop/web" => COMMIT,
        "deployment/shop/same" | "deployment/shop/guarded" => "",
        "deployment/shop/locked" => return Err(Status::failed_precondition("it is locked: audit")),
        _ => return Err(Status::permission_denied("alice does not have the role release")),
    };
    Ok(ChangeResponse {
        repository: "https://git.example/config.git".to_owned(),
        branch: "main".to_owned(),
        commit: commit.to_owned(),
        summary: "Release shop/web to 1.4.3".to_owned(),
        requested: name == "deployment/shop/guarded",
    })
}
