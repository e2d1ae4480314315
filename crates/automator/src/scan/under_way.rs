//! Listings that are under way: a few of each registry at a time, whether or not somebody waits for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic;

use futures::future::{BoxFuture, pending};
use jiff::Timestamp;
use lockstep_registry::{Listed, Repository};
use tokio::task::JoinSet;

use super::{Due, Wanted};
use crate::ports::{PortError, Tags};

/// As many repositories of one registry are listed at a time; registries do not wait for each other.
pub(super) const AT_A_TIME: usize = 4;

/// What was asked of registries and is not answered yet, and the answers that no turn has looked at.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// When the oldest of it was asked for.
    since: Option<Timestamp>,
    /// Those that wait, by registry.
    queues: BTreeMap<String, VecDeque<Due>>,
    queued: BTreeSet<Repository>,
    running: BTreeSet<Repository>,
    listings: JoinSet<(Repository, Result<Listed, PortError>)>,
    /// Whose answers somebody waits for.
    awaited: BTreeSet<Repository>,
    answers: Vec<Answer>,
}

/// What came of a listing.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) repository: Repository,
    pub(super) listed: Result<Listed, PortError>,
    /// Whether it was the last one that somebody waited for.
    pub(super) is_last_awaited: bool,
}

impl UnderWay {
    /// Asks for these, first for those that somebody waits for. What waits already is asked for once.
    pub(super) fn add(&mut self, due: Vec<Due>, now: Timestamp) {
        if due.is_empty() {
            return;
        }
        self.since.get_or_insert(now);
        let again: BTreeSet<&Repository> = due.iter().map(|due| &due.repository).collect();
        if again.iter().any(|repository| self.queued.contains(*repository)) {
            self.queues.values_mut().for_each(|queue| queue.retain(|queued| !again.contains(&queued.repository)));
        }
        for due in due {
            self.queued.insert(due.repository.clone());
            let queue = self.queues.entry(due.repository.host.clone()).or_default();
            if due.is_asked {
                self.awaited.insert(due.repository.clone());
                queue.push_front(due);
            } else {
                queue.push_back(due);
            }
        }
    }

    /// Forgets what no place names any more.
    pub(super) fn forget(&mut self, wanted: &Wanted) {
        if self.queued.iter().any(|repository| !wanted.contains_key(repository)) {
            self.queued.retain(|repository| wanted.contains_key(repository));
            self.queues.values_mut().for_each(|queue| queue.retain(|due| wanted.contains_key(&due.repository)));
        }
        self.awaited.retain(|repository| wanted.contains_key(repository));
        self.end();
    }

    /// Whether an answer about it is still to come.
    pub(super) fn contains(&self, repository: &Repository) -> bool {
        self.queued.contains(repository) || self.running.contains(repository)
    }

    /// Since when answers are waited for, if they are.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// How many answers somebody still waits for.
    pub(super) fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// Whether there are answers that no turn has looked at.
    pub(super) fn is_answered(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The answers that came between turns.
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    /// Keeps the listings going until a turn is worth it: the last answer came, or the last one that somebody waits for.
    pub(super) async fn answered(&mut self, tags: &dyn Tags) {
        loop {
            let Some(answer) = self.next(tags).await else { return pending().await };
            let is_worth_it = answer.is_last_awaited || self.since.is_none();
            self.answers.push(answer);
            if is_worth_it {
                return;
            }
        }
    }

    /// The next answer; none if nothing is under way. Nothing is lost if it is not waited for.
    pub(super) async fn next(&mut self, tags: &dyn Tags) -> Option<Answer> {
        self.start(tags);
        let (repository, listed) = match self.listings.join_next().await? {
            Ok(answer) => answer,
            Err(broken) => match broken.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                // Nobody aborts a listing but who drops all of them.
                Err(_) => return None,
            },
        };
        self.running.remove(&repository);
        // It may have been asked for once more meanwhile.
        let is_answer = !self.queued.contains(&repository);
        let is_last_awaited = is_answer && self.awaited.remove(&repository) && self.awaited.is_empty();
        self.end();
        self.start(tags);
        Some(Answer { repository, listed, is_last_awaited })
    }

    /// Ends all of it, and waits for the end.
    pub(super) async fn stop(&mut self) {
        self.queues.clear();
        self.listings.shutdown().await;
    }

    fn start(&mut self, tags: &dyn Tags) {
        for (host, queue) in &mut self.queues {
            let mut running = self.running.iter().filter(|repository| repository.host == *host).count();
            while running < AT_A_TIME
                && let Some(first) = queue.iter().position(|due| !self.running.contains(&due.repository))
                && let Some(due) = queue.remove(first)
            {
                self.queued.remove(&due.repository);
                self.running.insert(due.repository.clone());
                self.listings.spawn(list(due, tags));
                running += 1;
            }
        }
        self.queues.retain(|_, queue| !queue.is_empty());
    }

    fn end(&mut self) {
        if self.queued.is_empty() && self.running.is_empty() {
            self.since = None;
        }
    }
}

/// Lists, then looks up the tags in use: whether one moved, the record says.
fn list(
    Due { repository, not_before, in_use, .. }: Due,
    tags: &dyn Tags,
) -> BoxFuture<'static, (Repository, Result<Listed, PortError>)> {
    let listing = tags.list(&repository, not_before);
    let look_ups: Vec<_> = in_use.into_iter().map(|tag| (tags.digest(&repository, &tag), tag)).collect();
    Box::pin(async move {
        let listed = listing.await;
        if listed.is_ok() {
            for (digest, tag) in look_ups {
                if let Err(error) = digest.await {
                    tracing::debug!(image = %repository, tag, %error, "not looked up; it is tried again");
                }
            }
        }
        (repository, listed)
    })
}
