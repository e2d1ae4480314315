//! Argo CD Image Updater: a strategy, tags that are allowed and ignored, and a constraint behind the image's name.

use super::words::Known;
use super::{CompatError, Tool};
use crate::foreign::{Direction, Grammar, Latest, Limit, Order};
use crate::glob;
use crate::policy::{Kind, Policy};
use crate::rule::{Rule, TagFilter};
use crate::tag;

const TOOL: Tool = Tool::ImageUpdater;

pub(super) fn rule(words: &Known<'_>) -> Result<Rule, CompatError> {
    let get = |key: &str| words.get(key).copied().filter(|value| !value.is_empty());
    let constraint = get("constraint").or_else(|| get("image").and_then(constraint_of));
    let strategy = get("update-strategy").unwrap_or("semver").to_ascii_lowercase();
    let mut rule = match strategy.as_str() {
        "semver" => {
            let limit = match constraint {
                Some(text) => Limit::Range(text.parse().map_err(|error| TOOL.wrong("constraint", error))?),
                None => Limit::Any,
            };
            let written = constraint.map_or("semver".to_owned(), |text| format!("semver:{text}"));
            TOOL.foreign(&written, Order::Releases(Grammar::Loose, limit), Latest::Unreadable)
        }
        "latest" | "newest-build" => TOOL.policy("newest-build", Kind::Time(TOOL.expression("allow-tags", "")?)),
        "name" | "alphabetical" => TOOL.foreign("alphabetical", Order::Texts(Direction::Ascending), Latest::Tag),
        "digest" => {
            let tag = constraint.filter(|tag| tag::is_valid(tag)).ok_or_else(|| {
                TOOL.wrong(
                    "constraint",
                    "the strategy digest needs the tag to follow behind the image's name, as in app:stable",
                )
            })?;
            let text = format!("digest:{tag} ({TOOL})");
            Rule::new(Policy::of_words(text, Kind::Digest(tag.to_owned()), Some(tag.to_owned())))
        }
        other => {
            let problem = format!("{other:?} is no strategy: semver, newest-build, digest and alphabetical are");
            return Err(TOOL.wrong("update-strategy", problem));
        }
    };
    rule.tags = match get("allow-tags") {
        Some(allowed) if !allowed.eq_ignore_ascii_case("any") => {
            let expression = allowed
                .split_once(':')
                .and_then(|(word, expression)| word.eq_ignore_ascii_case("regexp").then_some(expression))
                .ok_or_else(|| TOOL.wrong("allow-tags", format!("{allowed:?} is neither any nor regexp:RE")))?;
            Some(TagFilter::of(TOOL.expression("allow-tags", expression)?))
        }
        _ => None,
    };
    let ignored = list(get("ignore-tags"));
    if !ignored.is_empty() {
        let expression = glob::any_of(&ignored).map_err(|problem| TOOL.wrong("ignore-tags", problem))?;
        rule.skip_tags = Some(TagFilter::of(expression));
    }
    for platform in list(get("platforms")) {
        rule.platforms.push(platform.parse().map_err(|error| TOOL.wrong("platforms", error))?);
    }
    Ok(rule)
}

fn list(text: Option<&str>) -> Vec<&str> {
    text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// `[ALIAS=]NAME[:CONSTRAINT]`; the colon of a port is followed by a path.
fn constraint_of(image: &str) -> Option<&str> {
    let name = image
        .split_once('=')
        .filter(|(alias, _)| !alias.contains([':', '>', '<', '!']))
        .map_or(image, |(_, name)| name);
    let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
    last.split_once(':').map(|(_, constraint)| constraint).filter(|constraint| !constraint.is_empty())
}
