//! What the loop of a branch is asked to look at, gathered until it looks.
//!
//! However many hints come in, one turn answers them all. Nobody but those who want an answer waits, and of these not too many.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockstep_registry::Repository;
use tokio::sync::{Notify, oneshot};

use crate::asks::Request;
use crate::turn::{Outcome, TurnError, Wake};

/// More people do not wait for one branch at a time.
const MOST_REQUESTS: usize = 100;

/// How a turn that somebody waits for ended.
pub(crate) type Answer = Arc<Result<Outcome, TurnError>>;

/// Everything that was asked for since the last turn.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    registries: bool,
    images: BTreeSet<Repository>,
    waiting: Vec<oneshot::Sender<Answer>>,
    requests: Vec<Request>,
    /// What came of the turns so far that those who wait were not answered with.
    so_far: Option<Outcome>,
}

impl Asked {
    /// What a turn has to look at.
    pub(crate) fn wake(&self) -> Wake {
        if self.registries {
            Wake::Registries
        } else if self.images.is_empty() {
            Wake::Git
        } else {
            Wake::Images(self.images.clone())
        }
    }

    /// Everything that `other` asks for as well.
    pub(crate) fn add(&mut self, other: Self) {
        self.registries |= other.registries;
        self.images.extend(other.images);
        self.waiting.retain(|waiting| !waiting.is_closed());
        self.waiting.extend(other.waiting);
        self.requests.extend(other.requests);
        self.so_far = self.so_far.take().or(other.so_far);
    }

    /// What people want to be answered, once.
    pub(crate) fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// The same, for nobody in particular.
    fn without_waiting(&self) -> Self {
        Self { registries: self.registries, images: self.images.clone(), ..Self::default() }
    }

    /// Tells those who wait how the turn ended, unless not all that they asked for was answered. Gives what is still to do:
    /// what was to be looked at and was not.
    pub(crate) fn answer(mut self, ended: Result<Outcome, TurnError>) -> Self {
        let so_far = self.so_far.take();
        let ended = ended.map(|outcome| outcome.after(so_far));
        match &ended {
            Ok(outcome) if outcome.unanswered > 0 && !self.waiting.is_empty() => {
                Self { waiting: self.waiting, so_far: ended.ok(), ..Self::default() }
            }
            Ok(_) => {
                self.tell(&Arc::new(ended));
                Self::default()
            }
            Err(_) => {
                let again = self.without_waiting();
                self.tell(&Arc::new(ended));
                again
            }
        }
    }

    fn tell(self, ended: &Answer) {
        for waiting in self.waiting {
            // Who hung up does not want to know.
            let _ = waiting.send(Arc::clone(ended));
        }
    }
}

/// The bell of one branch; whoever holds a clone may ring it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell {
    asked: Arc<Mutex<Asked>>,
    rung: Arc<Notify>,
}

impl Bell {
    /// Asks for a look at these image repositories, soon.
    pub(crate) fn images(&self, images: impl IntoIterator<Item = Repository>) {
        self.lock().images.extend(images);
        self.rung.notify_one();
    }

    /// Asks for a look at one image repository, or at all, and for the answer. A turn that runs already does not count. None if
    /// too many wait already.
    pub(crate) fn scan(&self, image: Option<Repository>) -> Option<oneshot::Receiver<Answer>> {
        let (sender, receiver) = oneshot::channel();
        let mut asked = self.lock();
        asked.waiting.retain(|waiting| !waiting.is_closed());
        if asked.waiting.len() >= MOST_REQUESTS {
            return None;
        }
        match image {
            Some(image) => {
                asked.images.insert(image);
            }
            None => asked.registries = true,
        }
        asked.waiting.push(sender);
        drop(asked);
        self.rung.notify_one();
        Some(receiver)
    }

    /// Asks a question of a person. False if too many wait already.
    pub(crate) fn ask(&self, request: Request) -> bool {
        let mut asked = self.lock();
        if asked.requests.len() >= MOST_REQUESTS {
            return false;
        }
        asked.requests.push(request);
        drop(asked);
        self.rung.notify_one();
        true
    }

    /// Waits until somebody rings; at once if somebody has.
    pub(crate) async fn rung(&self) {
        self.rung.notified().await;
    }

    /// Takes everything that was asked for.
    pub(crate) fn take(&self) -> Asked {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Repository {
        Repository { host: "ghcr.io".to_owned(), name: name.to_owned() }
    }

    #[tokio::test]
    async fn hints_gather_until_the_loop_looks() {
        let bell = Bell::default();
        bell.images([image("acme/web")]);
        bell.images([image("acme/api"), image("acme/web")]);
        bell.rung().await;
        assert_eq!(bell.take().wake(), Wake::Images([image("acme/api"), image("acme/web")].into()));
        assert_eq!(bell.take().wake(), Wake::Git);
        let mut asked = Asked::default();
        bell.images([image("acme/web")]);
        asked.add(bell.take());
        assert_eq!(asked.without_waiting().wake(), Wake::Images([image("acme/web")].into()));
        drop(bell.scan(None));
        asked.add(bell.take());
        assert_eq!(asked.wake(), Wake::Registries, "all of them holds each of them");
    }

    #[test]
    fn those_who_wait_have_a_bound_and_those_who_hung_up_do_not_count() {
        let bell = Bell::default();
        let mut waiting: Vec<_> = (0..MOST_REQUESTS).map(|_| bell.scan(None).unwrap()).collect();
        assert!(bell.scan(Some(image("acme/web"))).is_none());
        assert_eq!(bell.lock().images.len(), 0);
        waiting.pop();
        assert!(bell.scan(None).is_some());
    }

    #[tokio::test]
    async fn every_one_who_waits_gets_the_answer() {
        let bell = Bell::default();
        let scan = |image| bell.scan(image).unwrap();
        let (first, gone, second) = (scan(None), scan(None), scan(Some(image("acme/web"))));
        drop(gone);
        let asked = bell.take();
        assert_eq!(asked.wake(), Wake::Registries);
        let branch = crate::BranchKey { repository: "r".to_owned(), branch: "b".to_owned() };
        let raced = TurnError::Raced { branch, attempts: 5 };
        assert_eq!(asked.answer(Err(raced.clone())).wake(), Wake::Registries, "it is still to be looked at");
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*first, Err(raced));
    }
}
