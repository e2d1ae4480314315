//! What follows from a failure that is ours.

use super::attribute::Ours;
use super::evidence::Evidence;
use crate::clusters::Failure;
use crate::places::PlaceId;
use crate::policy::OnFailure;

/// What is done about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is not ours, or it is over.
    Nothing(String),
    /// It is recorded.
    Ignore,
    /// Git stays as it is; the tag goes to no further place.
    Hold,
    /// These places get back what they held before.
    Revert(Vec<PlaceId>),
    /// A change request is open that takes it back.
    Request,
    /// A person must decide, for this reason; the tag goes to no further place.
    Person(String),
    /// It is not known yet whether the value before can be had; it is tried again.
    Wait(String),
}

impl Judgement {
    /// A word for metrics.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "none",
            Self::Ignore => "ignore",
            Self::Hold => "hold",
            Self::Revert(_) | Self::Request => "revert",
            Self::Person(_) => "person",
            Self::Wait(_) => "wait",
        }
    }

    /// Why the tag goes to no further place, if it does not.
    pub(super) fn stops(&self) -> Option<&str> {
        match self {
            Self::Nothing(_) | Self::Ignore => None,
            Self::Hold => Some("held by its on-failure"),
            Self::Revert(_) | Self::Request => Some("it is taken back"),
            Self::Person(reason) | Self::Wait(reason) => Some(reason),
        }
    }

    /// Whether it takes this place back.
    pub(super) fn reverts(&self, place: &PlaceId) -> bool {
        matches!(self, Self::Revert(places) if places.contains(place))
    }
}

/// Judges. What the place asks for on failure is read at the branch head.
pub(super) fn judge(failure: &Failure, ours: &Ours<'_>, evidence: &Evidence) -> Judgement {
    match ours.hit.policy.on_failure {
        OnFailure::Ignore => return Judgement::Ignore,
        OnFailure::Hold => return Judgement::Hold,
        OnFailure::Revert => {}
    }
    if let Some(commit) = evidence.changed_by_others {
        return Judgement::Person(format!("the object was changed since, by commit {commit}; revert it by hand"));
    }
    if let Some((place, from)) =
        ours.together.iter().find(|(_, from)| failure.failed_before.iter().any(|failed| failed == from))
    {
        return Judgement::Person(format!("{from}, which {} held before, failed there too; choose a tag", place.id));
    }
    if let Some(gone) = &evidence.gone {
        return Judgement::Person(format!("{gone}, which was there before, is gone from its registry; choose a tag"));
    }
    if let Some(reason) = &evidence.unknown {
        return Judgement::Wait(reason.clone());
    }
    Judgement::Revert(ours.together.iter().map(|(place, _)| place.id.clone()).collect())
}
