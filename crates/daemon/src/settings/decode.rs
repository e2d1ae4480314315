//! From the merged value to the daemon's type, with all problems instead of the first.
//!
//! serde stops at its first error. So a value that does not fit is noted and taken out, and what
//! is left is decoded again, until it fits or nothing can be taken out any more.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_ignored::Path as Ignored;
use serde_json::Value;
use serde_path_to_error::{Segment, Track};

use super::{
    mask_urls,
    origin::{KeyPath, Origin, Origins, Problem},
};

/// Decodes; nothing if a problem was found. The value may still come back beside unknown keys,
/// so that the daemon's own checks can add to them.
pub(super) fn decode<T: DeserializeOwned>(
    mut value: Value,
    origins: &Origins,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut unknown = BTreeSet::new();
    let mut wrong: Vec<KeyPath> = Vec::new();
    let mut taken_out: Vec<KeyPath> = Vec::new();
    let mut seen_as_yaml = BTreeSet::new();

    let settings = loop {
        let (path, message) = match attempt::<T>(&value, |path| {
            unknown.insert(original(&path, &taken_out));
        }) {
            Ok(settings) => break wrong.is_empty().then_some(settings),
            Err(failure) => failure,
        };
        let place = original(&path, &taken_out);
        let origin = origins.of(&place);

        // Variables and flags hold text; what the type wants may be a number or a list.
        if matches!(origin, Origin::Environment { .. } | Origin::Flag { .. })
            && let Some(Value::String(text)) = find(&mut value, &path).map(|found| &*found)
            && seen_as_yaml.insert(place.clone())
            && let Ok(meant) = serde_saphyr::from_str::<Value>(text)
        {
            if let Some(found) = find(&mut value, &path) {
                *found = meant;
            }
            continue;
        }

        let place = match missing_field(&message) {
            Some(field) => place.then(field),
            None => place,
        };
        // A required value that was taken out because it is wrong is not missing as well.
        if !wrong.iter().any(|wrong| wrong.starts_with(&place)) {
            let message = match missing_field(&message) {
                Some(_) => "is required and not set".to_owned(),
                None => mask_urls(&message),
            };
            problems.push(Problem { origin: origins.of(&place), key: place.to_string(), message });
        }
        wrong.push(place);
        if !take_out(&mut value, &path) {
            break None;
        }
        if path.segments().last().is_some_and(|last| last.parse::<usize>().is_ok()) {
            taken_out.push(original(&path, &taken_out));
        }
    };

    problems.extend(unknown.into_iter().map(|path| Problem {
        origin: origins.of(&path),
        key: path.to_string(),
        message: "there is no such setting".to_owned(),
    }));
    settings
}

fn attempt<T: DeserializeOwned>(value: &Value, mut unknown: impl FnMut(KeyPath)) -> Result<T, (KeyPath, String)> {
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let mut ignored = |path: Ignored<'_>| unknown(ignored_path(&path));
    T::deserialize(serde_ignored::Deserializer::new(tracked, &mut ignored)).map_err(|error| {
        let path = track.path().iter().fold(KeyPath::default(), |path, segment| match segment {
            Segment::Seq { index } => path.then(index),
            Segment::Map { key } => path.then(key),
            Segment::Enum { variant } => path.then(variant),
            Segment::Unknown => path,
        });
        (path, error.to_string())
    })
}

fn ignored_path(path: &Ignored<'_>) -> KeyPath {
    match path {
        Ignored::Root => KeyPath::default(),
        Ignored::Seq { parent, index } => ignored_path(parent).then(index),
        Ignored::Map { parent, key } => ignored_path(parent).then(key),
        Ignored::Some { parent } | Ignored::NewtypeStruct { parent } | Ignored::NewtypeVariant { parent } => {
            ignored_path(parent)
        }
    }
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn find<'a>(value: &'a mut Value, path: &KeyPath) -> Option<&'a mut Value> {
    path.segments().iter().try_fold(value, |place, segment| match place {
        Value::Object(map) => map.get_mut(segment),
        Value::Array(list) => list.get_mut(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

fn take_out(value: &mut Value, path: &KeyPath) -> bool {
    let (Some(parent), Some(last)) = (path.parent(), path.segments().last()) else { return false };
    match find(value, &parent) {
        Some(Value::Object(map)) => map.remove(last).is_some(),
        Some(Value::Array(list)) => match last.parse::<usize>() {
            Ok(index) if index < list.len() => {
                list.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Where a value stood before entries in front of it were taken out of its list.
fn original(path: &KeyPath, taken_out: &[KeyPath]) -> KeyPath {
    path.segments().iter().fold(KeyPath::default(), |before, segment| {
        let Ok(mut index) = segment.parse::<usize>() else { return before.then(segment) };
        let mut gone: Vec<usize> = taken_out
            .iter()
            .filter(|taken| taken.parent().as_ref() == Some(&before))
            .filter_map(|taken| taken.segments().last()?.parse().ok())
            .collect();
        gone.sort_unstable();
        for taken in gone {
            if taken <= index {
                index += 1;
            }
        }
        before.then(index)
    })
}
