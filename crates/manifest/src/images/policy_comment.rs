//! What a comment says: `lockstep: POLICY [KEY=VALUE, …]`, and the setters of Flux v2.

use std::collections::BTreeMap;

use lockstep_image::Reference;

/// Which part of an image a scalar holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Ref,
    Name,
    Tag,
    Digest,
}

impl Part {
    fn parse(text: &str) -> Option<Part> {
        match text {
            "ref" => Some(Part::Ref),
            "name" => Some(Part::Name),
            "tag" => Some(Part::Tag),
            "digest" => Some(Part::Digest),
            _ => None,
        }
    }

    /// What a scalar holds by the name of its key.
    pub(super) fn by_key(key: &str) -> Part {
        match key {
            "newTag" | "tag" => Part::Tag,
            "digest" => Part::Digest,
            "newName" | "repository" => Part::Name,
            _ => Part::Ref,
        }
    }
}

/// A comment that says something about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolicyComment {
    pub(super) is_setter: bool,
    /// The policy; for a setter `NAMESPACE:NAME`.
    pub(super) policy: String,
    pub(super) options: BTreeMap<String, String>,
    /// The part, if it is said.
    pub(super) part: Option<Part>,
}

const WORD: &str = "lockstep:";
const SETTER: &str = "$imagepolicy";

/// Whether a comment is addressed to Lockstep, readable or not.
pub(super) fn is_ours(text: &str) -> bool {
    text.starts_with(WORD)
}

/// Whether a comment may be a setter.
pub(super) fn may_be_setter(text: &str) -> bool {
    text.starts_with('{') && text.contains(SETTER)
}

/// Reads a comment; `None` if it is for somebody else.
pub(super) fn read(text: &str) -> Result<Option<PolicyComment>, String> {
    match text.strip_prefix(WORD) {
        Some(said) => read_ours(said.trim()).map(Some),
        None => Ok(read_setter(text)),
    }
}

/// The comment that says this; `None` if it would be read as something else.
pub(crate) fn comment_of(policy: &str, options: &BTreeMap<String, String>) -> Option<String> {
    let option = |(key, value): (&String, &String)| {
        let plain = !value.contains([',', '"']) && value.trim() == value && !value.is_empty();
        if plain { format!("{key}={value}") } else { format!("{key}=\"{value}\"") }
    };
    let mut text = format!("{WORD} {policy}").trim_end().to_owned();
    if !options.is_empty() {
        let options: Vec<String> = options.iter().map(option).collect();
        text.push_str(&format!(" [{}]", options.join(", ")));
    }
    let same = |read: &PolicyComment| read.policy == policy && read.options == *options;
    let is_line = !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    (is_line && read(&text).ok().flatten().as_ref().is_some_and(same)).then_some(text)
}

/// `{"$imagepolicy": "NAMESPACE:NAME[:tag|:name|:digest]"}`, as fluxcd/image-automation-controller documents it.
fn read_setter(text: &str) -> Option<PolicyComment> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let said = value.as_object()?.get(SETTER)?.as_str()?;
    let mut parts = said.split(':');
    let (namespace, name, part) = (parts.next()?, parts.next()?, parts.next());
    let part = match part {
        None => Part::Ref,
        Some(part) => Part::parse(part).filter(|part| *part != Part::Ref)?,
    };
    let policy = format!("{namespace}:{name}");
    let whole = parts.next().is_none() && !namespace.is_empty() && !name.is_empty();
    whole.then_some(PolicyComment { is_setter: true, policy, options: BTreeMap::new(), part: Some(part) })
}

fn read_ours(said: &str) -> Result<PolicyComment, String> {
    let (policy, options) = split(said)?;
    let part = match options.get("part") {
        Some(text) => Some(Part::parse(text).ok_or(format!("part={text} is neither ref, name, tag nor digest"))?),
        None => None,
    };
    if let Some(image) = options.get("image") {
        let is_name = image.parse::<Reference>().is_ok_and(|image| image.tag().is_none() && image.digest().is_none());
        if !is_name {
            return Err(format!("image={image} is no name of an image: write it without tag and digest"));
        }
    }
    Ok(PolicyComment { is_setter: false, policy, options, part })
}

