//! One turn of a Sync: render the commit, plan it against what the watches have seen, apply, prune, record.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use lockstep_cluster::{Kind, Resolution};
use lockstep_daemon::Shutdown;
use lockstep_manifest::ObjectId;
use lockstep_plan::{
    Action, Block, Cause, Fact, GroupKind, Held, Keep, LiveMetadata, Owner, Ownership, Plan, Rendered, Status,
    SyncPolicy, Withheld,
};
use lockstep_repository::CommitId;
use tokio::time::Instant;

use unwatched::{passing, unwatched};

use crate::{
    apply::{
        Applies, Deleted, Hands, Stage, apply, apply_in_new_schemas, apply_some, await_definitions, delete, release,
        target, what_holds,
    },
    board::SyncKey,
    drift::{View, Watches},
    ports::{Branch, ClusterError, Freshness, KindName, ObjectFailure, Objects, Ports, SyncRef},
    render::{Manifests, RenderFailure, render},
    status::health_in_words,
};

mod dismantle;
mod facts;
mod occupied;
mod record;
mod unwatched;

pub(crate) use dismantle::{Dismantled, dismantle};
pub(crate) use record::Record;
use record::Settled;

/// How long the first list of a kind may take before the turn goes on without it.
const LIST_PATIENCE: Duration = Duration::from_secs(60);

/// Of so many objects that are being deleted it is read what holds them.
const NAMED: usize = 10;

/// Everything that a turn works with.
pub(crate) struct Desk<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) watches: &'a Watches,
    pub(crate) sync: &'a SyncRef,
    pub(crate) branch: &'a Branch,
    pub(crate) ownership: &'a Ownership,
    pub(crate) policy: &'a SyncPolicy,
    pub(crate) acknowledged: Option<&'a str>,
    /// The commit that was held because it would prune every object.
    pub(crate) held_whole: Option<&'a str>,
    /// No turn was made since the start, so nobody has looked at the health of what is there.
    pub(crate) is_first: bool,
    pub(crate) protected: &'a BTreeSet<ObjectId>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) concurrency: usize,
    pub(crate) shutdown: &'a Shutdown,
    /// When the turn stops beginning anything, so that a slow API server does not keep the Sync from all else.
    pub(crate) deadline: Instant,
}

/// A commit that is ready to be applied.
pub(crate) struct Prepared {
    pub(crate) manifests: Manifests,
    pub(crate) plan: Plan,
    /// The kinds of the Sync, those of its past included, that are served now.
    pub(crate) kinds: BTreeMap<GroupKind, Kind>,
    /// Those of which nothing can be said, because their API group does not answer.
    unanswered: BTreeSet<GroupKind>,
}

/// What a turn has done.
pub(crate) struct Done {
    pub(crate) manifests: Manifests,
    pub(crate) kinds: BTreeMap<GroupKind, Kind>,
    pub(crate) applies: Applies,
    /// Wanted objects that are applied as soon as something else has happened.
    pub(crate) waiting: BTreeMap<ObjectId, String>,
    /// Some of them wait for the health of others.
    pub(crate) waits_for_others: bool,
    /// Wanted objects that belong to other Syncs, and to which.
    pub(crate) claims: BTreeMap<ObjectId, SyncKey>,
    /// The turn brought something of the commit into the cluster, so that what waits may be able to go on.
    pub(crate) progressed: bool,
    pub(crate) deleted: Deleted,
    /// Why deletions wait.
    pub(crate) withheld: Option<Withheld>,
    /// The deletions that wait for a person.
    pub(crate) held: Option<Held>,
    /// Kinds whose objects cannot be watched for drift, and why.
    pub(crate) unwatched: BTreeMap<GroupKind, ClusterError>,
    /// Kinds that somebody took away, with all their objects; Git wants none of them.
    pub(crate) lost: Vec<GroupKind>,
}

impl Desk<'_> {
    pub(crate) fn hands(&self) -> Hands<'_> {
        Hands {
            sync: &self.sync.key,
            objects: self.objects.as_ref(),
            watches: self.watches,
            clock: self.ports.clock.as_ref(),
            ownership: self.ownership,
            protected: self.protected,
            shutdown: self.shutdown,
            deadline: self.deadline,
            concurrency: self.concurrency,
        }
    }
}

