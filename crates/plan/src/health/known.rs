//! Well-known kinds of custom resources: what their conditions and phases mean, as data.
//!
//! kstatus takes every object without a `Ready` condition for current, also one that its controller has not seen yet. Of the
//! kinds in [`table`] it is known what a controller writes when it is done, so nothing is current before that.

use serde_json::Value;

use super::conditions::{self, Condition};
use super::fields::{list, number, text};
use super::rules::Subject;
use super::{Assessed, Health, Status};

mod table;
#[cfg(test)]
mod tests;

/// The kinds that one list of rules is about.
struct Family {
    /// An API group; with `*.` in front every group that ends like this.
    group: &'static str,
    /// Their kinds; none means all of the group.
    kinds: &'static [&'static str],
    /// Where the conditions stand; `*` stands for every entry of a list.
    conditions: &'static [&'static str],
    /// The first rule that fits decides.
    rules: &'static [Rule],
    /// What they are when no rule fits.
    otherwise: Status,
}

struct Rule {
    test: Test,
    status: Status,
}

enum Test {
    /// There is a condition of this type with this status, and, if there are any, one of these reasons.
    Condition(&'static str, &'static str, &'static [&'static str]),
    /// The scalar there is one of these; with none, it is there.
    Field(&'static str, &'static [&'static str]),
}

/// The verdict of the table; `None` for a kind that is not in it.
pub(super) fn assess(group: &str, kind: &str, subject: &Subject<'_>) -> Option<Assessed> {
    let family = table::families().find(|family| family.has(group, kind))?;
    Some(family.assess(kind, subject))
}

impl Family {
    fn has(&self, group: &str, kind: &str) -> bool {
        let of_group = match self.group.strip_prefix('*') {
            Some(ending) => group.ends_with(ending),
            None => group == self.group,
        };
        of_group && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }

    fn assess(&self, kind: &str, subject: &Subject<'_>) -> Assessed {
        let object = subject.object;
        let mut found = Vec::new();
        for place in self.conditions {
            for entries in lists(object, place) {
                let observed = entries.iter().filter(|entry| is_observed(object, entry));
                for entry in observed {
                    found.push(conditions::condition(entry)?);
                }
            }
        }
        for rule in self.rules {
            if let Some(health) = rule.fits(object, &found) {
                return Ok(health);
            }
        }
        Ok(match (self.otherwise, found.iter().find(|condition| matches!(condition.kind, "Ready" | "Available"))) {
            (Status::InProgress, Some(ready)) => Health::in_progress(ready.reason, ready.message),
            (Status::InProgress, None) => {
                Health::in_progress("NotObserved", format!("the controller of {kind} has not reported on it yet"))
            }
            (status, _) => Health::new(status, "", "Resource is current"),
        })
    }
}

impl Rule {
    fn fits(&self, object: &Value, conditions: &[Condition<'_>]) -> Option<Health> {
        let (reason, message) = match &self.test {
            Test::Condition(kind, status, reasons) => {
                let fits = |condition: &&Condition<'_>| {
                    condition.kind == *kind
                        && condition.status == *status
                        && (reasons.is_empty() || reasons.contains(&condition.reason))
                };
                let condition = conditions.iter().find(fits)?;
                let reason = if condition.reason.is_empty() { condition.kind } else { condition.reason };
                (reason.to_owned(), condition.message.to_owned())
            }
            Test::Field(place, values) => {
                let value = scalar(object.pointer(place)?)?;
                if !values.is_empty() && !values.contains(&value.as_str()) {
                    return None;
                }
                let said = ["/status/message", "/status/reason", "/status/description"];
                let said = said.iter().find_map(|place| text(object, place)).unwrap_or_default();
                let message = super::workloads::with_detail(&format!("{}: {value}", words(place)), said);
                ("Phase".to_owned(), message)
            }
        };
        Some(match self.status {
            Status::Current => {
                Health::current(if message.is_empty() { "Resource is current".to_owned() } else { message })
            }
            status => Health::new(status, &reason, message),
        })
    }
}

/// Whether a condition speaks of the present specification, as far as it says so.
fn is_observed(object: &Value, condition: &Value) -> bool {
    let observed = number(condition, "/observedGeneration");
    observed.zip(number(object, "/metadata/generation")).is_none_or(|(observed, generation)| observed >= generation)
}

/// The lists at a place with at most one `*` in it.
fn lists<'a>(object: &'a Value, place: &str) -> Vec<&'a [Value]> {
    match place.split_once("/*") {
        None => vec![list(object, place)],
        Some((outer, inner)) => list(object, outer).iter().map(|entry| list(entry, inner)).collect(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn words(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}
