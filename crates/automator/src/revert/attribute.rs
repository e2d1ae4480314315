//! Whether a failure is the doing of an update of ours, and of which.

use lockstep_repository::CommitId;

use crate::clusters::Failure;
use crate::survey::Place;

/// The update of ours that a failure comes from. It still stands.
#[derive(Debug)]
pub(crate) struct Ours<'a> {
    /// The commit.
    pub(crate) commit: CommitId,
    /// The place of the container that fails.
    pub(crate) hit: &'a Place,
    /// The places of the same object that the commit moved and nobody moved since, the failing one included, each with the
    /// text that it held before.
    pub(crate) together: Vec<(&'a Place, &'a str)>,
}

/// Finds the update. `within` says whether a commit lies in what the cluster applied since the container was well.
///
/// # Errors
/// Why it is none of ours, in words.
pub(super) fn attribute<'a>(
    failure: &Failure,
    places: &'a [Place],
    within: impl Fn(CommitId) -> bool,
) -> Result<Ours<'a>, String> {
    let found: Vec<&Place> = places.iter().filter(|place| is_of(place, failure)).collect();
    if found.is_empty() {
        return Err("no place that Lockstep governs below the Sync's path is this container".to_owned());
    }
    let Some(hit) = found.into_iter().find(|place| place.text == failure.reference) else {
        return Err("the branch holds another reference there by now".to_owned());
    };
    let Some((commit, _)) = standing_update(hit) else {
        return Err("the reference was not written by an update of Lockstep".to_owned());
    };
    if !within(commit) {
        return Err(format!(
            "commit {commit}, which wrote it, is not among those that the cluster applied since it was well"
        ));
    }
    let together = places
        .iter()
        .filter(|place| place.id.file == hit.id.file && place.id.object == hit.id.object)
        .filter_map(|place| Some((place, standing_update(place).filter(|(of, _)| *of == commit)?.1)))
        .collect();
    Ok(Ours { commit, hit, together })
}

/// A manifest may leave the namespace to the synchronizer, which takes `default`.
fn is_of(place: &Place, failure: &Failure) -> bool {
    let (object, workload) = (&place.id.object, &failure.workload);
    let same_namespace =
        object.namespace == workload.namespace || (object.namespace.is_empty() && workload.namespace == "default");
    object.group == workload.group
        && object.kind == workload.kind
        && object.name == workload.name
        && same_namespace
        && place.id.container == workload.container
        && is_below(&place.id.file, &failure.path)
}

fn is_below(file: &str, folder: &str) -> bool {
    folder.is_empty() || file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The update of ours that wrote what the place holds, and what it held before.
fn standing_update(place: &Place) -> Option<(CommitId, &str)> {
    let update = place.history.updates.last()?;
    let (since, _) = place.history.since?;
    (update.commit == since && update.to == place.text).then_some((since, update.from.as_str()))
}
