//! Carries a plan out: one PATCH for each object that needs one, then the deletions that all of it has earned.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use jiff::Timestamp;
use lockstep_cluster::Kind;
use lockstep_daemon::Shutdown;
use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, ApplyOutcome, Block, GroupKind, Leaving, Ownership, Plan, Rendered};
use tokio::time::Instant;

use crate::{
    board::SyncKey,
    drift::{Rewritten, Watches},
    ports::{Clock, ObjectFailure, Objects, Target},
    protected::Protected,
    render::Manifests,
};

mod definitions;
mod deletions;
mod replace;
mod send;

pub(crate) use definitions::{apply_in_new_schemas, await_definitions};
pub(crate) use deletions::{Deleted, delete, release};
pub(crate) use replace::what_holds;

pub(crate) use send::body_for;
use send::{Sent, send};

const ADMISSION: &str = "admissionregistration.k8s.io";

/// What the applies of a turn work with.
#[derive(Clone, Copy)]
pub(crate) struct Hands<'a> {
    pub(crate) sync: &'a SyncKey,
    pub(crate) objects: &'a dyn Objects,
    pub(crate) watches: &'a Watches,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) ownership: &'a Ownership,
    /// Objects that are never deleted.
    pub(crate) protected: &'a Protected,
    pub(crate) shutdown: &'a Shutdown,
    /// Nothing is begun after it.
    pub(crate) deadline: Instant,
    /// Calls in hand at once.
    pub(crate) concurrency: usize,
}

/// What became of the applies so far.
#[derive(Debug, Default)]
pub(crate) struct Applies {
    /// For the plan, which gives the deletions for it.
    pub(crate) outcome: ApplyOutcome,
    /// Sent with success.
    pub(crate) applied: BTreeSet<ObjectId>,
    pub(crate) created: BTreeSet<ObjectId>,
    /// What the server stored anew, and when.
    pub(crate) changed: BTreeMap<ObjectId, Timestamp>,
    pub(crate) adopted: Vec<ObjectId>,
    pub(crate) failed: BTreeMap<ObjectId, ObjectFailure>,
    /// What an earlier turn of the same commit was told, and will be told again.
    pub(crate) refused: BTreeMap<ObjectId, ObjectFailure>,
    /// Fields that the server turned out not to keep.
    pub(crate) not_kept: Vec<(ObjectId, Vec<String>)>,
    /// Fields that admission stored otherwise.
    pub(crate) rewritten: BTreeMap<ObjectId, Rewritten>,
    /// Deleted and made anew.
    pub(crate) replaced: Vec<ObjectId>,
    /// What could not be sent yet, and why.
    pub(crate) waiting: BTreeMap<ObjectId, String>,
    /// There without our label, and only to be created: no watch tells what becomes of them.
    pub(crate) found: BTreeSet<ObjectId>,
    /// The daemon was asked to stop, or the time of the turn was over, before all was sent.
    pub(crate) interrupted: bool,
}

/// Which waves to carry out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Namespaces and custom resource definitions.
    Definitions,
    /// All waves, but for what is applied already.
    All,
}

/// Applies the waves of a stage, one after the other.
pub(crate) async fn apply(hands: &Hands<'_>, plan: &Plan, manifests: &Manifests, stage: Stage, applies: &mut Applies) {
    apply_some(hands, plan, &manifests.wanted, manifests, stage, applies).await;
}

/// The same for a plan that was made from some of the objects only.
pub(crate) async fn apply_some(
    hands: &Hands<'_>,
    plan: &Plan,
    wanted: &[Rendered],
    manifests: &Manifests,
    stage: Stage,
    applies: &mut Applies,
) {
    let found = plan.steps().iter().filter(|step| step.action == Action::Leave(Leaving::Found));
    applies.found = found.map(|step| step.id.clone()).collect();
    for mut wave in plan.apply_waves(wanted) {
        applies.hold_webhooks(plan, &wave);
        wave.sort_by_key(|(rendered, _)| applies.refused.contains_key(&rendered.object.id));
        let is_early = wave.iter().all(|(rendered, _)| is_definition(&rendered.object.id));
        if stage == Stage::Definitions && !is_early {
            return;
        }
        // Only those in flight exist as futures: each takes more memory than what it applies.
        let mut wave = wave.into_iter();
        let mut sending = FuturesUnordered::new();
        loop {
            while sending.len() < hands.concurrency.max(1)
                && let Some((rendered, action)) = wave.next()
            {
                let id = &rendered.object.id;
                if applies.is_open(id) {
                    sending.push(
                        async move { (rendered, action, send_unless_stopping(hands, manifests, rendered, action).await) }
                            .boxed(),
                    );
                }
            }
            let Some((rendered, action, answer)) = sending.next().await else { break };
            match answer {
                Some(answer) => applies.note(hands, rendered, action, answer),
                None => applies.put_off(hands, &rendered.object.id),
            }
        }
    }
}

/// Whether an object lets something that runs in the cluster refuse writes.
fn is_webhook(id: &ObjectId) -> bool {
    id.group == ADMISSION && id.kind.ends_with("WebhookConfiguration")
}

