//! Asks the API server whether an object is as Git says, where its managed fields claim that it is.

use lockstep_plan::{
    Body, FieldChange, FieldLoss, HumanManagers, LiveMetadata, Rendered, claim_extras, differences, is_autoscaled,
    without_replicas,
};

use crate::{
    apply::target,
    ports::{ClusterError, Objects, Target},
    render::Manifests,
    turn::Desk,
};

/// So much of a value is told.
const TOLD: usize = 150;

/// What a dry run has shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    /// It is as Git says.
    Same,
    /// An apply would be stored anew and yet change nothing: some empty lists are never the same to the API server.
    Restless,
    /// It differs in these fields.
    Differs(Vec<FieldLoss>),
}

/// Compares one object with Git by a dry run, and names what differs, if anything does.
pub(crate) async fn confirm(
    desk: &Desk<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
) -> Result<Finding, ClusterError> {
    let Some(target) = target_of(manifests, rendered) else { return Ok(Finding::Same) };
    let id = &rendered.object.id;
    let (stamp, metadata) = {
        let index = desk.watches.index();
        (index.stamp(id), index.metadata(id))
    };
    let Some(stamp) = stamp else { return Ok(Finding::Same) };
    let body = body_for(rendered, metadata.as_ref());
    let shown = desk.objects.dry_run(&target, &body).await?;
    // What was written meanwhile raises a doubt of its own.
    let is_still = desk.watches.index().stamp(id) == Some(stamp);
    if !is_still || !stamp.would_change(&shown) {
        return Ok(Finding::Same);
    }
    let fields = fields(desk.objects.as_ref(), &target, &body, &shown).await?;
    Ok(if fields.is_empty() { Finding::Restless } else { Finding::Differs(fields) })
}

/// Applies an object that differs though our entry covers it. Answers with its metadata, and with the fields in which it
/// differs even then: something rewrites them at every apply.
pub(crate) async fn apply_anyway(
    desk: &Desk<'_>,
    manifests: &Manifests,
    rendered: &Rendered,
) -> Result<Option<(LiveMetadata, Vec<String>)>, ClusterError> {
    let Some(target) = target_of(manifests, rendered) else { return Ok(None) };
    let metadata = desk.watches.index().metadata(&rendered.object.id);
    let body = body_for(rendered, metadata.as_ref());
    let applied = desk.objects.apply(&target, &body, &lockstep_cluster::Precondition::None).await?;
    let again = fields(desk.objects.as_ref(), &target, &body, &applied.live).await?;
    Ok(Some((applied.live, again.into_iter().map(|loss| loss.path).collect())))
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

/// What is applied now: an autoscaler that Git does not know keeps the replicas that it has set.
fn body_for(rendered: &Rendered, live: Option<&LiveMetadata>) -> Body {
    match live {
        Some(live) if is_autoscaled(live) => Body::of(&without_replicas(&rendered.body.value())),
        _ => rendered.body.clone(),
    }
}

/// The fields in which an object differs from what an apply would make of it.
async fn fields(
    objects: &dyn Objects,
    target: &Target,
    body: &Body,
    live: &LiveMetadata,
) -> Result<Vec<FieldLoss>, ClusterError> {
    let Some(stored) = objects.read(target).await? else { return Ok(Vec::new()) };
    let shown = objects.preview(target, body).await?;
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
    Ok(differences(Some(&stored), Some(&shown)).into_iter().map(loss).collect())
}

/// Who wrote last, if that was after us: the entries do not say whose a hidden change is.
fn other_hand(live: &LiveMetadata) -> Option<(String, Option<String>)> {
    let own = live.own_entry().and_then(|own| own.time.clone());
    let others = live.managed_fields.iter().filter(|entry| entry.subresource.is_none());
    let last = others.max_by_key(|entry| &entry.time)?;
    let is_other = last.manager != lockstep_plan::FIELD_MANAGER && last.time >= own;
    is_other.then(|| (last.manager.clone(), last.time.clone()))
}
