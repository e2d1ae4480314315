//! What registries say: one listing for each image repository, however many places name it.

mod failed;
mod look_up;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_registry::{Listed, Listing, Repository};
use tokio::time::{Instant, timeout_at};

use crate::allow::AllowedRepositories;
use crate::board::Problem;
use crate::facts::Facts;
use crate::moves::Moves;
use crate::ports::{PortError, Ports, Tags};
use crate::rhythm::Pace;
use crate::turn::{Target, Wake};
use failed::Failed;
use under_way::{Answer, UnderWay};

/// So long a turn waits for registries. What they have not answered by then a later turn looks at.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often what came is looked at, as long as more is to come.
const MEANWHILE: SignedDuration = SignedDuration::from_secs(10);
/// How long a listing that lacks too much waits for a second reading.
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(30);

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
    under_way: UnderWay,
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

/// A repository to list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    repository: Repository,
    /// A listing that was made for another branch may not be older.
    not_before: Timestamp,
    /// Whether somebody waits for it.
    is_asked: bool,
    /// The tags to look up beside it.
    in_use: Vec<String>,
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
    /// Takes in what was answered since the last turn, and asks for what is due. Says how many listings that are.
    pub(crate) async fn look(&mut self, wanted: &Wanted, wake: &Wake, target: &Target, ports: &Ports<'_>) -> usize {
        for answer in self.under_way.take_answers() {
            self.take_in(answer, wanted, &target.pace, ports).await;
        }
        let due = self.due(wanted, wake, target, ports.clock.now());
        let asked = due.len();
        self.scan(due, wanted, &target.pace, ports).await;
        asked
    }

    /// Forgets what no place names any more, and says what has to be listed: what `wake` asks for, what was never listed,
    /// what its rhythm says, and what is due for a second look.
    fn due(&mut self, wanted: &Wanted, wake: &Wake, target: &Target, now: Timestamp) -> Vec<Due> {
        self.known.retain(|repository, _| wanted.contains_key(repository));
        self.rhythms.retain(|repository, _| wanted.contains_key(repository));
        self.doubts.retain(|repository, _| wanted.contains_key(repository));
        self.failed.retain(|repository, _| wanted.contains_key(repository));
        self.moves.forget(wanted, now);
        self.under_way.forget(wanted);
        let soonest = now + SignedDuration::try_from(target.pace.shortest).unwrap_or_default();
        for (repository, currents) in wanted {
            self.note(repository, currents, is_asked(repository, wake), soonest, now);
        }
        let mut all = Vec::new();
        for (repository, currents) in wanted.iter().filter(|(repository, _)| target.allowed.allows(repository)) {
            let is_asked = is_asked(repository, wake);
            if is_asked || self.is_due(repository, &target.pace, now) {
                let not_before = self.not_before(repository, is_asked, target.pace.shortest, now);
                let in_use = self.moves.due(repository, currents, now);
                all.push(Due { repository: repository.clone(), not_before, is_asked, in_use });
            }
        }
        all
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
                self.failed.get_mut(repository).into_iter().for_each(Failed::begin_anew);
            }
            Some(_) => {}
            None => {
                let rhythm = Rhythm { currents: currents.clone(), happened: None, listed: None, due: None };
                self.rhythms.insert(repository.clone(), rhythm);
            }
        }
    }

    /// Asks for these listings and takes in what is answered soon. The rest goes on by itself: a slow registry holds up neither
    /// the others nor what else a branch is asked for.
    async fn scan(&mut self, due: Vec<Due>, wanted: &Wanted, pace: &Pace, ports: &Ports<'_>) {
        self.under_way.add(due, ports.clock.now());
        let until = Instant::now() + PATIENCE;
        while let Ok(Some(answer)) = timeout_at(until, self.under_way.next(ports.tags)).await {
            let is_last_awaited = answer.is_last_awaited;
            self.take_in(answer, wanted, pace, ports).await;
            if is_last_awaited {
                break;
            }
        }
    }

    async fn take_in(&mut self, answer: Answer, wanted: &Wanted, pace: &Pace, ports: &Ports<'_>) {
        let Answer { repository, listed, .. } = answer;
        let Some(currents) = wanted.get(&repository) else { return };
        let taken = match listed {
            Ok(listed) => self.take(&repository, listed, currents, pace, ports).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => drop(self.failed.remove(&repository)),
            Err(error) => {
                tracing::warn!(image = %repository, %error, "not listed; it is tried again");
                let failed = Failed::after(self.failed.get(&repository), error, ports.clock.now());
                self.failed.insert(repository, failed);
            }
        }
    }

    /// Keeps the listings going between turns, until another turn is worth it.
    pub(crate) async fn answered(&mut self, tags: &dyn Tags) {
        self.under_way.answered(tags).await;
    }

    /// Ends what is under way.
    pub(crate) async fn stop(&mut self) {
        self.under_way.stop().await;
    }

    /// Since when registries have not answered all that they were asked.
    pub(crate) fn under_way_since(&self) -> Option<Timestamp> {
        self.under_way.since()
    }

    /// How many of the listings that somebody waits for are not there yet.
    pub(crate) fn awaited(&self) -> usize {
        self.under_way.awaited()
    }

    fn is_due(&self, repository: &Repository, pace: &Pace, now: Timestamp) -> bool {
        if self.under_way.contains(repository) {
            return false;
        }
        if let Some(doubt) = self.doubts.get(repository) {
            return now >= doubt.since + SECOND_LOOK;
        }
        if let Some(failed) = self.failed.get(repository) {
            return now >= failed.retry_at(pace);
        }
        !self.known.contains_key(repository) || self.is_out_of_date(repository, now)
    }

    fn is_out_of_date(&self, repository: &Repository, now: Timestamp) -> bool {
        self.rhythms.get(repository).and_then(|rhythm| rhythm.due).is_some_and(|due| now >= due)
    }

    /// Whether there are answers to look at, or the rhythm of any repository asks for a listing.
    pub(crate) fn is_any_due(&self, now: Timestamp) -> bool {
        // What failed or is in doubt has a time of its own.
        let waits = |repository: &Repository| {
            self.doubts.contains_key(repository)
                || self.failed.contains_key(repository)
                || self.under_way.contains(repository)
        };
        self.under_way.is_answered()
            || self.known.keys().any(|repository| self.is_out_of_date(repository, now) && !waits(repository))
    }

    /// Takes in a complete listing, unless it is in doubt.
    async fn take(
        &mut self,
        repository: &Repository,
        Listed { began, listing }: Listed,
        currents: &BTreeSet<String>,
        pace: &Pace,
        ports: &Ports<'_>,
    ) -> Result<(), PortError> {
        let now = ports.clock.now();
        let (began, moves) = (began.min(now), ports.tags.moves());
        let is_news = !self.known.get(repository).is_some_and(|known| known.are_of(&listing.tags, moves));
        if is_news && !self.learn(repository, &listing, currents, now, ports).await? {
            return Ok(());
        }
        self.doubts.remove(repository);
        if let (Some(rhythm), Some(known)) = (self.rhythms.get_mut(repository), self.known.get_mut(repository)) {
            known.set_source(&listing.tags, moves);
            // Branches that share a listing are due together again.
            let happened = rhythm.happened.or(known.first_scan).unwrap_or(now);
            let wait = pace.next(repository, known.first_seen(), happened, began);
            (rhythm.listed, rhythm.due) = (Some(began), Some(began + wait));
        }
        Ok(())
    }

    /// Records what a listing says that is not the one before. False if it is in doubt.
    async fn learn(
        &mut self,
        repository: &Repository,
        listing: &Arc<Listing>,
        currents: &BTreeSet<String>,
        now: Timestamp,
        ports: &Ports<'_>,
    ) -> Result<bool, PortError> {
        let before = match self.known.get(repository) {
            Some(known) => known.len(),
            None => ports.tags.recorded(repository).await?,
        };
        if let Some(reason) = self.doubt(repository, listing, currents, before) {
            let before = self.doubts.get(repository).filter(|doubt| doubt.listing.tags == listing.tags);
            let since = before.map_or(now, |doubt| doubt.since);
            if now < since + SECOND_LOOK {
                tracing::info!(image = %repository, reason, "listing in doubt; it is read once more");
                let listing = Arc::clone(listing);
                self.doubts.insert(repository.clone(), Doubt { listing, since, reason });
                return Ok(false);
            }
        }
        let mut sights = ports.tags.record(repository, &listing.tags, now).await?;
        self.moves.told(repository, std::mem::take(&mut sights.moved), now);
        sights.pushed.clone_from(&listing.pushed);
        let facts = Facts::new(&listing.tags, &sights, self.known.get(repository));
        if !self.known.get(repository).is_some_and(|known| known.is_same(&facts)) {
            self.revisions += 1;
            self.known.insert(repository.clone(), facts.with_revision(self.revisions));
        }
        Ok(true)
    }

    /// Why a listing should not be believed at once.
    fn doubt(
        &self,
        repository: &Repository,
        listing: &Listing,
        currents: &BTreeSet<String>,
        before: usize,
    ) -> Option<String> {
        let known = self.known.get(repository);
        let was_listed = |tag: &str| known.is_none_or(|known| known.lists(tag));
        let lost = currents.iter().find(|current| !listing.tags.contains(current) && was_listed(current.as_str()));
        if let Some(current) = lost {
            return Some(format!("the current tag {current} is not listed"));
        }
        let now = listing.tags.len();
        let shrunk = now * 100 < before * 95;
        shrunk.then(|| format!("{before} tags were listed before and {now} are now"))
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

    /// When the next second look, or the next try, is due, and when what came meanwhile is looked at.
    pub(crate) fn next_look(&self, pace: &Pace, now: Timestamp) -> Option<Timestamp> {
        let doubted = self.doubts.values().map(|doubt| doubt.since + SECOND_LOOK);
        let tries = self.failed.values().map(|failed| failed.retry_at(pace));
        let meanwhile = self.under_way.since().map(|_| now + MEANWHILE);
        doubted.chain(tries).chain(meanwhile).min()
    }

    /// Forgets what may have changed since the last turn without being listed.
    pub(crate) fn begin_turn(&mut self, now: Timestamp) {
        self.began = Some(now);
        self.known.values_mut().for_each(Facts::begin_turn);
    }

    /// Takes in when a tag was first seen. True if it was pushed again since it was listed.
    pub(crate) fn note_first_seen(&mut self, repository: &Repository, tag: &str, time: Timestamp) -> bool {
        let Some(facts) = self.known.get_mut(repository) else { return false };
        let again = facts.note_first_seen(tag, time);
        if again {
            self.revisions += 1;
            *facts = std::mem::take(facts).with_revision(self.revisions);
        }
        again
    }
}

fn is_asked(repository: &Repository, wake: &Wake) -> bool {
    match wake {
        Wake::Git => false,
        Wake::Registries => true,
        Wake::Images(images) => images.contains(repository),
    }
}

#[cfg(test)]
mod tests;
