//! Carries a plan out: one PATCH for each object that needs one, then the deletions that all of it has earned.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use jiff::Timestamp;
use lockstep_cluster::{Kind, Precondition};
use lockstep_daemon::Shutdown;
use lockstep_manifest::ObjectId;
use lockstep_plan::{Action, ApplyOutcome, Cause, FieldLoss, LiveMetadata, ManagedFields, Plan, Rendered, entry_hash};

use crate::{
    board::SyncKey,
    drift::{Version, Watches},
    ports::{Clock, ClusterError, ObjectFailure, Objects, Target},
    render::Manifests,
};

mod definitions;
mod deletions;

pub(crate) use definitions::await_definitions;
pub(crate) use deletions::{Deleted, delete};

/// What the applies of a turn work with.
#[derive(Clone, Copy)]
pub(crate) struct Hands<'a> {
    pub(crate) sync: &'a SyncKey,
    pub(crate) objects: &'a dyn Objects,
    pub(crate) watches: &'a Watches,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) shutdown: &'a Shutdown,
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
    /// Fields that the server turned out not to keep.
    pub(crate) not_kept: Vec<(ObjectId, Vec<String>)>,
    /// The daemon was asked to stop before all was sent.
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

/// What one apply did.
enum Sent {
    /// The server has it now as wanted.
    Applied { live: Box<LiveMetadata>, created: bool, changed: bool },
    /// A dry run showed that it is as wanted; these fields are not kept.
    Settled { live: Box<LiveMetadata>, not_kept: BTreeSet<String> },
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
    for wave in plan.apply_waves(wanted) {
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
                if !applies.applied.contains(id) && !applies.failed.contains_key(id) {
                    sending.push(
                        async move { (rendered, action, send_unless_stopping(hands, manifests, rendered, action).await) }
                            .boxed(),
                    );
                }
            }
            let Some((rendered, action, answer)) = sending.next().await else { break };
            match answer {
                Some(answer) => applies.note(hands, rendered, action, answer),
                None => applies.interrupted = true,
            }
        }
    }
}

/// Whether an object is applied before the kinds are looked up again.
fn is_definition(id: &ObjectId) -> bool {
    matches!(
        (id.group.as_str(), id.kind.as_str()),
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// `None` when the daemon is asked to stop: what is not begun yet stays for the next start.
async fn send_unless_stopping(
    hands: &Hands<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
    action: &Action,
) -> Option<Result<Sent, ObjectFailure>> {
    if hands.shutdown.is_requested() { None } else { Some(send(hands, manifests, rendered, action).await) }
}

async fn send(
    hands: &Hands<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
    action: &Action,
) -> Result<Sent, ObjectFailure> {
    let Some(kind) = manifests.kind_of(&rendered.object) else {
        return Err(ObjectFailure::Blocked("its kind is not served".to_owned()));
    };
    let target = target(kind, &rendered.object.id);
    let (before, metadata) = {
        let index = hands.watches.index();
        (index.version(&rendered.object.id), index.metadata(&rendered.object.id))
    };
    if let (Action::Update(Cause::Doubtful(fields)), Some(live)) = (action, metadata) {
        let settled = settled_by_dry_run(hands, &target, rendered, live, fields).await;
        if let Some(sent) = settled.map_err(ObjectFailure::Refused)? {
            return Ok(sent);
        }
    }
    let precondition = match action {
        Action::Adopt { resource_version, .. } => Precondition::ResourceVersion(resource_version.clone()),
        _ => Precondition::None,
    };
    let applied = hands.objects.apply(&target, &rendered.body, &precondition).await.map_err(ObjectFailure::Refused)?;
    let live = without_leftovers(hands, &target, action, applied.live).await;
    let changed = before.is_none_or(|before| before != Version::of(&live));
    Ok(Sent::Applied { live: Box::new(live), created: applied.created, changed })
}

/// `None` when an apply would change something.
async fn settled_by_dry_run(
    hands: &Hands<'_>,
    target: &Target,
    rendered: &Rendered,
    live: LiveMetadata,
    fields: &[FieldLoss],
) -> Result<Option<Sent>, ClusterError> {
    let shown = hands.objects.dry_run(target, &rendered.body).await?;
    let same = entry_hash(&shown) == entry_hash(&live) && shown.generation == live.generation;
    let not_kept = fields.iter().map(|loss| loss.path.clone()).collect();
    Ok(same.then(|| Sent::Settled { live: Box::new(live), not_kept }))
}

/// After somebody cleared the managed fields, the server gives all that was there before our apply to an entry of its
/// own making, which would keep a field alive that Git drops later.
async fn without_leftovers(hands: &Hands<'_>, target: &Target, action: &Action, live: LiveMetadata) -> LiveMetadata {
    let is_leftover = |entry: &&ManagedFields| entry.manager == "before-first-apply";
    if !matches!(action, Action::Update(Cause::Cleared)) || !live.managed_fields.iter().any(|entry| is_leftover(&entry))
    {
        return live;
    }
    let others: Vec<ManagedFields> = live.managed_fields.iter().filter(|entry| !is_leftover(entry)).cloned().collect();
    match hands.objects.set_managed_fields(target, &others, &live.resource_version).await {
        Ok(cleaned) => cleaned,
        Err(error) => {
            tracing::warn!(object = %live.id.short(), %error, "cannot take leftover managed fields away");
            live
        }
    }
}

/// An object as calls name it.
pub(crate) fn target(kind: &Kind, id: &ObjectId) -> Target {
    Target { kind: kind.clone(), namespace: id.namespace.clone(), name: id.name.clone() }
}

impl Applies {
    fn note(&mut self, hands: &Hands<'_>, rendered: &Rendered, action: &Action, answer: Result<Sent, ObjectFailure>) {
        let id = &rendered.object.id;
        match answer {
            Ok(Sent::Applied { live, created, changed }) => {
                tracing::info!(object = %id.short(), created, changed, "applied");
                self.outcome.applied(id, &live.uid);
                self.applied.insert(id.clone());
                if created {
                    self.created.insert(id.clone());
                } else if matches!(action, Action::Adopt { .. }) {
                    self.adopted.push(id.clone());
                }
                if created || changed {
                    self.changed.insert(id.clone(), hands.clock.now());
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

    fn note_unkept(&mut self, id: &ObjectId, fields: Vec<String>) {
        if !fields.is_empty() {
            tracing::warn!(object = %id.short(), ?fields, "the server did not keep these fields");
            self.not_kept.push((id.clone(), fields));
        }
    }
}
