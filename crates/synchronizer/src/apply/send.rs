//! One object: from how it stands to how Git wants it.

use std::collections::BTreeSet;

use lockstep_cluster::Precondition;
use lockstep_plan::{
    Action, Body, Cause, Class, FieldChange, FieldLoss, LiveMetadata, Rendered, entry_hash, is_autoscaled, let_go,
    migrate, without_replicas,
};

use super::{Hands, replace::replace, target};
use crate::{
    drift::Version,
    ports::{Applied, ClusterError, ObjectFailure, Target},
    render::Manifests,
};

/// How often leftovers are taken away from an object that somebody else writes at the same time.
const ATTEMPTS: usize = 3;

/// What one apply did.
pub(super) enum Sent {
    /// The server has it now as wanted.
    Applied {
        live: Box<LiveMetadata>,
        created: bool,
        changed: bool,
        replaced: bool,
        /// By admission.
        rewritten: Vec<FieldChange>,
    },
    /// A dry run showed that it is as wanted; these fields are not kept.
    Settled { live: Box<LiveMetadata>, not_kept: BTreeSet<String> },
    /// It goes, to be made anew; what it waits for.
    Waits(String),
}

pub(super) async fn send(
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
    if let (Action::Update(Cause::Doubtful(fields)), Some(live)) = (action, &metadata) {
        let settled = settled_by_dry_run(hands, &target, rendered, live.clone(), fields).await;
        if let Some(sent) = settled.map_err(ObjectFailure::Refused)? {
            return Ok(sent);
        }
    }
    let is_unseen = before.is_none() && !matches!(action, Action::Create);
    let (precondition, found) =
        prepare(hands, &target, rendered, action, is_unseen).await.map_err(ObjectFailure::Refused)?;
    let body = body_for(rendered, found.or(metadata).as_ref());
    let applied = match hands.objects.apply(&target, &body, &precondition).await {
        Ok(applied) => applied,
        Err(error) if error.class == Class::Immutable => return replace(hands, &target, rendered, action, error).await,
        Err(error) => return Err(ObjectFailure::Refused(error)),
    };
    let Applied { live, created, rewritten } = applied;
    let live = match takes_over(action) {
        true => without_leftovers(hands, &target, &body, live).await,
        false => live,
    };
    let changed = before.is_none_or(|before| before != Version::of(&live));
    Ok(Sent::Applied { live: Box::new(live), created, changed, replaced: false, rewritten })
}

/// What is applied over what is there: replicas that an autoscaler took, of which Git does not know, are its own until it
/// is gone.
pub(crate) fn body_for(rendered: &Rendered, live: Option<&LiveMetadata>) -> Body {
    match live {
        Some(live) if is_autoscaled(live) => Body::of(&without_replicas(&rendered.body.value())),
        _ => rendered.body.clone(),
    }
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

/// Whether others have written the object before us, so that their entries may keep fields alive that Git does not have.
fn takes_over(action: &Action) -> bool {
    matches!(action, Action::Adopt { .. } | Action::Update(Cause::NeverApplied | Cause::Cleared | Cause::MarksLost))
}

/// Puts the managed fields right before the apply: what a client-side apply owns becomes ours, so that what Git lacks
/// goes; fields that Git now leaves to others are let go of, so that they stay. The second answer is how it stood, where it
/// had to be looked at for this or because no watch shows it.
async fn prepare(
    hands: &Hands<'_>,
    target: &Target,
    rendered: &Rendered,
    action: &Action,
    is_unseen: bool,
) -> Result<(Precondition, Option<LiveMetadata>), ClusterError> {
    let ignores = rendered.instructions.as_ref().is_some_and(|asked| !asked.ignore_fields.is_empty());
    let lets_go = ignores && matches!(action, Action::Update(_));
    if !takes_over(action) && !lets_go && !is_unseen {
        return Ok((Precondition::None, None));
    }
    let Some(found) = hands.objects.lookup(target).await? else { return Ok((gone(target, action)?, None)) };
    let mut live = found.clone();
    if let Action::Adopt { uid, resource_version, .. } = action
        && (live.uid != *uid || live.resource_version != *resource_version)
    {
        return Err(changed(target));
    }
    if takes_over(action) {
        live.managed_fields = migrate(&live).unwrap_or(live.managed_fields);
    }
    live.managed_fields = let_go(rendered, &live).unwrap_or(live.managed_fields);
    if live.managed_fields != found.managed_fields {
        live = hands.objects.set_managed_fields(target, &live.managed_fields, &live.resource_version).await?;
    }
    let precondition = match action {
        Action::Adopt { .. } => Precondition::ResourceVersion(live.resource_version),
        _ => Precondition::None,
    };
    Ok((precondition, Some(found)))
}

/// Only an adoption needs what was seen; everything else is made where it is missing.
fn gone(target: &Target, action: &Action) -> Result<Precondition, ClusterError> {
    if matches!(action, Action::Adopt { .. }) { Err(changed(target)) } else { Ok(Precondition::None) }
}

fn changed(target: &Target) -> ClusterError {
    ClusterError {
        class: Class::Conflict,
        code: Some(409),
        message: format!("adopt {target}: somebody changed it in the meantime; looking at it again"),
        retry_after: None,
    }
}

/// The same after the apply: where nobody had an entry, the server gives all that was there to one of its own making, and
/// what former owners share with us must be ours alone.
async fn without_leftovers(hands: &Hands<'_>, target: &Target, body: &Body, mut live: LiveMetadata) -> LiveMetadata {
    for _ in 0..ATTEMPTS {
        let Some(entries) = migrate(&live) else { return live };
        let set = hands.objects.set_managed_fields(target, &entries, &live.resource_version).await;
        let next = match set {
            Ok(cleaned) if entry_hash(&cleaned) == entry_hash(&live) => return cleaned,
            // Our entry grew by what Git does not have, or somebody wrote in between.
            Ok(_) => hands.objects.apply(target, body, &Precondition::None).await,
            Err(error) if error.class == Class::Conflict => {
                hands.objects.apply(target, body, &Precondition::None).await
            }
            Err(error) => Err(error),
        };
        match next {
            Ok(applied) => live = applied.live,
            Err(error) => {
                tracing::warn!(object = %live.id.short(), %error, "cannot take leftover managed fields away");
                return live;
            }
        }
    }
    live
}
