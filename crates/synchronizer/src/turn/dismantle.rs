//! Deletes everything that a Sync owns, because the Sync itself is being deleted. Every proof that a prune needs is needed
//! here too; only the guard is not asked, for a person has deleted the Sync.

use lockstep_plan::{Action, Block, Keep, Plan, Pruning, SyncPolicy};

use super::{
    Desk, Record, plan_all, prune,
    record::{Definition, definition},
    watch_kinds,
};
use crate::{apply::Applies, ports::ClusterError, render::Manifests};

/// What became of the objects.
#[derive(Debug, Default)]
pub(crate) struct Dismantled {
    /// How many were deleted now.
    pub(crate) deleted: usize,
    /// Deleted, but still there: something holds them.
    pub(crate) going: Vec<String>,
    /// Could not be deleted, or nobody can say; tried again.
    pub(crate) open: Vec<String>,
    /// May not be deleted, and why.
    pub(crate) staying: Vec<String>,
}

/// One pass over all that the Sync owns.
pub(crate) async fn dismantle(desk: &Desk<'_>, record: &Record) -> Result<Dismantled, ClusterError> {
    let nothing = Manifests::none();
    let commit = nothing.commit.to_string();
    let policy = SyncPolicy { prune: Pruning::Enabled, ..*desk.policy };
    let desk = Desk { policy: &policy, acknowledged: Some(&commit), objects: desk.objects.clone(), ..*desk };
    let (kinds, _) = watch_kinds(&desk, &nothing, record).await?;
    let (plan, mut occupied) = plan_all(&desk, &nothing, &kinds).await;
    let (deleted, withheld) = prune(&desk, &plan, &Applies::default(), &kinds, &mut occupied).await;

    let mut outcome = Dismantled { deleted: deleted.objects.len(), ..Dismantled::default() };
    {
        let index = desk.watches.index();
        let held = deleted.objects.iter().filter(|id| index.version(id).is_some());
        outcome.going = held.map(|id| id.short()).collect();
    }
    outcome.open.extend(deleted.failed.iter().map(|(id, error)| format!("{}: {error}", id.short())));
    outcome.open.extend(deleted.changed.iter().map(|id| format!("{}: it changed in the meantime", id.short())));
    outcome.open.extend(withheld.map(|withheld| withheld.to_string()));
    outcome.read(&plan);
    outcome.open.extend(unlisted(&desk, record).await);
    Ok(outcome)
}

/// The kinds of which nobody can say what the Sync owns. Only a kind whose definition is gone has no objects for sure.
async fn unlisted(desk: &Desk<'_>, record: &Record) -> Vec<String> {
    let listed = desk.watches.index().listed();
    let mut open = Vec::new();
    for kind in record.kinds().iter().filter(|kind| !listed.contains(*kind)) {
        if !matches!(definition(desk, kind).await, Definition::Missing) {
            open.push(format!("objects of kind {kind}: they cannot be listed"));
        }
    }
    open
}

impl Dismantled {
    fn read(&mut self, plan: &Plan) {
        for step in plan.steps() {
            match &step.action {
                Action::Skip(Keep::Deleting) => self.going.push(step.id.short()),
                // Copies of our labels, made by controllers or people.
                Action::Skip(Keep::HasOwner | Keep::IdMissing | Keep::IdOfAnother(_) | Keep::OtherOwner(_)) => {}
                Action::Skip(keep @ (Keep::ListIncomplete | Keep::VersionUnknown)) => {
                    self.open.push(format!("{}: {keep}", step.id.short()));
                }
                Action::Release => self.staying.push(format!("{}: it is marked never to be pruned", step.id.short())),
                Action::Skip(keep) => self.staying.push(format!("{}: {keep}", step.id.short())),
                Action::Blocked(block @ (Block::StillUsed(_) | Block::Occupied(_) | Block::NeededBy(_))) => {
                    self.staying.push(format!("{}: {block}", step.id.short()));
                }
                Action::Blocked(block) => self.open.push(format!("{}: {block}", step.id.short())),
                _ => {}
            }
        }
    }
}
