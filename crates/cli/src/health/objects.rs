//! Objects as a server gave them: lists taken apart, and no name asked for.

use lockstep_manifest::documents;
use serde_json::Value;

/// Every object of a file, or all that is wrong with it, each with file and line.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Value>, Vec<String>> {
    let documents =
        documents(file, text).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let mut objects = Vec::new();
    let mut problems = Vec::new();
    for (line, document) in documents {
        if let Err(problem) = take_apart(document, &mut objects) {
            problems.push(format!("{file}:{line}: {problem}"));
        }
    }
    if problems.is_empty() { Ok(objects) } else { Err(problems) }
}

fn take_apart(mut object: Value, objects: &mut Vec<Value>) -> Result<(), String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        return Err("not an object: a mapping with apiVersion and kind belongs here".to_owned());
    };
    let item_kind = kind.strip_suffix("List");
    let items = object.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
    let (Some(item_kind), Some(items)) = (item_kind, items) else {
        objects.push(object);
        return Ok(());
    };
    for mut item in items {
        // The items of a typed list, such as PodList, do not say what they are.
        if let Some(fields) = item.as_object_mut().filter(|_| !item_kind.is_empty()) {
            fields.entry("apiVersion").or_insert_with(|| api_version.clone().into());
            fields.entry("kind").or_insert_with(|| item_kind.into());
        }
        take_apart(item, objects)?;
    }
    Ok(())
}

/// `Kind/namespace/name` as far as the object says so.
pub(super) fn name(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let kind = text("/kind").unwrap_or_default();
    let name = text("/metadata/name").or(text("/metadata/generateName")).unwrap_or("(unnamed)");
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind}/{namespace}/{name}"),
        None => format!("{kind}/{name}"),
    }
}
