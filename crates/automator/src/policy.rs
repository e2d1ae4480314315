//! What was written about the images of an object: in the settings, in its annotations, in comments on their lines.

mod expressions;
mod foreign;
mod said;
mod setters;
mod window;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use lockstep_image::Rule;
use lockstep_image::compat::{self, Tool};
use lockstep_manifest::{AUTOMATOR_KEYS, MARK_KEYS, SYNCHRONIZER_KEYS};

use crate::settings::PlaceRule;

pub(crate) use expressions::Expressions;
use foreign::Foreign;
pub(crate) use foreign::IMAGE_LIST;
use said::read_words;
pub(crate) use setters::{MARK as SETTERS_MARK, Setters};
pub(crate) use window::Window;
pub(crate) use words::{Container, Origin, Subject};
use words::{Words, keys};

const PREFIX: &str = "lockstep.dev/";

/// Keys that bind a person too.
const BOUNDS: [&str; 4] = ["locked", "pin", "platforms", "verify"];

/// What a comment says beside the keys: which image it means, and which part of it stands there.
const COMMENT_ONLY: [&str; 2] = ["image", "part"];

/// What becomes of a place when a cluster proves that our update of it does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The value before it is committed.
    Revert,
    /// Git is left as it is, and the tag goes to no further place.
    #[default]
    Hold,
    /// It is recorded.
    Ignore,
}

/// Whether an update writes a digest beside the tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pin {
    /// If one stands there.
    #[default]
    AsFound,
    /// Never.
    Tag,
    /// Always.
    TagAndDigest,
}

/// Everything that governs one place.
#[derive(Clone, Debug)]
pub(crate) struct PlacePolicy {
    /// Updates may be committed.
    pub(crate) automated: bool,
    pub(crate) rule: Rule,
    pub(crate) pin: Pin,
    /// The name of the key that must have signed an image.
    pub(crate) verify: Option<String>,
    /// Why no automatic change is made.
    pub(crate) locked: Option<String>,
    /// What a person has to approve, by a release.
    pub(crate) approval: Option<String>,
    pub(crate) on_failure: OnFailure,
    /// What it chooses, moves and is reverted with.
    pub(crate) group: Option<String>,
    /// When updates may be committed.
    pub(crate) window: Option<Window>,
    /// Where the policy stands, or what made this a place.
    pub(crate) origin: Origin,
    /// It is the policy of another tool, which is only listed.
    pub(crate) listed_only: bool,
}

impl PlacePolicy {
    /// Whether what moves is the digest of one tag.
    pub(crate) fn moves_digests(&self) -> bool {
        self.rule.policy.moves_digests()
    }

    /// Whether a digest is written behind the tag. What was verified is what must run, so it always is then.
    pub(crate) fn writes_digest(&self, found: bool) -> bool {
        self.verify.is_some()
            || self.moves_digests()
            || self.pin == Pin::TagAndDigest
            || (found && self.pin == Pin::AsFound)
    }
}

/// What is wrong, and on which line, if not that of the object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wrong {
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

/// Whether any annotation is addressed to the automator, or to a tool like it, readable or not.
pub(crate) fn concerns(annotations: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    is_addressed(annotations) || foreign::concerns(annotations.keys(), labels.keys())
}

/// The images of the object's list that stand nowhere in it, where the settings name the tool that has such lists.
pub(crate) fn absent(subject: &Subject<'_>, containers: &[Container<'_>], given: &Given<'_>) -> Vec<Wrong> {
    if given.compat.contains(&Tool::ImageUpdater) { foreign::absent(subject, containers) } else { Vec::new() }
}

/// Whether Flux v1 was told about the object, and nobody wrote a policy of ours there.
pub(crate) fn is_of_flux1_alone(annotations: &BTreeMap<String, String>) -> bool {
    let ours = keys(annotations).any(|(key, _, _)| key == "policy" || key == "automated");
    !ours && foreign::is_of_flux1(annotations)
}

fn is_addressed(annotations: &BTreeMap<String, String>) -> bool {
    keys(annotations).any(|(key, _, _)| !is_synchronizers(key))
}

/// Keys that are the synchronizer's business.
fn is_synchronizers(key: &str) -> bool {
    SYNCHRONIZER_KEYS.contains(&key) || MARK_KEYS.contains(&key)
}

/// What policies are read with, beside what stands at the image itself.
#[derive(Clone, Debug)]
pub(crate) struct Given<'a> {
    /// Of the settings.
    pub(crate) rules: &'a [PlaceRule],
    /// The tools whose words are acted on.
    pub(crate) compat: &'a BTreeSet<Tool>,
    pub(crate) setters: Setters,
    /// People merge every change.
    pub(crate) reviewed: bool,
    /// What was read before.
    pub(crate) expressions: &'a Expressions,
}

/// What is wrong with words of the settings, by key.
pub(crate) fn problems<'a>(words: impl Iterator<Item = (&'static str, &'a str)>) -> Vec<(&'static str, String)> {
    let words: BTreeMap<&str, &str> = words.collect();
    read_words(|key| words.get(key).copied(), None, &Expressions::default()).err().unwrap_or_default()
}

