//! `--print-config`: the settings that hold, without secrets.

use serde::Serialize;
use serde_json::Value;

use super::origin::{Origin, Problem, SettingsErrors};

const MASK: &str = "***";

/// The settings as YAML. Passwords in URLs and values under keys that sound like secrets are
/// masked, although no setting should hold one; keys of files (`token-file`) are shown.
///
/// # Errors
/// If the settings are not representable as YAML, which is a fault of their type.
pub fn printed<T: Serialize>(settings: &T) -> Result<String, SettingsErrors> {
    let problem =
        |message: String| SettingsErrors(vec![Problem { origin: Origin::Default, key: String::new(), message }]);
    let mut value = serde_json::to_value(settings).map_err(|error| problem(error.to_string()))?;
    mask(&mut value, false);
    serde_saphyr::to_string(&value).map_err(|error| problem(error.to_string()))
}

fn mask(value: &mut Value, secret: bool) {
    match value {
        Value::Object(map) => {
            map.iter_mut().for_each(|(key, value)| mask(value, !names_a_place(key) && (secret || sounds_secret(key))));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| mask(value, secret)),
        Value::Null | Value::Bool(_) => {}
        Value::Number(_) | Value::String(_) if secret => *value = MASK.into(),
        Value::Number(_) => {}
        Value::String(text) => *text = mask_urls(text),
    }
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["password", "passwd", "secret", "token", "private-key", "credential"].iter().any(|word| key.contains(word))
}

/// Where a secret is may be known, also under `credentials`.
fn names_a_place(key: &str) -> bool {
    ["-file", "-ref", "-directory"].iter().any(|end| key.ends_with(end))
}

/// The text with the user part of every URL in it masked: `https://***@host/`.
pub(crate) fn mask_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        masked.push_str(before);
        let end = after
            .find(|character: char| "/?#\"'`<>".contains(character) || character.is_whitespace())
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                masked.push_str(MASK);
                &after[at..]
            }
            None => after,
        };
    }
    masked.push_str(rest);
    masked
}
