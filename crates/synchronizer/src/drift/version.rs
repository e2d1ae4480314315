//! Which of two states of an object is the newer one.

use lockstep_plan::LiveMetadata;

/// Whether `left` was stored after `right`. Resource versions are whole numbers that only grow, also across the objects
/// of a kind; one that is no number can only be compared for equality, and then counts as newer.
pub(super) fn is_newer(left: &LiveMetadata, right: &LiveMetadata) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left > right,
        _ => left.resource_version != right.resource_version,
    }
}

fn number(live: &LiveMetadata) -> Option<u128> {
    live.resource_version.parse().ok()
}
