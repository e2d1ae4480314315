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
    Action, Block, Deletion, Fact, GroupKind, LiveMetadata, Ownership, Plan, Rendered, Status, SyncPolicy, Withheld,
};
use lockstep_repository::CommitId;
use tokio::time::Instant;

use unwatched::{passing, unwatched};

use crate::{
    apply::{
        Applies, Deleted, Hands, Stage, apply, apply_in_new_schemas, apply_some, await_definitions, delete, release,
    },
    drift::{View, Watches},
    ports::{Branch, ClusterError, Freshness, KindName, ObjectFailure, Objects, Ports, SyncRef},
    protected::Protected,
    render::{Manifests, RenderFailure, render},
    status::health_in_words,
};

mod dismantle;
mod done;
mod facts;
mod occupied;
mod record;
mod unwatched;

pub(crate) use dismantle::{Dismantled, dismantle};
pub(crate) use done::Done;
use occupied::Occupied;
pub(crate) use record::Record;
use record::Settled;

/// How long the first list of a kind may take before the turn goes on without it.
const LIST_PATIENCE: Duration = Duration::from_secs(60);

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
    pub(crate) protected: &'a Protected,
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
    occupied: Occupied,
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
    let (plan, occupied) = plan_all(desk, &manifests, &kinds).await;
    tracing::debug!(sync = %desk.sync.key, %commit, counts = %plan.counts(), "planned");
    Ok(Prepared { manifests, plan, kinds, unanswered, occupied })
}

/// Applies a prepared commit, then deletes what it leaves out. What the API server has `refused` of this very commit comes
/// last in its wave, so that a turn that ends early begins with other objects than the one before.
pub(crate) async fn carry_out(
    desk: &Desk<'_>,
    prepared: Prepared,
    record: &mut Record,
    refused: BTreeMap<ObjectId, ObjectFailure>,
) -> Result<Done, RenderFailure> {
    let Prepared { mut manifests, mut plan, mut kinds, mut unanswered, mut occupied } = prepared;
    let hands = desk.hands();
    record.add(desk, &manifests).await.map_err(RenderFailure::Cluster)?;

    let mut applies = Applies { refused, ..Applies::default() };
    apply(&hands, &plan, &manifests, Stage::Definitions, &mut applies).await;
    if await_definitions(&hands, desk.ports.cluster.as_ref(), &manifests, &applies).await {
        Prepared { manifests, plan, kinds, unanswered, occupied } =
            prepare(desk, manifests.commit, Some(&manifests), record).await?;
        record.add(desk, &manifests).await.map_err(RenderFailure::Cluster)?;
    }
    apply(&hands, &plan, &manifests, Stage::All, &mut applies).await;
    apply_in_new_schemas(&hands, &plan, &manifests, &mut applies).await;

    let (deleted, withheld) = prune(desk, &plan, &applies, &kinds, &mut occupied).await;
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

async fn plan_all(desk: &Desk<'_>, manifests: &Manifests, kinds: &BTreeMap<GroupKind, Kind>) -> (Plan, Occupied) {
    let hands = desk.hands();
    let (View { live, settled }, listed) = {
        let index = desk.watches.index();
        (index.view(&desk.sync.key, &manifests.wanted), index.listed())
    };
    let live: Vec<&LiveMetadata> = live.iter().collect();
    let known = facts::Known { wanted: &manifests.wanted, live: &live, settled: &settled, kinds };
    let facts = facts::look_up(&hands, manifests, &known).await;
    let mut occupied = Occupied::unknown(&known);
    let plan = plan_some(desk, manifests, &known, &facts, &listed, &occupied.found);
    if plan.held().is_some() {
        return (plan, occupied);
    }
    let going = plan.steps().iter().filter(|step| step.action == Action::Prune);
    occupied.look(desk, going.map(|step| &step.id), kinds).await;
    if occupied.found.is_empty() {
        return (plan, occupied);
    }
    (plan_some(desk, manifests, &known, &facts, &listed, &occupied.found), occupied)
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
    let ids = known.live.iter().map(|live| &live.id).chain(known.settled.keys());
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
        protected: &ids.filter(|id| desk.protected.covers(id)).cloned().collect(),
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

/// Deletes with the leave that the plan gives for what was applied, or says why nothing is deleted. Since the plan was made
/// somebody may have put something into a namespace that goes, so each is looked into once more.
async fn prune(
    desk: &Desk<'_>,
    plan: &Plan,
    applies: &Applies,
    kinds: &BTreeMap<GroupKind, Kind>,
    occupied: &mut Occupied,
) -> (Deleted, Option<Withheld>) {
    let waves = match plan.prune_step(&applies.outcome) {
        Ok(waves) => waves,
        Err(withheld) => {
            tracing::info!(sync = %desk.sync.key, reason = %withheld, "nothing is pruned");
            return (Deleted::default(), Some(withheld));
        }
    };
    let mut deleted = Deleted::default();
    for mut wave in waves {
        occupied.look(desk, wave.iter().map(Deletion::id), kinds).await;
        let stays = wave.extract_if(.., |deletion| occupied.found.contains_key(deletion.id()));
        deleted.changed.extend(stays.map(|deletion| deletion.id().clone()));
        delete(&desk.hands(), wave, kinds, &mut deleted).await;
        // What follows may hold what stayed.
        if desk.shutdown.is_requested() || !deleted.failed.is_empty() || !deleted.changed.is_empty() {
            break;
        }
    }
    release(&desk.hands(), plan.release_step(&applies.outcome), kinds, &mut deleted).await;
    (deleted, None)
}
