//! The loop of one branch: it waits for a reason to look, and looks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use lockstep_daemon::{ReadinessHandle, Shutdown};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use crate::asks::{self, Changed, Request};
use crate::bell::{Asked, Bell};
use crate::board::Board;
use crate::clusters::{Clusters, Unheard};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::notes::Notes;
use crate::ports::{Branch, Clock, Ports, Tags};
use crate::publish::ChangeKind;
use crate::revert::{self, Judged, Judgement, Reaction};
use crate::stopped::StoppedTags;
use crate::turn::{Outcome, Target, TurnError, turn};

/// So long after a look a bell is not answered: events come several in a row. The first of them is answered at once.
const REST: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// All that a branch is looked at with.
pub(super) struct BranchLoop {
    pub(super) target: Target,
    pub(super) branch: Arc<dyn Branch>,
    pub(super) tags: Arc<dyn Tags>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bell: Bell,
    pub(super) board: Board,
    pub(super) notes: Notes,
    pub(super) clusters: Clusters,
    pub(super) metrics: Metrics,
    pub(super) git_interval: Duration,
    pub(super) grace: Duration,
}

/// What the loop keeps between looks. Losing it costs time only.
#[derive(Default)]
struct Kept {
    memory: Memory,
    judged: Vec<Judged>,
    /// Clusters are waited for.
    waits: bool,
}

impl BranchLoop {
    /// Looks whenever there is a reason, until the daemon is asked to stop. The turn in hand may take three quarters of the
    /// grace period; a commit that was not pushed by then is nobody's but the clone's.
    pub(super) async fn keep(self, ready: ReadinessHandle, shutdown: Shutdown) -> Result<(), Infallible> {
        let mut kept = Kept::default();
        self.look_whenever_asked(&mut kept, ready, shutdown).await;
        kept.memory.listings.stop().await;
        Ok(())
    }

