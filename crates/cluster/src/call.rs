//! One call: sent, bounded in time, sent again after a transient failure.
//!
//! kube's own `Client::request` is not used: it logs whole bodies that it cannot parse, and its errors quote the values
//! of Secrets.

use std::time::Duration;

use backon::BackoffBuilder;
use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, RETRY_AFTER},
};
use http_body_util::BodyExt;
use kube::client::Body;
use lockstep_plan::Class;
use serde::de::DeserializeOwned;

use crate::{client::Cluster, error::CallError};

/// The longest wait that a server can impose inside one call; a longer one is an error that carries it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A busy server says so itself, so it is asked this many times as often as a broken one.
const THROTTLED: usize = 4;

/// The answer to `Accept` that brings metadata and managed fields, and no value of the object.
pub(crate) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// What is to be sent, and how errors speak of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) doing: &'static str,
    pub(crate) target: String,
    pub(crate) request: Request<Vec<u8>>,
}

/// A success.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(
        doing: &'static str,
        target: String,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Self, CallError> {
        match request {
            Ok(request) => Ok(Self { doing, target, request }),
            Err(error) => Err(CallError::unsendable(doing, &target, error.to_string())),
        }
    }

    pub(crate) fn accepting(mut self, types: &'static str) -> Self {
        self.request.headers_mut().insert(ACCEPT, HeaderValue::from_static(types));
        self
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, CallError> {
        serde_json::from_slice(&answer.body).map_err(|error| self.misread(&error))
    }

    pub(crate) fn misread(&self, error: &serde_json::Error) -> CallError {
        CallError::unreadable(self.doing, &self.target, error)
    }
}

impl Cluster {
    /// Sends until success, a final failure, or too many transient ones.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let retries = self.options().retries;
        let (mut failures, mut refusals) = (pauses(retries), pauses(retries.saturating_mul(THROTTLED)));
        loop {
            let error = match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure.error(call),
            };
            let asked = error.retry_after.unwrap_or_default();
            if !error.is_worth_another_attempt() || asked > LONGEST_PAUSE {
                return Err(error);
            }
            let pause = if error.class == Class::Throttled { refusals.next() } else { failures.next() };
            let Some(pause) = pause else { return Err(error) };
            let pause = asked + pause;
            tracing::debug!(doing = call.doing, object = call.target, %error, ?pause, "will retry");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Failure> {
        let permit = self.permit().await;
        let limit = self.options().request_timeout;
        let result = match tokio::time::timeout(limit, self.within_fence(call)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Unanswered(format!("no answer within {} s", limit.as_secs_f32()))),
        };
        match &result {
            Ok(_) => permit.succeeded(),
            Err(Failure::Refused { code: 429, .. }) => permit.was_throttled(),
            Err(_) => {}
        }
        result
    }

    /// A read passes every fence.
    async fn within_fence(&self, call: &Call) -> Result<Answer, Failure> {
        match &self.fence {
            Some(fence) if call.request.method() != Method::GET => tokio::select! {
                biased;
                () = fence.until_closed() => Err(Failure::Fenced),
                result = self.exchange(call) => result,
            },
            _ => self.exchange(call).await,
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Answer, Failure> {
        let request = call.request.clone().map(Body::from);
        let response = self.client().send(request).await.map_err(|error| Failure::Unanswered(chain(&error)))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().await.map_err(|error| Failure::Unanswered(chain(&error)))?;
        let body = body.to_bytes().to_vec();
        if status.is_success() {
            return Ok(Answer { status: status.as_u16(), body });
        }
        Err(Failure::Refused { code: status.as_u16(), body, retry_after: retry_after.map(Duration::from_secs) })
    }
}

fn pauses(times: usize) -> impl Iterator<Item = Duration> {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_factor(2.0)
        .with_jitter()
        .with_max_times(times)
        .build()
}

enum Failure {
    Fenced,
    Unanswered(String),
    Refused { code: u16, body: Vec<u8>, retry_after: Option<Duration> },
}

impl Failure {
    fn error(self, call: &Call) -> CallError {
        match self {
            Self::Fenced => CallError::fenced(call.doing, &call.target),
            Self::Unanswered(message) => CallError::unanswered(call.doing, &call.target, message),
            Self::Refused { code, body, retry_after } => {
                CallError::refused(call.doing, &call.target, code, &body, retry_after)
            }
        }
    }
}

/// The error and its causes in one line: the outermost one alone says "error trying to connect".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
