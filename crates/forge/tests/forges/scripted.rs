//! A forge in memory. It answers as the published APIs say, and complains about every call that they do not have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Response, Uri};
use lockstep_forge::ForgeKind;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const TOKEN: &str = "canary-token";

/// Smaller than asked for, as servers may.
const PER_PAGE: usize = 2;

/// A call that the API has: method, path (`*` is one part), the fields that its body must have, and those that it may have.
type Shape = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const GITHUB: &[Shape] = &[
    ("GET", "/repos/acme/config/pulls", &[], &[]),
    ("POST", "/repos/acme/config/pulls", &["title", "head", "base"], &["body", "draft", "maintainer_can_modify"]),
    ("PATCH", "/repos/acme/config/pulls/*", &[], &["title", "body", "state", "base"]),
    ("POST", "/repos/acme/config/issues/*/labels", &["labels"], &[]),
    ("PUT", "/repos/acme/config/pulls/*/merge", &[], &["sha", "merge_method", "commit_title", "commit_message"]),
    ("POST", "/graphql", &["query"], &["variables"]),
];
const GITLAB: &[Shape] = &[
    ("GET", "/projects/acme%2Fconfig/merge_requests", &[], &[]),
    (
        "POST",
        "/projects/acme%2Fconfig/merge_requests",
        &["source_branch", "target_branch", "title"],
        &["description", "labels", "remove_source_branch"],
    ),
    (
        "PUT",
        "/projects/acme%2Fconfig/merge_requests/*",
        &[],
        &["title", "description", "state_event", "add_labels", "labels"],
    ),
    (
        "PUT",
        "/projects/acme%2Fconfig/merge_requests/*/merge",
        &[],
        &["auto_merge", "merge_when_pipeline_succeeds", "sha"],
    ),
];
const GITEA: &[Shape] = &[
    ("GET", "/repos/acme/config/pulls", &[], &[]),
    ("POST", "/repos/acme/config/pulls", &[], &["title", "head", "base", "body", "labels"]),
    ("PATCH", "/repos/acme/config/pulls/*", &[], &["title", "body", "state", "labels"]),
    ("GET", "/repos/acme/config/labels", &[], &[]),
    ("POST", "/repos/acme/config/issues/*/labels", &[], &["labels"]),
    ("POST", "/repos/acme/config/pulls/*/merge", &["Do"], &["merge_when_checks_succeed", "head_commit_id"]),
];

/// A request as the forge keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) branch: String,
    pub(crate) base: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) labels: Vec<String>,
    pub(crate) from_fork: bool,
    pub(crate) closed: bool,
    pub(crate) merged: bool,
    pub(crate) merges_itself: Option<String>,
}

#[derive(Default)]
pub(crate) struct Inside {
    /// Number 1 is the first.
    pub(crate) requests: Vec<Kept>,
    /// Each call, as METHOD PATH?QUERY.
    pub(crate) calls: Vec<String>,
    /// What the API does not have.
    pub(crate) wrong: Vec<String>,
    /// The next answer, instead of a right one.
    pub(crate) next_answer: Option<(u16, String)>,
    /// A header of that answer.
    pub(crate) next_header: Option<(&'static str, &'static str)>,
}

#[derive(Clone)]
pub(crate) struct Scripted {
    kind: ForgeKind,
    inside: Arc<Mutex<Inside>>,
    pub(crate) api: String,
}

impl Scripted {
    pub(crate) async fn start(kind: ForgeKind, servers: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let scripted = Self { kind, inside: Arc::default(), api };
        let router = Router::new().fallback(answer).with_state(scripted.clone());
        servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
        scripted
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    fn shapes(&self) -> &'static [Shape] {
        match self.kind {
            ForgeKind::GitHub => GITHUB,
            ForgeKind::GitLab => GITLAB,
            ForgeKind::Gitea => GITEA,
        }
    }

