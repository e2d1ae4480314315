//! `POST /webhooks/KIND`: somebody says that something was pushed.
//!
//! It is believed only as far as looking: the hint makes a scan happen now that would have happened anyway. Nothing of the
//! body is parsed before the sender proved itself, and nothing of it is ever written anywhere. Hints gather in the bells, so
//! that many of them are one scan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use lockstep_daemon::{MESSAGE_LIMIT, SecretFile};
use lockstep_registry::{Admission, PushHint, PushTokens, Repository, Shown, WebhookKind};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::bell::Bell;
use crate::board::{Board, BranchKey};
use crate::metrics::{Metrics, WebhookOutcome};
use crate::ports::PortError;
use crate::settings::WebhookSettings;

/// As many bodies are read at a time, of all senders: anybody may send one where only the body can prove who it is.
const BODIES_AT_ONCE: usize = 32;

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
    proof: Proof,
    bodies: Arc<Semaphore>,
    board: Board,
    bells: Arc<[(BranchKey, Bell)]>,
    metrics: Metrics,
}

/// What a sender has to show.
enum Proof {
    Secret(SecretFile),
    Token(PushTokens),
}

/// What of it is in hand for one request.
enum Known {
    Secret(SecretString),
    Admitted,
}

impl Webhooks {
    /// The routes of the webhook port.
    ///
    /// # Errors
    /// If a sender has nothing to prove itself by; the settings were checked for that.
    pub(crate) fn router(self) -> Result<Router, PortError> {
        let Self { senders, board, bells, metrics } = self;
        let bodies = Arc::new(Semaphore::new(BODIES_AT_ONCE));
        let mut router = Router::new();
        for sender in senders {
            let path = sender.path();
            let unusable = |problem| PortError { category: "settings", message: format!("webhook {path}: {problem}") };
            let proof = match (sender.secret_file, &sender.token) {
                (Some(secret), _) => Proof::Secret(secret),
                (None, Some(token)) => Proof::Token(token.tokens().map_err(unusable)?),
                (None, None) => return Err(unusable("it needs a secret-file".to_owned())),
            };
            let webhook = Webhook {
                kind: sender.kind,
                proof,
                bodies: Arc::clone(&bodies),
                board: board.clone(),
                bells: Arc::clone(&bells),
                metrics: metrics.clone(),
            };
            router = router.route(&path, post(notified).with_state(Arc::new(webhook)));
        }
        Ok(router)
    }
}

impl Webhook {
    /// Wakes the loops of the branches on which a place names a pushed repository; says how many there are.
    fn ring(&self, hints: &[PushHint]) -> usize {
        let states: Vec<_> =
            self.bells.iter().filter_map(|(branch, bell)| Some((bell, self.board.get(branch)?))).collect();
        let known = states.iter().flat_map(|(_, state)| &state.repositories).map(|named| named.host.as_str()).collect();
        let mut rung = 0;
        for (bell, state) in &states {
            let meant = meant(&state.repositories, hints, &known);
            if !meant.is_empty() {
                debug!(sender = self.kind.name(), images = meant.len(), "woken by a push notification");
                bell.images(meant);
                rung += 1;
            }
        }
        rung
    }
}

/// Which of the repositories the hints are about. A host by which some place names images is taken at its word. Any other
/// says nothing: behind a proxy, or where a mirror is pulled from, a registry does not know by which host it is named in
/// manifests, so every repository of that name is looked at.
fn meant(repositories: &BTreeSet<Repository>, hints: &[PushHint], known: &BTreeSet<&str>) -> BTreeSet<Repository> {
    let mut by_name: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    for hint in hints {
        let host = hint.host.as_deref().filter(|host| known.contains(*host));
        by_name.entry(&hint.repository).or_default().push(host);
    }
    let below: Vec<&PushHint> = hints.iter().filter(|hint| hint.below).collect();
    let is_below = |name: &str| {
        below.iter().any(|hint| name.strip_prefix(&hint.repository).is_some_and(|rest| rest.starts_with('/')))
    };
    let is_meant = |repository: &&Repository| {
        let hosts = by_name.get(repository.name.as_str());
        hosts.is_some_and(|hosts| hosts.iter().any(|host| host.is_none_or(|host| host == repository.host)))
            || is_below(&repository.name)
    };
    repositories.iter().filter(is_meant).cloned().collect()
}

async fn notified(State(webhook): State<Arc<Webhook>>, request: Request<Body>) -> Response {
    let (outcome, answer) = judge(&webhook, request).await;
    webhook.metrics.webhook(webhook.kind, outcome);
    answer
}

async fn judge(webhook: &Webhook, request: Request<Body>) -> (WebhookOutcome, Response) {
    let kind = webhook.kind;
    let broken = || {
        let text = "what this webhook is checked with cannot be read; its log says why\n";
        (WebhookOutcome::Broken, (StatusCode::SERVICE_UNAVAILABLE, text).into_response())
    };
    let refused = || {
        let text = "the secret or the signature of this webhook is missing or wrong\n";
        (WebhookOutcome::Refused, (StatusCode::UNAUTHORIZED, text).into_response())
    };
    let (head, body) = request.into_parts();
    let known = match &webhook.proof {
        Proof::Secret(secret) => match secret.read() {
            Ok(secret) => Known::Secret(secret),
            Err(error) => {
                warn!(%error, sender = kind.name(), "push notifications cannot be checked");
                return broken();
            }
        },
        Proof::Token(tokens) => match tokens.admit(&head.headers, Timestamp::now()).await {
            Admission::Admitted => Known::Admitted,
            Admission::Refused(reason) => {
                debug!(reason, sender = kind.name(), "refused a push notification");
                return refused();
            }
            Admission::Unknown(reason) => {
                debug!(reason, sender = kind.name(), "a push notification cannot be checked");
                return broken();
            }
        },
    };
    let admits = |body: &[u8]| match &known {
        Known::Secret(secret) => kind.admits(secret, &Shown { headers: &head.headers, query: head.uri.query(), body }),
        Known::Admitted => true,
    };
    if !kind.is_signed() && !admits(&[]) {
        return refused();
    }
    let _turn = webhook.bodies.acquire().await;
    let Ok(body) = to_bytes(body, MESSAGE_LIMIT).await else {
        return (WebhookOutcome::Unreadable, StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    if kind.is_signed() && !admits(&body) {
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