/// Reads a commit and plans it. Nothing is written.
pub(crate) async fn prepare(
    desk: &Desk<'_>,
    commit: CommitId,
    before: Option<&Manifests>,
    record: &Record,
) -> Result<Prepared, RenderFailure> {
    let (source, cluster) = (desk.ports.source.as_ref(), desk.ports.cluster.as_ref());
    let manifests = render(source, cluster, desk.branch, desk.ownership, commit, before).await?;
    desk.watches.index().anticipate(&desk.sync.key, &manifests.wanted);
    let (kinds, unanswered) = watch_kinds(desk, &manifests, record).await.map_err(RenderFailure::Cluster)?;
    let plan = plan_all(desk, &manifests, &kinds).await;
    tracing::debug!(sync = %desk.sync.key, %commit, counts = %plan.counts(), "planned");
    Ok(Prepared { manifests, plan, kinds, unanswered })
}

/// Applies a prepared commit, then deletes what it leaves out. What the API server has `refused` of this very commit comes
/// last in its wave, so that a turn that ends early begins with other objects than the one before.
pub(crate) async fn carry_out(
    desk: &Desk<'_>,
    prepared: Prepared,
    record: &mut Record,
    refused: BTreeMap<ObjectId, ObjectFailure>,
) -> Result<Done, RenderFailure> {
    let Prepared { mut manifests, mut plan, mut kinds, mut unanswered } = prepared;
    let hands = desk.hands();
    record.add(desk, &manifests).await.map_err(RenderFailure::Cluster)?;

    let mut applies = Applies { refused, ..Applies::default() };
    apply(&hands, &plan, &manifests, Stage::Definitions, &mut applies).await;
    if await_definitions(&hands, desk.ports.cluster.as_ref(), &manifests, &applies).await {
        Prepared { manifests, plan, kinds, unanswered } =
            prepare(desk, manifests.commit, Some(&manifests), record).await?;
        record.add(desk, &manifests).await.map_err(RenderFailure::Cluster)?;
    }
    apply(&hands, &plan, &manifests, Stage::All, &mut applies).await;
    apply_in_new_schemas(&hands, &plan, &manifests, &mut applies).await;

    let (deleted, withheld) = prune(desk, &plan, &applies, &kinds).await;
    let mut done = Done {
        unwatched: unwatched(desk, &kinds, unanswered),
        waiting: std::mem::take(&mut applies.waiting),
        waits_for_others: false,
        claims: BTreeMap::new(),
        progressed: false,
        manifests,
        kinds,
        applies,
        deleted,
        withheld,
        held: plan.held().cloned(),
        lost: Vec::new(),
    };
    done.read_plan(&plan);
    done.name_what_holds(&hands).await;
    if done.is_clean() {
        let Settled { lost, unserved } = record.settle(desk, &done.manifests).await;
        (done.lost, done.unwatched) = (lost, unserved);
    }
    Ok(done)
}

/// Applies some objects of a commit again, which need it now.
pub(crate) async fn repair(
    desk: &Desk<'_>,
    manifests: &Manifests,
    ids: &BTreeSet<ObjectId>,
) -> (Applies, Vec<ObjectId>) {
    let hands = desk.hands();
    let wanted: Vec<Rendered> =
        manifests.wanted.iter().filter(|rendered| ids.contains(&rendered.object.id)).cloned().collect();
    let View { live, settled } = desk.watches.index().view_of(&desk.sync.key, ids);
    let (live, kinds): (Vec<&LiveMetadata>, _) = (live.iter().collect(), BTreeMap::new());
    let known = facts::Known { wanted: &wanted, live: &live, settled: &settled, kinds: &kinds };
    let facts = facts::look_up(&hands, manifests, &known).await;
    // Only what is wanted is looked at, so nothing can be pruned by it.
    let plan = plan_some(desk, manifests, &known, &facts, &BTreeSet::new(), &BTreeMap::new());
    let mut applies = Applies::default();
    apply_some(&hands, &plan, &wanted, manifests, Stage::All, &mut applies).await;
    let mut waiting = Vec::new();
    for step in plan.steps() {
        match &step.action {
            Action::Blocked(Block::Deleting | Block::WaitsFor { .. }) => waiting.push(step.id.clone()),
            Action::Blocked(block) => {
                applies.failed.insert(step.id.clone(), blocked(block));
            }
            _ => {}
        }
    }
    (applies, waiting)
}

