//! What must be looked up before a value is taken back.

use lockstep_image::Reference;
use lockstep_manifest::{objects, text_of};
use lockstep_registry::Repository;
use lockstep_repository::{BlobId, CommitId};
use serde_json::Value;

use super::attribute::Ours;
use crate::message;
use crate::places::PlaceId;
use crate::policy::OnFailure;
use crate::ports::{Branch, PortError, Ports};

/// Further back nothing is compared.
const MOST_STEPS: usize = 10_000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The newest commit by another hand that changed the object after ours.
    pub(crate) changed_by_others: Option<CommitId>,
    /// A value before that its registry no longer has.
    pub(crate) gone: Option<String>,
    /// Why it is not known whether the registry has it.
    pub(crate) unknown: Option<String>,
}

/// Looks at what matters for a revert; nothing is asked where none is wanted.
pub(super) async fn gather(ours: &Ours<'_>, ports: &Ports<'_>, head: CommitId) -> Result<Evidence, PortError> {
    let mut evidence = Evidence::default();
    if ours.hit.policy.on_failure != OnFailure::Revert {
        return Ok(evidence);
    }
    evidence.changed_by_others = changed_by_others(ours, ports.branch, head).await?;
    if evidence.changed_by_others.is_some() {
        return Ok(evidence);
    }
    for (_, from) in &ours.together {
        let Ok(reference) = from.parse::<Reference>() else { continue };
        // What is pulled is the digest, where there is one, whatever the tag has become.
        let Some(pulled) = reference.digest().or(reference.tag()) else { continue };
        match ports.tags.digest(&Repository::from(&reference), pulled).await {
            Ok(Some(_)) => {}
            Ok(None) => evidence.gone = Some((*from).to_owned()),
            Err(error) => evidence.unknown = Some(error.to_string()),
        }
    }
    Ok(evidence)
}

async fn changed_by_others(
    ours: &Ours<'_>,
    branch: &dyn Branch,
    head: CommitId,
) -> Result<Option<CommitId>, PortError> {
    // Since the oldest commit that would be taken back: the value before it was never seen with what others changed then.
    let mut objects: Vec<&PlaceId> = ours.together.iter().map(|(place, _)| &place.id).collect();
    objects.dedup_by(|left, right| left.file == right.file && left.object == right.object);
    for step in branch.steps(head, ours.commits.first().copied(), MOST_STEPS).await? {
        if message::kind(&step.commit).is_some() {
            continue;
        }
        for place in &objects {
            let Some(change) = step.changes.iter().find(|change| change.path == place.file) else { continue };
            // What is in no object is part of something that only its renderer knows.
            let is_file = place.object.kind.is_empty();
            if is_file || object(branch, place, change.before).await? != object(branch, place, change.after).await? {
                return Ok(Some(step.commit.id));
            }
        }
    }
    Ok(None)
}

/// The object in a version of its file; none if it is not there or the file cannot be read.
async fn object(branch: &dyn Branch, place: &PlaceId, blob: Option<BlobId>) -> Result<Option<Value>, PortError> {
    let Some(blob) = blob else { return Ok(None) };
    let bytes = branch.blob(blob).await?;
    let Ok(text) = text_of(&place.file, &bytes) else { return Ok(None) };
    let found = objects(&place.file, text).unwrap_or_default();
    Ok(found.into_iter().find(|object| object.id == place.object).map(|object| object.value))
}
