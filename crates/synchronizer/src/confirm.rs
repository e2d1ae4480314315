//! Asks the API server whether an object is as Git says, where its managed fields claim that it is.

use lockstep_plan::{
    FieldChange, FieldLoss, HumanManagers, LiveMetadata, Rendered, claim_extras, differences, rewritten,
};
use serde_json::Value;

use crate::{
    apply::{body_for, target},
    ports::{ClusterError, Target},
    render::Manifests,
    turn::Desk,
};

/// So much of a value is told.
const TOLD: usize = 150;

/// What a look at one object has shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    pub(crate) finding: Finding,
    /// The fields that are not as Git says, and that an apply would not bring: admission rewrites them.
    pub(crate) rewritten: Vec<FieldChange>,
}

/// What a dry run has shown of the rest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    /// It is as Git says.
    Same,
    /// An apply would be stored anew and yet change nothing: some empty lists are never the same to the API server.
    Restless,
    /// It differs in these fields.
    Differs(Vec<FieldLoss>),
}

/// Compares one object with Git by a dry run, and names what differs, if anything does. `None` when it is not there, or was
/// written meanwhile, which raises a doubt of its own.
pub(crate) async fn confirm(
    desk: &Desk<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
) -> Result<Option<Look>, ClusterError> {
    let Some(target) = target_of(manifests, rendered) else { return Ok(None) };
    let id = &rendered.object.id;
    let (stamp, metadata) = {
        let index = desk.watches.index();
        (index.stamp(id), index.metadata(id))
    };
    let Some(stamp) = stamp else { return Ok(None) };
    let body = body_for(rendered, metadata.as_ref());
    let shown = desk.objects.preview(&target, &body).await?;
    let live = LiveMetadata::from_object(id.clone(), &shown);
    let is_still = desk.watches.index().stamp(id) == Some(stamp);
    if !is_still {
        return Ok(None);
    }
    let git = body.value();
    let would_be = rewritten(&git, &live, &shown);
    if !stamp.would_change(&live) {
        return Ok(Some(Look { finding: Finding::Same, rewritten: would_be }));
    }
    let Some(stored) = desk.objects.read(&target).await? else { return Ok(None) };
    let fields = losses(&stored, &shown, &would_be, &live);
    let finding = match (fields.is_empty(), would_be.is_empty()) {
        (false, _) => Finding::Differs(fields),
        (true, true) => Finding::Restless,
        (true, false) => Finding::Same,
    };
    let mut rewritten = rewritten(&git, &live, &stored);
    rewritten.retain(|now| would_be.iter().any(|later| later.path == now.path));
    Ok(Some(Look { finding, rewritten }))
}

/// What became of an object that was applied though its managed fields asked for nothing.
pub(crate) struct Again {
    pub(crate) live: LiveMetadata,
    /// Fields of Git that admission rewrites.
    pub(crate) rewritten: Vec<FieldChange>,
    /// Other fields in which one more apply would differ again.
    pub(crate) restless: Vec<String>,
}

/// Applies an object that differs though our entry covers it.
pub(crate) async fn apply_anyway(
    desk: &Desk<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
) -> Result<Option<Again>, ClusterError> {
    let Some(target) = target_of(manifests, rendered) else { return Ok(None) };
    let metadata = desk.watches.index().metadata(&rendered.object.id);
    let body = body_for(rendered, metadata.as_ref());
    let applied = desk.objects.apply(&target, &body, &lockstep_cluster::Precondition::None).await?;
    let restless = match desk.objects.read(&target).await? {
        Some(stored) => {
            let shown = desk.objects.preview(&target, &body).await?;
            losses(&stored, &shown, &applied.rewritten, &applied.live).into_iter().map(|loss| loss.path).collect()
        }
        None => Vec::new(),
    };
    Ok(Some(Again { live: applied.live, rewritten: applied.rewritten, restless }))
}

/// Removes what people added to an object: it becomes ours first, and then our apply does without it. `None` when there is
/// nothing to remove any more.
pub(crate) async fn remove_extras(
    desk: &Desk<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
    human: &HumanManagers,
) -> Result<Option<LiveMetadata>, ClusterError> {
    let Some(target) = target_of(manifests, rendered) else { return Ok(None) };
    let Some(live) = desk.watches.index().metadata(&rendered.object.id) else { return Ok(None) };
    let Some(entries) = claim_extras(rendered, &live, human) else { return Ok(None) };
    desk.objects.set_managed_fields(&target, &entries, &live.resource_version).await?;
    let body = body_for(rendered, Some(&live));
    Ok(Some(desk.objects.apply(&target, &body, &lockstep_cluster::Precondition::None).await?.live))
}

fn target_of(manifests: &Manifests, rendered: &Rendered) -> Option<Target> {
    Some(target(manifests.kind_of(&rendered.object)?, &rendered.object.id))
}

/// The fields in which an object differs from what an apply would make of it, but for those that admission rewrites.
fn losses(stored: &Value, shown: &Value, rewritten: &[FieldChange], live: &LiveMetadata) -> Vec<FieldLoss> {
    let hand = other_hand(live);
    let loss = |change: FieldChange| {
        let change = change.shortened(TOLD);
        FieldLoss {
            path: change.path,
            manager: hand.as_ref().map(|(manager, _)| manager.clone()),
            subresource: None,
            time: hand.as_ref().and_then(|(_, time)| time.clone()),
            git: change.after.map(|value| value.to_string()).unwrap_or_default(),
        }
    };
    let is_git = |change: &FieldChange| rewritten.iter().all(|field| field.path != change.path);
    differences(Some(stored), Some(shown)).into_iter().filter(is_git).map(loss).collect()
}

/// Who wrote last, if that was after us: the entries do not say whose a hidden change is.
fn other_hand(live: &LiveMetadata) -> Option<(String, Option<String>)> {
    let own = live.own_entry().and_then(|own| own.time.clone());
    let others = live.managed_fields.iter().filter(|entry| entry.subresource.is_none());
    let last = others.max_by_key(|entry| &entry.time)?;
    let is_other = last.manager != lockstep_plan::FIELD_MANAGER && last.time >= own;
    is_other.then(|| (last.manager.clone(), last.time.clone()))
}