    /// What is wrong with a call, if anything is.
    fn complaint(&self, method: &Method, path: &str, headers: &HeaderMap, body: &Value) -> Option<String> {
        let fits = |pattern: &str| {
            let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
            pattern.len() == path.len() && pattern.iter().zip(&path).all(|(part, is)| *part == "*" || part == is)
        };
        let shape = self.shapes().iter().find(|(of, pattern, ..)| *of == method.as_str() && fits(pattern));
        let Some((_, _, required, allowed)) = shape else { return Some("there is no such call".to_owned()) };
        let (login, expected) = match self.kind {
            ForgeKind::GitHub => ("authorization", format!("Bearer {TOKEN}")),
            ForgeKind::GitLab => ("private-token", TOKEN.to_owned()),
            ForgeKind::Gitea => ("authorization", format!("token {TOKEN}")),
        };
        if headers.get(login).is_none_or(|value| value.to_str().ok() != Some(expected.as_str())) {
            return Some(format!("it has no {login}"));
        }
        if !headers["user-agent"].to_str().unwrap().starts_with("lockstep/") {
            return Some("it does not say who calls".to_owned());
        }
        if self.kind == ForgeKind::GitHub
            && (headers["accept"] != "application/vnd.github+json" || headers["x-github-api-version"] != "2022-11-28")
        {
            return Some("it does not say which version of the API it speaks".to_owned());
        }
        if method == Method::GET {
            return (!body.is_null()).then(|| "a GET has a body".to_owned());
        }
        if headers["content-type"] != "application/json" {
            return Some("its body is not JSON".to_owned());
        }
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let missing = required.iter().find(|field| !fields.contains(field));
        let unknown = fields.iter().find(|field| !required.contains(field) && !allowed.contains(field));
        missing.map(|field| format!("it lacks {field}")).or(unknown.map(|field| format!("it has {field}")))
    }

    fn shown(&self, number: usize, kept: &Kept) -> Value {
        let closed_at = (kept.closed || kept.merged).then_some("2026-11-20T10:00:00Z");
        let state = match (self.kind, kept.closed, kept.merged) {
            (ForgeKind::GitLab, _, true) => "merged",
            (_, false, false) if self.kind == ForgeKind::GitLab => "opened",
            (_, false, false) => "open",
            _ => "closed",
        };
        let page = format!("https://forge.example/acme/config/{number}");
        let fork = if kept.from_fork { 9 } else { 1 };
        match self.kind {
            ForgeKind::GitHub => json!({
                "number": number, "node_id": format!("PR_{number}"), "html_url": page, "title": kept.title,
                "body": if kept.body.is_empty() { Value::Null } else { kept.body.clone().into() },
                "state": state, "merged_at": closed_at.filter(|_| kept.merged), "closed_at": closed_at,
                "head": {"ref": kept.branch, "repo": {"id": fork, "full_name": "acme/config"}},
                "base": {"ref": kept.base, "repo": {"id": 1, "full_name": "acme/config"}},
                "labels": kept.labels.iter().map(|name| json!({"id": 1, "name": name})).collect::<Vec<_>>(),
                "auto_merge": kept.merges_itself.as_ref().map(|_| json!({"merge_method": "merge"})),
                "draft": false,
            }),
            ForgeKind::GitLab => json!({
                "id": 1000 + number, "iid": number, "web_url": page, "title": kept.title,
                "description": kept.body, "state": state,
                "source_branch": kept.branch, "target_branch": kept.base,
                "source_project_id": fork, "target_project_id": 1,
                "closed_at": closed_at.filter(|_| kept.closed), "labels": kept.labels,
                "merge_when_pipeline_succeeds": kept.merges_itself.is_some(),
            }),
            ForgeKind::Gitea => json!({
                "id": 1000 + number, "number": number, "html_url": page, "title": kept.title, "body": kept.body,
                "state": state, "merged": kept.merged, "closed_at": closed_at,
                "head": {"label": kept.branch, "ref": kept.branch, "repo_id": fork},
                "base": {"label": kept.base, "ref": kept.base, "repo_id": 1},
                "labels": kept.labels.iter().map(|name| json!({"id": 7, "name": name})).collect::<Vec<_>>(),
            }),
        }
    }

    /// A page of the requests that a query asks for, the newest first, and whether there are more.
    fn list(&self, inside: &Inside, query: &BTreeMap<String, String>) -> (Value, bool) {
        let asked = |key: &str| query.get(key).map(String::as_str);
        let fits = |kept: &Kept| match asked("state").unwrap() {
            "open" | "opened" => !kept.closed && !kept.merged,
            // A merged request is closed too, but for GitLab.
            "closed" => kept.closed || (kept.merged && self.kind != ForgeKind::GitLab),
            other => panic!("no state is called {other}"),
        };
        let base = asked("base").or(asked("target_branch"));
        let found: Vec<Value> = inside
            .requests
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, kept)| fits(kept) && base.is_none_or(|base| kept.base == base))
            .map(|(index, kept)| self.shown(index + 1, kept))
            .collect();
        let page: usize = asked("page").unwrap().parse().unwrap();
        assert!(asked("per_page").or(asked("limit")).is_some(), "no size of a page is asked for");
        let rest: Vec<Value> = found.into_iter().skip((page - 1) * PER_PAGE).collect();
        let more = rest.len() > PER_PAGE;
        (rest.into_iter().take(PER_PAGE).collect(), more)
    }

    fn change(&self, kept: &mut Kept, body: &Value) {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        kept.title = text("title").unwrap_or(kept.title.clone());
        kept.body = text("body").or(text("description")).unwrap_or(kept.body.clone());
        kept.closed |= text("state").is_some_and(|state| state == "closed");
        kept.closed |= text("state_event").is_some_and(|event| event == "close");
        kept.labels.extend(
            text("add_labels").into_iter().flat_map(|all| all.split(',').map(str::to_owned).collect::<Vec<_>>()),
        );
    }
}

