//! What a turn would commit on a given head: survey, scan, decide, edit.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lockstep_image::Want;
use lockstep_registry::Repository;
use lockstep_repository::CommitId;

use crate::board::{Board, BranchState, PlaceState, Problem};
use crate::change_requests::Rejected;
use crate::decide::{self, Decided, Decision, Known};
use crate::edit;
use crate::facts::{self, LookUp};
use crate::group;
use crate::memory::Memory;
use crate::places::PlaceId;
use crate::ports::{FileChange, PortError, Ports};
use crate::publish::{Batch, ChangeKind, Move, Proposal};
use crate::scan::Wanted;
use crate::survey::{self, Place, Survey};
use crate::turn::{Target, TurnError, Wake};

/// As often facts are looked up for one turn: two about each of five tags, and the build times.
const MOST_ROUNDS: usize = 12;
/// How long what could not be read, or is not there yet, waits for another look.
const AFTER_LOOK_UP: SignedDuration = SignedDuration::from_secs(60);

/// The updates of a branch.
pub(crate) struct Updates<'a> {
    pub(crate) target: &'a Target,
    pub(crate) memory: &'a mut Memory,
    pub(crate) ports: &'a Ports<'a>,
    pub(crate) board: &'a Board,
    /// What to list; after the first look at a tree, only what is new there.
    pub(crate) wake: Wake,
    pub(crate) seen: Seen,
}

/// What was found on the tree that was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) places: usize,
    pub(crate) held: usize,
    /// Whether it is about certain image repositories.
    is_hinted: bool,
    /// On all trees of the turn.
    pub(crate) listed: usize,
    pub(crate) unanswered: usize,
    pub(crate) problems: Vec<Problem>,
    pub(crate) again_at: Option<Timestamp>,
    /// Places that are held for something that may pass.
    doubted: BTreeSet<String>,
}

#[async_trait]
impl Proposal for Updates<'_> {
    async fn at(&mut self, head: CommitId) -> Result<Option<Batch>, TurnError> {
        self.board.announce(&self.target.branch, head);
        let Memory { files, history, .. } = &mut *self.memory;
        let survey = survey::survey(self.ports.branch, head, files, history, &self.target.places).await?;
        self.scan(&survey).await;
        let mut decided = self.decide(&survey).await;
        let mut moves = self.moves(&survey, &mut decided).await;
        group::all_or_none(&survey.places, &mut decided, &mut moves);
        let (batch, refused) = self.edit(head, moves).await?;
        self.tell(head, survey, &decided, refused);
        let due = self.gather_until().is_none();
        if batch.is_some() && !due {
            self.seen.again_at = self.seen.again_at.into_iter().chain(self.gather_until()).min();
        }
        Ok(batch.filter(|_| due))
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Update
    }

    fn doubts(&self, place: &str) -> bool {
        self.seen.doubted.contains(place)
    }

    fn reject(&mut self, rejected: &[Rejected]) {
        self.memory.history.reject(rejected.to_vec());
    }
}

