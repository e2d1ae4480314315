//! A registry by script: pages of any length, and `ETag`s, which the distribution project's registry does not give.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lockstep_testkit::Served;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const PAGE: usize = 1000;

/// Serves the same tags under every name, until it is dropped.
pub(crate) struct Scripted {
    pub(crate) address: String,
    script: Arc<Script>,
    _server: JoinSet<std::io::Result<()>>,
}

struct Script {
    tags: Vec<String>,
    etag: String,
    served: Mutex<Vec<Served>>,
}

impl Scripted {
    /// `tags` must be in the order of bytes.
    pub(crate) async fn start(tags: Vec<String>) -> Result<Self> {
        let etag = format!("\"{}-tags\"", tags.len());
        let script = Arc::new(Script { tags, etag, served: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let mut server = JoinSet::new();
        server.spawn(axum::serve(listener, router).into_future());
        Ok(Self { address, script, _server: server })
    }

    pub(crate) fn served(&self) -> Vec<Served> {
        self.script.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok()).unwrap_or_default();
    let (status, body, more) = if text(header::IF_NONE_MATCH) == script.etag {
        (StatusCode::NOT_MODIFIED, String::new(), HeaderMap::new())
    } else {
        script.page(request.uri().path(), request.uri().query().unwrap_or_default())
    };
    let served = Served {
        method: request.method().to_string(),
        uri: request.uri().to_string(),
        status: status.as_u16(),
        bytes: body.len() as u64,
        agent: text(header::USER_AGENT).to_owned(),
    };
    script.served.lock().unwrap_or_else(PoisonError::into_inner).push(served);
    (status, more, body).into_response()
}

impl Script {
    fn page(&self, path: &str, query: &str) -> (StatusCode, String, HeaderMap) {
        let last = query.split('&').find_map(|pair| pair.strip_prefix("last="));
        let begin = last.map_or(0, |last| self.tags.partition_point(|tag| tag.as_str() <= last));
        let page = &self.tags[begin..(begin + PAGE).min(self.tags.len())];
        let mut body = String::from("{\"name\":\"scripted\",\"tags\":[");
        for (number, tag) in page.iter().enumerate() {
            let _ = write!(body, "{}\"{tag}\"", if number > 0 { "," } else { "" });
        }
        body.push_str("]}");
        let mut headers = HeaderMap::new();
        let link = page.last().filter(|_| begin + PAGE < self.tags.len());
        let link = link.map(|last| format!("<{path}?n={PAGE}&last={last}>; rel=\"next\""));
        if let Some(link) = link.and_then(|link| link.parse().ok()) {
            headers.insert(header::LINK, link);
        }
        if let Ok(etag) = self.etag.parse() {
            headers.insert(header::ETAG, etag);
        }
        (StatusCode::OK, body, headers)
    }
}
