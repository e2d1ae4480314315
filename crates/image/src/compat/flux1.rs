//! Flux v1: a pattern for each container. Globs and expressions are ordered by time, versions as versions.

use super::words::Known;
use super::{CompatError, Tool};
use crate::foreign::{Grammar, Latest, Limit, Order};
use crate::glob;
use crate::policy::{Kind, Policy};
use crate::rule::Rule;

const TOOL: Tool = Tool::Flux1;

pub(super) fn rule(words: &Known<'_>) -> Result<Rule, CompatError> {
    let pattern = words.get("tag").copied().unwrap_or("glob:*");
    if let Some(range) = pattern.strip_prefix("semver:") {
        let range = range.parse().map_err(|error| TOOL.wrong("tag", error))?;
        return Ok(TOOL.foreign(pattern, Order::Releases(Grammar::Loose, Limit::Range(range)), Latest::Floating));
    }
    if let Some(expression) = pattern.strip_prefix("regexp:").or_else(|| pattern.strip_prefix("regex:")) {
        return Ok(TOOL.policy(&format!("regexp:{expression}"), Kind::Time(TOOL.expression("tag", expression)?)));
    }
    let glob = pattern.strip_prefix("glob:").unwrap_or(pattern);
    let kind = Kind::Time(glob::stars(glob).map_err(|problem| TOOL.wrong("tag", problem))?);
    Ok(Rule::new(Policy::of_words(format!("glob:{glob} ({TOOL})"), kind, Some(glob.to_owned()))))
}
