//! What was written about the images of an object: in the settings, in its annotations, in comments on their lines.

mod window;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use lockstep_image::{Platform, PlatformError, Policy, Rule, TagFilter, parse_duration};

use crate::settings::PlaceRule;

pub(crate) use window::Window;
pub(crate) use words::{Container, Origin, Subject};
use words::{Words, keys};

const PREFIX: &str = "lockstep.dev/";

/// Keys that this version acts on.
const KEYS: [&str; 13] = [
    "automated",
    "policy",
    "tags",
    "skip-tags",
    "min-age",
    "pin",
    "platforms",
    "verify",
    "locked",
    "on-failure",
    "group",
    "window",
    "allow-downgrade",
];

/// Keys that are the synchronizer's business.
const SYNCHRONIZER: [&str; 14] = [
    "sync",
    "sync-namespace",
    "id",
    "applied",
    "prune",
    "apply",
    "ignore-fields",
    "replace",
    "wave",
    "depends-on",
    "adopt",
    "acknowledge",
    "health",
    "drift",
];

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
    pub(crate) on_failure: OnFailure,
    /// What it chooses, moves and is reverted with.
    pub(crate) group: Option<String>,
    /// When updates may be committed.
    pub(crate) window: Option<Window>,
    /// Where the policy stands, or what made this a place.
    pub(crate) origin: Origin,
}

impl PlacePolicy {
    /// Whether what moves is the digest of one tag.
    pub(crate) fn moves_digests(&self) -> bool {
        moves_digests(&self.rule)
    }

    /// Whether a digest is written behind the tag. What was verified is what must run, so it always is then.
    pub(crate) fn writes_digest(&self, found: bool) -> bool {
        self.verify.is_some()
            || self.moves_digests()
            || self.pin == Pin::TagAndDigest
            || (found && self.pin == Pin::AsFound)
    }
}

fn moves_digests(rule: &Rule) -> bool {
    rule.policy.to_string().starts_with("digest:")
}

/// What is wrong, and on which line, if not that of the object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wrong {
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

/// Whether any annotation is addressed to the automator, readable or not.
pub(crate) fn concerns(annotations: &BTreeMap<String, String>) -> bool {
    keys(annotations).any(|(key, _, _)| !SYNCHRONIZER.contains(&key))
}

/// What is wrong with words of the settings, by key.
pub(crate) fn problems<'a>(words: impl Iterator<Item = (&'static str, &'a str)>) -> Vec<(&'static str, String)> {
    let words: BTreeMap<&str, &str> = words.collect();
    read_words(|key| words.get(key).copied(), None).err().unwrap_or_default()
}

