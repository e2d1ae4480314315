//! Health by CEL expressions that the Sync brings, as in Flux' `healthCheckExprs` (fluxcd/pkg, `runtime/cel`; RFC 0009).
//!
//! Deletion and an unobserved generation go first. Then the first expression that is true decides, in the order
//! `inProgress`, `failed`, `current`; when none is, the object is in progress. The top-level fields of the object are the
//! variables. An expression that cannot be evaluated proves nothing: the object is in progress, with the reason.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use super::{Assessed, Health, Status, assess, fields, unsettled};
use crate::GroupKind;

mod expression;
#[cfg(test)]
mod tests;

use expression::{Expression, Variables};

/// More checks than anybody has kinds for.
const MOST_CHECKS: usize = 64;

/// The expressions for one kind, as they are written on the Sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckText {
    /// The kind's group and version; any version of the group is meant.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// True when the object is as it should be.
    pub current: String,
    /// True while it is on its way.
    pub in_progress: Option<String>,
    /// True when it will not get there.
    pub failed: Option<String>,
}

/// An entry of `healthChecks` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("spec.healthChecks[{index}] ({kind}): {why}")]
pub struct HealthCheckError {
    index: usize,
    kind: String,
    why: String,
}

/// The expressions of a Sync, ready to be evaluated. Where they cannot be, no object of the kind is healthy.
#[derive(Clone, Default)]
pub struct HealthChecks(BTreeMap<GroupKind, Arc<Check>>);

struct Check {
    text: HealthCheckText,
    /// What is wrong with the text otherwise.
    expressions: Result<Expressions, String>,
}

struct Expressions {
    in_progress: Option<Expression>,
    failed: Option<Expression>,
    current: Expression,
}

impl HealthChecks {
    /// Parses every expression. Answers also all entries that cannot be used, with the expression and the place in it.
    #[must_use]
    pub fn compile(texts: &[HealthCheckText]) -> (Self, Vec<HealthCheckError>) {
        let mut checks = BTreeMap::new();
        let mut errors = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let kind = text.group_kind();
            let mut error = |why: String| errors.push(HealthCheckError { index, kind: kind.to_string(), why });
            if index == MOST_CHECKS {
                error(format!("there are more than {MOST_CHECKS} checks"));
                break;
            }
            if checks.contains_key(&kind) {
                error("there is another check for this kind".to_owned());
                continue;
            }
            let expressions = Expressions::parse(text).map_err(|all| {
                let said = all.join("; ");
                all.into_iter().for_each(error);
                said
            });
            checks.insert(kind.clone(), Arc::new(Check { text: text.clone(), expressions }));
        }
        (Self(checks), errors)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether objects of this kind are judged by an expression.
    #[must_use]
    pub fn has(&self, kind: &GroupKind) -> bool {
        self.0.contains_key(kind)
    }

    /// The kinds that are judged by expressions.
    pub fn kinds(&self) -> impl Iterator<Item = &GroupKind> {
        self.0.keys()
    }
}

impl PartialEq for HealthChecks {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.values().zip(other.0.values()).all(|(one, two)| one.text == two.text)
    }
}

impl fmt::Debug for HealthChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.values().map(|check| &check.text)).finish()
    }
}

impl HealthCheckText {
    fn group_kind(&self) -> GroupKind {
        let group = self.api_version.split_once('/').map_or("", |(group, _)| group);
        GroupKind { group: group.to_owned(), kind: self.kind.clone() }
    }
}

/// The health of `object`, by the check for its kind if there is one.
#[must_use]
pub fn assess_with(checks: &HealthChecks, object: &Value, now: Timestamp) -> Health {
    if checks.is_empty() {
        return assess(object, now);
    }
    let api_version = fields::text(object, "/apiVersion").unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = fields::text(object, "/kind").unwrap_or_default();
    match checks.0.get(&GroupKind { group: group.to_owned(), kind: kind.to_owned() }) {
        Some(check) => check.assess(object).unwrap_or_else(|malformed| Health::new(Status::Unknown, "", malformed.0)),
        None => assess(object, now),
    }
}

impl Expressions {
    fn parse(text: &HealthCheckText) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let mut parse = |name: &str, text: &str| match Expression::parse(text) {
            Ok(expression) => Some(expression),
            Err(why) => {
                errors.push(format!("{name}: {why}"));
                None
            }
        };
        let in_progress = text.in_progress.as_deref().and_then(|text| parse("inProgress", text));
        let failed = text.failed.as_deref().and_then(|text| parse("failed", text));
        let current = parse("current", &text.current);
        match current {
            Some(current) if errors.is_empty() => Ok(Self { in_progress, failed, current }),
            _ => Err(errors),
        }
    }
}

impl Check {
    fn assess(&self, object: &Value) -> Assessed {
        if let Some(health) = unsettled(object)? {
            return Ok(health);
        }
        match &self.expressions {
            Ok(expressions) => Ok(expressions.assess(object)),
            Err(why) => Ok(Health::in_progress("HealthCheckError", why.clone())),
        }
    }
}

impl Expressions {
    fn assess(&self, object: &Value) -> Health {
        let variables = Variables::of(object);
        let order = [
            ("inProgress", Status::InProgress, self.in_progress.as_ref()),
            ("failed", Status::Failed, self.failed.as_ref()),
            ("current", Status::Current, Some(&self.current)),
        ];
        for (name, status, expression) in order {
            match expression.map(|expression| expression.holds(&variables)) {
                None | Some(Ok(false)) => {}
                Some(Ok(true)) if status == Status::Current => {
                    return Health::current("the expression current holds");
                }
                Some(Ok(true)) => return Health::new(status, "HealthCheck", said(object, name)),
                Some(Err(why)) => {
                    return Health::in_progress("HealthCheckError", format!("the expression {name}: {why}"));
                }
            }
        }
        Health::in_progress("HealthCheck", said(object, "neither failed nor current"))
    }
}

/// The expression that held, and what the object itself says of it.
fn said(object: &Value, name: &str) -> String {
    let conditions = super::conditions::of(object).unwrap_or_default();
    let not_true = conditions.iter().find(|condition| !condition.is_true() && !condition.message.is_empty());
    let words = not_true.map(|condition| condition.message).or_else(|| fields::text(object, "/status/message"));
    super::workloads::with_detail(&format!("by its health check: {name}"), words.unwrap_or_default())
}
