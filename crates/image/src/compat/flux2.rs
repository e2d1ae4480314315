//! Flux v2: an ImagePolicy. A filter may make another text of a tag; one of three orders chooses.

use super::words::Known;
use super::{CompatError, Tool};
use crate::foreign::{Direction, Foreign, Grammar, Latest, Limit, Order, View};
use crate::policy::Kind;
use crate::rule::Rule;

const TOOL: Tool = Tool::Flux2;

pub(super) fn rule(words: &Known<'_>) -> Result<Rule, CompatError> {
    let get = |key: &str| words.get(key).copied();
    let choices = [get("semver.range"), get("alphabetical.order"), get("numerical.order")];
    let (written, order, latest) = match choices {
        [Some(range), None, None] => {
            let read = range.parse().map_err(|error| TOOL.wrong("semver.range", error))?;
            let order = Order::Releases(Grammar::Full, Limit::Range(read));
            (format!("semver:{range}"), order, Latest::Floating)
        }
        [None, Some(order), None] => {
            let direction = direction("alphabetical.order", order)?;
            (format!("alphabetical:{}", direction.word()), Order::Texts(direction), Latest::Tag)
        }
        [None, None, Some(order)] => {
            let direction = direction("numerical.order", order)?;
            (format!("numerical:{}", direction.word()), Order::Decimals(direction), Latest::Tag)
        }
        _ => return Err(TOOL.wrong("policy", "one of semver, alphabetical and numerical is needed, and only one")),
    };
    let view = match get("filterTags.pattern").filter(|pattern| !pattern.is_empty()) {
        Some(pattern) => Some(View {
            pattern: TOOL.expression("filterTags.pattern", pattern)?,
            template: get("filterTags.extract").filter(|extract| !extract.is_empty()).map(str::to_owned),
        }),
        None => None,
    };
    Ok(TOOL.policy(&written, Kind::Foreign(Foreign { view, order, latest })))
}

fn direction(key: &'static str, text: &str) -> Result<Direction, CompatError> {
    match text.to_ascii_lowercase().as_str() {
        "" | "asc" => Ok(Direction::Ascending),
        "desc" => Ok(Direction::Descending),
        _ => Err(TOOL.wrong(key, format!("{text:?} is neither asc nor desc"))),
    }
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}