impl Updates<'_> {
    async fn scan(&mut self, survey: &Survey) {
        let mut wanted = Wanted::new();
        for place in survey.places.iter().filter(|place| !place.policy.listed_only) {
            let currents = wanted.entry(place.repository.clone()).or_default();
            currents.extend(place.reference.tag().filter(|tag| !tag.eq_ignore_ascii_case("latest")).map(str::to_owned));
        }
        let wake = mem::replace(&mut self.wake, Wake::Git);
        self.seen.is_hinted |= matches!(wake, Wake::Images(_));
        self.seen.listed += self.memory.listings.look(&wanted, &wake, self.target, self.ports).await;
        self.seen.unanswered = self.memory.listings.awaited();
        self.seen.again_at = self.memory.listings.next_look(&self.target.pace, self.ports.clock.now());
    }

    /// Decides about every place. What a decision lacks is looked up, and it is decided once more, until nothing is lacking
    /// that can be read.
    async fn decide(&mut self, survey: &Survey) -> Vec<Decided> {
        let mut decided = self.decide_once(survey);
        let mut asked = BTreeSet::new();
        let mut unread = BTreeMap::new();
        for _ in 0..MOST_ROUNDS {
            let wanted: BTreeSet<LookUp> =
                look_ups(survey, &decided).filter(|wanted| !asked.contains(wanted)).collect();
            if wanted.is_empty() {
                break;
            }
            asked.extend(wanted.iter().cloned());
            unread.extend(self.memory.listings.look_up(wanted.into_iter().collect(), self.ports).await);
            decided = self.decide_once(survey);
        }
        let now = self.ports.clock.now();
        for (place, decided) in survey.places.iter().zip(&mut decided) {
            let missing = decided.wants.first().map(|_| now + AFTER_LOOK_UP);
            decided.again_at = decided.again_at.into_iter().chain(missing).min();
            let error = decided.wants.iter().find_map(|want| unread.get(&look_up(place, want)));
            if let (Decision::Held(reason), Some(error)) = (&mut decided.decision, error) {
                reason.push_str(": ");
                reason.push_str(error);
            }
        }
        let soonest = decided.iter().filter_map(|decided| decided.again_at).min();
        self.seen.again_at = self.seen.again_at.into_iter().chain(soonest).min();
        decided
    }

    fn decide_once(&mut self, survey: &Survey) -> Vec<Decided> {
        let Memory { listings, stopped, choices, .. } = &mut *self.memory;
        choices.keep(&survey.places);
        let (listings, stopped) = (&*listings, stopped.with_reverted(&survey.places));
        let known = Known { stopped: &stopped, now: self.ports.clock.now() };
        let facts: Vec<_> =
            survey.places.iter().map(|place| listings.facts(&place.repository, &self.target.allowed)).collect();
        let each = survey.places.iter().zip(&facts);
        let mut decided: Vec<Decided> = each
            .map(|(place, facts)| {
                decide::decide(place, facts.as_ref().copied().map_err(String::as_str), known, choices)
            })
            .collect();
        group::agree(&survey.places, &facts, known, &mut decided);
        decided
    }

    /// The moves that were decided. A tag that turns out to have no manifest, or none that can be read, is held instead.
    async fn moves(&mut self, survey: &Survey, decided: &mut [Decided]) -> Vec<Move> {
        let mut digests: BTreeMap<_, Result<Option<String>, PortError>> = BTreeMap::new();
        let mut again = BTreeMap::new();
        let mut moves = Vec::new();
        for (place, decided) in survey.places.iter().zip(decided) {
            let Decision::Move(tag) = decided.decision.clone() else { continue };
            if let Some(until) = self.memory.unheard_until.filter(|until| self.ports.clock.now() < *until) {
                self.seen.again_at = self.seen.again_at.into_iter().chain([until]).min();
                let reason = format!("not all clusters have said what they run since the start; until {until:.0}");
                decided.decision = Decision::Held(reason);
                continue;
            }
            let key = (place.repository.clone(), tag.clone());
            let digest = match (self.looked_up(place, &tag), digests.get(&key)) {
                // What was looked at is what is written.
                (Some(digest), _) => Ok(Some(digest)),
                (None, Some(known)) => Result::clone(known),
                (None, None) => self.ports.tags.digest(&place.repository, &tag).await,
            };
            digests.insert(key.clone(), digest.clone());
            if digest.is_err() {
                let again = self.ports.clock.now() + AFTER_LOOK_UP;
                self.seen.again_at = self.seen.again_at.into_iter().chain([again]).min();
            }
            if digest.is_ok() && place.policy.rule.min_age.is_some() && self.is_pushed_again(&key, &mut again).await {
                let time = self.ports.clock.now() + AFTER_LOOK_UP;
                self.seen.again_at = self.seen.again_at.into_iter().chain([time]).min();
                decided.decision =
                    Decision::Held(format!("{tag} was pushed again just now, and its age counts from then"));
                continue;
            }
            match digest.map_err(|error| error.message).and_then(|digest| self.one_move(place, &tag, digest)) {
                Ok(change) => moves.push(change),
                Err(reason) => decided.decision = Decision::Held(reason),
            }
        }
        moves
    }

    /// Whether the tag has other content than when it was listed, as far as the record knows.
    async fn is_pushed_again(
        &mut self,
        key: &(Repository, String),
        known: &mut BTreeMap<(Repository, String), bool>,
    ) -> bool {
        if let Some(known) = known.get(key) {
            return *known;
        }
        let (repository, tag) = key;
        let again = match self.ports.tags.first_seen(repository, tag).await {
            Ok(time) => time.is_some_and(|time| self.memory.listings.note_first_seen(repository, tag, time)),
            Err(error) => {
                tracing::warn!(image = %repository, tag, %error, "its age is not known");
                true
            }
        };
        known.insert(key.clone(), again);
        again
    }

    fn looked_up(&self, place: &Place, tag: &str) -> Option<String> {
        let facts = self.memory.listings.facts(&place.repository, &self.target.allowed).ok()?;
        facts.digest(tag).map(str::to_owned)
    }

    fn one_move(&self, place: &Place, tag: &str, digest: Option<String>) -> Result<Move, String> {
        let repository = &place.repository;
        let digest = digest.ok_or_else(|| facts::no_image(repository, tag))?;
        let pinned = place.policy.writes_digest(place.reference.digest().is_some());
        let to = if pinned {
            place.image.with(tag, Some(&digest))?
        } else {
            place.reference.with_tag(tag).map_err(|error| error.to_string())?
        };
        let mut evidence = vec![format!("policy {}", place.policy.rule.policy), format!("digest {digest}")];
        evidence.extend(place.policy.verify.as_ref().map(|key| format!("signed by cosign:{key}")));
        let facts = self.memory.listings.facts(repository, &self.target.allowed).ok();
        let candidate = facts.and_then(|facts| facts.find(tag));
        let times = candidate.map(|candidate| {
            [("pushed", candidate.pushed), ("first seen", candidate.first_seen), ("built", candidate.created)]
        });
        for (word, time) in times.into_iter().flatten() {
            evidence.extend(time.map(|time| format!("{word} {time:.0}")));
        }
        Ok(Move {
            place: place.id.clone(),
            edits: place.image.write(&to)?,
            line: place.line,
            from: place.text.clone(),
            to: to.to_string(),
            tag: tag.to_owned(),
            digest: Some(digest),
            group: place.policy.group.clone(),
            evidence,
        })
    }

    async fn edit(&self, head: CommitId, moves: Vec<Move>) -> Result<(Option<Batch>, Vec<(Move, Problem)>), TurnError> {
        let (files, made, refused) = edit_files(self.ports, head, moves).await?;
        let batch =
            (!made.is_empty()).then_some(Batch { kind: ChangeKind::Update, moves: made, files, requested: None });
        Ok((batch, refused))
    }

    /// Puts up what was found.
    fn tell(&mut self, head: CommitId, survey: Survey, decided: &[Decided], refused: Vec<(Move, Problem)>) {
        let refusals: BTreeMap<&PlaceId, &Problem> =
            refused.iter().map(|(change, problem)| (&change.place, problem)).collect();
        let state = |(place, decided): (&Place, &Decided)| {
            let held = match (&decided.decision, refusals.get(&place.id)) {
                (Decision::Held(reason), _) => Some(reason.clone()),
                (_, Some(problem)) => Some(problem.message.clone()),
                _ => None,
            };
            PlaceState::of(place, decided.selected.clone(), held)
        };
        let places: Vec<PlaceState> = survey.places.iter().zip(decided).map(state).collect();
        let each = survey.places.iter().zip(decided);
        let doubted = each
            .filter(|(place, decided)| matches!(decided.decision, Decision::Held(_)) && place.policy.locked.is_none());
        self.seen.doubted = doubted.map(|(place, _)| place.id.to_string()).collect();
        let mut problems = survey.problems;
        problems.extend(self.memory.listings.problems());
        problems.extend(refused.into_iter().map(|(_, problem)| problem));
        problems.extend(survey.places.iter().zip(decided).flat_map(|(place, decided)| self.unsigned(place, decided)));
        problems.sort();
        problems.dedup();
        self.seen.places = places.len();
        self.seen.held = places.iter().filter(|place| place.held.is_some()).count();
        self.seen.problems = problems.clone();
        let repositories = survey.places.into_iter().map(|place| place.repository).collect();
        let at = self.ports.clock.now();
        self.board.publish(&self.target.branch, BranchState { head, at, places, repositories, problems });
    }

    /// The tags that a place does not get for want of a signature, once that is waited for no longer.
    fn unsigned(&self, place: &Place, decided: &Decided) -> Vec<Problem> {
        let facts = self.memory.listings.facts(&place.repository, &self.target.allowed);
        let (Some(key), Ok(facts), true) = (&place.policy.verify, facts, decided.wants.is_empty()) else {
            return Vec::new();
        };
        let problem = |(tag, wrong): (&str, &str)| {
            let repository = &place.repository;
            let message = format!("{repository}:{tag} is not signed with the key {key}, so no place gets it: {wrong}");
            Problem { category: "signature", message }
        };
        facts.unsigned(key).map(problem).collect()
    }

    /// Adds to what was put up what came after it.
    pub(crate) fn add_problems(&mut self, problems: Vec<Problem>) {
        let Some(state) = self.board.get(&self.target.branch).filter(|_| !problems.is_empty()) else { return };
        let mut state = (*state).clone();
        state.problems.extend(problems);
        state.problems.sort();
        state.problems.dedup();
        self.seen.problems = state.problems.clone();
        self.board.publish(&self.target.branch, state);
    }

    /// Until when changes wait for the next commit; `None` if one may be made now. Unless somebody spoke of them, they wait for
    /// listings that are under way too, so that one look at the registries is one commit; but no longer than for other changes.
    fn gather_until(&self) -> Option<Timestamp> {
        let batch = SignedDuration::try_from(self.target.batch).unwrap_or(SignedDuration::ZERO);
        let listings = self.memory.listings.under_way_since().filter(|_| !self.seen.is_hinted);
        let since = self.memory.last_update.max(listings)?;
        Some(since + batch).filter(|until| self.ports.clock.now() < *until)
    }
}