/// Whether an object is applied before the kinds are looked up again.
fn is_definition(id: &ObjectId) -> bool {
    matches!(
        (id.group.as_str(), id.kind.as_str()),
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// `None` when the daemon is asked to stop or the turn has taken too long: what is not begun yet stays for the next one.
async fn send_unless_stopping(
    hands: &Hands<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
    action: &Action,
) -> Option<Result<Sent, ObjectFailure>> {
    if hands.shutdown.is_requested() || Instant::now() >= hands.deadline {
        None
    } else {
        Some(send(hands, manifests, rendered, action).await)
    }
}

/// An object as calls name it.
pub(crate) fn target(kind: &Kind, id: &ObjectId) -> Target {
    Target { kind: kind.clone(), namespace: id.namespace.clone(), name: id.name.clone() }
}

impl Applies {
    /// A new webhook waits while anything is missing that it may run on: it could refuse that from then on. Custom
    /// resources are not waited for: they may need its defaults.
    fn hold_webhooks(&mut self, plan: &Plan, wave: &[(&Rendered, &Action)]) {
        let is_new = |(rendered, action): &&(&Rendered, &Action)| {
            is_webhook(&rendered.object.id) && matches!(action, Action::Create) && self.is_open(&rendered.object.id)
        };
        let new: Vec<ObjectId> = wave.iter().filter(is_new).map(|(rendered, _)| rendered.object.id.clone()).collect();
        if new.is_empty() {
            return;
        }
        // What waits in an order that somebody wrote down may wait for the webhook.
        let is_blocked =
            |action: &Action| matches!(action, Action::Blocked(block) if !matches!(block, Block::WaitsFor { .. }));
        let blocked = plan.steps().iter().filter(|step| step.wanted && is_blocked(&step.action)).map(|step| &step.id);
        let may_run_it = |id: &&ObjectId| GroupKind::is_built_in(&id.group) && id.group != ADMISSION;
        let Some(missing) = self.failed.keys().chain(self.waiting.keys()).chain(blocked).find(may_run_it) else {
            return;
        };
        let why = format!("a new webhook comes when what it may run on is there; {} is not applied", missing.short());
        self.waiting.extend(new.into_iter().map(|id| (id, why.clone())));
    }

    /// Nothing has become of it yet.
    fn is_open(&self, id: &ObjectId) -> bool {
        !self.applied.contains(id) && !self.failed.contains_key(id) && !self.waiting.contains_key(id)
    }

    fn note(&mut self, hands: &Hands<'_>, rendered: &Rendered, action: &Action, answer: Result<Sent, ObjectFailure>) {
        let id = &rendered.object.id;
        match answer {
            Ok(Sent::Waits(why)) => {
                tracing::warn!(object = %id.short(), why, "not made anew yet");
                self.waiting.insert(id.clone(), why);
            }
            Ok(Sent::Applied { live, created, changed, replaced, rewritten }) => {
                tracing::info!(object = %id.short(), created, changed, replaced, "applied");
                if replaced {
                    self.replaced.push(id.clone());
                }
                self.outcome.applied(id, &live.uid);
                self.applied.insert(id.clone());
                if created {
                    self.created.insert(id.clone());
                } else if matches!(action, Action::Adopt { .. }) {
                    self.adopted.push(id.clone());
                }
                if created || changed {
                    self.changed.insert(id.clone(), hands.clock.steady());
                }
                if !rewritten.is_empty() {
                    let rewritten = Rewritten { hash: rendered.hash.clone(), fields: rewritten };
                    self.rewritten.insert(id.clone(), rewritten);
                }
                let fields = hands.watches.index().applied(hands.sync, rendered, *live);
                self.note_unkept(id, fields);
            }
            Ok(Sent::Settled { live, not_kept }) => {
                self.outcome.applied(id, &live.uid);
                self.applied.insert(id.clone());
                let fields = hands.watches.index().not_kept(hands.sync, rendered, not_kept);
                self.note_unkept(id, fields);
            }
            Err(failure) => {
                match &failure {
                    ObjectFailure::Refused(error) => tracing::warn!(object = %id.short(), %error, "cannot apply"),
                    ObjectFailure::Blocked(why) => tracing::warn!(object = %id.short(), why, "cannot apply"),
                }
                self.outcome.failed(id);
                self.failed.insert(id.clone(), failure);
            }
        }
    }

    /// Notes that an object was not begun.
    fn put_off(&mut self, hands: &Hands<'_>, id: &ObjectId) {
        if let Some(failure) = self.refused.remove(id) {
            self.outcome.failed(id);
            self.failed.insert(id.clone(), failure);
            return;
        }
        self.interrupted = true;
        if !hands.shutdown.is_requested() {
            let why =
                "the turn took too long before it was its turn: the API server answers slowly; it goes on at once";
            self.waiting.insert(id.clone(), why.to_owned());
        }
    }

    fn note_unkept(&mut self, id: &ObjectId, fields: Vec<String>) {
        if !fields.is_empty() {
            tracing::warn!(object = %id.short(), ?fields, "the server did not keep these fields");
            self.not_kept.push((id.clone(), fields));
        }
    }
}
