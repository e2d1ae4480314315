//! GitLab's REST API, version 4 (docs.gitlab.com/api/merge_requests).

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Forge, Page, Wanted};
use crate::error::ForgeError;
use crate::request::{NewRequest, Request};

#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    web_url: String,
    title: String,
    description: Option<String>,
    state: String,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<u64>,
    target_project_id: u64,
    closed_at: Option<Timestamp>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    merge_when_pipeline_succeeds: Option<bool>,
}

impl MergeRequest {
    /// None if its branch lies in another project.
    fn request(self) -> Option<Request> {
        (self.source_project_id == Some(self.target_project_id)).then_some(Request {
            number: self.iid,
            url: self.web_url,
            branch: self.source_branch,
            title: self.title,
            body: self.description.unwrap_or_default(),
            labels: self.labels,
            closed_at: self.closed_at.filter(|_| self.state == "closed"),
            merges_itself: self.merge_when_pipeline_succeeds,
            id: String::new(),
        })
    }
}

/// The project is one part of the path, its slashes escaped.
fn requests<'a>(forge: &'a Forge, more: &[&'a str]) -> Vec<&'a str> {
    [&["projects", forge.settings.project.as_str(), "merge_requests"], more].concat()
}

pub(crate) async fn page(forge: &Forge, wanted: Wanted, base: &str, number: u32) -> Result<Page, ForgeError> {
    let state = if wanted == Wanted::Open { "opened" } else { "closed" };
    let number = number.to_string();
    let query = [
        ("state", state),
        ("target_branch", base),
        ("order_by", "updated_at"),
        ("sort", "desc"),
        ("per_page", "100"),
        ("page", number.as_str()),
    ];
    let url = forge.url(&requests(forge, &[]), &query);
    let (found, more): (Vec<MergeRequest>, _) =
        forge.call("list the merge requests of", Method::GET, url, None).await?;
    let here = found.into_iter().filter(|request| request.target_branch == base && request.state == state);
    Ok(Page { requests: here.filter_map(MergeRequest::request).collect(), more })
}

pub(crate) async fn create(forge: &Forge, new: &NewRequest<'_>) -> Result<Request, ForgeError> {
    const DOING: &str = "open a merge request of";
    let body = json!({
        "source_branch": new.branch,
        "target_branch": new.base,
        "title": new.title,
        "description": new.body,
    });
    let url = forge.url(&requests(forge, &[]), &[]);
    let (made, _): (MergeRequest, _) = forge.call(DOING, Method::POST, url, Some(&body)).await?;
    made.request().ok_or_else(|| forge.malformed(DOING, "it is in another project".to_owned()))
}

async fn put(
    forge: &Forge,
    request: &Request,
    doing: &'static str,
    more: &[&str],
    body: Value,
) -> Result<(), ForgeError> {
    let number = request.number.to_string();
    let url = forge.url(&requests(forge, &[&[number.as_str()], more].concat()), &[]);
    forge.call::<Value>(doing, Method::PUT, url, Some(&body)).await.map(drop)
}

pub(crate) async fn rewrite(forge: &Forge, request: &Request, title: &str, body: &str) -> Result<(), ForgeError> {
    put(forge, request, "rewrite a merge request of", &[], json!({"title": title, "description": body})).await
}

pub(crate) async fn close(forge: &Forge, request: &Request, body: &str) -> Result<(), ForgeError> {
    put(forge, request, "close a merge request of", &[], json!({"state_event": "close", "description": body})).await
}

pub(crate) async fn label(forge: &Forge, request: &Request, labels: &[&str]) -> Result<(), ForgeError> {
    put(forge, request, "label a merge request of", &[], json!({"add_labels": labels.join(",")})).await
}

pub(crate) async fn merge_when_ready(forge: &Forge, request: &Request, commit: &str) -> Result<(), ForgeError> {
    // The second name is that of GitLab before 17.11.
    let body = json!({"auto_merge": true, "merge_when_pipeline_succeeds": true, "sha": commit});
    put(forge, request, "enable auto-merge for a merge request of", &["merge"], body).await
}