/// What governs each of an object's images, in their order. `None` for one that is left alone.
///
/// # Errors
/// Everything that is wrong with what is written about the object. Nothing may be selected for it then.
pub(crate) fn read(
    subject: &Subject<'_>,
    containers: &[Container<'_>],
    rules: &[PlaceRule],
) -> Result<Vec<Option<PlacePolicy>>, Vec<Wrong>> {
    let annotations = subject.annotations;
    let mut wrong = check_keys(annotations, containers);
    let chosen_one_by_one = keys(annotations).any(|(key, container, _)| key == "policy" && container.is_some());
    let annotated = concerns(annotations);
    let mut policies = Vec::with_capacity(containers.len());
    for container in containers {
        let words = Words::about(subject, container, rules);
        let opened = annotated || container.comment.is_some() || words.get("policy").is_some() || {
            words.text("automated") == Some("true")
        };
        if !opened || (chosen_one_by_one && words.get("policy").is_none()) {
            policies.push(None);
            continue;
        }
        let origin = words.origin().cloned().unwrap_or_else(|| Origin::Line(subject.file.to_owned(), subject.line));
        match read_words(|key| words.text(key), container.tag) {
            Ok(said) => {
                if said.automated && is_immutable_job(subject) {
                    wrong.push(Wrong {
                        line: None,
                        message: format!(
                            "a Job's image cannot be changed in place: add {PREFIX}replace: on-immutable, or take {PREFIX}automated away"
                        ),
                    });
                }
                policies.push(Some(said.at(origin)));
            }
            Err(problems) => wrong.extend(problems.into_iter().map(|(key, problem)| {
                let word = words.get(key);
                let line = word.and_then(|word| match &word.origin {
                    Origin::Line(_, line) => Some(*line),
                    Origin::Rule(_) => None,
                });
                let key = word.map_or_else(|| format!("{PREFIX}{key}"), |word| word.key.clone());
                Wrong { line, message: format!("{key}: {problem}") }
            })),
        }
    }
    wrong.sort();
    wrong.dedup();
    if wrong.is_empty() { Ok(policies) } else { Err(wrong) }
}

fn check_keys(annotations: &BTreeMap<String, String>, containers: &[Container<'_>]) -> Vec<Wrong> {
    let names: BTreeSet<&str> = containers.iter().map(|container| container.name).collect();
    let mut wrong = Vec::new();
    let mut problem = |line, message| wrong.push(Wrong { line, message });
    for (key, container, _) in keys(annotations) {
        if SYNCHRONIZER.contains(&key) {
            continue;
        }
        if let Some(message) = unknown(key, &format!("{PREFIX}{key}")) {
            problem(None, message);
        } else if let Some(container) = container.filter(|container| !names.contains(container)) {
            let message = format!("{PREFIX}{key}.{container}: the object has no container {container:?} with an image");
            problem(None, message);
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
    (!KEYS.contains(&key)).then(|| format!("{written} is no key that Lockstep knows; check the spelling"))
}

/// Jobs refuse another image; the synchronizer deletes and creates those that say so.
fn is_immutable_job(subject: &Subject<'_>) -> bool {
    let replaced = subject.annotations.get("lockstep.dev/replace").is_some_and(|value| value == "on-immutable");
    subject.object.kind == "Job" && !replaced
}

/// A policy that is read, wherever it stands.
struct Said {
    automated: bool,
    rule: Rule,
    pin: Pin,
    verify: Option<String>,
    locked: Option<String>,
    on_failure: OnFailure,
    group: Option<String>,
    window: Option<Window>,
}

impl Said {
    fn at(self, origin: Origin) -> PlacePolicy {
        let Self { automated, rule, pin, verify, locked, on_failure, group, window } = self;
        PlacePolicy { automated, rule, pin, verify, locked, on_failure, group, window, origin }
    }
}

type Problems = Vec<(&'static str, String)>;

fn read_words<'a>(value: impl Fn(&'static str) -> Option<&'a str>, current: Option<&str>) -> Result<Said, Problems> {
    let mut wrong = Problems::new();
    let policy = note(&mut wrong, "policy", Policy::parse(value("policy").unwrap_or_default(), current));
    let on_failure = note(&mut wrong, "on-failure", value("on-failure").map_or(Ok(OnFailure::default()), on_failure));
    let pin = note(&mut wrong, "pin", value("pin").map_or(Ok(Pin::default()), pin));
    let mut switch = |key| note(&mut wrong, key, value(key).map_or(Ok(false), is_true)).unwrap_or_default();
    let (automated, allow_downgrade) = (switch("automated"), switch("allow-downgrade"));
    let mut filter = |key| note(&mut wrong, key, value(key).map(TagFilter::parse).transpose()).flatten();
    let (tags, skip_tags) = (filter("tags"), filter("skip-tags"));
    let min_age: Option<SignedDuration> =
        note(&mut wrong, "min-age", value("min-age").map(parse_duration).transpose()).flatten();
    let window = note(&mut wrong, "window", value("window").map(Window::parse).transpose()).flatten();
    let group = note(&mut wrong, "group", value("group").map(group).transpose()).flatten();
    let platforms = note(&mut wrong, "platforms", value("platforms").map_or(Ok(Vec::new()), platforms));
    let verify = note(&mut wrong, "verify", value("verify").map(key).transpose()).flatten();
    let (Some(policy), Some(on_failure), Some(pin), Some(platforms)) = (policy, on_failure, pin, platforms) else {
        return Err(wrong);
    };
    let verified = verify.is_some();
    let rule = Rule { tags, skip_tags, min_age, platforms, verify: verified, allow_downgrade, ..Rule::new(policy) };
    if pin == Pin::Tag && (verified || moves_digests(&rule)) {
        let by = if verified { "verify" } else { "the policy" };
        wrong.push(("pin", format!("\"tag\" leaves out the digest that {by} has to write; take one of them away")));
    }
    if wrong.is_empty() {
        Ok(Said { automated, rule, pin, verify, locked: value("locked").map(str::to_owned), on_failure, group, window })
    } else {
        Err(wrong)
    }
}

fn note<T, E: ToString>(wrong: &mut Problems, key: &'static str, read: Result<T, E>) -> Option<T> {
    read.map_err(|error| wrong.push((key, error.to_string()))).ok()
}

fn is_true(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither \"true\" nor \"false\"")),
    }
}

fn on_failure(text: &str) -> Result<OnFailure, String> {
    match text {
        "revert" => Ok(OnFailure::Revert),
        "hold" => Ok(OnFailure::Hold),
        "ignore" => Ok(OnFailure::Ignore),
        other => Err(format!("{other:?} is neither revert, hold nor ignore")),
    }
}

fn pin(text: &str) -> Result<Pin, String> {
    match text {
        "as-found" => Ok(Pin::AsFound),
        "tag" => Ok(Pin::Tag),
        "tag+digest" => Ok(Pin::TagAndDigest),
        other => Err(format!("{other:?} is neither as-found, tag nor tag+digest")),
    }
}

fn platforms(text: &str) -> Result<Vec<Platform>, String> {
    text.split(',').map(|platform| platform.trim().parse().map_err(|error: PlatformError| error.to_string())).collect()
}

/// `cosign:KEYNAME`; the settings say which key that is.
fn key(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some(("cosign", name)) if !name.is_empty() && !name.contains(char::is_whitespace) => Ok(name.to_owned()),
        _ => Err(format!("{text:?} is not cosign:KEYNAME, with the name of a key of the automator's settings")),
    }
}

/// The name ends up in the names of branches.
fn group(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if text.is_empty() || text.len() > 63 || !text.chars().all(plain) {
        return Err(format!("{text:?} is not a name: up to 63 letters, digits, - and _"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
