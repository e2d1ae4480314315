//! Change requests in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use lockstep_forge::Request;
use lockstep_repository::CommitId;

use crate::change_requests::{Requests, Texts};
use crate::ports::PortError;

/// A forge in memory that is stricter than real ones: one open request a branch.
#[derive(Debug, Default)]
pub(crate) struct FakeForge {
    requests: Mutex<Vec<(Request, State)>>,
    calls: Mutex<Vec<String>>,
    texts: Texts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Closed,
    Merged,
}

impl FakeForge {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    /// What was done since the last call.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    pub(crate) fn set(&self, number: u64, state: State) {
        let mut requests = self.requests.lock().unwrap();
        let (request, now) = requests.iter_mut().find(|(request, _)| request.number == number).unwrap();
        request.closed_at = (state == State::Closed).then(|| "2026-11-23T12:30:00Z".parse().unwrap());
        *now = state;
    }

    pub(crate) fn get(&self, number: u64) -> (Request, State) {
        self.requests.lock().unwrap()[usize::try_from(number).unwrap() - 1].clone()
    }

    pub(crate) fn change(&self, request: &Request, change: impl FnOnce(&mut Request)) {
        let mut requests = self.requests.lock().unwrap();
        change(&mut requests.iter_mut().find(|(known, _)| known.number == request.number).unwrap().0);
    }

    fn of(&self, wanted: State) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(_, state)| *state == wanted).map(|(request, _)| request.clone()).collect()
    }
}

#[async_trait]
impl Requests for FakeForge {
    async fn open(&self) -> Result<Vec<Request>, PortError> {
        Ok(self.of(State::Open))
    }

    async fn closed(&self) -> Result<Vec<Request>, PortError> {
        Ok(self.of(State::Closed))
    }

    async fn create(&self, branch: &str, title: &str, body: &str) -> Result<Request, PortError> {
        assert!(self.of(State::Open).iter().all(|open| open.branch != branch), "{branch} has a request");
        let mut requests = self.requests.lock().unwrap();
        let number = u64::try_from(requests.len()).unwrap() + 1;
        let request = Request {
            number,
            url: format!("https://forge.example/{number}"),
            branch: branch.to_owned(),
            title: title.to_owned(),
            // As forges give it back.
            body: body.replace('\n', "\r\n"),
            labels: Vec::new(),
            closed_at: None,
            merges_itself: None,
            id: String::new(),
        };
        requests.push((request.clone(), State::Open));
        drop(requests);
        self.note(format!("open {branch}: {title}"));
        Ok(request)
    }

    async fn rewrite(&self, request: &Request, title: &str, body: &str) -> Result<(), PortError> {
        self.note(format!("rewrite {}: {title}", request.number));
        self.change(request, |request| (request.title, request.body) = (title.to_owned(), body.to_owned()));
        Ok(())
    }

    async fn equip(&self, request: &Request, commit: CommitId) -> Result<(), PortError> {
        self.change(request, |request| request.merges_itself = Some(commit != CommitId::none()));
        Ok(())
    }

    async fn close(&self, request: &Request, body: &str) -> Result<(), PortError> {
        self.note(format!("close {}", request.number));
        self.change(request, |request| request.body = body.to_owned());
        self.set(request.number, State::Closed);
        Ok(())
    }

    fn texts(&self) -> &Texts {
        &self.texts
    }
}
