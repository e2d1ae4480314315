//! What each well-known kind reports, from its project's API documentation and from the health checks that Argo CD ships
//! (argoproj/argo-cd, `resource_customizations`). A condition that only says "not yet" is in progress here, also where
//! Argo CD calls it degraded; `tests.rs` lists those cases.

use super::Status::{Current, Failed, InProgress};
use super::{Family, Rule, Status, Test};

mod data;
mod delivery;
mod network;
mod operators;
mod platforms;

const STATUS: &[&str] = &["/status/conditions"];

/// The condition `kind` with the status `is`, for any reason.
const fn when(kind: &'static str, is: &'static str, status: Status) -> Rule {
    because(kind, is, &[], status)
}

const fn because(kind: &'static str, is: &'static str, reasons: &'static [&'static str], status: Status) -> Rule {
    Rule { test: Test::Condition(kind, is, reasons), status }
}

const fn field(place: &'static str, values: &'static [&'static str], status: Status) -> Rule {
    Rule { test: Test::Field(place, values), status }
}

/// In progress until a rule says otherwise.
const fn family(group: &'static str, kinds: &'static [&'static str], rules: &'static [Rule]) -> Family {
    Family { group, kinds, conditions: STATUS, rules, otherwise: InProgress }
}

/// Current until a rule says otherwise: not everything there is reported on.
const fn in_doubt_current(group: &'static str, kinds: &'static [&'static str], rules: &'static [Rule]) -> Family {
    Family { group, kinds, conditions: STATUS, rules, otherwise: Current }
}

/// Kinds that nobody reports on, in a group where others are.
const fn inert(group: &'static str, kinds: &'static [&'static str]) -> Family {
    in_doubt_current(group, kinds, &[])
}

const READY: &[Rule] = &[when("Ready", "True", Current)];
/// For controllers that say `Unknown` while they are at work and `False` only when they have failed.
const READY_OR_FAILED: &[Rule] = &[when("Ready", "True", Current), when("Ready", "False", Failed)];

/// All of them, in the order in which they are looked through.
pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    [delivery::FAMILIES, network::FAMILIES, data::FAMILIES, platforms::FAMILIES, operators::FAMILIES]
        .into_iter()
        .flatten()
}
