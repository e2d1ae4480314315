//! What other tools were told about an image. It is always read; it is acted on where the settings name the tool.

use std::collections::BTreeSet;

use lockstep_image::Reference;
use lockstep_image::compat::{Tool, Words};
use lockstep_manifest::Form;
use lockstep_registry::Repository;
use regex::Regex;

use super::words::{Container, Origin, Subject};
use super::{Wrong, setters::Setters};

const FLUX1: [&str; 2] = ["fluxcd.io/", "flux.weave.works/"];
const FLUX1_FILTER: &str = "filter.fluxcd.io/";
const KEEL: &str = "keel.sh/";
const IMAGE_UPDATER: &str = "argocd-image-updater.argoproj.io/";

/// One tool's words about one image.
#[derive(Clone, Debug)]
pub(super) struct Foreign {
    pub(super) tool: Tool,
    pub(super) words: Words,
    /// The tool would write.
    pub(super) automated: bool,
    pub(super) origin: Origin,
}

/// Whether another tool may have been told anything about the object.
pub(super) fn concerns<'a>(mut keys: impl Iterator<Item = &'a String>) -> bool {
    let prefixes = FLUX1.into_iter().chain([FLUX1_FILTER, KEEL, IMAGE_UPDATER]);
    keys.any(|key| prefixes.clone().any(|prefix| key.starts_with(prefix)))
}

/// What binds everybody: the lock of another tool, and its word to leave the object alone.
pub(super) fn lock(subject: &Subject<'_>) -> Option<String> {
    let flux = |key: &str| flux1(subject, key).map(|(_, value)| value);
    if flux("ignore") == Some("true") {
        return Some("fluxcd.io/ignore".to_owned());
    }
    let reason = flux("locked_msg").map(|message| format!(": {message}")).unwrap_or_default();
    (flux("locked") == Some("true")).then(|| format!("fluxcd.io/locked{reason}"))
}

/// What governs the image, if another tool's words do. `acted_on` are the tools of the settings.
///
/// # Errors
/// If the words of a tool that is acted on cannot be honoured, or those of another one stand beside them.
pub(super) fn find(
    subject: &Subject<'_>,
    container: &Container<'_>,
    setters: &Setters,
    acted_on: &BTreeSet<Tool>,
) -> Result<Option<Foreign>, Wrong> {
    let mut found = Vec::new();
    for (tool, said) in [
        (Tool::Flux1, of_flux1(subject, container)),
        (Tool::Flux2, of_flux2(container, setters)),
        (Tool::Keel, of_keel(subject, container)),
        (Tool::ImageUpdater, of_image_updater(subject, container)),
    ] {
        match said {
            Ok(said) => found.extend(said),
            Err(wrong) if acted_on.contains(&tool) => return Err(wrong),
            Err(_) => {}
        }
    }
    if let [one, other, ..] = found.as_slice()
        && found.iter().any(|said| acted_on.contains(&said.tool))
    {
        let message = format!(
            "both {} and {} were told about {:?}; keep one of them, or write a {}policy, which replaces both",
            one.tool,
            other.tool,
            container.name,
            super::PREFIX
        );
        return Err(Wrong { line: one.origin.line(), message });
    }
    Ok(found.into_iter().next())
}

type Said = Result<Option<Foreign>, Wrong>;

/// An annotation of Flux v1 under either of its prefixes: the whole key, and the value.
fn flux1<'a>(subject: &Subject<'a>, key: &str) -> Option<(String, &'a str)> {
    FLUX1.into_iter().find_map(|prefix| {
        let key = format!("{prefix}{key}");
        let value = subject.annotations.get(&key)?;
        Some((key, value.as_str()))
    })
}

fn of_flux1(subject: &Subject<'_>, container: &Container<'_>) -> Said {
    let filter = format!("{FLUX1_FILTER}{}", container.name);
    let tag = subject.annotations.get(&filter).map(|value| (filter.clone(), value.as_str()));
    let tag = tag.or_else(|| flux1(subject, &format!("tag.{}", container.name)));
    let automated = flux1(subject, "automated");
    let Some((key, _)) = tag.as_ref().or(automated.as_ref()) else { return Ok(None) };
    Ok(Some(Foreign {
        tool: Tool::Flux1,
        origin: subject.origin(key),
        automated: automated.is_some_and(|(_, value)| value == "true"),
        words: tag.into_iter().map(|(_, pattern)| ("tag", pattern)).collect(),
    }))
}

