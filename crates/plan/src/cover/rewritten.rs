//! Values of Git that an apply did not bring: something behind the API server stored others.
//!
//! Admission runs after the managed fields are computed, so our entry covers a field whatever admission made of it. Only
//! the object itself tells. The entry says which lists have keys; what it does not hold is [`cover`](super::cover)'s matter.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::items::{ListNode, match_items};
use super::walk::is_leaf;
use crate::canonical::same;
use crate::difference::{FieldChange, differences};
use crate::live::LiveMetadata;

/// Who is named where admission rewrites a field: it has no field manager of its own.
pub const ADMISSION: &str = "(admission)";

/// In these a zero asks for the default.
const DEFAULTED: [&str; 4] = ["failureThreshold", "periodSeconds", "successThreshold", "timeoutSeconds"];
/// The API server itself adds to these at every write of a Pod.
const APPENDED: &str = "tolerations";

/// Padding is wanted, stray bits in the last letter are not looked at, as in Go.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The fields that have another value in the answer to an apply (or its dry run) than in what was applied: the answer's
/// value before, Git's after. Another spelling of the same quantity, time, number or base64 is the same value; what is
/// there beside Git's fields is nobody's matter here. Values of Secrets are masked.
pub fn rewritten(applied: &Value, live: &LiveMetadata, answer: &Value) -> Vec<FieldChange> {
    let Some(own) = live.own_entry().filter(|own| applied["apiVersion"] == own.api_version.as_str()) else {
        return Vec::new();
    };
    let mut walk = Walk { pointer: String::new(), found: Vec::new() };
    if let (Some(git), Some(stored), false) = (applied.as_object(), answer.as_object(), is_leaf(&own.fields)) {
        walk.map(git, Some(&own.fields), stored);
    }
    if walk.found.is_empty() {
        return Vec::new();
    }
    let mut as_in_git = answer.clone();
    for (pointer, git) in &walk.found {
        put(&mut as_in_git, pointer, git);
    }
    differences(Some(answer), Some(&as_in_git))
}

struct Walk<'a> {
    /// The way to the value in the answer.
    pointer: String,
    found: Vec<(String, &'a Value)>,
}

impl<'a> Walk<'a> {
    /// Without a node of the entry, all of the map is one value of ours.
    fn map(&mut self, git: &'a Map<String, Value>, node: Option<&Value>, stored: &Map<String, Value>) {
        for (name, git) in git {
            let child = node.map(|node| node.get(format!("f:{name}")));
            if child != Some(None) {
                let step = name.replace('~', "~0").replace('/', "~1");
                self.below(&step, |walk| walk.value(git, child.flatten(), stored.get(name)));
            }
        }
    }

    fn value(&mut self, git: &'a Value, node: Option<&Value>, stored: Option<&Value>) {
        let node = node.filter(|node| !is_leaf(node));
        match (git, stored) {
            (Value::Null, _) => {}
            (Value::Object(git), Some(Value::Object(stored))) => self.map(git, node, stored),
            (Value::Array(git), Some(Value::Array(_))) if git.is_empty() => {}
            (Value::Array(items), Some(Value::Array(stored))) => match node {
                Some(node) => self.list(items, node, stored),
                None => self.items(git, items, stored),
            },
            (_, None) if is_zero(git) => {}
            (_, Some(stored)) if means_the_same(git, stored) || self.asks_for_default(git) => {}
            _ => self.lose(git),
        }
    }

    /// A list whose items have keys, or a set.
    fn list(&mut self, git: &'a [Value], node: &Value, stored: &[Value]) {
        let list = ListNode::read(node);
        for (item, key) in git.iter().zip(match_items(git, &list)) {
            match key {
                Some(key) => match stored.iter().position(|stored| key.is_of(stored)) {
                    Some(place) => {
                        self.below(&place.to_string(), |walk| walk.value(item, Some(key.node), stored.get(place)));
                    }
                    None => self.below("-", |walk| walk.lose(item)),
                },
                None if list.member(item).is_some() && !stored.iter().any(|stored| same(item, stored)) => {
                    self.below("-", |walk| walk.lose(item));
                }
                None => {}
            }
        }
    }

    /// A list that is one value.
    fn items(&mut self, git: &'a Value, items: &'a [Value], stored: &[Value]) {
        let is_appended = self.name() == APPENDED && stored.len() > items.len();
        if stored.len() != items.len() && !is_appended {
            return self.lose(git);
        }
        for (place, (item, stored)) in items.iter().zip(stored).enumerate() {
            self.below(&place.to_string(), |walk| walk.value(item, None, Some(stored)));
        }
    }

    fn below(&mut self, step: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(step);
        walk(self);
        self.pointer.truncate(length);
    }

    fn lose(&mut self, git: &'a Value) {
        self.found.push((self.pointer.clone(), git));
    }

    fn name(&self) -> &str {
        self.pointer.rsplit('/').next().unwrap_or_default()
    }

    fn asks_for_default(&self, git: &Value) -> bool {
        let name = self.name();
        match git {
            Value::String(text) => text.is_empty(),
            Value::Number(number) if number.as_f64() == Some(0.0) => {
                DEFAULTED.contains(&name) || name == "port" || name.ends_with("Port")
            }
            _ => false,
        }
    }
}

/// Puts a value where the pointer leads; `-` adds an item to a list.
fn put(object: &mut Value, pointer: &str, git: &Value) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.insert(name.replace("~1", "/").replace("~0", "~"), git.clone())),
        Some(Value::Array(items)) => match name.parse().ok().and_then(|place: usize| items.get_mut(place)) {
            Some(item) => git.clone_into(item),
            None => items.push(git.clone()),
        },
        _ => {}
    }
}

/// Whether the API server leaves the field out for this value.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_zero),
    }
}

fn means_the_same(git: &Value, stored: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    same(git, stored)
        || text(git).zip(text(stored)).is_some_and(|(git, stored)| {
            git == stored
                || both(quantity, &git, &stored, |one, other| (one - other).abs() <= one.abs() * 1e-9)
                || both(|text| text.parse::<Timestamp>().ok(), &git, &stored, |one, other| one == other)
                || both(bytes, &git, &stored, |one, other| one == other)
        })
}

fn both<T>(read: impl Fn(&str) -> Option<T>, git: &str, stored: &str, agree: impl Fn(T, T) -> bool) -> bool {
    read(git).zip(read(stored)).is_some_and(|(git, stored)| agree(git, stored))
}

/// A number with a suffix of Kubernetes: `500m`, `1Gi`, `1e3`.
fn quantity(text: &str) -> Option<f64> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let end = text.rfind(|letter: char| letter.is_ascii_digit() || letter == '.')? + 1;
    let number: f64 = text[..end].parse().ok()?;
    // Small ones are divided: a thousandth is no binary fraction.
    Some(match &text[end..] {
        "n" => number / 1e9,
        "u" => number / 1e6,
        "m" => number / 1e3,
        "k" => number * 1e3,
        "M" => number * 1e6,
        "G" => number * 1e9,
        "T" => number * 1e12,
        "P" => number * 1e15,
        "E" => number * 1e18,
        "Ki" => number * 1024_f64,
        "Mi" => number * 1024_f64.powi(2),
        "Gi" => number * 1024_f64.powi(3),
        "Ti" => number * 1024_f64.powi(4),
        "Pi" => number * 1024_f64.powi(5),
        "Ei" => number * 1024_f64.powi(6),
        _ => return None,
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace(['\n', '\r'], "")).ok()
}

#[cfg(test)]
mod tests;