/// What governs each of an object's images, in their order. `None` for one that is left alone.
///
/// # Errors
/// Everything that is wrong with what is written about the object. Nothing may be selected for it then.
pub(crate) fn read(
    subject: &Subject<'_>,
    containers: &[Container<'_>],
    given: &Given<'_>,
) -> Result<Vec<Option<PlacePolicy>>, Vec<Wrong>> {
    let annotations = subject.annotations;
    let mut wrong = check_keys(subject, containers);
    let chosen_one_by_one = keys(annotations).any(|(key, container, _)| key == "policy" && container.is_some());
    let mut policies = Vec::with_capacity(containers.len());
    for container in containers {
        let words = Words::about(subject, container, given.rules);
        match read_one(subject, container, &words, given, chosen_one_by_one) {
            Ok(policy) => policies.push(policy),
            Err(problems) => wrong.extend(problems),
        }
    }
    wrong.sort();
    wrong.dedup();
    if wrong.is_empty() { Ok(policies) } else { Err(wrong) }
}

fn read_one(
    subject: &Subject<'_>,
    container: &Container<'_>,
    words: &Words<'_>,
    given: &Given<'_>,
    chosen_one_by_one: bool,
) -> Result<Option<PlacePolicy>, Vec<Wrong>> {
    let mut said = read_words(|key| words.text(key), container.tag, given.expressions)
        .map_err(|problems| words.wrong(problems))?;
    let ours = words.get("policy").is_some() || words.get("automated").is_some();
    let foreign = if ours { None } else { foreign(subject, container, given).map_err(|wrong| vec![wrong])? };
    let mut policy = match foreign {
        Some((foreign, rule)) => {
            let acted_on = given.compat.contains(&foreign.tool);
            said.automated = foreign.automated && acted_on;
            said.rule = Rule {
                min_age: said.rule.min_age,
                platforms: if rule.platforms.is_empty() { said.rule.platforms } else { rule.platforms },
                verify: said.rule.verify,
                skip_tags: foreign.more.skip_tags,
                ..rule
            };
            let mut policy = PlacePolicy { listed_only: !acted_on, ..said.at(foreign.origin) };
            if foreign.more.reflects_digests && words.get("pin").is_none() && container.takes_digest {
                policy.pin = Pin::TagAndDigest;
            }
            policy.locked = policy.locked.or(foreign.more.suspended);
            policy.approval = foreign.more.approval.filter(|_| !given.reviewed);
            policy
        }
        None => {
            let opened = is_addressed(subject.annotations) || words.get("policy").is_some() || said.automated;
            if !opened || (chosen_one_by_one && words.get("policy").is_none()) {
                return Ok(None);
            }
            let origin = words.origin().cloned().unwrap_or_else(|| Origin::Line(subject.file.to_owned(), subject.line));
            said.at(origin)
        }
    };
    policy.locked = policy.locked.or_else(|| foreign::lock(subject));
    if policy.automated && is_immutable_job(subject) {
        let message = format!(
            "a Job's image cannot be changed in place: add {PREFIX}replace: on-immutable, or take its automation away"
        );
        return Err(vec![Wrong { line: None, message }]);
    }
    Ok(Some(policy))
}

/// What binds a person too, at an image that no policy governs, or none that can be read.
///
/// # Errors
/// What is wrong with these words.
pub(crate) fn bounds(
    subject: &Subject<'_>,
    container: &Container<'_>,
    rules: &[PlaceRule],
) -> Result<PlacePolicy, Vec<Wrong>> {
    let words = Words::about(subject, container, rules);
    let text = |key| words.text(key).filter(|_| BOUNDS.contains(&key));
    let said = read_words(text, container.tag, &Expressions::default());
    let said = said.map_err(|problems| words.wrong(problems))?;
    let mut policy = said.at(Origin::Line(subject.file.to_owned(), subject.line));
    policy.locked = policy.locked.or_else(|| foreign::lock(subject));
    Ok(policy)
}

/// Another tool's words about the image, and the rule that they make.
fn foreign(
    subject: &Subject<'_>,
    container: &Container<'_>,
    given: &Given<'_>,
) -> Result<Option<(Foreign, Rule)>, Wrong> {
    let Some(foreign) = foreign::find(subject, container, &given.setters, given.compat)? else { return Ok(None) };
    match compat::rule(foreign.tool, &foreign.words, container.tag) {
        Ok(rule) => Ok(rule.map(|rule| (foreign, rule))),
        Err(error) if given.compat.contains(&foreign.tool) => {
            Err(Wrong { line: foreign.origin.line(), message: error.to_string() })
        }
        Err(_) => Ok(None),
    }
}

fn check_keys(subject: &Subject<'_>, containers: &[Container<'_>]) -> Vec<Wrong> {
    let annotations = subject.annotations;
    let names: BTreeSet<&str> = containers.iter().map(|container| container.name).collect();
    let mut wrong = Vec::new();
    let mut problem = |line, message| wrong.push(Wrong { line, message });
    for (key, container, _) in keys(annotations) {
        if is_synchronizers(key) {
            continue;
        }
        let written = container.map_or(format!("{PREFIX}{key}"), |container| format!("{PREFIX}{key}.{container}"));
        let line = subject.annotation_lines.get(&written).copied();
        if let Some(message) = unknown(key, &format!("{PREFIX}{key}")) {
            problem(line, message);
        } else if let Some(container) = container.filter(|container| !names.contains(container)) {
            problem(line, format!("{written}: the object has no container {container:?} with an image"));
        }
    }
    for comment in containers.iter().filter_map(|container| container.comment) {
        for key in comment.options.keys().filter(|key| !COMMENT_ONLY.contains(&key.as_str())) {
            if let Some(message) = unknown(key, &format!("the comment's {key}")) {
                problem(Some(comment.line), message);
            }
        }
    }
    wrong
}

fn unknown(key: &str, written: &str) -> Option<String> {
    (!AUTOMATOR_KEYS.contains(&key)).then(|| format!("{written} is no key that Lockstep knows; check the spelling"))
}

/// Jobs refuse another image; the synchronizer deletes and creates those that say so.
fn is_immutable_job(subject: &Subject<'_>) -> bool {
    let replaced = subject.annotations.get("lockstep.dev/replace").is_some_and(|value| value == "on-immutable");
    subject.object.kind == "Job" && !replaced
}

#[cfg(test)]
mod tests;