fn response(status: u16, body: &str, link: Option<String>) -> Response<Body> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    if let Some(link) = link {
        response = response.header("link", link);
    }
    response.body(Body::from(body.to_owned())).unwrap()
}

async fn answer(
    State(scripted): State<Scripted>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response<Body> {
    let mut inside = scripted.inside();
    let path = uri.path();
    inside.calls.push(format!("{method} {}", uri.path_and_query().unwrap()));
    if let Some((status, body)) = inside.next_answer.take() {
        let mut answer = response(status, &body, None);
        if let Some((name, value)) = inside.next_header.take() {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        return answer;
    }
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if let Some(complaint) = scripted.complaint(&method, path, &headers, &body) {
        let complaint = format!("{method} {path}: {complaint}");
        inside.wrong.push(complaint.clone());
        return response(400, &json!({"message": complaint}).to_string(), None);
    }
    let url = reqwest::Url::parse(&format!("http://forge{uri}")).unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let parts: Vec<&str> = path.split('/').collect();
    let number = parts.iter().rev().find_map(|part| part.parse::<usize>().ok());
    let last = *parts.last().unwrap();
    if method == Method::GET && last == "labels" {
        let label = if query["page"] == "1" {
            json!([{"id": 5, "name": "other"}])
        } else {
            json!([{"id": 7, "name": "images"}])
        };
        return response(200, &label.to_string(), (query["page"] == "1").then(|| "<x>; rel=\"next\"".to_owned()));
    }
    match (method.as_str(), last, number) {
        ("GET", ..) => {
            let (found, more) = scripted.list(&inside, &query);
            let link =
                "<https://elsewhere.example/?page=1>; rel=\"first\", <https://elsewhere.example/?page=9>; rel=\"next\"";
            response(200, &found.to_string(), more.then(|| link.to_owned()))
        }
        ("POST", "graphql", _) => {
            let variables = &body["variables"];
            let number: usize = variables["request"].as_str().unwrap().trim_start_matches("PR_").parse().unwrap();
            assert!(body["query"].as_str().unwrap().contains("enablePullRequestAutoMerge"));
            inside.requests[number - 1].merges_itself = Some(variables["commit"].as_str().unwrap().to_owned());
            response(200, r#"{"data":{"enablePullRequestAutoMerge":{"clientMutationId":null}}}"#, None)
        }
        (_, "merge", Some(number)) => {
            let commit = body.get("sha").or(body.get("head_commit_id")).unwrap().as_str().unwrap().to_owned();
            inside.requests[number - 1].merges_itself = Some(commit);
            response(200, "", None)
        }
        ("POST", "labels", Some(number)) => {
            let labels = body["labels"].as_array().unwrap();
            let names = labels.iter().map(|label| match label {
                Value::String(name) => name.clone(),
                id => {
                    if id == 7 {
                        "images".to_owned()
                    } else {
                        panic!("no label has the number {id}")
                    }
                }
            });
            inside.requests[number - 1].labels.extend(names);
            response(200, "[]", None)
        }
        ("POST", _, None) => {
            let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
            let kept = Kept {
                branch: text("head").or(text("source_branch")).unwrap(),
                base: text("base").or(text("target_branch")).unwrap(),
                title: text("title").unwrap(),
                body: text("body").or(text("description")).unwrap_or_default(),
                ..Kept::default()
            };
            inside.requests.push(kept.clone());
            response(201, &scripted.shown(inside.requests.len(), &kept).to_string(), None)
        }
        (_, _, Some(number)) => {
            scripted.change(&mut inside.requests[number - 1], &body);
            let kept = inside.requests[number - 1].clone();
            response(200, &scripted.shown(number, &kept).to_string(), None)
        }
        _ => response(404, "{}", None),
    }
}
