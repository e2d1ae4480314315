//! A turn of the actor: look at the branch, and bring the cluster to its commit.

use std::time::Duration;

use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, Cause, FieldLoss, Plan, Withheld};
use lockstep_repository::CommitId;
use tokio::time::Instant;

use super::{Actor, backoff::spread, desk, memory::Question};
use crate::{
    board::At,
    fetch::fetch,
    ports::{ClusterError, Enforced, Freshness, Happening, ObjectFailure},
    render::RenderFailure,
    resource::SyncSpec,
    status::is_final,
    turn::{Done, Prepared, carry_out, prepare},
};

/// A server that is back is noticed within this time, or within the Sync's interval.
const LONGEST_OUTAGE_PAUSE: Duration = Duration::from_secs(60);
/// A turn that takes longer is told of while it goes on.
const SHORT_TURN: Duration = Duration::from_secs(1);
/// What only a person can put right is tried again at the interval, but no more often than this.
const FINAL_RETRY: Duration = Duration::from_secs(30);

impl Actor {
    /// Looks at the branch, and makes a turn if there is anything that the last one has not answered.
    pub(super) async fn look(&mut self) {
        let asked = std::mem::take(&mut self.memory.asked);
        let worked = self.turn_if_needed(asked).await;
        self.memory.turns += u64::from(asked || worked);
    }

    /// Says whether there was anything to do.
    async fn turn_if_needed(&mut self, urgent: bool) -> bool {
        let now = Instant::now();
        let retry = self.times.retry.take_if(|at| now >= *at).is_some();
        let source = self.common.ports.source.clone();
        // On its own time, and to try again what failed in the cluster, a Sync takes what it or another one of the branch
        // has heard a moment ago.
        let interval = Duration::from(self.setting.spec.interval);
        let age = if urgent || self.memory.fetch_error.is_some() { Duration::ZERO } else { interval / 2 };
        let fetched = fetch(source.as_ref(), &self.setting.branch, age, self.memory.last_good()).await;
        self.note_rewrite(fetched.commit).await;
        self.note_fetch(fetched.error.clone(), fetched.commit);
        let interval = spread(interval);
        self.times.fetch = now
            + if fetched.error.is_some() {
                self.times.outage.next().min(interval.max(LONGEST_OUTAGE_PAUSE))
            } else {
                interval
            };
        if fetched.is_news {
            self.common.mailboxes.nudge_siblings(&self.key, &self.setting.spec.source);
        }
        let Some(head) = fetched.commit else { return false };
        let Some(commit) = self.admitted(head).await else { return false };
        let question =
            Question { commit, spec: self.setting.spec.clone(), acknowledged: self.setting.acknowledged.clone() };
        if self.memory.answered.as_ref() == Some(&question) && !retry {
            return false;
        }
        let turns = self.common.turns.clone();
        let slot = turns.acquire().await;
        let started = Instant::now();
        let done = self.bring(commit).await;
        drop(slot);
        self.memory.applying = None;
        let trouble = match done {
            Ok(done) => self.take_over(done, started),
            Err(trouble) => trouble,
        };
        self.memory.answered = Some(question);
        self.forget_acknowledgement().await;
        self.plan_retry(trouble);
        true
    }

    /// Tells when the commit that was followed is no longer in the history of the branch.
    async fn note_rewrite(&self, head: Option<CommitId>) {
        let (Some(head), Some(before)) = (head, &self.memory.fetched) else { return };
        let is_same_branch =
            self.memory.answered.as_ref().is_some_and(|answered| answered.spec.source == self.setting.spec.source);
        if !is_same_branch || before.commit == head.to_string() {
            return;
        }
        let found = self.common.ports.source.matching(&self.setting.branch, head, &before.commit).await;
        if found.is_ok_and(|found| found.is_empty()) {
            tracing::warn!(sync = %self.key, from = before.commit, to = %head, "the branch was rewritten");
            self.tell(&Happening::Rewritten(before.commit.clone(), head.to_string()));
        }
    }

