//! What registries say: one listing for each image repository, however many places name it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use lockstep_registry::{Listed, Listing, Repository};

use crate::allow::AllowedRepositories;
use crate::board::Problem;
use crate::facts::{self, Facts, LookUp};
use crate::moves::Moves;
use crate::ports::{PortError, Ports, Tags};
use crate::rhythm::Pace;
use crate::turn::{Target, Wake};

/// As many repositories of one registry are listed at a time; registries do not wait for each other.
const AT_A_TIME: usize = 4;
/// How long a listing that lacks too much waits for a second reading.
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(30);
/// How long a listing that failed waits for another try, where a repository may not be listed sooner anyway.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The listings of all image repositories, as of the last time that each was read. Losing it costs time only.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    /// When this turn began.
    began: Option<Timestamp>,
    known: BTreeMap<Repository, Facts>,
    /// How many listings were not as the one before.
    revisions: u64,
    rhythms: BTreeMap<Repository, Rhythm>,
    doubts: BTreeMap<Repository, Doubt>,
    failed: BTreeMap<Repository, Failed>,
    moves: Moves,
}

/// When a repository is listed again.
#[derive(Debug)]
struct Rhythm {
    /// The tags that places had of it when they were last looked at.
    currents: BTreeSet<String>,
    /// When a hint or a change in Git last spoke of it.
    happened: Option<Timestamp>,
    /// Once it was listed: when that listing began, and when the next one is due.
    listed: Option<Timestamp>,
    due: Option<Timestamp>,
}

/// A repository to list, and how old a listing that was made for another branch may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    repository: Repository,
    not_before: Timestamp,
}

#[derive(Debug)]
struct Failed {
    error: PortError,
    at: Timestamp,
}

/// A listing that lacks too much to be believed at once.
#[derive(Debug)]
struct Doubt {
    listing: Arc<Listing>,
    since: Timestamp,
    reason: String,
}

/// The image repositories that places name, each with the tags that they have now.
pub(crate) type Wanted = BTreeMap<Repository, BTreeSet<String>>;

impl Listings {
    /// Forgets what no place names any more, and says what has to be listed: what `wake` asks for, what was never listed,
    /// what its rhythm says, and what is due for a second look.
    pub(crate) fn due(&mut self, wanted: &Wanted, wake: &Wake, target: &Target, now: Timestamp) -> Vec<Due> {
        self.known.retain(|repository, _| wanted.contains_key(repository));
        self.rhythms.retain(|repository, _| wanted.contains_key(repository));
        self.doubts.retain(|repository, _| wanted.contains_key(repository));
        self.failed.retain(|repository, _| wanted.contains_key(repository));
        self.moves.forget(wanted, now);
        let soonest = now + SignedDuration::try_from(target.pace.shortest).unwrap_or_default();
        for (repository, currents) in wanted {
            self.note(repository, currents, is_asked(repository, wake), soonest, now);
        }
        let retry = AFTER_FAILURE.min(target.pace.shortest);
        let due = |repository: &&Repository| {
            target.allowed.allows(repository) && (is_asked(repository, wake) || self.is_due(repository, retry, now))
        };
        let wanted = wanted.keys().filter(due);
        let due = |repository: &Repository| {
            let not_before = self.not_before(repository, is_asked(repository, wake), target.pace.shortest, now);
            Due { repository: repository.clone(), not_before }
        };
        wanted.map(due).collect()
    }

    /// Whoever was told of a push, or doubts, wants to know what is there now. Else no repository is listed more often than its
    /// pace allows, however many branches name it.
    fn not_before(&self, repository: &Repository, asked: bool, shortest: Duration, now: Timestamp) -> Timestamp {
        if asked {
            return self.began.unwrap_or(now);
        }
        if let Some(doubt) = self.doubts.get(repository) {
            return doubt.since + SECOND_LOOK;
        }
        let recent = now - SignedDuration::try_from(shortest).unwrap_or_default();
        let listed = self.rhythms.get(repository).and_then(|rhythm| rhythm.listed);
        listed.map_or(recent, |listed| recent.max(listed + SignedDuration::from_millis(1)))
    }

