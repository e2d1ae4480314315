//! An admission webhook, as an operator or a policy engine brings one: HTTPS on loopback, `AdmissionReview` in and out.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::server_thread::ServerThread;
use crate::tls::Authority;
use crate::tls_listener::TlsListener;

/// What the webhook says to a request.
#[derive(Clone, Debug)]
pub enum Review {
    /// Let it pass as it is.
    Allow,
    /// Refuse it with this message.
    Deny(String),
    /// Let it pass with these changes, a JSON patch (RFC 6902).
    Patch(Value),
}

type Judge = dyn Fn(&Value) -> Review + Send + Sync;

/// Serves until it is dropped.
pub struct AdmissionWebhook {
    url: String,
    authority_pem: String,
    asked: Arc<AtomicUsize>,
    _server: ServerThread,
}

struct Shared {
    judge: Box<Judge>,
    asked: Arc<AtomicUsize>,
}

impl AdmissionWebhook {
    /// Starts it; `judge` is called with the `request` of each `AdmissionReview`.
    ///
    /// # Errors
    ///
    /// When no certificate can be made or no port is free.
    pub fn start(judge: impl Fn(&Value) -> Review + Send + Sync + 'static) -> Result<Self> {
        let authority = Authority::new()?;
        let certificate = authority.server_certificate()?.rustls()?;
        let listener = TcpListener::bind("127.0.0.1:0").context("finding a port for a webhook")?;
        listener.set_nonblocking(true)?;
        let url = format!("https://{}/", listener.local_addr()?);
        let asked = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared { judge: Box::new(judge), asked: Arc::clone(&asked) });
        let server = ServerThread::start("admission", move || async move {
            let router = Router::new().route("/", post(review)).with_state(shared);
            let served = async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(TlsListener::new(listener, certificate), router).await
            };
            if let Err(error) = served.await {
                tracing::error!(%error, "the admission webhook ended");
            }
        })?;
        Ok(Self { url, authority_pem: authority.pem().to_owned(), asked, _server: server })
    }

    /// The `clientConfig` of a webhook configuration that names it.
    #[must_use]
    pub fn client_config(&self) -> Value {
        json!({"url": self.url, "caBundle": STANDARD.encode(&self.authority_pem)})
    }

    /// How many requests it was asked about.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn review(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<String, StatusCode> {
    let review: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let request = &review["request"];
    let mut response = json!({"uid": request["uid"], "allowed": true});
    match (shared.judge)(request) {
        Review::Allow => {}
        Review::Deny(message) => {
            response["allowed"] = json!(false);
            response["status"] = json!({"message": message});
        }
        Review::Patch(patch) => {
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(patch.to_string()));
        }
    }
    Ok(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string())
}
