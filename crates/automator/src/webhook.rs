//! `POST /webhooks/distribution`: a registry says that something was pushed.
//!
//! It is believed only as far as looking: the hint makes a scan happen now that would have happened anyway. Nothing of the
//! body is read before the shared secret was shown, and nothing of it is ever written anywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use lockstep_daemon::{MESSAGE_LIMIT, SecretFile};
use lockstep_image::Reference;
use lockstep_registry::{PushHint, Repository, authorised, is_push_notification, push_hints};
use tracing::{debug, warn};

use crate::bell::Bell;
use crate::board::{Board, BranchKey};
use crate::metrics::{Metrics, WebhookOutcome};

/// Where registries send their notifications.
pub(crate) const PATH: &str = "/webhooks/distribution";

/// What the webhook needs to know.
#[derive(Clone)]
pub(crate) struct Webhook {
    /// The value of the `Authorization` header that a registry must send.
    pub(crate) secret: SecretFile,
    /// Which image repositories are named where.
    pub(crate) board: Board,
    /// The loops to wake.
    pub(crate) bells: Arc<[(BranchKey, Bell)]>,
    pub(crate) metrics: Metrics,
}

impl Webhook {
    /// The routes of the webhook port.
    pub(crate) fn router(self) -> Router {
        Router::new().route(PATH, post(notified)).with_state(Arc::new(self))
    }

    /// Wakes the loops of the branches on which a place names a pushed repository; says how many there are.
    fn ring(&self, hints: &[PushHint]) -> usize {
        let pushed: BTreeSet<&str> = hints.iter().map(|hint| hint.repository.as_str()).collect();
        let mut rung = 0;
        for (branch, bell) in self.bells.iter() {
            let named = self.named_on(branch, &pushed);
            if !named.is_empty() {
                debug!(%branch, images = named.len(), "woken by a push notification");
                bell.images(named);
                rung += 1;
            }
        }
        rung
    }

    /// Only the name within the registry is compared: behind a proxy a registry does not know by which host it is named in
    /// manifests. At worst another registry with a repository of that name is asked once more.
    fn named_on(&self, branch: &BranchKey, pushed: &BTreeSet<&str>) -> BTreeSet<Repository> {
        let Some(state) = self.board.get(branch) else { return BTreeSet::new() };
        let references = state.places.iter().filter_map(|place| place.current.parse::<Reference>().ok());
        let repositories = references.map(|reference| Repository::from(&reference));
        repositories.filter(|repository| pushed.contains(repository.name.as_str())).collect()
    }
}

async fn notified(State(webhook): State<Arc<Webhook>>, request: Request<Body>) -> Response {
    let (outcome, answer) = judge(&webhook, request).await;
    webhook.metrics.webhook(outcome);
    answer
}

async fn judge(webhook: &Webhook, request: Request<Body>) -> (WebhookOutcome, Response) {
    let secret = match webhook.secret.read() {
        Ok(secret) => secret,
        Err(error) => {
            warn!(%error, "push notifications cannot be checked");
            let text = "the secret of this webhook cannot be read; its log says why\n";
            return (WebhookOutcome::Broken, (StatusCode::SERVICE_UNAVAILABLE, text).into_response());
        }
    };
    let (head, body) = request.into_parts();
    if !authorised(&secret, head.headers.get(AUTHORIZATION).map(|value| value.as_bytes())) {
        let text = "the Authorization header must be the secret of this webhook\n";
        return (WebhookOutcome::Refused, (StatusCode::UNAUTHORIZED, text).into_response());
    }
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_push_notification(content_type) {
        let text = "only notifications of a distribution registry are read here\n";
        return (WebhookOutcome::Unreadable, (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response());
    }
    let Ok(body) = to_bytes(body, MESSAGE_LIMIT).await else {
        return (WebhookOutcome::Unreadable, StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    match push_hints(&body) {
        Ok(hints) if webhook.ring(&hints) > 0 => (WebhookOutcome::Rang, StatusCode::ACCEPTED.into_response()),
        Ok(_) => (WebhookOutcome::NotUsed, StatusCode::ACCEPTED.into_response()),
        Err(error) => {
            warn!(%error, "a push notification was not read");
            (WebhookOutcome::Unreadable, (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response())
        }
    }
}

#[cfg(test)]
mod tests;
