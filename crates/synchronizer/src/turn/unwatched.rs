//! The kinds of a Sync of which nothing can be seen now.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_cluster::{Kind, Resolution};
use lockstep_plan::{Class, GroupKind};

use super::Desk;
use crate::{ports::ClusterError, render::Manifests};

/// Whether the picture of the served kinds may be too old for these names.
pub(super) fn is_doubtful(
    desk: &Desk<'_>,
    names: &[GroupKind],
    resolutions: &[Resolution],
    manifests: &Manifests,
) -> bool {
    let wanted = manifests.group_kinds();
    let index = desk.watches.index();
    // A watch that is not found may be one of a version that is served no more.
    let is_lost = |name| index.unwatched(name).is_some_and(|error| error.class == Class::NotFound);
    names.iter().zip(resolutions).any(|(name, resolution)| match resolution {
        Resolution::GroupUnavailable => true,
        // Those that Git wants were asked for when it was rendered.
        Resolution::Unknown if !wanted.contains(name) => !GroupKind::is_built_in(&name.group) || is_lost(name),
        _ => is_lost(name),
    })
}

/// Kinds whose objects cannot be watched for drift, and why.
pub(super) fn unwatched(
    desk: &Desk<'_>,
    kinds: &BTreeMap<GroupKind, Kind>,
    unanswered: BTreeSet<GroupKind>,
) -> BTreeMap<GroupKind, ClusterError> {
    let index = desk.watches.index();
    let unlisted = kinds.keys().filter_map(|kind| Some((kind.clone(), index.unwatched(kind)?)));
    let silent = unanswered.into_iter().map(|kind| {
        let message = format!("the API group {} does not answer, so its objects are left as they are", kind.group);
        (kind, passing(message))
    });
    unlisted.chain(silent).collect()
}

/// What may be otherwise at the next try.
pub(super) fn passing(message: String) -> ClusterError {
    ClusterError { class: Class::Transient, code: None, message, retry_after: None }
}
