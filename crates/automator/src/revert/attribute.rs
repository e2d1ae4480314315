//! Whether a failure is the doing of an update of ours, and of which.

use lockstep_image::Reference;
use lockstep_registry::Repository;
use lockstep_repository::CommitId;

use crate::clusters::{Failure, is_below};
use crate::survey::Place;
use crate::undone::Update;

/// The update of ours that a failure comes from, which still stands, and those before it that never ran either.
#[derive(Debug)]
pub(crate) struct Ours<'a> {
    /// The commits to take back, oldest first; the last one wrote what fails.
    pub(crate) commits: Vec<CommitId>,
    /// The place of the container that fails.
    pub(crate) hit: &'a Place,
    /// The places of the same object or group that these commits moved and nobody moved since, the failing one included,
    /// each with the text that it held before them.
    pub(crate) together: Vec<(&'a Place, &'a str)>,
}

/// A failure that is not the doing of an update that stands.
#[derive(Debug)]
pub(crate) struct NotOurs<'a> {
    /// Why, in words.
    pub(crate) reason: String,
    /// The place to which an update of ours gave what fails, and something else by now.
    pub(crate) overtaken: Option<&'a Place>,
}

/// Finds the update. `within` says whether a commit lies in what the cluster applied since the container was well.
///
/// # Errors
/// Why it is none of ours.
pub(super) fn attribute<'a>(
    failure: &Failure,
    places: &'a [Place],
    within: impl Fn(CommitId) -> bool,
) -> Result<Ours<'a>, NotOurs<'a>> {
    let not_ours = |reason: String| NotOurs { reason, overtaken: None };
    let mut found: Vec<&Place> = places.iter().filter(|place| is_of(place, failure)).collect();
    if found.is_empty() {
        found = places.iter().filter(|place| may_render(place, failure)).collect();
    }
    if found.is_empty() {
        return Err(not_ours("no place that Lockstep governs below the Sync's path is this container".to_owned()));
    }
    let holds = |place: &&&Place| place.text == failure.reference || !place.is_in_object();
    let Some(hit) = found.iter().find(holds).copied() else {
        let overtaken = found.into_iter().find(|place| is_overtaken(place, failure, &within));
        return Err(NotOurs { reason: "the branch holds another reference there by now".to_owned(), overtaken });
    };
    let run = hit.history.standing();
    let Some(newest) = run.last() else {
        return Err(not_ours("the reference was not written by an update of Lockstep".to_owned()));
    };
    if !within(newest.commit) {
        let commit = newest.commit;
        return Err(not_ours(format!(
            "commit {commit}, which wrote it, is not among those that the cluster applied since it was well"
        )));
    }
    let commits: Vec<CommitId> = never_live(run, failure).iter().map(|update| update.commit).collect();
    let together = places
        .iter()
        .filter(|place| belongs_to(place, hit, failure))
        .filter_map(|place| {
            let run = place.history.standing().iter().rev();
            let oldest = run.take_while(|update| commits.contains(&update.commit)).last()?;
            Some((place, oldest.from.as_str()))
        })
        .collect();
    Ok(Ours { commits, hit, together })
}

/// Whether an update of ours gave the place what fails, and another one or a person took it away. What a revert of ours took
/// away is known from Git, and so is its release.
fn is_overtaken(place: &Place, failure: &Failure, within: impl Fn(CommitId) -> bool) -> bool {
    let updates = &place.history.updates;
    let Ok(reference) = failure.reference.parse::<Reference>() else { return false };
    let undone = place.history.undone(&Repository::from(&reference));
    updates.iter().any(|update| update.to == failure.reference && within(update.commit))
        && (updates.iter().any(|update| update.from == failure.reference)
            || reference.tag().is_some_and(|tag| undone.iter().any(|undone| undone == tag)))
}

/// The last of the updates that are not known to have been live anywhere: what was before them is the newest value that was,
/// or that was not ours. Where nothing is known it is the last one alone, because unknown is not broken.
fn never_live<'a>(run: &'a [Update], failure: &Failure) -> &'a [Update] {
    let first = match run.iter().rposition(|update| failure.live.contains(&update.from)) {
        Some(first) => first,
        None if failure.knows_live => 0,
        None => run.len().saturating_sub(1),
    };
    run.get(first..).unwrap_or_default()
}

/// Whether a place is taken back with the one that fails: both are of one object, or of one group. Where the image is in no
/// object, every such place that may have given it to the container is meant.
fn belongs_to(place: &Place, hit: &Place, failure: &Failure) -> bool {
    let same_group = place.policy.group.is_some() && place.policy.group == hit.policy.group;
    let same_object = place.id.file == hit.id.file && place.id.object == hit.id.object;
    same_group
        || place.id == hit.id
        || (same_object && hit.is_in_object())
        || (!hit.is_in_object() && may_render(place, failure))
}

/// Whether the image of the failing container may come from a place that is no container: a kustomization or values.
fn may_render(place: &Place, failure: &Failure) -> bool {
    !place.is_in_object()
        && is_below(&place.id.file, &failure.path)
        && is_same_image(&place.reference, &failure.reference)
}

/// A chart may spell the name of an image in another way than its values, and leave the digest out.
pub(super) fn is_same_image(written: &Reference, runs: &str) -> bool {
    let Ok(runs) = runs.parse::<Reference>() else { return false };
    let digests_differ = written.digest().zip(runs.digest()).is_some_and(|(written, runs)| written != runs);
    Repository::from(written) == Repository::from(&runs) && written.tag() == runs.tag() && !digests_differ
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
