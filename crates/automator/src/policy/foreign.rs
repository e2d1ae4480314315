//! What other tools were told about an image. It is always read; it is acted on where the settings name the tool.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_image::compat::{Tool, Words};
use lockstep_image::{Reference, TagFilter};
use lockstep_manifest::Form;
use lockstep_registry::Repository;
use regex::Regex;

use super::Wrong;
use super::setters::{ImageRepository, Setters};
use super::words::{Container, Origin, Subject};

const FLUX1: [&str; 2] = ["fluxcd.io/", "flux.weave.works/"];
const FLUX1_FILTER: &str = "filter.fluxcd.io/";
const KEEL: &str = "keel.sh/";
const IMAGE_UPDATER: &str = "argocd-image-updater.argoproj.io/";
/// Which images of an Argo CD Application are updated.
pub(crate) const IMAGE_LIST: &str = "argocd-image-updater.argoproj.io/image-list";

/// One tool's words about one image.
#[derive(Clone, Debug)]
pub(super) struct Foreign {
    pub(super) tool: Tool,
    pub(super) words: Words,
    /// The tool would write.
    pub(super) automated: bool,
    pub(super) origin: Origin,
    pub(super) more: More,
}

/// What some tools say beside which tag to choose.
#[derive(Clone, Debug, Default)]
pub(super) struct More {
    /// Nothing is written until it is resumed.
    pub(super) suspended: Option<String>,
    /// Tags that are never looked at.
    pub(super) skip_tags: Option<TagFilter>,
    /// The digest is written wherever there is a place for it.
    pub(super) reflects_digests: bool,
    /// People have to say yes first.
    pub(super) approval: Option<String>,
}

/// Whether another tool may have been told anything about the object.
pub(super) fn concerns<'a>(
    mut annotations: impl Iterator<Item = &'a String>,
    mut labels: impl Iterator<Item = &'a String>,
) -> bool {
    let prefixes = FLUX1.into_iter().chain([FLUX1_FILTER, KEEL, IMAGE_UPDATER]);
    annotations.any(|key| prefixes.clone().any(|prefix| key.starts_with(prefix)))
        || labels.any(|key| key.starts_with(KEEL))
}

pub(super) fn is_of_flux1(annotations: &BTreeMap<String, String>) -> bool {
    let mut prefixes = FLUX1.into_iter().chain([FLUX1_FILTER]);
    prefixes.any(|prefix| annotations.keys().any(|key| key.starts_with(prefix)))
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
        (Tool::Flux2, of_flux2(subject, container, setters)),
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
        more: More::default(),
    }))
}

/// Keel takes its words from annotations and, where those have no policy, from labels.
fn of_keel(subject: &Subject<'_>, container: &Container<'_>) -> Said {
    let text = |from: &BTreeMap<String, String>, key: &str| from.get(&format!("{KEEL}{key}")).cloned();
    let either = |key: &str| text(subject.annotations, key).or_else(|| text(subject.labels, key));
    let policy = format!("{KEEL}policy");
    let source = [subject.annotations, subject.labels].into_iter().find(|from| from.contains_key(&policy));
    let Some(source) = source.filter(|from| from.get(&policy).is_some_and(|policy| policy != "never")) else {
        return Ok(None);
    };
    let origin = subject.origin(&policy);
    let wrong = |message: String| Wrong { line: origin.line(), message };
    if container.form == (Form::Container { init: true }) && either("initContainers").as_deref() != Some("true") {
        return Ok(None);
    }
    if let Some(monitored) = either("monitorContainers") {
        let monitored = Regex::new(&monitored)
            .map_err(|_| wrong(format!("{KEEL}monitorContainers: {monitored:?} is not a regular expression")))?;
        if !monitored.is_match(container.name) {
            return Ok(None);
        }
    }
    let approval = match either("approvals").map(|needed| needed.parse::<u32>().map_err(|_| needed)) {
        None | Some(Ok(0)) => None,
        Some(Ok(needed)) => Some(format!(
            "{KEEL}approvals: {needed}: a person has to approve it by `lockstep release`, or by merging it where the settings have pull-requests"
        )),
        Some(Err(needed)) => return Err(wrong(format!("{KEEL}approvals: {needed:?} is not a number"))),
    };
    let keys = ["policy", "matchTag", "match-tag", "matchPreRelease"];
    let words = keys.into_iter().filter_map(|key| Some((key, text(source, key)?))).collect();
    Ok(Some(Foreign { tool: Tool::Keel, words, automated: true, origin, more: More { approval, ..More::default() } }))
}

