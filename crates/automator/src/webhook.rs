//! `POST /webhooks/KIND`: somebody says that something was pushed.
//!
//! It is believed only as far as looking: the hint makes a scan happen now that would have happened anyway. Nothing of the
//! body is parsed before the sender proved itself, and nothing of it is ever written anywhere. Hints gather in the bells, so
//! that many of them are one scan.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use lockstep_daemon::{MESSAGE_LIMIT, SecretFile};
use lockstep_image::Reference;
use lockstep_registry::{PushHint, Repository, Shown, WebhookKind};
use tracing::{debug, warn};

use crate::bell::Bell;
use crate::board::{Board, BranchKey};
use crate::metrics::{Metrics, WebhookOutcome};
use crate::settings::WebhookSettings;

/// What the webhooks need to know.
#[derive(Clone)]
pub(crate) struct Webhooks {
    /// Who may send, and where to.
    pub(crate) senders: Vec<WebhookSettings>,
    /// Which image repositories are named where.
    pub(crate) board: Board,
    /// The loops to wake.
    pub(crate) bells: Arc<[(BranchKey, Bell)]>,
    pub(crate) metrics: Metrics,
}

/// The address of one sender.
struct Webhook {
    kind: WebhookKind,
    secret: SecretFile,
    board: Board,
    bells: Arc<[(BranchKey, Bell)]>,
    metrics: Metrics,
}

impl Webhooks {
    /// The routes of the webhook port.
    pub(crate) fn router(self) -> Router {
        let Self { senders, board, bells, metrics } = self;
        senders.into_iter().fold(Router::new(), |router, sender| {
            let path = sender.path();
            let webhook = Webhook {
                kind: sender.kind,
                secret: sender.secret_file,
                board: board.clone(),
                bells: Arc::clone(&bells),
                metrics: metrics.clone(),
            };
            router.route(&path, post(notified).with_state(Arc::new(webhook)))
        })
    }
}

impl Webhook {
    /// Wakes the loops of the branches on which a place names a pushed repository; says how many there are.
    fn ring(&self, hints: &[PushHint]) -> usize {
        let mut rung = 0;
        for (branch, bell) in self.bells.iter() {
            let named = self.named_on(branch, hints);
            if !named.is_empty() {
                debug!(%branch, sender = self.kind.name(), images = named.len(), "woken by a push notification");
                bell.images(named);
                rung += 1;
            }
        }
        rung
    }

    /// Only the name within the registry is compared: behind a proxy a registry does not know by which host it is named in
    /// manifests. At worst another registry with a repository of that name is asked once more.
    fn named_on(&self, branch: &BranchKey, hints: &[PushHint]) -> BTreeSet<Repository> {
        let Some(state) = self.board.get(branch) else { return BTreeSet::new() };
        let pushed: BTreeSet<&str> = hints.iter().map(|hint| hint.repository.as_str()).collect();
        let below: Vec<&str> = hints.iter().filter(|hint| hint.below).map(|hint| hint.repository.as_str()).collect();
        let is_below =
            |name: &str| below.iter().any(|path| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
        let references = state.places.iter().filter_map(|place| place.current.parse::<Reference>().ok());
        let repositories = references.map(|reference| Repository::from(&reference));
        repositories.filter(|named| pushed.contains(named.name.as_str()) || is_below(&named.name)).collect()
    }
}

async fn notified(State(webhook): State<Arc<Webhook>>, request: Request<Body>) -> Response {
    let (outcome, answer) = judge(&webhook, request).await;
    webhook.metrics.webhook(webhook.kind, outcome);
    answer
}

async fn judge(webhook: &Webhook, request: Request<Body>) -> (WebhookOutcome, Response) {
    let kind = webhook.kind;
    let secret = match webhook.secret.read() {
        Ok(secret) => secret,
        Err(error) => {
            warn!(%error, sender = kind.name(), "push notifications cannot be checked");
            let text = "the secret of this webhook cannot be read; its log says why\n";
            return (WebhookOutcome::Broken, (StatusCode::SERVICE_UNAVAILABLE, text).into_response());
        }
    };
    let refused = || {
        let text = "the secret or the signature of this webhook is missing or wrong\n";
        (WebhookOutcome::Refused, (StatusCode::UNAUTHORIZED, text).into_response())
    };
    let (head, body) = request.into_parts();
    let shown = |body| Shown { headers: &head.headers, query: head.uri.query(), body };
    if !kind.is_signed() && !kind.admits(&secret, &shown(&[])) {
        return refused();
    }
    let Ok(body) = to_bytes(body, MESSAGE_LIMIT).await else {
        return (WebhookOutcome::Unreadable, StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    if kind.is_signed() && !kind.admits(&secret, &shown(&body)) {
        return refused();
    }
    match kind.hints(&body) {
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
