//! The golden folder of edits: `tests/golden/edit/CASE/{original.yaml,expected.yaml,case.json}`.
//! A case without `expected.yaml` must be refused at its line, for its reason.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "the test reads its own cases")]

use std::fs;
use std::path::Path;

use lockstep_manifest::{EditError, ScalarEdit, Selector, edit, set_image};
use serde_json::Value;

fn run(case: &Value, original: &str) -> Result<String, EditError> {
    let text = |name: &str| case[name].as_str().map(str::to_owned);
    if let Some(edits) = case["edits"].as_array() {
        let edits: Vec<ScalarEdit> = edits
            .iter()
            .map(|edit| ScalarEdit {
                document: edit["document"].as_u64().unwrap() as usize,
                pointer: edit["pointer"].as_str().unwrap().to_owned(),
                new: edit["new"].as_str().unwrap().to_owned(),
            })
            .collect();
        return edit("original.yaml", original, &edits);
    }
    let object = text("object").unwrap();
    let (kind, name) = object.split_once('/').unwrap();
    let selector = Selector {
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: text("namespace"),
        container: text("container").unwrap(),
    };
    set_image("original.yaml", original, &selector, &text("image").unwrap())
}

#[test]
fn every_golden_case_is_edited_or_refused_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/edit");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for folder in fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let case: Value = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
        let original = fs::read_to_string(folder.join("original.yaml")).unwrap();
        let expected = fs::read_to_string(folder.join("expected.yaml")).ok();
        seen += 1;
        match (run(&case, &original), expected) {
            (Ok(got), Some(expected)) if got == expected => {}
            (Ok(got), Some(_)) => wrong.push(format!("{name}: got\n{got}")),
            (Ok(got), None) => wrong.push(format!("{name}: was not refused, got\n{got}")),
            (Err(error), Some(_)) => wrong.push(format!("{name}: refused: {error}")),
            (Err(error), None) => {
                let reason = case["refused"].as_str().unwrap();
                if !error.reason.contains(reason) || case["line"].as_u64() != Some(error.line as u64) {
                    wrong.push(format!("{name}: refused otherwise: {error}"));
                }
            }
        }
    }
    assert!(seen >= 40, "only {seen} cases in {}", root.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