/// Starts the watches of all kinds of the Sync, those that only its past knows included, and waits for their lists. Says
/// which kinds are served, and which may be.
async fn watch_kinds(
    desk: &Desk<'_>,
    manifests: &Manifests,
    record: &Record,
) -> Result<(BTreeMap<GroupKind, Kind>, BTreeSet<GroupKind>), ClusterError> {
    let names: Vec<GroupKind> = manifests.group_kinds().union(record.kinds()).cloned().collect();
    let asked: Vec<KindName> = names
        .iter()
        .map(|name| KindName { group: name.group.clone(), version: None, kind: name.kind.clone() })
        .collect();
    let mut resolutions = desk.ports.cluster.resolve(&asked, Freshness::Cached).await?;
    if unwatched::is_doubtful(desk, &names, &resolutions, manifests) {
        resolutions = desk.ports.cluster.resolve(&asked, Freshness::Fresh).await?;
    }
    let (mut kinds, mut unanswered) = (BTreeMap::new(), BTreeSet::new());
    for (name, resolution) in names.into_iter().zip(resolutions) {
        match resolution {
            Resolution::Resolved(kind) => drop(kinds.insert(name, kind)),
            Resolution::GroupUnavailable => drop(unanswered.insert(name)),
            // Nothing follows from it for its objects: a kind that is not listed is never pruned.
            Resolution::Unknown => {}
        }
    }
    desk.watches.ensure(&kinds, LIST_PATIENCE).await;
    Ok((kinds, unanswered))
}

/// Why a wanted object is not applied.
fn blocked(block: &Block) -> ObjectFailure {
    match block {
        Block::Unknown(_) => ObjectFailure::Refused(passing(block.to_string())),
        _ => ObjectFailure::Blocked(block.to_string()),
    }
}

async fn plan_all(desk: &Desk<'_>, manifests: &Manifests, kinds: &BTreeMap<GroupKind, Kind>) -> Plan {
    let hands = desk.hands();
    let (View { live, settled }, listed) = {
        let index = desk.watches.index();
        (index.view(&desk.sync.key, &manifests.wanted), index.listed())
    };
    let live: Vec<&LiveMetadata> = live.iter().collect();
    let known = facts::Known { wanted: &manifests.wanted, live: &live, settled: &settled, kinds };
    let facts = facts::look_up(&hands, manifests, &known).await;
    let nothing = BTreeMap::new();
    let plan = plan_some(desk, manifests, &known, &facts, &listed, &nothing);
    let occupied = occupied::look(desk, &plan, kinds).await;
    if occupied.is_empty() {
        return plan;
    }
    plan_some(desk, manifests, &known, &facts, &listed, &occupied)
}

fn plan_some(
    desk: &Desk<'_>,
    manifests: &Manifests,
    known: &facts::Known<'_>,
    facts: &BTreeMap<ObjectId, Fact>,
    listed: &BTreeSet<GroupKind>,
    occupied: &BTreeMap<ObjectId, String>,
) -> Plan {
    let unkept = desk.watches.index().unkept(&desk.sync.key, known.wanted);
    lockstep_plan::plan(&lockstep_plan::Input {
        ownership: desk.ownership,
        policy: desk.policy,
        commit: &manifests.commit.to_string(),
        acknowledged: desk.acknowledged,
        held_whole: desk.held_whole,
        wanted: known.wanted,
        live: known.live,
        settled: known.settled,
        listed,
        facts,
        unkept: &unkept,
        protected: desk.protected,
        unready: &unready(desk, known.wanted),
        occupied,
    })
}

/// What comes after these objects in an order that somebody wrote down waits.
fn unready(desk: &Desk<'_>, wanted: &[Rendered]) -> BTreeMap<ObjectId, String> {
    if desk.is_first {
        let unseen = |rendered: &Rendered| (rendered.object.id.clone(), "its health is not known yet".to_owned());
        return wanted.iter().map(unseen).collect();
    }
    let unhealthy = desk.ports.observer.unhealthy(&desk.sync.key).into_iter();
    let open = unhealthy.filter(|(_, health)| health.status != Status::Suspended);
    open.map(|(id, health)| (id, health_in_words(&health))).collect()
}

