//! Keel: how large a step may be, or a pattern whose matches are ordered as text.

use super::words::Known;
use super::{CompatError, Tool};
use crate::foreign::{Direction, Foreign, Grammar, Latest, Limit, Order, View};
use crate::glob;
use crate::policy::{Kind, Policy};
use crate::rule::Rule;
use crate::tag;

const TOOL: Tool = Tool::Keel;

pub(super) fn rule(words: &Known<'_>, current: Option<&str>) -> Result<Option<Rule>, CompatError> {
    let policy = words.get("policy").copied().unwrap_or_default();
    let is_set = |key: &str| words.get(key).map(|value| *value == "true");
    let same_prerelease = is_set("matchPreRelease").unwrap_or(true);
    if let Some(pattern) = policy.strip_prefix("glob:") {
        let pattern = glob::stars(pattern).map_err(|problem| TOOL.wrong("policy", problem))?;
        return Ok(Some(texts(policy, View { pattern, template: None }, Latest::Text)));
    }
    if let Some(expression) = policy.strip_prefix("regexp:") {
        let pattern = TOOL.expression("policy", expression)?;
        let compared = pattern.capture_names().flatten().any(|name| name == "compare");
        let template = compared.then(|| "${compare}".to_owned());
        return Ok(Some(texts(policy, View { pattern, template }, Latest::Tag)));
    }
    if let Some(expression) = policy.strip_prefix("newest:") {
        return Ok(Some(TOOL.policy(policy, Kind::Time(TOOL.expression("policy", expression)?))));
    }
    let step = |kept: usize, same_prerelease: bool| {
        let limit = Limit::Step { kept, same_prerelease };
        Some(TOOL.foreign(policy, Order::Releases(Grammar::Dotted, limit), Latest::Floating))
    };
    Ok(match policy {
        "all" => step(0, false),
        "major" => step(0, same_prerelease),
        "minor" => step(1, same_prerelease),
        "patch" => step(2, same_prerelease),
        "force" => Some(force(is_set("matchTag").unwrap_or(false), current)?),
        "" | "never" => None,
        other => {
            let problem = format!(
                "{other:?} is no policy: all, major, minor, patch, force, never, glob:PATTERN, regexp:RE and newest:RE are"
            );
            return Err(TOOL.wrong("policy", problem));
        }
    })
}

fn texts(policy: &str, view: View, latest: Latest) -> Rule {
    let order = Order::Texts(Direction::Ascending);
    TOOL.policy(policy, Kind::Foreign(Foreign { view: Some(view), order, latest }))
}

/// Takes whatever was pushed under the tag that is there. Without that it would take whatever was pushed.
fn force(same_tag: bool, current: Option<&str>) -> Result<Rule, CompatError> {
    if !same_tag {
        let problem = "force without matchTag takes any tag that is pushed, whatever it is; set matchTag to true, or choose another policy";
        return Err(TOOL.wrong("policy", problem));
    }
    let tag = current.filter(|tag| !tag.is_empty()).unwrap_or("latest");
    if !tag::is_valid(tag) {
        return Err(TOOL.wrong("policy", format!("{tag:?} cannot be a tag")));
    }
    Ok(Rule::new(Policy::of_words(format!("force ({TOOL})"), Kind::Digest(tag.to_owned()), Some(tag.to_owned()))))
}