fn of_keel(subject: &Subject<'_>, container: &Container<'_>) -> Said {
    let get = |key: &str| subject.annotations.get(&format!("{KEEL}{key}")).map(String::as_str);
    let policy = format!("{KEEL}policy");
    if get("policy").is_none_or(|policy| policy == "never") {
        return Ok(None);
    }
    let origin = subject.origin(&policy);
    let wrong = |message: String| Wrong { line: origin.line(), message };
    if container.form == (Form::Container { init: true }) && get("initContainers") != Some("true") {
        return Ok(None);
    }
    if let Some(monitored) = get("monitorContainers") {
        let monitored = Regex::new(monitored)
            .map_err(|_| wrong(format!("{KEEL}monitorContainers: {monitored:?} is not a regular expression")))?;
        if !monitored.is_match(container.name) {
            return Ok(None);
        }
    }
    if get("approvals").is_some_and(|needed| needed != "0") {
        return Err(wrong(format!("{KEEL}approvals: there is nobody here who approves; take it away")));
    }
    let keys = ["policy", "matchTag", "match-tag", "matchPreRelease"];
    let words = keys.into_iter().filter_map(|key| Some((key, get(key)?))).collect();
    Ok(Some(Foreign { tool: Tool::Keel, words, automated: true, origin }))
}

/// The words on an Argo CD Application are about the images that its list names.
fn of_image_updater(subject: &Subject<'_>, container: &Container<'_>) -> Said {
    let list = format!("{IMAGE_UPDATER}image-list");
    let Some(entries) = subject.annotations.get(&list).filter(|_| subject.object.kind == "Application") else {
        return Ok(None);
    };
    let entries = entries.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let is_it = |entry: &&str| container.repository.is_some() && listed(entry).as_ref() == container.repository;
    let Some(entry) = entries.clone().find(is_it) else { return Ok(None) };
    let alias = entry.split_once('=').map(|(alias, _)| alias).filter(|alias| is_alias(alias));
    let mut words = vec![("image", entry)];
    for key in ["update-strategy", "allow-tags", "tag-match", "ignore-tags", "platforms"] {
        let own = alias.and_then(|alias| subject.annotations.get(&format!("{IMAGE_UPDATER}{alias}.{key}")));
        let value = own.or_else(|| subject.annotations.get(&format!("{IMAGE_UPDATER}{key}")));
        words.extend(value.map(|value| (key, value.as_str())));
    }
    let (words, origin) = (words.into_iter().collect(), subject.origin(&list));
    Ok(Some(Foreign { tool: Tool::ImageUpdater, words, automated: true, origin }))
}

/// `[ALIAS=]NAME[:CONSTRAINT]`.
fn listed(entry: &str) -> Option<Repository> {
    let image = match entry.split_once('=') {
        Some((alias, image)) if is_alias(alias) => image,
        _ => entry,
    };
    let name = match image.rfind(':') {
        Some(colon) if !image[colon..].contains('/') => &image[..colon],
        _ => image,
    };
    name.parse::<Reference>().ok().as_ref().map(Repository::from)
}

fn is_alias(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

fn of_flux2(container: &Container<'_>, setters: &Setters) -> Said {
    let Some(setter) = container.setter else { return Ok(None) };
    let wrong = |message: String| Wrong { line: Some(setter.line), message };
    let Some(policy) = setters.policy(&setter.policy) else {
        return Err(wrong(format!("there is no ImagePolicy {} below the paths of the settings", setter.policy)));
    };
    match (setters.image(policy), container.repository) {
        (Some(named), Some(written)) if named != *written => Err(wrong(format!(
            "the ImagePolicy {} is about {named}, and {written} stands here; write the one there or the other here",
            setter.policy
        ))),
        (None, _) => Err(wrong(format!(
            "the ImageRepository of the ImagePolicy {} is not there, or names no image",
            setter.policy
        ))),
        _ => Ok(Some(Foreign {
            tool: Tool::Flux2,
            words: policy.words.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
            automated: true,
            origin: Origin::Line(policy.file.clone(), policy.line),
        })),
    }
}
