//! A registry on loopback that answers what a test says, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use lockstep_registry::{Registries, RegistrySettings, Repository};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: String,
    pub(crate) if_none_match: Option<String>,
    pub(crate) body: String,
}

/// What to answer.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A page of a listing.
pub(crate) fn page(tags: &[&str]) -> Reply {
    Reply::new(200, serde_json::json!({ "name": "team/app", "tags": tags }).to_string())
}

/// A running server; it ends when this is dropped.
pub(crate) struct Scripted {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: JoinSet<()>,
}

impl Scripted {
    /// `script` gets each request and how many came before it.
    pub(crate) async fn start(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (script, log) = (Arc::new(script), Arc::clone(&asked));
        let router = Router::new().fallback(move |request: Request| {
            let (script, log) = (Arc::clone(&script), Arc::clone(&log));
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                let one = Asked {
                    method: head.method.to_string(),
                    target: head.uri.path_and_query().unwrap().to_string(),
                    authorization: text("authorization"),
                    accept: text("accept").unwrap_or_default(),
                    if_none_match: text("if-none-match"),
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                let before = {
                    let mut log = log.lock().unwrap();
                    log.push(one.clone());
                    log.len() - 1
                };
                let reply = script(&one, before);
                let mut response = Response::builder().status(reply.status);
                for (name, value) in reply.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(reply.body)).unwrap()
            }
        });
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked, _server: server }
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The targets that were asked for.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.target).collect()
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository { host: self.address.clone(), name: "team/app".into() }
    }

    /// A client that knows this registry with `change` made to its settings.
    pub(crate) fn client(&self, change: impl FnOnce(&mut RegistrySettings)) -> Registries {
        let mut settings = RegistrySettings::new(self.address.clone());
        change(&mut settings);
        Registries::new(vec![settings]).unwrap()
    }
}