/// What the decisions lack.
fn look_ups<'a>(survey: &'a Survey, decided: &'a [Decided]) -> impl Iterator<Item = LookUp> + 'a {
    let each = survey.places.iter().zip(decided);
    each.flat_map(|(place, decided)| decided.wants.iter().map(move |want| look_up(place, want)))
}

fn look_up(place: &Place, want: &Want) -> LookUp {
    let key = place.policy.verify.clone().filter(|_| matches!(want, Want::Verified { .. }));
    LookUp { repository: place.repository.clone(), want: want.clone(), key }
}

/// Makes the moves in their files at `head`. Where one of a group is refused, none of the group is made.
pub(crate) async fn edit_files(ports: &Ports<'_>, head: CommitId, moves: Vec<Move>) -> Result<Edits, PortError> {
    if moves.is_empty() {
        return Ok((Vec::new(), Vec::new(), Vec::new()));
    }
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let paths: BTreeSet<&str> = moves.iter().map(|change| change.place.file.as_str()).collect();
    for file in ports.branch.files(head).await? {
        if paths.contains(file.path.as_str()) {
            files.insert(file.path, ports.branch.blob(file.blob).await?);
        }
    }
    let mut refused = Vec::new();
    let mut wanted = moves;
    loop {
        let (changes, made, more) = edit_all(&files, wanted);
        let groups: BTreeSet<&str> = more.iter().filter_map(|(change, _)| change.group.as_deref()).collect();
        let broken = |change: &Move| change.group.as_deref().is_some_and(|group| groups.contains(group));
        let (of_broken, whole): (Vec<Move>, Vec<Move>) = made.into_iter().partition(broken);
        let also = of_broken.into_iter().map(|change| {
            let group = change.group.clone().unwrap_or_default();
            let message = format!("{}: another place of the group {group} cannot be changed", change.place);
            (change, Problem { category: "edit", message })
        });
        let also: Vec<(Move, Problem)> = also.collect();
        refused.extend(more);
        if also.is_empty() {
            return Ok((changes, whole, refused));
        }
        refused.extend(also);
        wanted = whole;
    }
}

type Edits = (Vec<FileChange>, Vec<Move>, Vec<(Move, Problem)>);

fn edit_all(files: &BTreeMap<String, Vec<u8>>, moves: Vec<Move>) -> Edits {
    let mut by_file: BTreeMap<String, Vec<Move>> = BTreeMap::new();
    for change in moves {
        by_file.entry(change.place.file.clone()).or_default().push(change);
    }
    let (mut changes, mut made, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (path, moves) in by_file {
        let Some(bytes) = files.get(&path) else { continue };
        let edited = edit::edit(&path, bytes, moves);
        if !edited.made.is_empty() {
            changes.push(FileChange { path, bytes: edited.bytes });
        }
        made.extend(edited.made);
        refused.extend(edited.refused);
    }
    (changes, made, refused)
}