    /// A hint, and a change in Git, bring a repository back to being listed often.
    fn note(
        &mut self,
        repository: &Repository,
        currents: &BTreeSet<String>,
        asked: bool,
        soonest: Timestamp,
        now: Timestamp,
    ) {
        match self.rhythms.get_mut(repository) {
            Some(rhythm) if asked || rhythm.currents != *currents => {
                rhythm.currents.clone_from(currents);
                rhythm.happened = Some(now);
                rhythm.due = rhythm.due.map(|due| due.min(soonest));
            }
            Some(_) => {}
            None => {
                let rhythm = Rhythm { currents: currents.clone(), happened: None, listed: None, due: None };
                self.rhythms.insert(repository.clone(), rhythm);
            }
        }
    }

    /// Lists these repositories, several at a time.
    pub(crate) async fn scan(&mut self, due: Vec<Due>, wanted: &Wanted, pace: &Pace, ports: &Ports<'_>) {
        let mut by_host: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for due in due {
            by_host.entry(due.repository.host.clone()).or_default().push(list(due, ports.tags).boxed());
        }
        let hosts = by_host.into_values().map(|asked| futures::stream::iter(asked).buffer_unordered(AT_A_TIME));
        let mut answers = futures::stream::select_all(hosts);
        while let Some((repository, answer)) = answers.next().await {
            let currents = wanted.get(&repository);
            let taken = match answer {
                Ok(listed) => self.take(&repository, listed, currents, pace, ports).await,
                Err(error) => Err(error),
            };
            match taken {
                Ok(()) => drop(self.failed.remove(&repository)),
                Err(error) => {
                    tracing::warn!(image = %repository, %error, "not listed; it is tried again");
                    self.failed.insert(repository, Failed { error, at: ports.clock.now() });
                }
            }
        }
    }

    fn is_due(&self, repository: &Repository, retry: Duration, now: Timestamp) -> bool {
        if let Some(doubt) = self.doubts.get(repository) {
            return now >= doubt.since + SECOND_LOOK;
        }
        if let Some(failed) = self.failed.get(repository) {
            return now >= failed.at + retry;
        }
        !self.known.contains_key(repository) || self.is_out_of_date(repository, now)
    }

    fn is_out_of_date(&self, repository: &Repository, now: Timestamp) -> bool {
        self.rhythms.get(repository).and_then(|rhythm| rhythm.due).is_some_and(|due| now >= due)
    }

    /// Whether the rhythm of any repository asks for a listing.
    pub(crate) fn is_any_due(&self, now: Timestamp) -> bool {
        // What failed or is in doubt has a time of its own.
        let waits =
            |repository: &Repository| self.doubts.contains_key(repository) || self.failed.contains_key(repository);
        self.known.keys().any(|repository| !waits(repository) && self.is_out_of_date(repository, now))
    }

    /// Takes in a complete listing, unless it is in doubt.
    async fn take(
        &mut self,
        repository: &Repository,
        Listed { began, listing }: Listed,
        currents: Option<&BTreeSet<String>>,
        pace: &Pace,
        ports: &Ports<'_>,
    ) -> Result<(), PortError> {
        let now = ports.clock.now();
        let began = began.min(now);
        let listed: BTreeSet<&str> = listing.tags.iter().map(String::as_str).collect();
        if let Some(reason) = self.doubt(repository, &listed, currents) {
            let before = self.doubts.get(repository).filter(|doubt| doubt.listing.tags == listing.tags);
            let since = before.map_or(now, |doubt| doubt.since);
            if now < since + SECOND_LOOK {
                tracing::info!(image = %repository, reason, "listing in doubt; it is read once more");
                self.doubts.insert(repository.clone(), Doubt { listing, since, reason });
                return Ok(());
            }
        }
        if let Some(currents) = currents {
            self.moves.look(repository, currents, ports).await;
        }
        let mut sights = ports.tags.record(repository, &listing.tags, now).await?;
        self.moves.told(repository, std::mem::take(&mut sights.moved), now);
        if let Some(rhythm) = self.rhythms.get_mut(repository) {
            // Branches that share a listing are due together again.
            let happened = rhythm.happened.or(sights.first_scan).unwrap_or(now);
            let wait = pace.next(repository, sights.first_seen.values().copied().flatten(), happened, began);
            (rhythm.listed, rhythm.due) = (Some(began), Some(began + wait));
        }
        sights.pushed.clone_from(&listing.pushed);
        let facts = Facts::new(&listing.tags, &sights, self.known.get(repository));
        self.doubts.remove(repository);
        if !self.known.get(repository).is_some_and(|known| known.is_same(&facts)) {
            self.revisions += 1;
            self.known.insert(repository.clone(), facts.with_revision(self.revisions));
        }
        Ok(())
    }