    fn note_fetch(&mut self, error: Option<crate::ports::SourceError>, commit: Option<CommitId>) {
        match (&error, commit) {
            (None, Some(commit)) => {
                let commit = commit.to_string();
                if self.memory.fetched.as_ref().is_none_or(|known| known.commit != commit) {
                    self.memory.fetched = Some(At { commit, at: self.common.ports.clock.now() });
                }
                self.memory.fetch_error = None;
                self.times.outage.reset();
            }
            (Some(error), _) => {
                if self.memory.fetch_error.as_ref() != Some(error) {
                    self.tell(&Happening::FetchFailed(error.clone()));
                }
                self.memory.fetch_error = Some(error.clone());
            }
            (None, None) => {}
        }
    }

    /// Brings the cluster to a commit; to the last good one, whatever is left to do for it, when this one or the Sync's own
    /// specification cannot be used.
    async fn bring(&mut self, commit: CommitId) -> Result<Done, Trouble> {
        let is_usable = self.setting.unusable.is_empty();
        let tried = if is_usable {
            self.enforce(commit).await
        } else {
            Err(RenderFailure::Invalid(self.setting.unusable.clone()))
        };
        let failure = match tried {
            Ok(done) => {
                self.memory.invalid = None;
                self.memory.cluster_error = None;
                return Ok(done);
            }
            Err(failure) => failure,
        };
        let is_invalid = matches!(failure, RenderFailure::Invalid(_));
        self.note_failure(commit, failure);
        if !is_invalid {
            return Err(Trouble::Passing);
        }
        let fallback = self.memory.last_good().filter(|good| !is_usable || *good != commit).ok_or(Trouble::None)?;
        self.enforce(fallback).await.map_err(|failure| {
            tracing::warn!(sync = %self.key, ?failure, "the last good commit cannot be enforced; will retry");
            Trouble::Passing
        })
    }

    fn note_failure(&mut self, commit: CommitId, failure: RenderFailure) {
        match failure {
            RenderFailure::Invalid(problems) => {
                let commit = commit.to_string();
                let told: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
                if self.memory.invalid.as_ref().is_none_or(|known| (&known.0, &known.1) != (&commit, &problems)) {
                    tracing::error!(sync = %self.key, commit, problems = told.len(), first = told.first(), "nothing of the commit is applied");
                    let lines = problems.iter().map(in_words).collect();
                    self.tell(&Happening::Invalid { commit: commit.clone(), problems: lines });
                }
                self.memory.cluster_error = None;
                self.memory.invalid = Some((commit, problems));
            }
            RenderFailure::Source(error) => {
                if self.memory.fetch_error.as_ref() != Some(&error) {
                    self.tell(&Happening::FetchFailed(error.clone()));
                }
                self.memory.fetch_error = Some(error);
            }
            RenderFailure::Cluster(error) => {
                tracing::warn!(sync = %self.key, %error, "the turn ends; will retry");
                self.memory.cluster_error = Some(error);
            }
        }
    }

