//! What goes wrong, with which requests, how often.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, header};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::request::{Asked, Requests};

/// What happens to a request.
#[derive(Clone)]
pub enum Fault {
    /// It waits, then goes on.
    Delay(Duration),
    /// It waits until the fault is lifted, then goes on.
    Hold,
    /// Its connection is broken; the API server never sees it.
    Drop,
    /// The API server never sees it; this is the answer.
    Answer(Answer),
    /// The API server does it; then the connection is broken without an answer.
    LoseAnswer,
    /// The API server's answer, which must be JSON, is changed.
    Edit(Arc<dyn Fn(&mut Value) + Send + Sync>),
}

/// An answer that is not the API server's.
#[derive(Clone, Debug)]
pub struct Answer {
    code: u16,
    retry_after: Option<u32>,
    body: Value,
}

/// Which of the requests that fit are picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// All.
    Always,
    /// The first ones.
    First(usize),
    /// The first of each so many: `Every(2)` is half of them.
    Every(usize),
    /// All but the first ones.
    After(usize),
}

impl Answer {
    /// A refusal in the API server's form.
    #[must_use]
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        Self { code, retry_after: None, body }
    }

    /// The same with the header `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn response(&self) -> Result<Response<Body>, axum::http::Error> {
        let mut response = Response::builder().status(self.code).header(header::CONTENT_TYPE, "application/json");
        if let Some(seconds) = self.retry_after {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        response.body(Body::from(self.body.to_string()))
    }
}

impl Fault {
    /// [`Fault::Edit`] with a closure.
    pub fn edit(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Edit(Arc::new(change))
    }

    /// [`Fault::Answer`] with [`Answer::status`].
    #[must_use]
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        Self::Answer(Answer::status(code, reason, message))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(pause) => write!(f, "Delay({pause:?})"),
            Self::Hold => f.write_str("Hold"),
            Self::Drop => f.write_str("Drop"),
            Self::Answer(answer) => write!(f, "Answer({})", answer.code),
            Self::LoseAnswer => f.write_str("LoseAnswer"),
            Self::Edit(_) => f.write_str("Edit"),
        }
    }
}

impl Times {
    /// Whether the request is picked that so many came before.
    fn pick(self, before: usize) -> bool {
        match self {
            Self::Always => true,
            Self::First(count) => before < count,
            Self::Every(count) => before.is_multiple_of(count.max(1)),
            Self::After(count) => before >= count,
        }
    }
}

/// A fault in force.
#[derive(Clone)]
pub struct Injected(Arc<Rule>);

pub(super) struct Rule {
    requests: Requests,
    times: Times,
    pub(super) fault: Fault,
    fitting: AtomicUsize,
    hits: AtomicUsize,
    lifted: watch::Sender<bool>,
}

impl Injected {
    /// How many requests it met.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.0.hits.load(Ordering::SeqCst)
    }

    /// Ends it; what it holds goes on.
    pub fn lift(&self) {
        self.0.lifted.send_replace(true);
    }
}

impl Rule {
    pub(super) async fn until_lifted(&self) {
        let mut lifted = self.lifted.subscribe();
        // The sender lives as long as `self`.
        let _ = lifted.wait_for(|lifted| *lifted).await;
    }

    fn takes(&self, asked: &Asked) -> bool {
        if *self.lifted.borrow() || !self.requests.contain(asked) {
            return false;
        }
        let picked = self.times.pick(self.fitting.fetch_add(1, Ordering::SeqCst));
        if picked {
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
        picked
    }
}

/// All faults in force.
#[derive(Default)]
pub(super) struct Rules(Mutex<Vec<Arc<Rule>>>);

impl Rules {
    pub(super) fn add(&self, requests: Requests, times: Times, fault: Fault) -> Injected {
        let (fitting, hits, lifted) = (AtomicUsize::new(0), AtomicUsize::new(0), watch::Sender::new(false));
        let rule = Arc::new(Rule { requests, times, fault, fitting, hits, lifted });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(rule.clone());
        Injected(rule)
    }

    /// The first fault that takes this request.
    pub(super) fn of(&self, asked: &Asked) -> Option<Arc<Rule>> {
        let rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find(|rule| rule.takes(asked)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_requests_is_picked() {
        let picked = |times: Times| (0..6).map(|before| u8::from(times.pick(before))).collect::<Vec<_>>();
        assert_eq!(picked(Times::Always), [1, 1, 1, 1, 1, 1]);
        assert_eq!(picked(Times::First(2)), [1, 1, 0, 0, 0, 0]);
        assert_eq!(picked(Times::After(2)), [0, 0, 1, 1, 1, 1]);
        assert_eq!(picked(Times::Every(2)), [1, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn a_lifted_fault_meets_nothing_more() {
        let rules = Rules::default();
        let first = rules.add(Requests::writes(), Times::First(1), Fault::Drop);
        let second = rules.add(Requests::all(), Times::Always, Fault::Hold);
        let write = Asked { verb: "patch", ..Asked::default() };
        assert!(matches!(rules.of(&write).unwrap().fault, Fault::Drop));
        assert!(matches!(rules.of(&write).unwrap().fault, Fault::Hold));
        second.lift();
        assert!(rules.of(&write).is_none());
        assert_eq!((first.hits(), second.hits()), (1, 1));
    }
}