    /// Why a listing should not be believed at once.
    fn doubt(
        &self,
        repository: &Repository,
        listed: &BTreeSet<&str>,
        currents: Option<&BTreeSet<String>>,
    ) -> Option<String> {
        let known = self.known.get(repository);
        let was_listed = |tag: &str| known.is_none_or(|known| known.lists(tag));
        let lost = currents
            .into_iter()
            .flatten()
            .find(|current| !listed.contains(current.as_str()) && was_listed(current.as_str()));
        if let Some(current) = lost {
            return Some(format!("the current tag {current} is not listed"));
        }
        let before = known.map_or(0, Facts::len);
        let shrunk = listed.len() * 100 < before * 95;
        shrunk.then(|| format!("{} tags were listed before and {} are now", before, listed.len()))
    }

    /// What is known of a repository, or why nothing may be decided on it.
    pub(crate) fn facts(&self, repository: &Repository, allowed: &AllowedRepositories) -> Result<&Facts, String> {
        if !allowed.allows(repository) {
            return Err(format!(
                "{repository} may not be contacted: add its registry to registries, or it to allow-repositories"
            ));
        }
        if let Some(failed) = self.failed.get(repository) {
            return Err(failed.error.message.clone());
        }
        if let Some(doubt) = self.doubts.get(repository) {
            return Err(format!("the listing of {repository} is in doubt and is read once more: {}", doubt.reason));
        }
        self.known.get(repository).ok_or_else(|| format!("{repository} was not listed yet"))
    }

    /// The repositories that could not be listed, and the tags that were pushed again.
    pub(crate) fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        let problem = |error: &PortError| Problem { category: error.category, message: error.message.clone() };
        self.failed.values().map(move |failed| problem(&failed.error)).chain(self.moves.problems())
    }

    /// When the next second look, or the next try, is due.
    pub(crate) fn next_look(&self, pace: &Pace) -> Option<Timestamp> {
        let retry = AFTER_FAILURE.min(pace.shortest);
        let doubted = self.doubts.values().map(|doubt| doubt.since + SECOND_LOOK);
        doubted.chain(self.failed.values().map(|failed| failed.at + retry)).min()
    }

    /// Forgets what may have changed since the last turn without being listed.
    pub(crate) fn begin_turn(&mut self, now: Timestamp) {
        self.began = Some(now);
        self.known.values_mut().for_each(Facts::begin_turn);
    }

    /// Looks facts up, several at a time. What cannot be read is handed back with the reason.
    pub(crate) async fn look_up(&mut self, wanted: Vec<LookUp>, ports: &Ports<'_>) -> Vec<(LookUp, String)> {
        let asked = wanted.into_iter().map(|wanted| async move {
            let found = facts::look_up(&wanted, ports.tags).await;
            (wanted, found)
        });
        let mut answers = futures::stream::iter(asked).buffer_unordered(AT_A_TIME);
        let mut unread = Vec::new();
        while let Some((wanted, found)) = answers.next().await {
            match (found, self.known.get_mut(&wanted.repository)) {
                (Ok(found), Some(facts)) => facts.note(wanted.want.tag(), found),
                (Ok(_), None) => {}
                (Err(error), _) => {
                    tracing::warn!(image = %wanted.repository, tag = wanted.want.tag(), %error, "not read");
                    unread.push((wanted, error.message));
                }
            }
        }
        unread
    }
}

fn is_asked(repository: &Repository, wake: &Wake) -> bool {
    match wake {
        Wake::Git => false,
        Wake::Registries => true,
        Wake::Images(images) => images.contains(repository),
    }
}

async fn list(due: Due, tags: &dyn Tags) -> (Repository, Result<Listed, PortError>) {
    let answer = tags.list(&due.repository, due.not_before).await;
    (due.repository, answer)
}

#[cfg(test)]
mod tests;