    async fn enforce(&mut self, commit: CommitId) -> Result<Done, RenderFailure> {
        let setting = self.setting.clone();
        let common = self.common.clone();
        let account = setting.spec.service_account_name.as_deref();
        let objects = common.ports.cluster.objects(&self.key, account).map_err(RenderFailure::Cluster)?;
        let mut desk = desk(&common, &setting, objects);
        desk.is_first = self.memory.manifests.is_none();
        let held_whole = self.memory.held_whole();
        desk.held_whole = held_whole.as_deref().or(desk.held_whole.filter(|_| self.memory.commit.is_none()));
        // A kind that the server did not find any more may be served in another place now.
        let is_stale = self.memory.has_lost_kinds();
        if is_stale {
            common.ports.cluster.resolve(&[], Freshness::Fresh).await.map_err(RenderFailure::Cluster)?;
        }
        let before = self.memory.manifests.clone().filter(|_| !is_stale);
        let mut prepared = prepare(&desk, commit, before.as_ref(), &self.memory.record).await?;
        let resting = self.resting(&prepared.plan);
        prepared.plan.report_only(&resting);
        self.begin_applying(&prepared);
        let drifts = drifts(&prepared.plan);
        let mut record = self.memory.record.clone();
        let refused = self.memory.refused(commit);
        let done = {
            let turn = carry_out(&desk, prepared, &mut record, refused);
            tokio::pin!(turn);
            tokio::select! {
                done = &mut turn => done,
                // A turn that is soon over is told once.
                () = tokio::time::sleep(SHORT_TURN) => tokio::join!(turn, self.report()).0,
            }
        };
        self.memory.record = record;
        if let Ok(done) = &done {
            self.note_repairs(drifts.into_iter().filter(|(id, _)| done.applies.changed.contains_key(id)));
        }
        done
    }

    /// Remembers that a turn is going on if it is about to change anything.
    fn begin_applying(&mut self, prepared: &Prepared) {
        let counts = prepared.plan.counts();
        let applies = counts.create + counts.update + counts.adopt;
        if applies > 0 {
            self.memory.applying = Some((prepared.manifests.commit.to_string(), applies));
        }
    }

    fn note_repairs(&mut self, drifts: impl Iterator<Item = (ObjectId, Vec<FieldLoss>)>) {
        for (id, fields) in drifts {
            self.note_drift(&id, fields, true);
        }
    }

    /// Remembers what a turn did, and tells it. Says whether something must be tried again, and how soon.
    fn take_over(&mut self, done: Done, started: Instant) -> Trouble {
        let commit = done.manifests.commit.to_string();
        let (now, steady) = (self.common.ports.clock.now(), self.common.ports.clock.steady());
        self.tell_turn(&done, &commit, started);
        let is_new = self.memory.applied.as_ref().is_none_or(|known| known.commit != commit);
        if self.memory.manifests.as_ref().is_none_or(|known| known.commit != done.manifests.commit) {
            self.memory.enforced_at =
                self.memory.applied.as_ref().filter(|_| !is_new).map(|known| known.at).or(Some(steady));
        }
        if done.is_applied() && is_new {
            let previous = self.memory.applied.replace(At { commit: commit.clone(), at: now });
            self.memory.previous_commit = previous.map(|previous| previous.commit);
            let created = done.applies.created.len();
            let changed = done.applies.changed.len() - created;
            self.tell(&Happening::Applied { commit: commit.clone(), created, changed });
        }
        let has_other_time = |spec: &SyncSpec| spec.timeout != self.setting.spec.timeout;
        let is_other = self.memory.commit.as_ref() != Some(&commit);
        if is_other || self.memory.spec.as_ref().is_some_and(has_other_time) {
            self.expect_health();
        } else {
            self.expect_health_of(&done.applies.changed);
        }
        self.common.mailboxes.claim(&self.key, done.claims);
        let memory = &mut self.memory;
        memory.kinds = done.kinds;
        memory.failed = done.applies.failed;
        memory.waiting = done.waiting;
        memory.waits_for_others = done.waits_for_others;
        memory.found = done.applies.found;
        memory.undeleted = done.deleted.failed;
        memory.unwatched = done.unwatched;
        memory.held = done.held;
        memory.withheld = done.withheld;
        memory.commit = Some(commit);
        memory.spec = Some(self.setting.spec.clone());
        memory.manifests = Some(done.manifests);
        let unsettled = memory.unsettled();
        let drifted = self.common.watches.index().follow(&self.key, &memory.wanted(), &unsettled);
        if !drifted.is_empty() {
            self.mailbox.put(crate::nudge::Nudge::Drift(drifted));
        }
        self.note_rewriting(&done.applies.changed, done.applies.rewritten);
        self.enforced(done.applies.changed);
        let mut trouble = self.trouble();
        if done.progressed && !self.memory.waiting.is_empty() {
            trouble = Trouble::Progress;
        }
        if !done.deleted.changed.is_empty() || done.applies.interrupted {
            trouble = Trouble::Passing;
        }
        trouble
    }

