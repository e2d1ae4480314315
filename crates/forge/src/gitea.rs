//! Gitea's REST API, version 1, which Forgejo has too (docs.gitea.com/api).

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Forge, Page, Wanted};
use crate::error::ForgeError;
use crate::request::{NewRequest, Request};

/// What a page may have in the default settings of a server.
const PER_PAGE: &str = "50";
const LABEL_PAGES: u32 = 20;

#[derive(Deserialize)]
struct Pull {
    number: u64,
    html_url: String,
    title: String,
    #[serde(default)]
    body: String,
    state: String,
    #[serde(default)]
    merged: bool,
    closed_at: Option<Timestamp>,
    head: Side,
    base: Side,
    #[serde(default)]
    labels: Option<Vec<Label>>,
}

#[derive(Deserialize)]
struct Side {
    r#ref: String,
    repo_id: i64,
}

#[derive(Deserialize)]
struct Label {
    id: i64,
    name: String,
}

impl Pull {
    /// None if its branch lies in another repository.
    fn request(self) -> Option<Request> {
        (self.head.repo_id == self.base.repo_id).then_some(Request {
            number: self.number,
            url: self.html_url,
            branch: self.head.r#ref,
            title: self.title,
            body: self.body,
            labels: self.labels.unwrap_or_default().into_iter().map(|label| label.name).collect(),
            closed_at: self.closed_at.filter(|_| self.state == "closed"),
            merges_itself: None,
            id: String::new(),
        })
    }
}

fn repository<'a>(forge: &'a Forge, more: &[&'a str]) -> Vec<&'a str> {
    let (owner, name) = forge.project_parts();
    [&["repos", owner, name], more].concat()
}

pub(crate) async fn page(forge: &Forge, wanted: Wanted, base: &str, number: u32) -> Result<Page, ForgeError> {
    let state = if wanted == Wanted::Open { "open" } else { "closed" };
    let number = number.to_string();
    let query = [("state", state), ("sort", "recentupdate"), ("limit", PER_PAGE), ("page", number.as_str())];
    let url = forge.url(&repository(forge, &["pulls"]), &query);
    let (found, more): (Vec<Pull>, _) = forge.call("list the pull requests of", Method::GET, url, None).await?;
    let here = found.into_iter().filter(|pull| !pull.merged && pull.state == state && pull.base.r#ref == base);
    Ok(Page { requests: here.filter_map(Pull::request).collect(), more })
}

pub(crate) async fn create(forge: &Forge, new: &NewRequest<'_>) -> Result<Request, ForgeError> {
    const DOING: &str = "open a pull request of";
    let body = json!({"title": new.title, "head": new.branch, "base": new.base, "body": new.body});
    let url = forge.url(&repository(forge, &["pulls"]), &[]);
    let (made, _): (Pull, _) = forge.call(DOING, Method::POST, url, Some(&body)).await?;
    made.request().ok_or_else(|| forge.malformed(DOING, "it is in another repository".to_owned()))
}

async fn patch(forge: &Forge, request: &Request, doing: &'static str, body: Value) -> Result<(), ForgeError> {
    let number = request.number.to_string();
    let url = forge.url(&repository(forge, &["pulls", &number]), &[]);
    forge.call::<Value>(doing, Method::PATCH, url, Some(&body)).await.map(drop)
}

pub(crate) async fn rewrite(forge: &Forge, request: &Request, title: &str, body: &str) -> Result<(), ForgeError> {
    patch(forge, request, "rewrite a pull request of", json!({"title": title, "body": body})).await
}

pub(crate) async fn close(forge: &Forge, request: &Request, body: &str) -> Result<(), ForgeError> {
    patch(forge, request, "close a pull request of", json!({"state": "closed", "body": body})).await
}

/// Labels are named by number here; one that the project does not have is refused by its name.
pub(crate) async fn label(forge: &Forge, request: &Request, labels: &[&str]) -> Result<(), ForgeError> {
    const DOING: &str = "label a pull request of";
    let mut known: Vec<Label> = Vec::new();
    for number in 1..=LABEL_PAGES {
        let number = number.to_string();
        let query = [("limit", PER_PAGE), ("page", number.as_str())];
        let url = forge.url(&repository(forge, &["labels"]), &query);
        let (found, more): (Vec<Label>, _) = forge.call("list the labels of", Method::GET, url, None).await?;
        known.extend(found);
        if !more {
            break;
        }
    }
    let mut ids = Vec::new();
    for label in labels {
        match known.iter().find(|known| known.name == *label) {
            Some(known) => ids.push(known.id),
            None => {
                let said = format!("there is no label {label:?}; create it in the project");
                return Err(ForgeError::Refused {
                    project: forge.settings.project.clone(),
                    doing: DOING,
                    status: 404,
                    said,
                });
            }
        }
    }
    let number = request.number.to_string();
    let url = forge.url(&repository(forge, &["issues", &number, "labels"]), &[]);
    forge.call::<Value>(DOING, Method::POST, url, Some(&json!({"labels": ids}))).await.map(drop)
}

pub(crate) async fn merge_when_ready(forge: &Forge, request: &Request, commit: &str) -> Result<(), ForgeError> {
    let number = request.number.to_string();
    let url = forge.url(&repository(forge, &["pulls", &number, "merge"]), &[]);
    let body = json!({"Do": "merge", "merge_when_checks_succeed": true, "head_commit_id": commit});
    match forge.call::<Value>("enable auto-merge for a pull request of", Method::POST, url, Some(&body)).await {
        // It was asked before; nothing else says so.
        Err(ForgeError::Refused { status: 409, .. }) => Ok(()),
        answer => answer.map(drop),
    }
}
