//! GitHub's REST API, version 2022-11-28 (docs.github.com/rest/pulls), and the one mutation that only its GraphQL API has.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Forge, Page, Wanted};
use crate::error::ForgeError;
use crate::request::{NewRequest, Request};

#[derive(Deserialize)]
struct Pull {
    number: u64,
    node_id: String,
    html_url: String,
    title: String,
    body: Option<String>,
    state: String,
    merged_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    head: Side,
    base: Side,
    #[serde(default)]
    labels: Vec<Label>,
    auto_merge: Option<Value>,
}

#[derive(Deserialize)]
struct Side {
    r#ref: String,
    /// Gone if the fork was deleted.
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

impl Pull {
    /// None if its branch lies in another repository.
    fn request(self) -> Option<Request> {
        (self.head.repo?.id == self.base.repo?.id).then_some(Request {
            number: self.number,
            url: self.html_url,
            branch: self.head.r#ref,
            title: self.title,
            body: self.body.unwrap_or_default(),
            labels: self.labels.into_iter().map(|label| label.name).collect(),
            closed_at: self.closed_at.filter(|_| self.state == "closed"),
            merges_itself: Some(self.auto_merge.is_some()),
            id: self.node_id,
        })
    }
}

fn pulls<'a>(forge: &'a Forge, more: &[&'a str]) -> Vec<&'a str> {
    let (owner, name) = forge.project_parts();
    [&["repos", owner, name, "pulls"], more].concat()
}

pub(crate) async fn page(forge: &Forge, wanted: Wanted, base: &str, number: u32) -> Result<Page, ForgeError> {
    let state = if wanted == Wanted::Open { "open" } else { "closed" };
    let number = number.to_string();
    let query = [
        ("state", state),
        ("base", base),
        ("sort", "updated"),
        ("direction", "desc"),
        ("per_page", "100"),
        ("page", number.as_str()),
    ];
    let url = forge.url(&pulls(forge, &[]), &query);
    let (found, more): (Vec<Pull>, _) = forge.call("list the pull requests of", Method::GET, url, None).await?;
    let unmerged = found.into_iter().filter(|pull| pull.merged_at.is_none() && pull.base.r#ref == base);
    Ok(Page { requests: unmerged.filter_map(Pull::request).collect(), more })
}

pub(crate) async fn create(forge: &Forge, new: &NewRequest<'_>) -> Result<Request, ForgeError> {
    const DOING: &str = "open a pull request of";
    let body = json!({"title": new.title, "head": new.branch, "base": new.base, "body": new.body});
    let url = forge.url(&pulls(forge, &[]), &[]);
    let (made, _): (Pull, _) = forge.call(DOING, Method::POST, url, Some(&body)).await?;
    made.request().ok_or_else(|| forge.malformed(DOING, "it is in another repository".to_owned()))
}

async fn patch(forge: &Forge, request: &Request, doing: &'static str, body: Value) -> Result<(), ForgeError> {
    let number = request.number.to_string();
    let url = forge.url(&pulls(forge, &[&number]), &[]);
    forge.call::<Value>(doing, Method::PATCH, url, Some(&body)).await.map(drop)
}

pub(crate) async fn rewrite(forge: &Forge, request: &Request, title: &str, body: &str) -> Result<(), ForgeError> {
    patch(forge, request, "rewrite a pull request of", json!({"title": title, "body": body})).await
}

pub(crate) async fn close(forge: &Forge, request: &Request, body: &str) -> Result<(), ForgeError> {
    patch(forge, request, "close a pull request of", json!({"state": "closed", "body": body})).await
}

pub(crate) async fn label(forge: &Forge, request: &Request, labels: &[&str]) -> Result<(), ForgeError> {
    let (owner, name) = forge.project_parts();
    let number = request.number.to_string();
    let url = forge.url(&["repos", owner, name, "issues", &number, "labels"], &[]);
    let body = json!({"labels": labels});
    forge.call::<Value>("label a pull request of", Method::POST, url, Some(&body)).await.map(drop)
}

const AUTO_MERGE: &str = "mutation($request: ID!, $commit: GitObjectID!) { enablePullRequestAutoMerge(input: {pullRequestId: $request, expectedHeadOid: $commit}) { clientMutationId } }";

#[derive(Deserialize)]
struct Mutated {
    #[serde(default)]
    errors: Vec<MutationError>,
}

#[derive(Deserialize)]
struct MutationError {
    message: String,
}

pub(crate) async fn merge_when_ready(forge: &Forge, request: &Request, commit: &str) -> Result<(), ForgeError> {
    const DOING: &str = "enable auto-merge for a pull request of";
    // `https://api.github.com/graphql`, and `https://HOST/api/graphql` beside `https://HOST/api/v3`.
    let mut url = forge.url(&["graphql"], &[]);
    if let Some(base) = forge.api.path().strip_suffix("/v3") {
        url.set_path(&format!("{base}/graphql"));
    }
    let body = json!({"query": AUTO_MERGE, "variables": {"request": request.id, "commit": commit}});
    let (answer, _): (Mutated, _) = forge.call(DOING, Method::POST, url, Some(&body)).await?;
    match answer.errors.into_iter().next() {
        None => Ok(()),
        // Whatever may be merged already is not waited for, and GitHub refuses to.
        Some(error) if error.message.contains("clean status") => {
            let number = request.number.to_string();
            let url = forge.url(&pulls(forge, &[&number, "merge"]), &[]);
            let body = json!({"sha": commit});
            forge.call::<Value>("merge a pull request of", Method::PUT, url, Some(&body)).await.map(drop)
        }
        Some(error) => Err(ForgeError::Refused {
            project: forge.settings.project.clone(),
            doing: DOING,
            status: 200,
            said: error.message.chars().take(400).collect(),
        }),
    }
}