    /// Tells the observer what is in the cluster now.
    pub(super) fn enforced(&self, changed: std::collections::BTreeMap<ObjectId, jiff::Timestamp>) {
        let memory = &self.memory;
        let Some(manifests) = &memory.manifests else { return };
        let enforced = Enforced {
            commit: manifests.commit.to_string(),
            at: memory.enforced_at.unwrap_or_else(|| self.common.ports.clock.steady()),
            timeout: Duration::from(self.setting.spec.timeout),
            wanted: manifests.wanted.clone(),
            checks: self.setting.checks.clone(),
            kinds: memory.kinds.clone(),
            changed,
            failed: memory.failed.clone(),
            found: memory.found.clone(),
        };
        self.common.ports.observer.applied(&self.key, &enforced);
    }

    /// What is left to be tried again.
    fn trouble(&self) -> Trouble {
        let memory = &self.memory;
        let is_withheld = memory.withheld.as_ref().is_some_and(|withheld| !matches!(withheld, Withheld::Held(_)));
        let passing = memory.failed.values().any(|failure| !is_final(failure))
            || !memory.undeleted.is_empty()
            || !memory.waiting.is_empty()
            || !memory.unwatched.is_empty();
        match (passing, memory.failed.is_empty() && !is_withheld) {
            (true, _) => Trouble::Passing,
            (false, false) => Trouble::Final,
            (false, true) => Trouble::None,
        }
    }

    /// The API server gave no answer at all.
    fn is_cut_off(&self) -> bool {
        let unanswered =
            |failure: &ObjectFailure| matches!(failure, ObjectFailure::Refused(error) if error.code.is_none());
        let memory = &self.memory;
        memory.cluster_error.as_ref().is_some_and(|error| error.code.is_none())
            || memory.failed.values().any(unanswered)
            || memory.unwatched.values().any(|error| error.code.is_none())
    }

    fn plan_retry(&mut self, trouble: Trouble) {
        let pause = match trouble {
            Trouble::None => {
                self.times.backoff.reset();
                return;
            }
            Trouble::Progress => {
                self.times.backoff.reset();
                Duration::ZERO
            }
            Trouble::Passing => {
                let asked = self.memory.failed.values().filter_map(asked).max().unwrap_or_default();
                let longest = if self.is_cut_off() { LONGEST_OUTAGE_PAUSE } else { Duration::MAX };
                self.times.backoff.next().min(longest).max(asked)
            }
            Trouble::Final => spread(FINAL_RETRY),
        };
        self.times.retry = Some(Instant::now() + pause);
    }
}

/// Whether a turn left something to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// More can be done now that this turn is done.
    Progress,
    /// Trying again may help.
    Passing,
    /// It helps only once somebody has changed something.
    Final,
}

fn asked(failure: &ObjectFailure) -> Option<Duration> {
    match failure {
        ObjectFailure::Refused(ClusterError { retry_after, .. }) => *retry_after,
        ObjectFailure::Blocked(_) => None,
    }
}

fn in_words(problem: &crate::resource::Failure) -> String {
    match problem.line {
        0 => format!("{}: {}", problem.file, problem.message),
        line => format!("{}:{line}: {}", problem.file, problem.message),
    }
}

/// The objects that a plan changes back because somebody else changed them, and what they changed.
fn drifts(plan: &Plan) -> Vec<(ObjectId, Vec<FieldLoss>)> {
    let drift = |action: &Action| match action {
        Action::Update(Cause::Drift(fields)) => Some(fields.clone()),
        Action::Update(Cause::MarksLost | Cause::Cleared) => Some(Vec::new()),
        _ => None,
    };
    plan.steps().iter().filter_map(|step| Some((step.id.clone(), drift(&step.action)?))).collect()
}
