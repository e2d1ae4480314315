//! The words about a place, read.

use jiff::SignedDuration;
use lockstep_image::{Platform, PlatformError, Rule, parse_duration};

use super::{Expressions, OnFailure, Origin, Pin, PlacePolicy, Window};

/// A policy that is read, wherever it stands.
pub(super) struct Said {
    pub(super) automated: bool,
    pub(super) rule: Rule,
    pin: Pin,
    verify: Option<String>,
    locked: Option<String>,
    on_failure: OnFailure,
    group: Option<String>,
    window: Option<Window>,
}

impl Said {
    pub(super) fn at(self, origin: Origin) -> PlacePolicy {
        let Self { automated, rule, pin, verify, locked, on_failure, group, window } = self;
        let (approval, listed_only) = (None, false);
        PlacePolicy { automated, rule, pin, verify, locked, approval, on_failure, group, window, origin, listed_only }
    }
}

/// By key.
pub(super) type Problems = Vec<(&'static str, String)>;

/// Reads the words of one place; `current` is its tag.
pub(super) fn read_words<'a>(
    value: impl Fn(&'static str) -> Option<&'a str>,
    current: Option<&str>,
    expressions: &Expressions,
) -> Result<Said, Problems> {
    let mut wrong = Problems::new();
    let policy = note(&mut wrong, "policy", expressions.policy(value("policy").unwrap_or_default(), current));
    let on_failure = note(&mut wrong, "on-failure", value("on-failure").map_or(Ok(OnFailure::default()), on_failure));
    let pin = note(&mut wrong, "pin", value("pin").map_or(Ok(Pin::default()), pin));
    let mut switch = |key| note(&mut wrong, key, value(key).map_or(Ok(false), is_true)).unwrap_or_default();
    let (automated, allow_downgrade) = (switch("automated"), switch("allow-downgrade"));
    let mut filter = |key| note(&mut wrong, key, value(key).map(|text| expressions.filter(text)).transpose()).flatten();
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
    if pin == Pin::Tag && (verified || rule.policy.moves_digests()) {
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