/// Takes the options off. A policy may have brackets in it, so they are the first ` [` from which on all is options.
fn split(said: &str) -> Result<(String, BTreeMap<String, String>), String> {
    let Some(inside) = said.strip_suffix(']') else { return Ok((said.to_owned(), BTreeMap::new())) };
    let mut error = None;
    for (at, _) in said.match_indices('[') {
        if at > 0 && !said[..at].ends_with([' ', '\t']) {
            continue;
        }
        match options(&inside[at + 1..]) {
            Ok(options) => return Ok((said[..at].trim().to_owned(), options)),
            Err(reason) => error = Some(reason),
        }
    }
    match error {
        Some(reason) => Err(reason),
        None => Ok((said.to_owned(), BTreeMap::new())),
    }
}

/// `KEY=VALUE, KEY="VALUE WITH, COMMA"`.
fn options(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut options = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .filter(|(key, _)| is_key(key.trim()))
            .ok_or("the brackets behind the policy hold KEY=VALUE, separated by commas")?;
        let key = key.trim();
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(format!("the quotes of {key} are not closed"))?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim(), &after[end..])
            }
        };
        rest = match behind.trim_start() {
            "" => "",
            more => more
                .strip_prefix(',')
                .map(str::trim)
                .filter(|more| !more.is_empty())
                .ok_or(format!("a comma and another KEY=VALUE must follow the value of {key}, or nothing"))?,
        };
        if options.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{key} stands twice in the brackets"));
        }
    }
    if options.is_empty() { Err("the brackets behind the policy are empty".to_owned()) } else { Ok(options) }
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase()) && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match read(text) {
            Ok(Some(comment)) => {
                let options: Vec<_> = comment.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} {} {:?}", comment.policy, options.join(";"), comment.part)
            }
            Ok(None) => "-".to_owned(),
            Err(reason) => reason,
        }
    }

    #[test]
    fn a_comment_is_a_policy_and_options() {
        let cases = [
            ("lockstep: semver:~1.4", "semver:~1.4  None"),
            ("lockstep:semver:>=1 <2 || ^3", "semver:>=1 <2 || ^3  None"),
            (
                "lockstep: semver:~1.4 [image=ghcr.io/acme/app, part=tag]",
                "semver:~1.4 image=ghcr.io/acme/app;part=tag Some(Tag)",
            ),
            ("lockstep: [automated=true]", " automated=true None"),
            ("lockstep:", "  None"),
            ("lockstep: regexp:^v[0-9]+$", "regexp:^v[0-9]+$  None"),
            ("lockstep: regexp:^v[0-9]", "regexp:^v[0-9]  None"),
            ("lockstep: glob:a [a-z] [part=tag]", "glob:a [a-z] part=tag Some(Tag)"),
            ("lockstep: glob:* [tags=\"^a [0-9],b]$\"]", "glob:* tags=^a [0-9],b]$ None"),
            ("lockstep: glob:* [tags=^v[0-9]+$, min-age=3d]", "glob:* min-age=3d;tags=^v[0-9]+$ None"),
            ("lockstep: glob:* [part=all]", "part=all is neither ref, name, tag nor digest"),
            (
                "lockstep: glob:* [image=ghcr.io/a/b:1]",
                "image=ghcr.io/a/b:1 is no name of an image: write it without tag and digest",
            ),
            ("lockstep: glob:* [image=A]", "image=A is no name of an image: write it without tag and digest"),
            ("lockstep: glob:* [part=tag, part=ref]", "part stands twice in the brackets"),
            ("lockstep: glob:* [part]", "the brackets behind the policy hold KEY=VALUE, separated by commas"),
            ("lockstep: glob:* []", "the brackets behind the policy are empty"),
            ("lockstep: glob:* [a=\"b]", "the quotes of a are not closed"),
            ("lockstep: glob:* [a=\"b\" c=d]", "a comma and another KEY=VALUE must follow the value of a, or nothing"),
            ("see lockstep: the manual", "-"),
            ("{\"$imagepolicy\": \"flux-system:app\"}", "flux-system:app  Some(Ref)"),
            ("{\"$imagepolicy\":\"flux-system:app:tag\"}", "flux-system:app  Some(Tag)"),
            ("{\"$imagepolicy\": \"flux-system:app:ref\"}", "-"),
            ("{\"$imagepolicy\": \"app\"}", "-"),
            ("{\"$imagepolicy\": \"a:b:tag:c\"}", "-"),
            ("{\"$imagepolicy\": \"a:b\"", "-"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
