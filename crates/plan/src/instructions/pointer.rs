//! Where a field stands that is left to others.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::ownership::{APPLIED_ANNOTATION, ID_ANNOTATION, PART_OF_LABEL, SYNC_LABEL, SYNC_NAMESPACE_LABEL};

/// A JSON pointer (RFC 6901), such as `/spec/replicas`. An item of a list is named by its position, or better by one of
/// its fields: `/spec/template/spec/containers/[name=web]/image`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPointer(Vec<String>);

impl FieldPointer {
    /// The replicas of a workload.
    pub(crate) fn replicas() -> Self {
        Self(vec!["spec".to_owned(), "replicas".to_owned()])
    }

    /// The field in an object, if it is there.
    pub fn get<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(object, |value, name| match value {
            Value::Object(map) => map.get(name),
            Value::Array(items) => items.get(position(items, name)?),
            _ => None,
        })
    }

    /// The pointer with positions in place of names of items, as RFC 6901 has it. `None` where the list has no such item.
    pub fn in_object(&self, object: &Value) -> Option<String> {
        let mut names = Vec::with_capacity(self.0.len());
        let mut value = Some(object);
        for name in &self.0 {
            let (name, next) = match value {
                Some(Value::Array(items)) => {
                    let index = position(items, name)?;
                    (index.to_string(), items.get(index))
                }
                value => (name.clone(), value.and_then(|value| value.get(name))),
            };
            names.push(name);
            value = next;
        }
        Some(Self(names).to_string())
    }

    /// Takes the field out, and the maps that are empty without it: an empty map would claim what others put there.
    /// `false` where the way leads into a list and no item of it is meant.
    pub(crate) fn remove(&self, object: &mut Value) -> bool {
        remove(object, &self.0)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

fn remove(value: &mut Value, way: &[String]) -> bool {
    let [name, rest @ ..] = way else { return true };
    match value {
        Value::Object(map) if rest.is_empty() => {
            map.remove(name);
            true
        }
        Value::Object(map) => {
            let Some(child) = map.get_mut(name) else { return true };
            let had_content = child.as_object().is_some_and(|child| !child.is_empty());
            let found = remove(child, rest);
            if had_content && child.as_object().is_some_and(serde_json::Map::is_empty) {
                map.remove(name);
            }
            found
        }
        // To leave a whole item out of a list would delete it wherever the list is one value.
        Value::Array(items) if !rest.is_empty() => match position(items, name) {
            Some(index) => remove(&mut items[index], rest),
            None => false,
        },
        Value::Array(_) => false,
        _ => true,
    }
}

fn position(items: &[Value], name: &str) -> Option<usize> {
    if let Some((key, wanted)) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')?.split_once('=')) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return items.iter().position(|item| item.get(key).is_some_and(|value| text(value) == wanted));
    }
    let index = name.parse().ok()?;
    (index < items.len()).then_some(index)
}

impl FromStr for FieldPointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err("must be JSON pointers that begin with a slash, separated by commas".to_owned());
        };
        let names: Option<Vec<String>> = path.split('/').map(unescape).collect();
        let pointer = names.map(Self).ok_or("has a ~ that is neither ~0 nor ~1")?;
        match pointer.names()[..] {
            ["apiVersion" | "kind" | "metadata"]
            | ["metadata", "name" | "namespace" | "labels" | "annotations"]
            | ["metadata", "labels", SYNC_LABEL | SYNC_NAMESPACE_LABEL | PART_OF_LABEL, ..]
            | ["metadata", "annotations", ID_ANNOTATION | APPLIED_ANNOTATION, ..] => {
                Err(format!("cannot leave {text} to others: it says what the object is, or whose"))
            }
            [..] if pointer.0.iter().any(String::is_empty) => Err("has an empty name between two slashes".to_owned()),
            _ => Ok(pointer),
        }
    }
}

fn unescape(name: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.starts_with('0') || rest.starts_with('1');
    let valid = name.split('~').skip(1).all(is_escape);
    valid.then(|| name.replace("~1", "/").replace("~0", "~"))
}

impl fmt::Display for FieldPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.0 {
            write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}
