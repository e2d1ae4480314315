//! The admin port: `/live`, `/ready` and `/metrics`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::{HttpError, HttpServer, Shutdown};

/// What a daemon waits for before it is ready: a set of named handles.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    waiting: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Readiness {
    /// Waits for nothing yet, so it is ready: take the handles before the port is served.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more thing to wait for.
    pub fn wait_for(&self, name: impl Into<String>) -> ReadinessHandle {
        let name = name.into();
        *lock(&self.waiting).entry(name.clone()).or_default() += 1;
        ReadinessHandle { name, readiness: self.clone() }
    }

    /// The names that are still waited for; none when ready.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        lock(&self.waiting).keys().cloned().collect()
    }
}

fn lock(waiting: &Mutex<BTreeMap<String, usize>>) -> MutexGuard<'_, BTreeMap<String, usize>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the daemon unready until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the part is ready"]
pub struct ReadinessHandle {
    name: String,
    readiness: Readiness,
}

impl ReadinessHandle {
    /// Says that this part is ready.
    pub fn ready(self) {
        drop(self);
    }
}

impl Drop for ReadinessHandle {
    fn drop(&mut self) {
        let mut waiting = lock(&self.readiness.waiting);
        if let Some(count) = waiting.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.name);
            }
        }
    }
}

/// The admin port, bound.
#[derive(Debug)]
pub struct Admin(HttpServer);

impl Admin {
    /// Binds the port, before anything else of the daemon starts.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        HttpServer::bind(address).await.map(Self)
    }

    /// The address, with the port that the system chose if it was 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Serves until the daemon is asked to stop. `/live` answers 200 as long as the process can
    /// answer at all; `/ready` answers 503 with the names that are waited for, and while stopping.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self, registry: Registry, readiness: Readiness, shutdown: Shutdown) -> Result<(), HttpError> {
        let state = Arc::new(Shown { registry, readiness, shutdown: shutdown.clone() });
        let router = Router::new()
            .route("/live", get(async || "live\n"))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(state);
        self.0.serve(router, shutdown).await
    }
}

struct Shown {
    registry: Registry,
    readiness: Readiness,
    shutdown: Shutdown,
}

async fn ready(State(shown): State<Arc<Shown>>) -> Response {
    let waiting = shown.readiness.waiting();
    if shown.shutdown.is_requested() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
    } else if waiting.is_empty() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", waiting.join(", "))).into_response()
    }
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match encode(&mut text, &shown.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