/// The words on an Argo CD Application are about the images that its list names.
fn of_image_updater(subject: &Subject<'_>, container: &Container<'_>) -> Said {
    let Some(entries) = subject.annotations.get(IMAGE_LIST).filter(|_| subject.object.kind == "Application") else {
        return Ok(None);
    };
    let entries = entries_of(entries);
    let is_it = |entry: &&str| container.repository.is_some() && listed(entry).as_ref() == container.repository;
    let Some(entry) = entries.clone().find(is_it) else { return Ok(None) };
    let elsewhere = format!("{IMAGE_UPDATER}write-back-target");
    if let Some(target) = subject.annotations.get(&elsewhere) {
        let message = format!(
            "{elsewhere}: {target:?} is another file; write the policy there, in a comment `# lockstep:` behind the tag, and take {IMAGE_LIST} away"
        );
        return Err(Wrong { line: subject.origin(&elsewhere).line(), message });
    }
    let alias = entry.split_once('=').map(|(alias, _)| alias).filter(|alias| is_alias(alias));
    let mut words = vec![("image", entry)];
    for key in ["update-strategy", "allow-tags", "tag-match", "ignore-tags", "platforms"] {
        let own = alias.and_then(|alias| subject.annotations.get(&format!("{IMAGE_UPDATER}{alias}.{key}")));
        let value = own.or_else(|| subject.annotations.get(&format!("{IMAGE_UPDATER}{key}")));
        words.extend(value.map(|value| (key, value.as_str())));
    }
    let (words, origin) = (words.into_iter().collect(), subject.origin(IMAGE_LIST));
    Ok(Some(Foreign { tool: Tool::ImageUpdater, words, automated: true, origin, more: More::default() }))
}

fn entries_of(list: &str) -> impl Iterator<Item = &str> + Clone {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// The images of an Application's list that stand nowhere in it: the tool would add them, and no key is ever added here.
pub(super) fn absent(subject: &Subject<'_>, containers: &[Container<'_>]) -> Vec<Wrong> {
    let Some(entries) = subject.annotations.get(IMAGE_LIST).filter(|_| subject.object.kind == "Application") else {
        return Vec::new();
    };
    let is_here = |entry: &&str| {
        let named = listed(entry);
        named.is_some() && containers.iter().any(|container| container.repository == named.as_ref())
    };
    let wrong = |entry| Wrong {
        line: subject.origin(IMAGE_LIST).line(),
        message: format!(
            "{IMAGE_LIST}: {entry:?} stands nowhere in this Application, and no key is ever added; write it there, or put the policy where it stands, in a comment `# lockstep:` behind the tag"
        ),
    };
    entries_of(entries).filter(|entry| !is_here(entry)).map(wrong).collect()
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

fn of_flux2(subject: &Subject<'_>, container: &Container<'_>, setters: &Setters) -> Said {
    let Some(setter) = container.setter else { return Ok(None) };
    let wrong = |message: String| Wrong { line: Some(setter.line), message };
    let Some(policy) = setters.policy(&setter.policy) else {
        return Err(wrong(format!("there is no ImagePolicy {} below the paths of the settings", setter.policy)));
    };
    let repository = setters.repository(policy);
    match (repository.and_then(ImageRepository::image), container.repository) {
        (Some(named), Some(written)) if named != *written => {
            return Err(wrong(format!(
                "the ImagePolicy {} is about {named}, and {written} stands here; write the one there or the other here",
                setter.policy
            )));
        }
        (None, _) => {
            return Err(wrong(format!(
                "the ImageRepository of the ImagePolicy {} is not there, or names no image",
                setter.policy
            )));
        }
        _ => {}
    }
    let excluded = repository.map_or(Ok(None), ImageRepository::excluded).map_err(|problem| {
        wrong(format!("the ImageRepository of the ImagePolicy {}: exclusionList: {problem}", setter.policy))
    })?;
    Ok(Some(Foreign {
        tool: Tool::Flux2,
        words: policy.words.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        automated: true,
        origin: Origin::Line(policy.file.clone(), policy.line),
        more: More {
            suspended: setters.suspended(&setter.policy, subject.file),
            skip_tags: excluded,
            reflects_digests: policy.reflects_digests(),
            approval: None,
        },
    }))
}
