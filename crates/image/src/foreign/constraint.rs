//! What a range means to the Go library Masterminds/semver 3.4, which Flux and Argo CD Image Updater use.
//!
//! It differs from ours in prereleases: one part with a prerelease lets them into all parts that are joined with it, and
//! each part then compares whole versions. `>=1.2-0 <2` has 2.0.0-rc.1 there.

use std::cmp::Ordering;

use super::release::{Release, compare_prereleases};
use crate::number;
use crate::range::{Operator, Part, Range};

/// Whether the version is in the range.
pub(super) fn allows(range: &Range, version: &Release<'_>) -> bool {
    range.alternatives().iter().any(|parts| {
        let wants_prereleases = parts.iter().any(|part| part.prerelease.is_some());
        (wants_prereleases || version.prerelease().is_empty()) && parts.iter().all(|part| holds(part, version))
    })
}

fn holds(part: &Part, version: &Release<'_>) -> bool {
    let written = part.numbers.len();
    let number = |place: usize| part.numbers.get(place).map_or("0", String::as_str);
    let numbers = |count: usize| {
        let compared = (0..count).map(|place| number::compare(version.number(place), number(place)));
        compared.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let prerelease = part.prerelease.as_deref().unwrap_or_default();
    let prereleases = || compare_prereleases(version.prerelease(), prerelease);
    let whole = || numbers(3).then_with(prereleases);
    // A version with less than three numbers stands for all that begin with them.
    let is_exact = written == 3;
    let order = || if is_exact { whole() } else { numbers(written) };
    let same = |count: usize| numbers(count).is_eq();
    let zero = |place: usize| number::significant(number(place)).is_empty();
    let tilde = || {
        let anything = written == 0 || (is_exact && (0..3).all(zero));
        whole().is_ge() && (anything || same(written.min(2)))
    };
    match part.operator {
        Operator::Equal if is_exact => whole().is_eq(),
        Operator::Equal | Operator::Tilde => tilde(),
        Operator::NotEqual if written == 2 && same(2) => {
            let any = !version.prerelease().is_empty() || !prerelease.is_empty();
            any && version.prerelease() != prerelease
        }
        Operator::NotEqual => order().is_ne(),
        Operator::Above => order().is_gt(),
        Operator::AtLeast => whole().is_ge(),
        Operator::Below => whole().is_lt(),
        Operator::AtMost => order().is_le(),
        Operator::Caret => {
            let first = (0..written).find(|place| !zero(*place)).map_or(written, |place| place + 1);
            whole().is_ge() && same(first)
        }
    }
}