/// Deletes with the leave that the plan gives for what was applied, or says why nothing is deleted.
async fn prune(
    desk: &Desk<'_>,
    plan: &Plan,
    applies: &Applies,
    kinds: &BTreeMap<GroupKind, Kind>,
) -> (Deleted, Option<Withheld>) {
    match plan.prune_step(&applies.outcome) {
        Ok(waves) => {
            let mut deleted = delete(&desk.hands(), waves, kinds).await;
            release(&desk.hands(), plan.release_step(&applies.outcome), kinds, &mut deleted).await;
            (deleted, None)
        }
        Err(withheld) => {
            tracing::info!(sync = %desk.sync.key, reason = %withheld, "nothing is pruned");
            (Deleted::default(), Some(withheld))
        }
    }
}

impl Done {
    /// Takes from the plan what could not be tried, or is only to be told.
    fn read_plan(&mut self, plan: &Plan) {
        for step in plan.steps().iter().filter(|step| step.wanted) {
            match &step.action {
                Action::Blocked(block @ (Block::Deleting | Block::WaitsFor { .. })) => {
                    self.waits_for_others |= matches!(block, Block::WaitsFor { .. });
                    self.waiting.insert(step.id.clone(), block.to_string());
                }
                Action::Blocked(Block::Unknown(_)) if self.manifests.unserved.contains_key(&step.id) => {
                    let why = &self.manifests.unserved[&step.id];
                    self.waiting.insert(step.id.clone(), format!("{why}; it is applied when its definition comes"));
                }
                Action::Create | Action::Adopt { .. } | Action::Update(Cause::Changed) => {
                    self.progressed |= self.applies.applied.contains(&step.id);
                }
                Action::Blocked(block) => {
                    if let Block::OwnedBy(Owner::Sync(owner)) = block {
                        self.claims.extend(SyncKey::parse(owner).map(|owner| (step.id.clone(), owner)));
                    }
                    self.applies.failed.insert(step.id.clone(), blocked(block));
                }
                _ => {}
            }
        }
        for step in plan.steps().iter().filter(|step| step.action == Action::Skip(Keep::ListIncomplete)) {
            let why = || passing("it was not listed yet when the commit was planned".to_owned());
            self.unwatched.entry(GroupKind::of(&step.id)).or_insert_with(why);
        }
        // A namespace or definition that left Git and cannot go is somebody's work, not a failure of the commit.
        for step in plan.steps().iter().filter(|step| !step.wanted) {
            if let Action::Blocked(block) = &step.action {
                self.waiting.insert(step.id.clone(), format!("it left Git and stays: {block}"));
            }
        }
    }

    /// Says for the first objects that must be gone before they are made again what they wait for.
    async fn name_what_holds(&mut self, hands: &Hands<'_>) {
        let going = Block::Deleting.to_string();
        let waiting: Vec<ObjectId> =
            self.waiting.iter().filter(|(_, why)| **why == going).map(|(id, _)| id.clone()).take(NAMED).collect();
        for id in waiting {
            let Some(kind) = self.kinds.get(&GroupKind::of(&id)) else { continue };
            let why = what_holds(hands, &target(kind, &id)).await;
            self.waiting.insert(id, why);
        }
    }

    /// The commit is in the cluster, whole, and nothing else is of this Sync.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_applied()
            && self.withheld.is_none()
            && self.deleted.failed.is_empty()
            && self.deleted.changed.is_empty()
            && self.unwatched.is_empty()
    }

    /// Every object of the commit was taken by the API server.
    pub(crate) fn is_applied(&self) -> bool {
        self.applies.failed.is_empty() && !self.applies.interrupted && !self.waits_for_wanted()
    }

    fn waits_for_wanted(&self) -> bool {
        let is_waiting = |rendered: &Rendered| self.waiting.contains_key(&rendered.object.id);
        !self.waiting.is_empty() && self.manifests.wanted.iter().any(is_waiting)
    }
}