    async fn look_whenever_asked(&self, kept: &mut Kept, ready: ReadinessHandle, shutdown: Shutdown) {
        let mut ready = Some(ready);
        let mut reports = self.clusters.changes();
        let mut look_at = Instant::now();
        let mut rested = look_at;
        let mut failed_in_a_row = 0;
        let mut asked = Asked::default();
        loop {
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = self.bell.rung() => tokio::select! {
                    () = shutdown.requested() => return,
                    () = sleep_until(rested) => {}
                },
                // The sender is ours, so it is there as long as we are.
                _ = reports.changed() => {}
                () = kept.memory.listings.answered(&*self.tags) => {}
                () = sleep_until(look_at) => {}
            }
            asked.add(self.bell.take());
            let ended = tokio::select! {
                ended = self.look(kept, &asked) => ended,
                () = overdue(&shutdown, self.grace) => {
                    warn!(branch = %self.target.branch, "stopped in the middle of a turn; the next start begins it anew");
                    return;
                }
            };
            drop(ready.take());
            for request in asked.take_requests() {
                tokio::select! {
                    () = self.serve(request, &mut kept.memory) => {}
                    () = overdue(&shutdown, self.grace) => return,
                }
            }
            let pause = match &ended {
                Ok(outcome) => {
                    failed_in_a_row = 0;
                    self.until_next(outcome)
                }
                Err(error) => {
                    warn!(branch = %self.target.branch, %error, "the turn ended early; it is tried again");
                    failed_in_a_row += 1;
                    backoff(self.git_interval, failed_in_a_row)
                }
            };
            look_at = Instant::now() + pause;
            rested = Instant::now() + REST;
            asked = asked.answer(ended);
        }
    }

    /// Answers what a person asks. A commit of ours moves the branch, so it is looked at again.
    async fn serve(&self, request: Request, memory: &mut Memory) {
        let ports = Ports { branch: &*self.branch, tags: &*self.tags, clock: &*self.clock };
        match request {
            Request::Explain(pending) => {
                let answer = asks::explain(&pending.question, &self.target, memory, &ports, &self.board).await;
                pending.answer(answer);
            }
            Request::History(pending) => {
                let answer = asks::history(&pending.question, &self.target, memory, &ports).await;
                pending.answer(answer);
            }
            Request::Change(pending) => {
                let answer = asks::change(&pending.question, &self.target, memory, &ports).await;
                if let Ok(Changed { commit: Some(commit), .. }) = &answer {
                    self.metrics.commit(&self.target.branch, ChangeKind::Request);
                    self.board.announce(&self.target.branch, *commit);
                    self.bell.images([]);
                }
                pending.answer(answer);
            }
        }
    }

    /// First what clusters proved, then what registries have.
    async fn look(&self, kept: &mut Kept, asked: &Asked) -> Result<Outcome, TurnError> {
        let began = Instant::now();
        let ports = Ports { branch: &*self.branch, tags: &*self.tags, clock: &*self.clock };
        if let Err(error) = self.react(kept, &ports).await {
            warn!(branch = %self.target.branch, %error, "failures were not acted on; it is tried again");
            self.metrics.error(error.category());
        }
        self.wait_for_clusters(kept);
        let ended = turn(&self.target, asked.wake(), &mut kept.memory, &ports, &self.board).await;
        self.metrics.turn(&self.target.branch, began.elapsed(), &ended);
        if let Some(state) = self.board.get(&self.target.branch) {
            self.metrics.places(&self.target.branch, &state);
        }
        ended
    }

    /// What a cluster held back before a start is not known until it has said so again.
    fn wait_for_clusters(&self, kept: &mut Kept) {
        let branch = &self.target.branch;
        let unheard = self.clusters.unheard();
        let left = |unheard: &Unheard| SignedDuration::try_from(unheard.until - Instant::now()).unwrap_or_default();
        kept.memory.set_unheard(unheard.as_ref().map(|unheard| self.clock.now() + left(unheard)));
        match &unheard {
            Some(Unheard { clusters, .. }) if !kept.waits => {
                info!(%branch, ?clusters, "no updates until clusters have said what they run");
            }
            None if kept.waits => {
                let silent = self.clusters.silent();
                info!(%branch, ?silent, "updates are made from now on; of silent clusters nothing is known");
            }
            _ => {}
        }
        kept.waits = unheard.is_some();
    }

    async fn react(&self, kept: &mut Kept, ports: &Ports<'_>) -> Result<(), TurnError> {
        let branch = &self.target.branch;
        let failures = self.clusters.failures(&branch.repository, &branch.branch);
        if failures.is_empty() {
            kept.memory.set_stopped(StoppedTags::default());
            kept.judged.clear();
            self.notes.put(branch, &[]);
            return Ok(());
        }
        let reaction = revert::react(&self.target, ports, &mut kept.memory, &self.board, failures).await?;
        let Reaction { pushed, judged, stopped } = reaction;
        if pushed.is_some() {
            self.metrics.commit(branch, ChangeKind::Revert);
        }
        for now in judged.iter().filter(|now| !kept.judged.iter().any(|known| now.repeats(known))) {
            self.metrics.failure(branch, now.judgement.word());
            tell(now);
        }
        self.notes.put(branch, &judged);
        kept.memory.set_stopped(stopped);
        kept.judged = judged;
        Ok(())
    }

    fn until_next(&self, outcome: &Outcome) -> Duration {
        let interval = self.git_interval.min(self.target.pace.shortest);
        let asked_for = outcome.again_at.map(|at| Duration::try_from(at - self.clock.now()).unwrap_or_default());
        asked_for.map_or(interval, |asked_for| asked_for.min(interval))
    }
}

fn tell(Judged { failure, judgement, .. }: &Judged) {
    let (cluster, sync, workload, image) = (&failure.cluster, &failure.sync, &failure.workload, &failure.reference);
    match judgement {
        Judgement::Revert(_) => info!(cluster, sync, %workload, image, "does not run; taken back"),
        Judgement::Request => warn!(cluster, sync, %workload, image, "does not run; a request to take it back is open"),
        Judgement::Hold => warn!(cluster, sync, %workload, image, "does not run; it goes to no further place"),
        Judgement::Ignore => info!(cluster, sync, %workload, image, "does not run; ignored, as its on-failure says"),
        Judgement::Person(reason) => error!(cluster, sync, %workload, image, reason, "does not run; needs a person"),
        Judgement::Wait(reason) => warn!(cluster, sync, %workload, image, reason, "does not run; not taken back yet"),
        Judgement::Nothing(reason) => info!(cluster, sync, %workload, image, reason, "does not run; left as it is"),
    }
}

/// Resolves when so much of the grace period is over that the turn in hand must end.
async fn overdue(shutdown: &Shutdown, grace: Duration) {
    shutdown.requested().await;
    sleep(grace * 3 / 4).await;
}

/// Longer after each failure in a row.
fn backoff(interval: Duration, failed_in_a_row: u32) -> Duration {
    let doubled = interval.saturating_mul(2_u32.saturating_pow(failed_in_a_row.min(16) - 1));
    doubled.min(LONGEST_BACKOFF.max(interval))
}

#[cfg(test)]
mod tests;
